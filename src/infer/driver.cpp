#include "infer/driver.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include <signal.h>

#include "coordinator/entry.hpp"
#include "infer/figures_summary.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "report/log.hpp"

namespace shardmill::infer {
namespace {

constexpr double tick_seconds = 0.05;

std::vector<coordinator::BadRow> to_rows(const std::vector<comm::BadRecord>& records) {
  std::vector<coordinator::BadRow> rows;
  for (const comm::BadRecord& record : records) rows.push_back({record.row, record.message});
  return rows;
}

// What a rank's message means to the coordinator.
struct ToEvent {
  int from;
  std::optional<coordinator::Event> operator()(const comm::Hello&) const { return coordinator::RankJoined{from}; }
  std::optional<coordinator::Event> operator()(const comm::Ready& m) const {
    return coordinator::RankReady{from, m.slots};
  }
  std::optional<coordinator::Event> operator()(const comm::Alive&) const { return coordinator::Heartbeat{from}; }
  std::optional<coordinator::Event> operator()(const comm::Progress& m) const {
    return coordinator::Progressed{from, m.shard, m.attempt, m.durable, m.computed, to_rows(m.bad)};
  }
  std::optional<coordinator::Event> operator()(const comm::Finished& m) const {
    return coordinator::ShardFinished{from, m.shard, m.attempt, m.checksum, m.seconds, to_rows(m.bad)};
  }
  std::optional<coordinator::Event> operator()(const comm::Failed& m) const {
    return coordinator::ShardFailed{from, m.shard, m.attempt, m.message};
  }
  std::optional<coordinator::Event> operator()(const comm::Returned& m) const {
    return coordinator::ShardReturned{from, m.shard, m.attempt};
  }
  std::optional<coordinator::Event> operator()(const comm::GiveUp& m) const {
    return coordinator::RunFailed{m.message, static_cast<ExitCode>(m.exit_code)};
  }
  template <typename ForRanks>
  std::optional<coordinator::Event> operator()(const ForRanks&) const {
    return std::nullopt;
  }
};

}  // namespace

Driver::Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
               report::Progress& progress)
    : world_(world), channel_(channel), job_(job), progress_(progress), files_(job, std::move(folder)) {
  started_ = now();
  start_together_ = std::getenv("SHARDMILL_CRASH_AT") != nullptr;
  if (!files_.remark().empty()) progress_.say("note: " + files_.remark());
}

double Driver::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Driver::model_ready(const ModelReady& ready, const std::string& versions) {
  device_ = ready.device;
  versions_ = versions;
  if (ended()) return;
  files_.open_results(ready.outputs, versions);
  coordinator::Policy policy;
  policy.max_attempts = job_.fault_tolerance.max_attempts;
  // Every batch is a sign of progress, so a time limit for a batch is one for the time between two signs.
  policy.shard_timeout = std::min(job_.fault_tolerance.shard_timeout,
                                  job_.fault_tolerance.batch_timeout.value_or(job_.fault_tolerance.shard_timeout));
  policy.rank_timeout = job_.fault_tolerance.rank_timeout;
  policy.fail_on_bad_record = job_.fault_tolerance.on_bad_record == job::OnBadRecord::fail;
  policy.batch_size = job_.batch_size;
  if (job_.fault_tolerance.max_quarantined) policy.max_quarantined = *job_.fault_tolerance.max_quarantined;
  coordinator_.emplace(files_.take_ledger(), policy);
  done_before_ = coordinator_->figures(now()).records_done;
  started_ = now();
  std::vector<int> alive;
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!world_.is_dead(rank)) alive.push_back(rank);
  }
  due_ = coordinator_->start(alive, std::time(nullptr), started_);
  carry_out();
  for (const auto& [rank, hello] : hello_) welcome(rank);
  for (const auto& [from, message] : std::exchange(early_, {})) receive(from, message);
}

void Driver::welcome(int rank) {
  if (!ended()) channel_.send(rank, comm::Welcome{files_.folder().path.string()});
}

