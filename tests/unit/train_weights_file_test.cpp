#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "job/error.hpp"
#include "store_scratch.hpp"
#include "train/weights_file.hpp"

namespace shardmill::train {
namespace {

using store::posix_disk;
using store::Scratch;

const job::Zoo cnn = job::Cnn{1, {4}, 3};

TEST(WeightsFile, ThereAndBack) {
  const Scratch folder;
  const auto saved = model::make_zoo(cnn, 1);
  const c10::NoGradGuard no_grad;
  // Not row-major, as the parameters of a network in channels-last are.
  const at::Tensor& kernel = saved->parameters()[0].tensor;
  kernel.set_data(kernel.detach().transpose(2, 3));
  saved->buffers()[2].tensor.fill_(7);
  save_weights(posix_disk(), folder / "w.safetensors", *saved, {{"step", "7"}});
  const auto loaded = model::make_zoo(cnn, 2);
  load_weights(posix_disk(), folder / "w.safetensors", *loaded);
  for (std::size_t i = 0; i < saved->parameters().size(); ++i)
    EXPECT_TRUE(at::equal(saved->parameters()[i].tensor, loaded->parameters()[i].tensor)) << i;
  EXPECT_TRUE(loaded->parameters()[0].tensor.is_contiguous());
  EXPECT_TRUE(loaded->parameters()[0].tensor.requires_grad());
  EXPECT_EQ(loaded->buffers()[2].tensor.item<std::int64_t>(), 7);
}

TEST(WeightsFile, FilesThatAreBrokenOrOfAnotherNetwork) {
  const Scratch folder;
  const auto network = model::make_zoo(cnn, 1);
  EXPECT_NE(store::refusal_of([&] { load_weights(posix_disk(), folder / "none", *network); }), "");
  store::spit(folder / "text", "a text and no weights");
  EXPECT_NE(store::refusal_of([&] { load_weights(posix_disk(), folder / "text", *network); }).find("safetensors"),
            std::string::npos);
  save_weights(posix_disk(), folder / "mlp", *model::make_zoo(job::Mlp{2, {}, 3}, 1));
  EXPECT_THROW(load_weights(posix_disk(), folder / "mlp", *network), ModelError);
}

}  // namespace
}  // namespace shardmill::train
