// Training checkpoints as models, and which network they say that they are of.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/jit/api/module.h>

#include "job/job.hpp"
#include "job/zoo_text.hpp"
#include "model/checkpoint_network.hpp"
#include "model/model.hpp"
#include "model/trainable.hpp"
#include "model_files.hpp"
#include "store/checkpoint_file.hpp"

namespace shardmill::model {
namespace {

using namespace test;
using Json = nlohmann::json;

class ModelCheckpoint : public testing::Test {
 protected:
  static void SetUpTestSuite() { configure_torch(1); }

  // x @ inner.weight + shift, with the same weight under a second name.
  void save_script(float first) {
    torch::jit::Module inner("Inner");
    torch::jit::Module module("Made");
    const at::Tensor weight = (at::arange(16, at::kFloat).reshape({4, 4}) + first).set_requires_grad(true);
    inner.register_parameter("weight", weight, false);
    inner.define("def forward(self, x):\n  return x @ self.weight\n");
    module.register_module("inner", inner);
    module.register_parameter("tied", weight, false);
    module.register_buffer("shift", at::zeros({4}));
    module.define("def forward(self, x):\n  return self.inner.forward(x) + self.shift + 0 * self.tied.sum()\n");
    module.save(script_.string());
  }

  void write(const Json& meta, std::vector<store::CheckpointTensor> tensors = {}) {
    store::write_checkpoint(store::posix_disk(), checkpoint_, {meta.dump(), std::move(tensors)});
  }

  // Of the script, with these weights.
  void write_trained(const at::Tensor& weight, const at::Tensor& shift) {
    const auto network = load_trainable(script_);
    ASSERT_TRUE(network->source());
    write({{"torchscript", {{"path", network->source()->path.string()}, {"checksum", network->source()->checksum}}}},
          {{"model/" + network->parameters().front().name, DType::float32, {4, 4}, weight.const_data_ptr()},
           {"model/shift", DType::float32, {4}, shift.const_data_ptr()}});
  }

  CheckpointNetwork network() { return network_of(store::CheckpointFile(store::posix_disk(), checkpoint_)); }

  std::unique_ptr<Model> load() {
    job::Model spec;
    spec.path = checkpoint_;
    spec.format = job::ModelFormat::checkpoint;
    return load_model(spec, at::kCPU);
  }

  TempFolder folder_;
  std::filesystem::path script_ = folder_ / "m.pt";
  std::filesystem::path checkpoint_ = folder_ / "c.h5";
};

TEST_F(ModelCheckpoint, SaysWhichNetworkItIsOf) {
  job::Mlp mlp;
  mlp.inputs = 4;
  mlp.outputs = 2;
  write({{"model", job::zoo_to_yaml(mlp)}});
  EXPECT_TRUE(std::holds_alternative<job::Zoo>(network()));

  write({{"torchscript", {{"path", "/a/m.pt"}, {"checksum", "0123"}}}});
  const auto source = std::get<ScriptSource>(network());
  EXPECT_EQ(source.path, "/a/m.pt");
  EXPECT_EQ(source.checksum, "0123");

  for (const Json& meta : {Json::object(), Json{{"model", 3}}, Json{{"torchscript", "m.pt"}}, Json::array()}) {
    write(meta);
    EXPECT_THROW(network(), StoreError) << meta;
  }
}

TEST_F(ModelCheckpoint, TorchScriptWithTheWeightsOfTheRun) {
  save_script(0);
  const at::Tensor weight = at::arange(16, at::kFloat).reshape({4, 4}).sin();
  const at::Tensor shift = at::arange(4, at::kFloat);
  write_trained(weight, shift);
  const at::Tensor input = at::arange(12, at::kFloat).reshape({3, 4}).cos();
  for (const bool in_inference_mode : {false, true}) {
    const c10::InferenceMode mode(in_inference_mode);
    EXPECT_TRUE(load()->forward({input}).front().tensor.allclose(input.matmul(weight) + shift, 1e-5, 1e-6));
  }
}

TEST_F(ModelCheckpoint, TorchScriptThatIsNotAsItWas) {
  save_script(0);
  write_trained(at::ones({4, 4}), at::ones({4}));
  save_script(1);
  EXPECT_EQ(model_error([&] { load(); }), "checkpoint " + checkpoint_.string() + " was trained with another " +
                                              script_.string() +
                                              " than the one that is there now; put it back as it was");
  std::filesystem::remove(script_);
  EXPECT_EQ(model_error([&] { load(); }),
            "model " + script_.string() + " cannot be read; see that it is there and may be read");
}

}  // namespace
}  // namespace shardmill::model
