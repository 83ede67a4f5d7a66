#include "simulation/planned_run.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <variant>
#include <vector>

#include "job/error.hpp"
#include "simulation/random.hpp"

namespace shardmill::simulation {

using namespace coordinator;

namespace {

constexpr int fewest_slots = 3;         // that a rank asks for: one in the model, one being read, one on its way
constexpr int most_slots = 256;         // and with short shards
constexpr Seconds report_interval = 2;  // of a long shard's durable rows
constexpr Seconds shortest_tick = 0.05;
constexpr double most_delay = 100;  // times the ideal makespan: it makes no headway

// A rank asks for twice as many leases until the model does not run dry while a report and the next lease are under
// way.
int slots_of(const PlannedRun& run) {
  const Seconds shard = static_cast<double>(run.plan.shard_size) * run.seconds_per_record;
  int slots = fewest_slots;
  while (slots < most_slots && slots * shard < 2 * run.latency) slots *= 2;
  return std::min(slots, most_slots);
}

struct Work {
  Grant grant;
  Seconds arrives = 0;
  Seconds per_row = 0;
};

struct RankModel {
  bool alive = true;  // its process runs
  bool known_dead = false;
  bool silent = false;      // it hangs
  bool spare = false;       // and not called yet
  std::deque<Work> leases;  // the front one is in the model
  Seconds began = 0;        // with the front one
  std::int64_t turn = 0;    // of the front one: what was foreseen of an earlier turn does not happen
};

struct Computed {  // the front lease
  Rank rank;
  std::int64_t turn;
};
struct Told {  // of a shard's end
  int incarnation;
  ShardFinished event;
};
struct Death {
  int mpirun;
  Rank rank;
};
struct NodeDeath {
  int mpirun;
};
struct Noticed {
  int mpirun;
  Rank rank;
};
struct TakeOver {
  int mpirun;
};
struct Look {  // a tick
  int incarnation;
};
struct Start {};

using What = std::variant<Computed, Told, Death, NodeDeath, Noticed, TakeOver, Look, Start>;

struct Happening {
  Seconds at = 0;
  std::int64_t order = 0;
  What what;
  bool operator<(const Happening& other) const {  // for a queue with the earliest on top
    return at != other.at ? at > other.at : order > other.order;
  }
};

class Play {
 public:
  Play(const PlannedRun& run, std::uint64_t seed)
      : run_(run), slots_(slots_of(run)), random_(seed), ledger_(run.plan, run.batch_size) {}

  PlannedOutcome perform() {
    const double work = static_cast<double>(run_.plan.records) * run_.seconds_per_record;
    const auto shards = static_cast<double>(run_.plan.shards() + 1);
    const Seconds latest = most_delay * (work / std::min(shards, static_cast<double>(run_.ranks)) + run_.start);
    const std::int64_t most_steps = 1'000'000 + 100 * (run_.plan.shards() + run_.ranks);
    at(run_.start, Start{});
    while (!over_ && now_ < latest && outcome_.steps < most_steps) {
      ++outcome_.steps;
      const Happening next = queue_.top();
      queue_.pop();
      now_ = next.at;
      std::visit([this](const auto& what) { happen(what); }, next.what);
    }
    outcome_.ended = over_;
    outcome_.makespan = now_;
    outcome_.ranks_alive = alive_;
    const Figures figures = ledger_.figures();
    outcome_.busy_share = figures.rank_seconds > 0 ? figures.busy / figures.rank_seconds : 0;
    outcome_.records_quarantined = figures.records_quarantined;
    return outcome_;
  }

 private:
  void at(Seconds when, What what) { queue_.push({when, order_++, std::move(what)}); }
  void after(Seconds delay, What what) { at(now_ + delay, std::move(what)); }
  Seconds lifetime(Seconds mean) { return -mean * std::log1p(-random_.share()); }
  RankModel& model(Rank rank) { return ranks_[static_cast<std::size_t>(rank)]; }

  // ---- mpiruns and coordinators

  void happen(const Start&) {
    const int all = run_.ranks + run_.spares;
    ranks_.assign(static_cast<std::size_t>(all), {});
    alive_ = all;
    coordinator_rank_ = 0;
    calls_open_ = 0;
    for (Rank rank = 0; rank < all; ++rank) {
      model(rank).spare = rank >= run_.ranks;
      if (run_.rank_mtbf < never) after(lifetime(run_.rank_mtbf), Death{mpirun_, rank});
    }
    if (run_.node_mtbf < never) {
      const int nodes = (all + run_.ranks_per_node - 1) / run_.ranks_per_node;
      after(lifetime(run_.node_mtbf / nodes), NodeDeath{mpirun_});  // the first of them; it ends this mpirun
    }
    coordinate();
  }

