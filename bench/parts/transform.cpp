// What is done to a batch between the file and the model.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <c10/core/InferenceMode.h>

#include "model/transforms.hpp"

namespace {

namespace job = shardmill::job;

void transform(benchmark::State& state, const std::vector<job::Transform>& transforms, const at::Tensor& batch) {
  const c10::InferenceMode inference;
  at::set_num_threads(1);
  for (auto _ : state) benchmark::DoNotOptimize(shardmill::model::apply_transforms(transforms, batch).data_ptr());
  state.SetItemsProcessed(state.iterations() * batch.size(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.nbytes()));
}

void cast_images(benchmark::State& state) {
  transform(state, {job::Cast{shardmill::DType::float32}}, at::randint(256, {32, 3, 224, 224}, at::kByte));
}

void cast_and_normalize_images(benchmark::State& state) {
  transform(state,
            {job::Cast{shardmill::DType::float32}, job::Normalize{{123.675, 116.28, 103.53}, {58.395, 57.12, 57.375}}},
            at::randint(256, {32, 3, 224, 224}, at::kByte));
}

void cast_tokens(benchmark::State& state) {
  transform(state, {job::Cast{shardmill::DType::int64}}, at::randint(30'000, {32, 45}, at::kInt));
}

BENCHMARK(cast_images);
BENCHMARK(cast_and_normalize_images);
BENCHMARK(cast_tokens);

}  // namespace