void Driver::receive(int from, const comm::Message& message) {
  if (const auto* hello = std::get_if<comm::Hello>(&message)) {
    hello_[from] = *hello;
    report::log_info("rank " + std::to_string(from) + " is up: pid " + std::to_string(hello->pid) + " on " +
                     hello->host);
    if (coordinator_) welcome(from);
  }
  if (!coordinator_) {
    if (const auto* give_up = std::get_if<comm::GiveUp>(&message)) {
      fail(give_up->message, static_cast<ExitCode>(give_up->exit_code));
    } else if (!std::holds_alternative<comm::Hello>(message) && !std::holds_alternative<comm::Alive>(message)) {
      early_.emplace_back(from, message);
    }
    return;
  }
  if (const auto* ready = std::get_if<comm::Ready>(&message); ready != nullptr && start_together_) {
    waiting_[from] = *ready;
    feed(coordinator::Heartbeat{from});
    return;
  }
  if (const auto* ready = std::get_if<comm::Ready>(&message); ready != nullptr && is_spare(from)) {
    spares_[from] = *ready;
    feed(coordinator::Heartbeat{from});
    call_spare();
    return;
  }
  if (const auto event = std::visit(ToEvent{from}, message)) feed(*event);
}

// The last ranks are the spares, until one is called.
bool Driver::is_spare(int rank) const {
  return rank != world_.rank() && rank >= world_.size() - job_.fault_tolerance.spares && !called_.contains(rank);
}

void Driver::call_spare() {
  while (calls_open_ > 0 && !spares_.empty()) {
    const auto [rank, ready] = *spares_.begin();
    spares_.erase(spares_.begin());
    if (world_.is_dead(rank)) continue;
    called_.insert(rank);
    --calls_open_;
    progress_.say("spare rank " + std::to_string(rank) + " steps in");
    report::log_info("spare rank " + std::to_string(rank) + " steps in");
    feed(coordinator::RankReady{rank, ready.slots});
  }
}

bool Driver::all_ready() const {
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!world_.is_dead(rank) && !waiting_.contains(rank)) return false;
  }
  return true;
}

void Driver::rank_died(int rank) {
  progress_.say("rank " + std::to_string(rank) + " died; its shards go to the others");
  report::log_info("rank " + std::to_string(rank) + " died");
  if (coordinator_) feed(coordinator::RankDied{rank, "the process died"});
  if (!is_spare(rank)) ++calls_open_;
  spares_.erase(rank);
  call_spare();
}

void Driver::feed(const coordinator::Event& event) {
  coordinator::Actions actions = coordinator_->on(event, now());
  due_.insert(due_.end(), std::make_move_iterator(actions.begin()), std::make_move_iterator(actions.end()));
}

void Driver::step() {
  if (ended()) return;
  // The ranks watch their coordinator as it watches them.
  if (now() - last_sign_ > job_.fault_tolerance.rank_timeout / 5) {
    last_sign_ = now();
    for (const auto& [rank, hello] : hello_) channel_.send(rank, comm::Alive{});
  }
  if (!coordinator_) return;
  if (start_together_ && all_ready()) {
    start_together_ = false;
    for (const auto& [rank, ready] : std::exchange(waiting_, {})) receive(rank, ready);
  }
  if (now() - last_tick_ > tick_seconds) {
    last_tick_ = now();
    feed(coordinator::Tick{});
    progress_.update(progress_state(), last_tick_);
  }
  carry_out();
}

void Driver::stop(const std::string& reason) {
  if (ended()) return;
  progress_.say("stopping: " + reason);
  if (coordinator_) {
    feed(coordinator::StopAsked{reason});
    carry_out();
    return;
  }
  files_.append({coordinator::Ended{ExitCode::preempted, 0, reason}});
  act(coordinator::Finish{ExitCode::preempted, reason});
}

