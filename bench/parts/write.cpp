// Rows into results.h5 and their checksum, batch by batch; and what a sync costs that makes a shard durable.
#include <benchmark/benchmark.h>

#include "store/results.hpp"
#include "temp_folder.hpp"

namespace {

namespace store = shardmill::store;

constexpr std::int64_t records = 1'000'000;

store::ResultsLayout layout() {
  store::ResultsLayout layout;
  layout.records = records;
  layout.shard_size = 15'360;
  layout.outputs = {{"result", shardmill::DType::float32, {10}}};
  return layout;
}

void write(benchmark::State& state, bool sync) {
  const std::int64_t batch = state.range(0);
  const shardmill::test::TempFolder folder;
  store::create_results(store::posix_disk(), folder / "results.h5", layout());
  store::Results results(store::posix_disk(), folder / "results.h5", store::Open::write);
  const std::vector<float> rows(static_cast<std::size_t>(batch) * 10, 0.25F);
  store::ShardHasher hasher(1);
  std::int64_t first = 0;
  for (auto _ : state) {
    results.write_rows(0, first, batch, rows.data());
    hasher.add(0, rows.data(), rows.size() * sizeof(float));
    if (sync) results.sync();
    first = first + 2 * batch > records ? 0 : first + batch;
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(rows.size() * sizeof(float)));
}

void write_rows(benchmark::State& state) { write(state, false); }
void write_rows_and_sync(benchmark::State& state) { write(state, true); }

BENCHMARK(write_rows)->Arg(1024);
BENCHMARK(write_rows_and_sync)->Arg(1024)->Arg(15'360)->UseRealTime();

}  // namespace
