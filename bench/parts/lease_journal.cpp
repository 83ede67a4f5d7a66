// The coordinator with its journal, as the live one runs them: what a turn of the main loop brings in is answered, its
// entries are appended and synced together, and only then the leases go out.
#include <deque>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "coordinator/coordinator.hpp"
#include "coordinator/entry.hpp"
#include "store/journal.hpp"
#include "temp_folder.hpp"

namespace {

namespace coordinator = shardmill::coordinator;
namespace store = shardmill::store;

// An item is a shard: leased, finished, its commit durable. The argument is how many reports a turn brings.
void lease_commit_and_sync(benchmark::State& state) {
  constexpr std::int64_t shards = 100'000;
  constexpr int ranks = 2;
  const auto turn = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    const shardmill::test::TempFolder folder;
    store::Journal journal(store::posix_disk(), folder / "journal");
    coordinator::Coordinator machine(coordinator::Ledger({shards * 10, 10}, 10), {});
    std::deque<coordinator::Grant> out;
    std::vector<coordinator::Grant> granted;
    std::vector<std::string> lines;
    const auto keep = [&](const coordinator::Actions& actions) {
      for (const coordinator::Action& action : actions) {
        if (const auto* grant = std::get_if<coordinator::Grant>(&action)) granted.push_back(*grant);
        if (const auto* record = std::get_if<coordinator::Record>(&action))
          lines.push_back(coordinator::encode(record->entry));
      }
    };
    double now = 0;
    keep(machine.start(ranks, 1'700'000'000, now));
    for (int rank = 0; rank < ranks; ++rank)
      keep(machine.on(coordinator::RankReady{rank, static_cast<int>(turn)}, now));
    while (!machine.ended()) {
      journal.append(lines);
      lines.clear();
      out.insert(out.end(), granted.begin(), granted.end());
      granted.clear();
      for (std::size_t i = 0; i < turn && !out.empty(); ++i) {
        const coordinator::Grant grant = out.front();
        out.pop_front();
        now += 1e-5;
        keep(machine.on(coordinator::ShardFinished{grant.rank, grant.shard, grant.attempt, 1, 1e-5, {}}, now));
      }
    }
    journal.append(lines);
  }
  state.SetItemsProcessed(state.iterations() * shards);
}

BENCHMARK(lease_commit_and_sync)->Arg(64)->Arg(256)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