void Driver::fail(const std::string& message, ExitCode code) {
  if (ended()) return;
  if (coordinator_) {
    feed(coordinator::RunFailed{message, code});
    carry_out();
    return;
  }
  files_.append({coordinator::Ended{code, 0, message}});
  act(coordinator::Finish{code, message});
}

// One sync serves all that came up since the last time; only then does anything leave.
void Driver::carry_out() {
  if (due_.empty()) return;
  const coordinator::Actions due = std::exchange(due_, {});
  std::vector<coordinator::Entry> entries;
  for (const coordinator::Action& action : due) {
    const auto* record = std::get_if<coordinator::Record>(&action);
    if (record == nullptr) continue;
    const auto* end = std::get_if<coordinator::Ended>(&record->entry);
    if (end != nullptr && end->outcome != ExitCode::failed && end->outcome != ExitCode::bad_job) {
      // The done mark vouches for the tables too: they must be durable before it is.
      files_.append(entries);
      entries.clear();
      files_.sync_results();
      crash_point("before-done");
    }
    if (const auto* lost = std::get_if<coordinator::AttemptLost>(&record->entry)) {
      report::log_info(coordinator::encode(*lost));
    }
    entries.push_back(record->entry);
  }
  files_.append(entries);
  for (const coordinator::Action& action : due) {
    if (const auto* grant = std::get_if<coordinator::Grant>(&action)) act(*grant);
    if (const auto* revoke = std::get_if<coordinator::Revoke>(&action)) act(*revoke);
    if (const auto* kill = std::get_if<coordinator::Kill>(&action)) act(*kill);
    if (const auto* finish = std::get_if<coordinator::Finish>(&action)) act(*finish);
  }
}

void Driver::act(const coordinator::Grant& grant) {
  comm::Lease lease;
  lease.shard = grant.shard;
  lease.attempt = grant.attempt;
  lease.first_row = grant.first_row;
  lease.careful = grant.careful ? 1 : 0;
  lease.again = grant.again ? 1 : 0;
  for (const coordinator::BadRow& row : grant.skip) lease.skip.push_back({row.row, row.message});
  channel_.send(grant.rank, lease);
}

void Driver::act(const coordinator::Revoke& revoke) {
  channel_.send(revoke.rank, comm::Revoked{revoke.shard, revoke.attempt});
}

void Driver::act(const coordinator::Kill& kill) {
  progress_.say("rank " + std::to_string(kill.rank) + " is taken for dead: " + kill.reason);
  report::log_info("rank " + std::to_string(kill.rank) + " is taken for dead: " + kill.reason);
  kill_rank(kill.rank);
}

// On another host it is fenced all the same: nothing that it says counts any more, and rows it writes are the same.
void Driver::kill_rank(int rank) {
  const auto process = store::process_of(files_.folder(), rank);
  if (!process || process->host != world_.host() || rank == world_.rank()) return;
  ::kill(static_cast<pid_t>(process->pid), SIGKILL);
}

void Driver::act(const coordinator::Finish& finish) {
  crash_point("after-done");
  outcome_ = finish.outcome;
  message_ = finish.message;
  if (coordinator_) progress_.finish(progress_state());
  for (int rank = 0; rank < world_.size(); ++rank) channel_.send(rank, comm::End{to_int(finish.outcome)});
}

report::ProgressState Driver::progress_state() const {
  const coordinator::Figures figures = coordinator_->figures(now());
  return {figures.records, figures.records_done, done_before_, now() - started_, figures.ranks_alive, figures.faults};
}

report::Summary Driver::summary() const {
  report::Summary summary;
  summary.name = job_.name;
  summary.run_dir = files_.folder().path.string();
  summary.results = files_.results_path().string();
  summary.outcome = outcome_.value_or(ExitCode::failed);
  summary.message = message_;
  summary.device = device_;
  summary.versions = versions_;
  if (!coordinator_) return summary;
  const coordinator::Figures figures = coordinator_->figures(now());
  fill(summary, figures);
  return summary;
}

}  // namespace shardmill::infer
