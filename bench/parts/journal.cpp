// Entries into the journal, appended and synced: one by one, and as many as came up during a sync together.
#include "store/journal.hpp"

#include <benchmark/benchmark.h>

#include "coordinator/entry.hpp"
#include "temp_folder.hpp"

namespace {

namespace store = shardmill::store;

void append_and_sync(benchmark::State& state) {
  const auto group = static_cast<std::size_t>(state.range(0));
  const shardmill::test::TempFolder folder;
  store::Journal journal(store::posix_disk(), folder / "journal");
  shardmill::coordinator::Committed entry;
  std::int64_t shard = 0;
  for (auto _ : state) {
    std::vector<std::string> payloads;
    for (std::size_t i = 0; i < group; ++i) {
      entry.shard = shard++;
      entry.checksum = static_cast<std::uint64_t>(shard) * 0x9e3779b97f4a7c15;
      entry.seconds = entry.elapsed = 0.125;
      payloads.push_back(shardmill::coordinator::encode(entry));
    }
    journal.append(payloads);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(group));
}

BENCHMARK(append_and_sync)->Arg(1)->Arg(64)->Arg(1024)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
