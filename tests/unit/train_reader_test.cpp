#include <numeric>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dataset_files.hpp"
#include "job/error.hpp"
#include "train/reader.hpp"

namespace shardmill::train {
namespace {

using dataset::test::counting;
using dataset::test::create_file;
using dataset::test::data_error;
using dataset::test::dataset_of;
using dataset::test::TempFolder;
using dataset::test::write;

constexpr std::size_t everything = std::size_t{1} << 40;

job::Train training(job::LossType loss, const std::string& target) {
  job::Train train;
  train.loss.type = loss;
  if (!target.empty()) train.targets = {target};
  train.seed = 5;
  return train;
}

void expect_said(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "in: '" << message << "'";
}

void expect_equal(const at::Tensor& got, const at::Tensor& expected) {
  EXPECT_EQ(got.scalar_type(), expected.scalar_type());
  EXPECT_TRUE(at::equal(got, expected)) << got << "\nexpected\n" << expected;
}

// 20 records: images uint8 [2, 3, 4] counting up, labels i % 7, values i / 2, and 101 tokens.
class TrainReader : public ::testing::Test {
 protected:
  TrainReader() : path_(folder_ / "data.h5") {
    const auto file = create_file(path_);
    write(file.get(), "images", {20, 2, 3, 4}, H5T_STD_U8LE, H5T_NATIVE_UCHAR, counting<unsigned char>(480));
    write(file.get(), "rows", {20, 3}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, counting<float>(60));
    std::vector<int> labels;
    std::vector<double> values;
    for (int i = 0; i < 20; ++i) {
      labels.push_back(i % 7);
      values.push_back(i / 2.0);
    }
    write(file.get(), "labels", {20}, H5T_STD_I16LE, H5T_NATIVE_INT, labels);
    write(file.get(), "values", {20, 1}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values);
    write(file.get(), "short", {19}, H5T_STD_I16LE, H5T_NATIVE_INT, std::vector<int>(19));
    write(file.get(), "tokens", {101}, H5T_STD_U16LE, H5T_NATIVE_INT, counting<int>(101));
  }
  job::Dataset dataset(const std::vector<std::string>& inputs) const { return dataset_of(path_, inputs); }

