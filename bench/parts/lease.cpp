// The coordinator by itself: ranks that finish what they are leased at once, and ask for more by that.
#include <deque>

#include <benchmark/benchmark.h>

#include "coordinator/coordinator.hpp"

namespace {

namespace coordinator = shardmill::coordinator;

// How many ranks share the shards is the argument. An item is a shard: leased, finished, committed.
void lease_and_commit(benchmark::State& state) {
  constexpr std::int64_t shards = 100'000;
  const int ranks = static_cast<int>(state.range(0));
  for (auto _ : state) {
    const coordinator::Plan plan{shards * 10, 10};
    coordinator::Coordinator machine(coordinator::Ledger(plan, 10), {});
    std::deque<coordinator::Grant> out;
    double now = 0;
    std::int64_t committed = 0;
    const auto carry_out = [&](const coordinator::Actions& actions) {
      for (const coordinator::Action& action : actions) {
        if (const auto* grant = std::get_if<coordinator::Grant>(&action)) out.push_back(*grant);
        if (const auto* record = std::get_if<coordinator::Record>(&action))
          committed += std::holds_alternative<coordinator::Committed>(record->entry) ? 1 : 0;
      }
    };
    carry_out(machine.start(ranks, 1'700'000'000, now));
    for (int rank = 0; rank < ranks; ++rank) carry_out(machine.on(coordinator::RankReady{rank, 3}, now));
    while (!out.empty()) {
      const coordinator::Grant grant = out.front();
      out.pop_front();
      now += 1e-5;
      carry_out(machine.on(coordinator::ShardFinished{grant.rank, grant.shard, grant.attempt, 1, 1e-5, {}}, now));
    }
    if (committed != shards || !machine.ended()) state.SkipWithError("not all shards were committed");
  }
  state.SetItemsProcessed(state.iterations() * shards);
}

BENCHMARK(lease_and_commit)->Arg(2)->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