  void coordinate() {
    ++incarnation_;
    looking_ = false;
    for (Rank rank = 0; rank < std::ssize(ranks_); ++rank) drop_work(rank);
    Policy policy;
    policy.max_attempts = run_.max_attempts;
    policy.batch_size = run_.batch_size;
    // Ranks speak often enough; silent ones are found by this world itself, so that it need not carry heartbeats.
    policy.rank_timeout = policy.shard_timeout = never;
    coordinator_ = std::make_unique<Coordinator>(ledger_, policy);
    std::vector<Rank> known;
    for (Rank rank = 0; rank < std::ssize(ranks_); ++rank) {
      if (!model(rank).known_dead) known.push_back(rank);
    }
    carry_out(coordinator_->start(known, 0, now_, /*outlived=*/coordinator_rank_ > 0));
    for (const Rank rank : known) {
      if (!model(rank).spare && !over_ && !model(rank).silent && model(rank).alive) feed(RankReady{rank, slots_});
    }
    call_spares();
    look_soon();
  }

  // What the journal knows when the coordinator or everything dies: also the rows of long shards, told as they became
  // durable.
  void keep_what_is_durable() {
    for (Rank rank = 0; rank < std::ssize(ranks_); ++rank) tell_progress(rank);
    ledger_ = coordinator_->ledger();
    coordinator_.reset();
  }

  void end_mpirun() {
    if (coordinator_) keep_what_is_durable();
    for (Rank rank = 0; rank < std::ssize(ranks_); ++rank) drop_work(rank);
    ++mpirun_;
    ++outcome_.restarts;
    ranks_.clear();
    alive_ = 0;
    after(run_.start, Start{});
  }

  void happen(const TakeOver& event) {
    // One that has died meanwhile does not take over: its death will be noticed, and another does.
    if (event.mpirun != mpirun_ || coordinator_ || !model(coordinator_rank_).alive) return;
    ++outcome_.takeovers;
    model(coordinator_rank_).spare = false;
    coordinate();
  }

  // ---- Deaths

  void happen(const Death& event) {
    if (event.mpirun != mpirun_ || !model(event.rank).alive) return;
    RankModel& rank = model(event.rank);
    ++outcome_.deaths;
    rank.silent = random_.chance(run_.hangs);
    if (rank.silent) ++outcome_.hangs;
    tell_progress(event.rank);
    if (coordinator_ && event.rank == coordinator_rank_) keep_what_is_durable();
    drop_work(event.rank);
    rank.alive = false;
    --alive_;
    after(rank.silent ? run_.rank_timeout : run_.notice, Noticed{mpirun_, event.rank});
  }

  void happen(const Noticed& event) {
    if (event.mpirun != mpirun_) return;
    RankModel& rank = model(event.rank);
    rank.known_dead = true;
    if (!run_.survives_deaths || alive_ == 0) {
      end_mpirun();
      return;
    }
    if (!rank.spare) ++calls_open_;
    rank.spare = false;
    if (event.rank == coordinator_rank_) {
      while (model(coordinator_rank_).known_dead) ++coordinator_rank_;
      after(run_.takeover, TakeOver{mpirun_});
      return;
    }
    if (!coordinator_) return;
    feed(RankDied{event.rank, "died"});
    call_spares();
    look_soon();
  }

  void happen(const NodeDeath& event) {
    if (event.mpirun != mpirun_) return;
    ++outcome_.nodes_lost;
    end_mpirun();
  }

  void call_spares() {
    for (Rank rank = run_.ranks; calls_open_ > 0 && rank < std::ssize(ranks_); ++rank) {
      if (!model(rank).spare || !model(rank).alive) continue;
      model(rank).spare = false;
      --calls_open_;
      ++outcome_.spares_called;
      feed(RankReady{rank, slots_});
    }
  }

  // ---- The coordinator's answers

  void feed(const Event& event) {
    ++outcome_.steps;
    if (coordinator_) carry_out(coordinator_->on(event, now_));
  }

  void carry_out(const Actions& actions) {
    for (const Action& action : actions) std::visit([this](const auto& a) { act(a); }, action);
    if (!over_) return;
    ledger_ = coordinator_->ledger();
    coordinator_.reset();
  }
  void act(const Record&) {}
  void act(const Proceed&) {}
  void act(const Kill&) {}
  void act(const Finish&) { over_ = true; }

  void act(const Grant& grant) {
    RankModel& rank = model(grant.rank);
    if (!rank.alive) return;
    const double pace = 1 + run_.variation * random_.between(-1.0, 1.0);
    rank.leases.push_back({grant, now_ + run_.latency, run_.seconds_per_record * pace});
    if (rank.leases.size() == 1) begin(grant.rank);
  }

  void act(const Revoke& revoke) {
    RankModel& rank = model(revoke.rank);
    const auto found = std::find_if(rank.leases.begin(), rank.leases.end(), [&](const Work& work) {
      return work.grant.shard == revoke.shard && work.grant.attempt == revoke.attempt;
    });
    if (found == rank.leases.end()) return;
    if (found != rank.leases.begin()) {
      rank.leases.erase(found);
      return;
    }
    count_unfinished(rank);
    rank.leases.pop_front();
    rank.turn = ++turns_;
    if (!rank.leases.empty()) begin(revoke.rank);
  }

  // ---- A rank's work

