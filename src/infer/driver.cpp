#include "infer/driver.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>

#include <signal.h>
#include <unistd.h>

#include "comm/walltime.hpp"
#include "coordinator/entry.hpp"
#include "dataset/batch_order.hpp"
#include "infer/ask_ahead.hpp"
#include "infer/figures_summary.hpp"
#include "infer/lease_messages.hpp"
#include "infer/sights.hpp"
#include "job/clock.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "report/log.hpp"

namespace shardmill::infer {
namespace {

constexpr double tick_seconds = 0.05;

}  // namespace

Driver::Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
               report::Progress& progress)
    : world_(world), channel_(channel), job_(job), progress_(progress), files_(job, std::move(folder)) {
  started_ = steady_seconds();
  // A coordinator that takes over finds deaths that no spare has made up for, its predecessor's among them. Spares that
  // were called before are called again.
  for (int rank = 0; rank < world_.size(); ++rank) calls_open_ += world_.is_dead(rank) && !is_spare(rank) ? 1 : 0;
  start_together_ = std::getenv("SHARDMILL_CRASH_AT") != nullptr || std::getenv("SHARDMILL_DISK_FAULT") != nullptr;
  if (!files_.remark().empty()) progress_.say("note: " + files_.remark());
}

void Driver::model_ready(const ModelReady& ready, const std::string& versions) {
  device_ = ready.device;
  versions_ = versions;
  if (ended()) return;
  files_.open_results(ready.outputs, versions);
  welcome_ = look_at(job_, files_.folder());
  for (const store::OutputLayout& output : ready.outputs) {
    welcome_.outputs.push_back({output.name, std::string(name_of(output.dtype)), output.shape});
  }
  coordinator::Policy policy;
  policy.max_attempts = job_.fault_tolerance.max_attempts;
  // Every batch is a sign of progress, so a time limit for a batch is one for the time between two signs.
  policy.shard_timeout = std::min(job_.fault_tolerance.shard_timeout,
                                  job_.fault_tolerance.batch_timeout.value_or(job_.fault_tolerance.shard_timeout));
  policy.rank_timeout = job_.fault_tolerance.rank_timeout;
  policy.fail_on_bad_record = job_.fault_tolerance.on_bad_record == job::OnBadRecord::fail;
  policy.batch_size = job_.batch_size;
  if (job_.batch_by != job::BatchBy::order) {
    policy.row_at = [&job = job_, plan = files_.plan()](std::int64_t shard, std::int64_t place) {
      return dataset::rows_at(job, plan.first(shard), plan.count(shard), {place}).front();
    };
  }
  policy.slots = AskAhead::fewest;
  policy.most_slots = AskAhead::most;
  if (job_.fault_tolerance.max_quarantined)
    policy.max_quarantined = job_.fault_tolerance.max_quarantined->of(files_.plan().own_records());
  if (const auto left = comm::seconds_to_stop()) policy.deadline = steady_seconds() + *left;
  coordinator_.emplace(files_.take_ledger(), policy);
  done_before_ = coordinator_->figures(steady_seconds()).records_done;
  started_ = steady_seconds();
  std::vector<int> alive;
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!world_.is_dead(rank)) alive.push_back(rank);
  }
  // The first coordinator of an mpirun is rank 0; any other has outlived one, with all who are alive.
  due_ = coordinator_->start(alive, std::time(nullptr), started_, /*outlived=*/world_.rank() != 0);
  carry_out();
  for (const auto& [rank, hello] : hello_) welcome(rank);
  for (const auto& [from, message] : std::exchange(early_, {})) receive(from, message);
}

void Driver::welcome(int rank) {
  if (!ended()) channel_.send(rank, welcome_);
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
  if (const auto event = to_event(from, message)) feed(*event);
}

bool Driver::may_feed(int rank, const std::string& why) {
  const comm::Hello& hello = hello_[rank];
  const std::string who = "rank " + std::to_string(rank) + " on " + hello.host;
  if (job_.data_path == job::DataPath::shared) {
    fail(who + " cannot take part: " + why +
         ", and data_path is shared; put it on a file system that all nodes share, or leave data_path out");
    return false;
  }
  report::log_info(who + " is fed over MPI: " + why);
  if (fed_.empty()) progress_.say(who + " is fed over MPI: " + why);
  fed_.insert(rank);
  // It cannot do so itself, and who has to end it looks there.
  store::note_process(files_.folder(), rank, {hello.pid, hello.host});
  return true;
}

bool Driver::holds(int rank, const comm::RowBlock& block) {
  return coordinator_ && coordinator_->holds(rank, block.shard, block.attempt);
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
  coordinator::Actions actions = coordinator_->on(event, steady_seconds());
  due_.insert(due_.end(), std::make_move_iterator(actions.begin()), std::make_move_iterator(actions.end()));
}