  TempFolder folder_;
  std::filesystem::path path_;
};

TEST_F(TrainReader, GathersRecordsFromMemoryAndFile) {
  for (const std::size_t limit : {everything, std::size_t{0}}) {
    Reader reader(dataset({"images", "rows"}), training(job::LossType::cross_entropy, "labels"), at::kCPU, limit);
    EXPECT_EQ(reader.in_memory(), limit == everything);
    EXPECT_EQ(reader.records(), 20);
    const Batch batch = reader.read({19, 0, 8}, 0);
    ASSERT_EQ(batch.inputs.size(), 2U);
    const at::Tensor images = at::arange(480, at::kLong).to(at::kByte).view({20, 2, 3, 4});
    const at::Tensor wanted = at::tensor({std::int64_t{19}, std::int64_t{0}, std::int64_t{8}});
    expect_equal(batch.inputs[0], images.index_select(0, wanted));
    expect_equal(batch.inputs[1], at::arange(60, at::kFloat).view({20, 3}).index_select(0, wanted));
    expect_equal(batch.target, wanted.remainder(7));
  }
}

TEST_F(TrainReader, TheLimitIsTheBytesOfAll) {
  const job::Train train = training(job::LossType::cross_entropy, "labels");
  EXPECT_TRUE(Reader(dataset({"images"}), train, at::kCPU, 480 + 40).in_memory());
  EXPECT_FALSE(Reader(dataset({"images"}), train, at::kCPU, 480 + 39).in_memory());
  EXPECT_TRUE(Reader(dataset({"images"}), train).in_memory());
}

TEST_F(TrainReader, TheRangeOfTheDatasetCounts) {
  job::Dataset part = dataset({"rows"});
  part.range = job::RecordRange{10, 14};
  Reader reader(part, training(job::LossType::mse, "values"));
  EXPECT_EQ(reader.records(), 4);
  const Batch batch = reader.read({1}, std::nullopt);
  expect_equal(batch.inputs[0], at::tensor({33.0F, 34.0F, 35.0F}).view({1, 3}));
  expect_equal(batch.target, at::full({1, 1}, 5.5F));
}

TEST_F(TrainReader, TransformsAreApplied) {
  job::Dataset scaled = dataset({"images"});
  scaled.inputs[0].transforms = {job::Scale{0.5}, job::Reshape{{-1}}};
  Reader reader(scaled, training(job::LossType::cross_entropy, "labels"));
  expect_equal(reader.read({0}, 0).inputs[0], at::arange(24, at::kFloat).mul(0.5).view({1, 24}));
}

TEST_F(TrainReader, TargetsAreClassesOrNumbersAsTheLossNeeds) {
  expect_equal(Reader(dataset({"rows"}), training(job::LossType::bce_with_logits, "labels")).read({8}, 0).target,
               at::ones({1}));
  expect_equal(Reader(dataset({"rows"}), training(job::LossType::next_token, "labels")).read({8}, 0).target,
               at::ones({1}, at::kLong));
}

TEST_F(TrainReader, NoRecordsAreAnEmptyBatch) {
  for (const std::size_t limit : {everything, std::size_t{0}}) {
    Reader reader(dataset({"images"}), training(job::LossType::cross_entropy, "labels"), at::kCPU, limit);
    const Batch batch = reader.read({}, 0);
    EXPECT_EQ(batch.inputs[0].sizes(), (at::IntArrayRef{0, 2, 3, 4}));
    EXPECT_EQ(batch.target.sizes(), at::IntArrayRef{0});
  }
}

TEST_F(TrainReader, SequencesAreBlocksAndTheTokensThatFollow) {
  for (const std::size_t limit : {everything, std::size_t{0}}) {
    job::Train train = training(job::LossType::next_token, "");
    train.sequence = 10;
    Reader reader(dataset({"tokens"}), train, at::kCPU, limit);
    EXPECT_EQ(reader.records(), 10);
    const Batch batch = reader.read({9, 0}, 0);
    const at::Tensor first = at::tensor({std::int64_t{90}, std::int64_t{0}}).view({2, 1});
    expect_equal(batch.inputs[0], first + at::arange(10, at::kLong));
    expect_equal(batch.target, first + at::arange(1, 11, at::kLong));
    EXPECT_TRUE(batch.inputs[0].is_contiguous() && batch.target.is_contiguous());
  }
}

TEST_F(TrainReader, AugmentationDependsOnSeedEpochAndRecordAlone) {
  job::Train train = training(job::LossType::cross_entropy, "labels");
  train.augment.flip = 0.5;
  train.augment.crop_padding = 1;
  std::vector<std::int64_t> all(20);
  std::iota(all.begin(), all.end(), 0);
  const job::Dataset images = dataset({"images"});
  Reader reader(images, train);
  const at::Tensor epoch_0 = reader.read(all, 0).inputs[0];
  const at::Tensor plain = reader.read(all, std::nullopt).inputs[0];
  EXPECT_FALSE(at::equal(epoch_0, plain));
  EXPECT_FALSE(at::equal(epoch_0, reader.read(all, 1).inputs[0]));
  // Another reader, from the file, in other batches and another order.
  Reader other(images, train, at::kCPU, 0);
  expect_equal(other.read({17, 3}, 0).inputs[0], at::stack({epoch_0[17], epoch_0[3]}));
  train.seed = 6;
  EXPECT_FALSE(at::equal(Reader(images, train).read(all, 0).inputs[0], epoch_0));
  expect_equal(plain, at::arange(480, at::kLong).to(at::kByte).view({20, 2, 3, 4}));
}

TEST_F(TrainReader, AFlipIsLeftToRightAndOthersInputsStay) {
  job::Train train = training(job::LossType::cross_entropy, "labels");
  train.augment.flip = 1;
  Reader reader(dataset({"images", "rows"}), train);
  const Batch batch = reader.read({4}, 0);
  expect_equal(batch.inputs[0], reader.read({4}, std::nullopt).inputs[0].flip({3}));
  expect_equal(batch.inputs[1], reader.read({4}, std::nullopt).inputs[1]);
}

TEST_F(TrainReader, SaysWhatDoesNotGoWithTheJob) {
  const auto error = [&](const std::vector<std::string>& inputs, const job::Train& train) {
    return data_error([&] { Reader(dataset(inputs), train); });
  };
  expect_said(error({"rows"}, training(job::LossType::cross_entropy, "values")),
              "needs whole numbers (classes) as the target, but 'values' is float64");
  expect_said(error({"rows"}, training(job::LossType::cross_entropy, "short")), "the target 'short' has 19 records");
  expect_said(error({"rows"}, training(job::LossType::cross_entropy, "nothing")), "nothing");
  job::Train sequence = training(job::LossType::next_token, "");
  sequence.sequence = 4;
  expect_said(error({"rows"}, sequence), "dataset.sequence needs one input");
  expect_said(error({"images"}, sequence), "'images' is uint8 with records of 3 dimensions");
  job::Train flipped = training(job::LossType::mse, "values");
  flipped.augment.flip = 0.5;
  expect_said(error({"rows"}, flipped), "dataset.augment needs images");
}

}  // namespace
}  // namespace shardmill::train
