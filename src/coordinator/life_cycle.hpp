// The life cycles, as tables. A transition that is not in its table is a bug and ends in a CheckFailure.
#pragma once

#include <array>

namespace shardmill::coordinator {

enum class ShardState { pending, leased, done };
enum class ShardStep {
  lease,   // to a rank, also a second time while it is leased (straggler)
  commit,  // rows durable, then the journal says so
  lose,    // its last lease came to nothing: rank died, model threw, given back
};

struct ShardTransition {
  ShardState from;
  ShardStep step;
  ShardState to;
};

inline constexpr std::array shard_life = {
    ShardTransition{ShardState::pending, ShardStep::lease, ShardState::leased},
    ShardTransition{ShardState::leased, ShardStep::lease, ShardState::leased},
    ShardTransition{ShardState::leased, ShardStep::lose, ShardState::pending},
    ShardTransition{ShardState::leased, ShardStep::commit, ShardState::done},
};

enum class RunState { running, stopping, ended };
enum class RunStep {
  stop,    // asked to: what is out comes back first
  settle,  // nothing is out any more, or all is done
  fail,    // cannot go on
};

struct RunTransition {
  RunState from;
  RunStep step;
  RunState to;
};

inline constexpr std::array run_life = {
    RunTransition{RunState::running, RunStep::stop, RunState::stopping},
    RunTransition{RunState::running, RunStep::settle, RunState::ended},
    RunTransition{RunState::running, RunStep::fail, RunState::ended},
    RunTransition{RunState::stopping, RunStep::stop, RunState::stopping},
    RunTransition{RunState::stopping, RunStep::settle, RunState::ended},
    RunTransition{RunState::stopping, RunStep::fail, RunState::ended},
};

// Throws CheckFailure if there is no such transition.
ShardState next(ShardState from, ShardStep step);
RunState next(RunState from, RunStep step);

}  // namespace shardmill::coordinator
