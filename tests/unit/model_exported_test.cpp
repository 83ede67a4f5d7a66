// Needs what only PyTorch can make: data/digits_cnn.pt2, beside the same model as TorchScript.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/model.hpp"
#include "model/sniff.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

class ModelExported : public testing::Test {
 protected:
  void SetUp() override {
    configure_torch(1);
    if (!std::filesystem::exists(spec("digits_cnn.pt2").path)) GTEST_SKIP() << "data/digits_cnn.pt2 is not there";
  }
  static job::Model spec(const std::string& name) {
    job::Model made;
    made.path = std::filesystem::path(SHARDMILL_SOURCE_DIR) / "data" / name;
    made.format = name.ends_with(".pt2") ? job::ModelFormat::exported : job::ModelFormat::torchscript;
    return made;
  }
};

TEST_F(ModelExported, GivesWhatTorchScriptGives) {
  const auto exported = load_model(spec("digits_cnn.pt2"), at::kCPU);
  const auto script = load_model(spec("digits_cnn.pt"), at::kCPU);
  for (const int records : {1, 2, 7, 64}) {
    const auto images = at::rand({records, 8, 8});
    const auto got = exported->forward({images});
    const auto expected = script->forward({images});
    ASSERT_EQ(got.size(), expected.size());
    EXPECT_TRUE(at::allclose(got[0].tensor, expected[0].tensor, 1e-4, 1e-5));
    EXPECT_TRUE(at::equal(exported->forward({images})[0].tensor, got[0].tensor));
  }
}

TEST_F(ModelExported, SaysWhatDoesNotFitInOneLine) {
  const auto model = load_model(spec("digits_cnn.pt2"), at::kCPU);
  for (const auto& inputs : std::vector<std::vector<at::Tensor>>{
           {at::rand({2, 3, 8, 8})}, {at::rand({2, 8, 8}).to(at::kDouble)}, {}, {at::rand({2, 8, 8}), at::rand({2})}}) {
    const auto message = model_error([&] { model->forward(inputs); });
    EXPECT_NE(message.find("does not take what the job gives it"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 800U);
  }
  EXPECT_EQ(model->forward({at::rand({2, 8, 8})}).size(), 1U) << "a failed batch must not harm the next";
}

TEST_F(ModelExported, IsWhatItClaimsToBe) {
  job::Job job;
  for (const char* name : {"digits_cnn.pt2", "digits_cnn.pt"}) {
    job.model = spec(name);
    job::Diagnostics diagnostics;
    check(job, diagnostics);
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.found()[0].message;
  }
  const TempFolder folder;
  std::filesystem::copy_file(job.model.path, folder / "half.pt");
  std::filesystem::resize_file(folder / "half.pt", std::filesystem::file_size(job.model.path) / 2);
  job.model.path = folder / "half.pt";
  job::Diagnostics diagnostics;
  check(job, diagnostics);
  ASSERT_EQ(diagnostics.found().size(), 1U);
  EXPECT_NE(diagnostics.found()[0].message.find("is truncated"), std::string::npos);
}

TEST_F(ModelExported, OnADeviceThatItWasNotMadeFor) {
  auto wanted = spec("digits_cnn.pt2");
  wanted.device = job::Device::cuda;
  const auto message = model_error([&] { load_model(wanted, at::Device(at::kCUDA, 0)); });
  EXPECT_NE(message.find("was exported for cpu and cannot run on cuda:0"), std::string::npos) << message;
  wanted.device = job::Device::automatic;
  EXPECT_TRUE(load_model(wanted, at::Device(at::kCUDA, 0))->device().is_cpu());
}

}  // namespace
}  // namespace shardmill::model
