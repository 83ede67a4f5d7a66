// Runs told as short scripts: what is said to the coordinator, what it answers, what is in its journal.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/coordinator.hpp"
#include "coordinator/entry.hpp"

namespace shardmill::coordinator {

class Story {
 public:
  explicit Story(Plan plan, Policy policy = {}, std::vector<std::string> journal = {})
      : plan_(plan), policy_(policy), journal_(std::move(journal)), coordinator_(replayed(), policy) {}

  // Each says one thing to the coordinator; `answer` then holds what it wants done.
  void start(int ranks) { keep(coordinator_.start(ranks, 1'700'000'000, now)); }
  // Of ranks that have seen their coordinator die.
  void take_over(const std::vector<Rank>& alive) { keep(coordinator_.start(alive, 1'700'000'000, now, true)); }
  void ready(Rank rank, int slots = 1) { on(RankReady{rank, slots}); }
  void progress(Rank rank, ShardId shard, std::int64_t durable, std::int64_t computed, std::vector<BadRow> bad = {}) {
    on(Progressed{rank, shard, attempt(rank, shard), durable, computed, std::move(bad)});
  }
  // True if it gets the word.
  bool asks(Rank rank, ShardId shard, std::int64_t row) {
    on(BatchAsked{rank, shard, attempt(rank, shard), row});
    return !all<Proceed>().empty();
  }
  void finish(Rank rank, ShardId shard, std::vector<BadRow> bad = {}) {
    on(ShardFinished{rank, shard, attempt(rank, shard), 0xc0ffee, 1.0, std::move(bad)});
  }
  void fail(Rank rank, ShardId shard) { on(ShardFailed{rank, shard, attempt(rank, shard), "cannot read"}); }
  void give_back(Rank rank, ShardId shard) { on(ShardReturned{rank, shard, attempt(rank, shard)}); }
  void dies(Rank rank) { on(RankDied{rank, "signal 9"}); }
  void stop(Seconds grace = 0) { on(StopAsked{"SIGTERM", grace}); }
  void tick(Seconds later = 1) {
    now += later;
    on(Tick{});
  }
  void on(const Event& event) { keep(coordinator_.on(event, now)); }

  // From the answer.
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Action& action : answer) {
      if (const T* one = std::get_if<T>(&action)) found.push_back(*one);
    }
    return found;
  }
  template <typename T>
  std::vector<T> entries() const {
    std::vector<T> found;
    for (const Record& record : all<Record>()) {
      if (const T* one = std::get_if<T>(&record.entry)) found.push_back(*one);
    }
    return found;
  }
  std::optional<Grant> grant_of(ShardId shard) const {
    for (const Grant& grant : all<Grant>()) {
      if (grant.shard == shard) return grant;
    }
    return std::nullopt;
  }
  std::optional<Finish> end() const {
    const auto ends = all<Finish>();
    return ends.empty() ? std::nullopt : std::optional(ends.front());
  }
  // "0>1 2>1": shard 0 to rank 1, shard 2 to rank 1.
  std::string granted() const {
    std::string text;
    for (const Grant& grant : all<Grant>()) {
      text += (text.empty() ? "" : " ") + std::to_string(grant.shard) + ">" + std::to_string(grant.rank);
    }
    return text;
  }
  Attempt attempt(Rank rank, ShardId shard) const { return attempts_.at({rank, shard}); }

  Ledger replayed() const {
    Ledger ledger(plan_, policy_.batch_size);
    for (const std::string& line : journal_) ledger.apply(decode(line));
    return ledger;
  }
  const std::vector<std::string>& journal() const { return journal_; }
  const Coordinator& coordinator() const { return coordinator_; }
  Figures figures() const { return coordinator_.figures(now); }

  Seconds now = 100;
  Actions answer;

 private:
  void keep(Actions actions) {
    answer = std::move(actions);
    for (const Record& record : all<Record>()) journal_.push_back(encode(record.entry));
    for (const Grant& grant : all<Grant>()) attempts_[{grant.rank, grant.shard}] = grant.attempt;
  }

  Plan plan_;
  Policy policy_;
  std::vector<std::string> journal_;
  Coordinator coordinator_;
  std::map<std::pair<Rank, ShardId>, Attempt> attempts_;
};

}  // namespace shardmill::coordinator