  void begin(Rank number) {
    RankModel& rank = model(number);
    const Work& work = rank.leases.front();
    rank.began = std::max(now_, work.arrives);
    rank.turn = ++turns_;
    const auto rows = static_cast<double>(run_.plan.count(work.grant.shard) - work.grant.first_row);
    at(rank.began + rows * work.per_row, Computed{number, rank.turn});
  }

  void happen(const Computed& event) {
    if (event.rank >= std::ssize(ranks_) || model(event.rank).turn != event.turn) return;
    RankModel& rank = model(event.rank);
    const Work work = std::move(rank.leases.front());
    rank.leases.pop_front();
    const ShardId shard = work.grant.shard;
    outcome_.records_computed += run_.plan.count(shard) - work.grant.first_row;
    after(run_.latency,
          Told{incarnation_, {event.rank, shard, work.grant.attempt, 0, now_ - rank.began, work.grant.skip}});
    if (!rank.leases.empty()) begin(event.rank);
  }

  void happen(const Told& event) {
    if (event.incarnation != incarnation_ || !coordinator_) return;
    feed(event.event);
    if (coordinator_ && model(event.event.rank).leases.empty()) look_soon();
  }

  // What was begun and comes to nothing.
  void count_unfinished(const RankModel& rank) {
    const Work& work = rank.leases.front();
    outcome_.records_computed += static_cast<std::int64_t>(std::max(now_ - rank.began, 0.0) / work.per_row);
  }

  void drop_work(Rank number) {
    RankModel& rank = model(number);
    if (rank.leases.empty()) return;
    count_unfinished(rank);
    rank.leases.clear();
    rank.turn = ++turns_;
  }

  // The first row of the batch that its model is at.
  std::int64_t rows_at(Rank number, Seconds when) {
    const RankModel& rank = model(number);
    const Work& work = rank.leases.front();
    const double passed = std::max(when - rank.began, 0.0) / work.per_row;
    const std::int64_t row = work.grant.first_row + static_cast<std::int64_t>(passed);
    const std::int64_t batch_end = (work.grant.first_row / run_.batch_size + 1) * run_.batch_size;
    if (work.grant.careful && row < batch_end) return row;  // one at a time
    return std::clamp(row / run_.batch_size * run_.batch_size, work.grant.first_row, run_.plan.count(work.grant.shard));
  }

  void tell_progress(Rank number) {
    const RankModel& rank = model(number);
    if (!coordinator_ || rank.leases.empty() || rank.leases.front().arrives > now_) return;
    const Work& work = rank.leases.front();
    const Seconds passed = std::max(now_ - rank.began, 0.0);
    const std::int64_t computed = rows_at(number, now_);
    if (work.grant.again) {  // every batch is durable before it asks for the next
      feed(Progressed{number, work.grant.shard, work.grant.attempt, computed, computed, {}});
      feed(BatchAsked{number, work.grant.shard, work.grant.attempt, computed});
      return;
    }
    const Seconds reported = work.grant.careful ? passed : std::floor(passed / report_interval) * report_interval;
    const std::int64_t durable = rows_at(number, rank.began + reported);
    feed(Progressed{number, work.grant.shard, work.grant.attempt, durable, computed, {}});
  }

  // ---- Ticks: only while a rank has nothing to do, since then shards may be leased a second time

  void look_soon() {
    if (looking_ || !coordinator_) return;
    const bool idle = std::any_of(ranks_.begin(), ranks_.end(), [](const RankModel& rank) {
      return rank.alive && !rank.spare && rank.leases.empty();
    });
    if (!idle) return;
    looking_ = true;
    const Seconds shard = static_cast<double>(run_.plan.shard_size) * run_.seconds_per_record;
    after(std::max(shortest_tick, shard / 100), Look{incarnation_});
  }

  void happen(const Look& event) {
    if (event.incarnation != incarnation_ || !coordinator_) return;
    looking_ = false;
    for (Rank rank = 0; rank < std::ssize(ranks_) && coordinator_; ++rank) tell_progress(rank);
    feed(Tick{});
    look_soon();
  }

  const PlannedRun& run_;
  const int slots_;  // that a rank asks for
  Random random_;
  Ledger ledger_;  // what the journal says, while no coordinator lives
  std::unique_ptr<Coordinator> coordinator_;
  std::vector<RankModel> ranks_;
  std::priority_queue<Happening> queue_;
  Seconds now_ = 0;
  std::int64_t order_ = 0;
  std::int64_t turns_ = 0;
  Rank coordinator_rank_ = 0;
  int mpirun_ = 0;
  int incarnation_ = 0;
  int alive_ = 0;
  int calls_open_ = 0;
  bool looking_ = false;
  bool over_ = false;
  PlannedOutcome outcome_;
};

}  // namespace

PlannedOutcome simulate(const PlannedRun& run, std::uint64_t seed) {
  SHARDMILL_CHECK(run.ranks >= 1 && run.spares >= 0 && run.ranks_per_node >= 1, "ranks to simulate");
  SHARDMILL_CHECK(run.seconds_per_record > 0 && run.rank_mtbf > 0 && run.node_mtbf > 0, "times above zero");
  return Play(run, seed).perform();
}

}  // namespace shardmill::simulation
