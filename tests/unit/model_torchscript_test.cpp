#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "model/model.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

void expect_said(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

class ModelTorchScript : public testing::Test {
 protected:
  static void SetUpTestSuite() { configure_torch(1); }

  // A module whose forward is `code`, with a 3 by 4 weight and a convolution's from 1 to 2 channels.
  std::unique_ptr<Model> made(const std::string& code, job::Precision precision = job::Precision::float32) {
    torch::jit::Module module("Made");
    module.register_parameter("weight", weight_, false);
    if (code.find("self.kernel") != std::string::npos) module.register_parameter("kernel", kernel_, false);
    if (code.find("self.count") != std::string::npos) module.register_buffer("count", at::tensor({257}, at::kLong));
    module.define(code);
    module.save(path_.string());
    job::Model spec;
    spec.path = path_;
    spec.precision = precision;
    return load_model(spec, at::kCPU);
  }

  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "m.pt";
  at::Tensor weight_ = at::arange(12, at::kFloat).reshape({3, 4});
  at::Tensor kernel_ = at::arange(18, at::kFloat).reshape({2, 1, 3, 3});
  at::Tensor batch_ = at::ones({2, 4});
};

std::vector<std::string> names(const std::vector<NamedTensor>& outputs) {
  std::vector<std::string> found;
  for (const auto& output : outputs) found.push_back(output.name);
  return found;
}

TEST_F(ModelTorchScript, ATensor) {
  const auto model = made("def forward(self, x):\n  return torch.matmul(x, self.weight.t())\n");
  const auto outputs = model->forward({batch_});
  EXPECT_EQ(names(outputs), (std::vector<std::string>{"0"}));
  EXPECT_TRUE(at::equal(outputs[0].tensor, at::matmul(batch_, weight_.t())));
  EXPECT_FALSE(outputs[0].tensor.requires_grad());
  EXPECT_EQ(model->device(), at::Device(at::kCPU));
}

TEST_F(ModelTorchScript, TuplesListsAndDicts) {
  const auto of = [&](const std::string& result) {
    return names(made("def forward(self, x):\n  return " + result + "\n")->forward({batch_}));
  };
  EXPECT_EQ(of("x, x + 1"), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(of("[x, x + 1, x]"), (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(of("{'b': x, 'a': x + 1}"), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(of("{'b': [x, x], 'a': [x + 1]}"), (std::vector<std::string>{"b.0", "b.1", "a.0"}));
  EXPECT_EQ(of("x, (x, x + 1), 3"), (std::vector<std::string>{"0", "1.0", "1.1"}));
}

TEST_F(ModelTorchScript, WhatIsNoTensor) {
  const auto said = [&](const std::string& result) {
    return model_error([&] { made("def forward(self, x):\n  return " + result + "\n")->forward({batch_}); });
  };
  expect_said(said("'text'"), "the model returns a String");
  expect_said(said("3"), "the model returns no tensor");
  expect_said(said("((x, (x, x)), x)"), "the model returns a Tuple as '0.1'");
  expect_said(said("{1.5: x}"), "keys are not strings");
}

TEST_F(ModelTorchScript, SeveralInputs) {
  const auto model = made("def forward(self, x, ids):\n  return x * 2, ids + 1\n");
  const auto outputs = model->forward({batch_, at::tensor({5, 6}, at::kLong)});
  EXPECT_TRUE(at::equal(outputs[1].tensor, at::tensor({6, 7}, at::kLong)));
  expect_said(model_error([&] { model->forward({batch_}); }), "missing value for argument 'ids'");
  expect_said(model_error([&] {
                model->forward({batch_, batch_, batch_});
              }),
              "Expected at most 3 argument(s) for operator 'forward', but received 4");
}

TEST_F(ModelTorchScript, SaysWhatDoesNotFitInOneLine) {
  const auto model = made("def forward(self, x):\n  return torch.matmul(x, self.weight.t())\n");
  const auto message = model_error([&] { model->forward({at::ones({2, 5})}); });
  expect_said(
      message,
      "does not take what the job gives it, Float [2, 5]: mat1 and mat2 shapes cannot be multiplied (2x5 and 4x3)");
  expect_said(message, path_.string());
  EXPECT_EQ(model->forward({batch_}).size(), 1U) << "a failed batch must not harm the next";
}

TEST_F(ModelTorchScript, WhatTheModelRaises) {
  const auto model = made("def forward(self, x):\n  assert not bool(torch.isnan(x).any()), 'bad record'\n  return x\n");
  batch_[1][2] = NAN;
  expect_said(model_error([&] { model->forward({batch_}); }), "bad record");
  batch_[1][2] = 0;
  model->forward({batch_});
}

TEST_F(ModelTorchScript, PrecisionAppliesToFloatsOnly) {
  const std::string code = "def forward(self, x, i):\n  return torch.matmul(x, self.weight.t()), self.count + i\n";
  for (const auto& [precision, type] :
       {std::pair{job::Precision::bfloat16, at::kBFloat16}, std::pair{job::Precision::float16, at::kHalf},
        std::pair{job::Precision::float32, at::kFloat}}) {
    const auto model = made(code, precision);
    for (const auto given : {at::kFloat, at::kDouble, at::kHalf}) {
      const auto outputs = model->forward({batch_.to(given), at::zeros({1}, at::kLong)});
      EXPECT_EQ(outputs[0].tensor.scalar_type(), type);
      EXPECT_EQ(outputs[1].tensor.item<std::int64_t>(), 257) << "bfloat16 has no 257";
    }
  }
}

TEST_F(ModelTorchScript, ConvolutionsWithChannelsLast) {
  const auto images = at::arange(2 * 25, at::kFloat).reshape({2, 1, 5, 5});
  const auto expected = at::conv2d(images, kernel_);
  const auto model = made("def forward(self, x):\n  return torch.flatten(torch.conv2d(x, self.kernel), 1)\n");
  for (int run = 0; run < 3; ++run) EXPECT_TRUE(at::allclose(model->forward({images})[0].tensor, expected.flatten(1)));
  // Given as [n, height, width, channels] and permuted, as transforms do.
  const auto permuted = images.permute({0, 2, 3, 1}).contiguous().permute({0, 3, 1, 2});
  EXPECT_TRUE(at::allclose(model->forward({permuted})[0].tensor, expected.flatten(1)));
}

TEST_F(ModelTorchScript, AViewBehindAConvolution) {
  const auto images = at::arange(2 * 25, at::kFloat).reshape({2, 1, 5, 5});
  const auto model =
      made("def forward(self, x):\n  y = torch.conv2d(x, self.kernel)\n  return y.view(y.size(0), -1)\n");
  expect_said(model_error([&] { model->forward({at::ones({2, 3, 5, 5})}); }), "does not take");
  for (int run = 0; run < 3; ++run)
    EXPECT_TRUE(at::allclose(model->forward({images})[0].tensor, at::conv2d(images, kernel_).flatten(1)));
}

TEST_F(ModelTorchScript, EveryRunHasTheSameBits) {
  kernel_ = at::rand({2, 1, 3, 3});
  const auto model = made(
      "def forward(self, x):\n  y = torch.relu(torch.conv2d(x, self.kernel) * 0.3 + 0.1)\n  return "
      "torch.softmax(torch.flatten(y, 1), 1)\n");
  const auto images = at::rand({8, 1, 20, 20});
  const auto first = model->forward({images})[0].tensor.clone();
  for (int run = 0; run < 5; ++run) EXPECT_TRUE(at::equal(model->forward({images})[0].tensor, first)) << run;
}

TEST_F(ModelTorchScript, AModuleThatChangesItselfStillRuns) {
  const auto model = made("def forward(self, x):\n  self.count.add_(1)\n  return x + self.count\n");
  EXPECT_EQ(model->forward({batch_})[0].tensor[0][0].item<float>(), 259);
  EXPECT_EQ(model->forward({batch_})[0].tensor[0][0].item<float>(), 260);
}

TEST_F(ModelTorchScript, FilesThatCannotBeLoaded) {
  job::Model spec;
  spec.path = path_;
  expect_said(model_error([&] { load_model(spec, at::kCPU); }), "cannot be loaded as TorchScript");
  std::ofstream(path_) << "text";
  expect_said(model_error([&] { load_model(spec, at::kCPU); }), path_.string() + " cannot be loaded as TorchScript");
  for (const auto format : {job::ModelFormat::exported, job::ModelFormat::compiled}) {
    spec.format = format;
    expect_said(model_error([&] { load_model(spec, at::kCPU); }), "holds no program");
  }
  made("def forward(self, x):\n  return x\n");
  spec.format = job::ModelFormat::torchscript;
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  expect_said(model_error([&] { load_model(spec, at::kCPU); }), "cannot be loaded as TorchScript");
}

TEST(ModelDevice, Choice) {
  EXPECT_EQ(choose_device(job::Device::cpu, 3), at::Device(at::kCPU));
  if (at::hasCUDA()) {
    EXPECT_EQ(choose_device(job::Device::automatic, 0), at::Device(at::kCUDA, 0));
    EXPECT_TRUE(choose_device(job::Device::cuda, 1000).is_cuda());
  } else {
    EXPECT_EQ(choose_device(job::Device::automatic, 0), at::Device(at::kCPU));
    expect_said(model_error([] { choose_device(job::Device::cuda, 0); }), "set model.device: cpu or auto");
  }
}

TEST(ModelConfigure, MayBeCalledAgain) {
  configure_torch(1);
  configure_torch(2);
  EXPECT_EQ(at::get_num_threads(), 2);
  configure_torch(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_EQ(at::get_num_interop_threads(), 1);
}

}  // namespace
}  // namespace shardmill::model