void Driver::step() {
  if (ended()) return;
  // The ranks watch their coordinator as it watches them.
  if (steady_seconds() - last_sign_ > job_.fault_tolerance.rank_timeout / 5) {
    last_sign_ = steady_seconds();
    for (const auto& [rank, hello] : hello_) channel_.send(rank, comm::Alive{});
  }
  if (!coordinator_) return;
  if (start_together_ && all_ready()) {
    start_together_ = false;
    for (const auto& [rank, ready] : std::exchange(waiting_, {})) receive(rank, ready);
  }
  if (steady_seconds() - last_tick_ > tick_seconds) {
    last_tick_ = steady_seconds();
    feed(coordinator::Tick{});
    progress_.update(progress_state(), last_tick_);
  }
  carry_out();
  if (!ended() && coordinator_->deserted()) {
    // Its own pipeline is stuck, and it is the last: only a new process can go on, from the journal.
    report::log_info("no rank is left that works: this process ends itself");
    ::kill(::getpid(), SIGKILL);
  }
}

void Driver::stop(const std::string& reason, double grace) {
  if (ended() || std::exchange(stopping_, true)) return;
  progress_.say("stopping: " + reason);
  report::log_info("stopping: " + reason);
  if (coordinator_) {
    if (const auto left = comm::seconds_to_stop()) grace = std::clamp(*left, 0.0, grace);
    feed(coordinator::StopAsked{reason, grace});
    carry_out();
    return;
  }
  files_.append({coordinator::Ended{ExitCode::preempted, 0, reason}});
  act(coordinator::Finish{ExitCode::preempted, reason});
}

void Driver::took_over(double detect, double agree) {
  recovery_.detect = detect;
  recovery_.agree = agree;
}

void Driver::lost_at_end(int rank) {
  if (!lost_at_end_.insert(rank).second) return;
  kill_rank(rank);
  report::log_info("rank " + std::to_string(rank) + " does not answer though the run has ended: it is killed");
  files_.append({coordinator::RankGone{rank, 0, "no answer when the run had ended"}});
}

void Driver::storage_failed(const std::string& message) {
  if (ended()) return;
  try {
    if (coordinator_) {
      feed(coordinator::RunFailed{message, ExitCode::failed, /*storage=*/true});
      carry_out();
    } else {
      files_.append({coordinator::Ended{ExitCode::failed, 0, message, /*storage=*/true}});
    }
  } catch (const Error&) {
    report::log_info("the journal cannot be told either");
  }
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
    if (const auto* proceed = std::get_if<coordinator::Proceed>(&action)) act(*proceed);
    if (const auto* revoke = std::get_if<coordinator::Revoke>(&action)) act(*revoke);
    if (const auto* kill = std::get_if<coordinator::Kill>(&action)) act(*kill);
    if (const auto* finish = std::get_if<coordinator::Finish>(&action)) act(*finish);
  }
}

void Driver::act(const coordinator::Grant& grant) { channel_.send(grant.rank, to_message(grant)); }

void Driver::act(const coordinator::Proceed& proceed) {
  channel_.send(proceed.rank, comm::Proceed{proceed.shard, proceed.attempt, proceed.row});
}

void Driver::act(const coordinator::Revoke& revoke) {
  channel_.send(revoke.rank, comm::Revoked{revoke.shard, revoke.attempt});
}

void Driver::act(const coordinator::Kill& kill) {
  progress_.say("rank " + std::to_string(kill.rank) + " is taken for dead: " + kill.reason);
  report::log_info("rank " + std::to_string(kill.rank) + " is taken for dead: " + kill.reason);
  taken_for_dead_.insert(kill.rank);
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
  const coordinator::Figures figures = coordinator_->figures(steady_seconds());
  return {figures.records,
          figures.records_done,
          done_before_,
          steady_seconds() - started_,
          figures.ranks_alive,
          figures.faults,
          ""};
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
  summary.ranks_fed = static_cast<int>(fed_.size());
  fill(summary, figures());
  if (!coordinator_) return summary;
  summary.recovery = recovery_;
  summary.recovery.replay = files_.replay_seconds();
  summary.recovery.rebuild = files_.rebuild_seconds();
  summary.recovery.detect = std::max(recovery_.detect, figures().longest_detection);
  return summary;
}

coordinator::Figures Driver::figures() const {
  if (!coordinator_) return {};
  coordinator::Figures figures = coordinator_->figures(steady_seconds());
  const auto late = std::ssize(lost_at_end_);
  figures.faults += late;
  if (figures.tasks_completed == figures.tasks_submitted) figures.faults_recovered += late;
  figures.ranks_alive -= static_cast<int>(late);
  return figures;
}

}  // namespace shardmill::infer
