#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/transforms.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

void expect_equal(const at::Tensor& got, const at::Tensor& expected) {
  ASSERT_EQ(got.scalar_type(), expected.scalar_type());
  ASSERT_EQ(got.sizes(), expected.sizes());
  EXPECT_TRUE(at::equal(got, expected)) << got << "\nexpected\n" << expected;
}

void expect_said(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

TEST(ModelTransforms, NoneChangesNothing) {
  const auto batch = at::rand({2, 3});
  EXPECT_TRUE(apply_transforms({}, batch).is_same(batch));
}

TEST(ModelTransforms, CastToAndFromEveryType) {
  for (const std::string& from : dtype_names())
    for (const std::string& to : dtype_names()) {
      SCOPED_TRACE(from + " to " + to);
      const auto batch = at::tensor({0.0F, 1.0F, 1.0F}).to(to_scalar_type(*dtype_from_name(from)));
      const auto got = apply_transforms({job::Cast{*dtype_from_name(to)}}, batch);
      EXPECT_EQ(got.scalar_type(), to_scalar_type(*dtype_from_name(to)));
      EXPECT_TRUE(at::equal(got.to(at::kFloat), at::tensor({0.0F, 1.0F, 1.0F})));
    }
}

TEST(ModelTransforms, ScaleOfEveryTypeIsAFloatAndACopy) {
  for (const std::string& name : dtype_names()) {
    SCOPED_TRACE(name);
    const auto type = to_scalar_type(*dtype_from_name(name));
    const auto batch = at::ones({2, 2}).to(type);
    const auto got = apply_transforms({job::Scale{0.5}, job::Scale{4}}, batch);
    EXPECT_EQ(got.scalar_type(), type == at::kDouble ? at::kDouble : at::kFloat);
    EXPECT_TRUE(at::equal(got.to(at::kFloat), at::full({2, 2}, 2.0F)));
    EXPECT_TRUE(at::equal(batch.to(at::kFloat), at::ones({2, 2}))) << "the batch was changed";
  }
}

TEST(ModelTransforms, NormalizeAChannelOrAll) {
  const auto batch = at::arange(12, at::kFloat).reshape({2, 3, 2});
  expect_equal(apply_transforms({job::Normalize{{1}, {2}}}, batch), (batch - 1) / 2);
  const auto mean = at::tensor({0.0F, 1.0F, 2.0F}).reshape({1, 3, 1});
  const auto std = at::tensor({1.0F, 2.0F, 4.0F}).reshape({1, 3, 1});
  expect_equal(apply_transforms({job::Normalize{{0, 1, 2}, {1, 2, 4}}}, batch), (batch - mean) / std);
  expect_equal(apply_transforms({job::Normalize{{0, 1, 2}, {2}}}, batch), (batch - mean) / 2);
  expect_equal(apply_transforms({job::Normalize{{1}, {2}}}, at::tensor({1, 3}, at::kByte)), at::tensor({0.0F, 1.0F}));
  expect_equal(batch, at::arange(12, at::kFloat).reshape({2, 3, 2}));
}

TEST(ModelTransforms, ReshapeAndPermute) {
  const auto batch = at::arange(24, at::kByte).reshape({2, 2, 6});
  expect_equal(apply_transforms({job::Reshape{{3, -1}}}, batch), batch.reshape({2, 3, 4}));
  expect_equal(apply_transforms({job::Reshape{{12}}, job::Reshape{{2, 2, 3}}, job::Permute{{2, 0, 1}}}, batch),
               batch.reshape({2, 2, 2, 3}).permute({0, 3, 1, 2}));
  expect_equal(apply_transforms({job::Reshape{{}}}, at::ones({3, 1})), at::ones({3}));
  EXPECT_EQ(apply_transforms({job::Reshape{{3, -1}}}, at::empty({0, 2, 6})).sizes(),
            (std::vector<std::int64_t>{0, 3, 4}));
}

TEST(ModelTransforms, SaysWhichOneDoesNotFit) {
  const auto batch = at::ones({2, 1, 4});
  const auto said = [&](std::vector<job::Transform> transforms) {
    return model_error([&] { apply_transforms(transforms, batch); });
  };
  expect_said(said({job::Scale{1}, job::Normalize{{1, 2, 3}, {1}}}),
              "transforms[1] (normalize) does not fit: 3 values of mean for records of 1 channels");
  expect_said(said({job::Normalize{{1}, {0}}}), "std is 0");
  expect_said(said({job::Reshape{{5}}}),
              "transforms[0] (reshape) does not fit: records of shape [1, 4] do not have the elements of [5]");
  expect_said(said({job::Reshape{{3, -1}}}), "do not have the elements of [3, -1]");
  expect_said(said({job::Permute{{0}}}), "transforms[0] (permute) does not fit: [0] does not name each axis");
  expect_said(said({job::Permute{{0, 0}}}), "(permute)");
  expect_said(said({job::Permute{{0, 2}}}), "(permute)");
}

job::Output output(job::Post post = job::Post::none, int k = 0) {
  job::Output made;
  made.name = "out";
  made.post = post;
  made.k = k;
  return made;
}

TEST(ModelOutput, SelectsByName) {
  const std::vector<NamedTensor> outputs = {{"logits", at::ones({2, 3})}, {"pair.1", at::zeros({2})}};
  auto wanted = output();
  EXPECT_EQ(apply_output(wanted, outputs, 2).sizes(), (std::vector<std::int64_t>{2, 3}));
  wanted.from = "pair.1";
  EXPECT_EQ(apply_output(wanted, outputs, 2).sizes(), (std::vector<std::int64_t>{2}));
  wanted.from = "boxes";
  expect_said(model_error([&] { apply_output(wanted, outputs, 2); }),
              "has no output 'boxes'; it has 'logits', 'pair.1'");
  expect_said(model_error([&] { apply_output(output(), outputs, 3); }), "not one row for each of 3 records");
  expect_said(model_error([&] {
                apply_output(output(), {{"0", at::scalar_tensor(1.0F)}}, 1);
              }),
              "not one row for each of 1 records");
}

TEST(ModelOutput, PostProcesses) {
  const std::vector<NamedTensor> logits = {{"0", at::tensor({1.0F, 3.0F, 2.0F, 0.0F, -1.0F, 5.0F}).reshape({2, 3})}};
  expect_equal(apply_output(output(job::Post::argmax), logits, 2), at::tensor({1, 2}, at::kLong));
  expect_equal(apply_output(output(job::Post::top_k, 2), logits, 2),
               at::tensor({1, 2, 2, 0}, at::kLong).reshape({2, 2}));
  expect_equal(apply_output(output(job::Post::top_k_values, 2), logits, 2),
               at::tensor({3.0F, 2.0F, 5.0F, 0.0F}).reshape({2, 2}));
  const auto softmax = apply_output(output(job::Post::softmax), logits, 2);
  EXPECT_TRUE(at::allclose(softmax.sum(-1), at::ones({2})));
  const std::vector<NamedTensor> halves = {{"0", logits[0].tensor.to(at::kHalf)}};
  expect_equal(apply_output(output(job::Post::softmax), halves, 2), softmax);
  expect_equal(apply_output(output(job::Post::top_k_values, 1), halves, 2), at::tensor({3.0F, 5.0F}).reshape({2, 1}));
}

TEST(ModelOutput, PostProcessingThatDoesNotFit) {
  const std::vector<NamedTensor> single = {{"0", at::ones({2})}};
  expect_said(model_error([&] { apply_output(output(job::Post::argmax), single, 2); }), "a single number a record");
  const std::vector<NamedTensor> three = {{"0", at::ones({2, 3})}};
  expect_said(model_error([&] { apply_output(output(job::Post::top_k, 4), three, 2); }),
              "k is 4, but the model gives 3 classes");
  expect_said(model_error([&] { apply_output(output(job::Post::top_k, 0), three, 2); }), "k is 0");
  expect_said(model_error([&] {
                apply_output(output(job::Post::argmax), {{"0", at::ones({2, 0})}}, 2);
              }),
              "no classes");
}

TEST(ModelOutput, TypesThatAreStored) {
  const auto stored = [](at::ScalarType type) {
    return apply_output(output(), {{"0", at::ones({2, 1}).to(type)}}, 2).scalar_type();
  };
  EXPECT_EQ(stored(at::kHalf), at::kFloat);
  EXPECT_EQ(stored(at::kBFloat16), at::kFloat);
  EXPECT_EQ(stored(at::kDouble), at::kDouble);
  EXPECT_EQ(stored(at::kBool), at::kBool);
  EXPECT_EQ(stored(at::kUInt16), at::kUInt16);
  expect_said(model_error([&] { stored(at::kComplexFloat); }), "ComplexFloat cannot be stored");
  for (const std::string& name : dtype_names()) {
    auto wanted = output();
    wanted.dtype = dtype_from_name(name);
    EXPECT_EQ(apply_output(wanted, {{"0", at::ones({2, 1})}}, 2).scalar_type(), to_scalar_type(*wanted.dtype)) << name;
  }
}

TEST(ModelOutput, ContiguousAndNotCopiedWhereItIsAlready) {
  const auto tensor = at::rand({4, 3});
  EXPECT_EQ(apply_output(output(), {{"0", tensor}}, 4).data_ptr(), tensor.data_ptr());
  const auto rows = tensor.narrow(0, 1, 2);
  EXPECT_EQ(apply_output(output(), {{"0", rows}}, 2).data_ptr(), rows.data_ptr());
  const auto turned = apply_output(output(), {{"0", tensor.t()}}, 3);
  EXPECT_TRUE(turned.is_contiguous());
  expect_equal(turned, tensor.t().contiguous());
  const auto expanded = apply_output(output(), {{"0", at::ones({1, 2}).expand({3, 2})}}, 3);
  EXPECT_TRUE(expanded.is_contiguous());
  expect_equal(apply_output(output(), {{"0", at::eye(2).to_sparse()}}, 2), at::eye(2));
}

TEST(ModelTypes, ToAndFrom) {
  for (const std::string& name : dtype_names()) {
    const DType dtype = *dtype_from_name(name);
    EXPECT_EQ(from_scalar_type(to_scalar_type(dtype)), dtype);
    EXPECT_EQ(at::empty({1}, to_scalar_type(dtype)).element_size(), static_cast<std::int64_t>(size_of(dtype)));
  }
  EXPECT_THROW(from_scalar_type(at::kComplexDouble), ModelError);
  EXPECT_THROW(from_scalar_type(at::kQInt8), ModelError);
}

}  // namespace
}  // namespace shardmill::model
