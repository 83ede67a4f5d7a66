#include "coordinator/life_cycle.hpp"

#include "job/error.hpp"

namespace shardmill::coordinator {
namespace {

template <typename Table, typename State, typename Step>
State look_up(const Table& table, State from, Step step) {
  for (const auto& row : table) {
    if (row.from == from && row.step == step) return row.to;
  }
  SHARDMILL_CHECK(false, "no transition from state " + std::to_string(static_cast<int>(from)) + " by step " +
                             std::to_string(static_cast<int>(step)));
}

}  // namespace

ShardState next(ShardState from, ShardStep step) { return look_up(shard_life, from, step); }
RunState next(RunState from, RunStep step) { return look_up(run_life, from, step); }

}  // namespace shardmill::coordinator
