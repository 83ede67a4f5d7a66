#include "sweep/driver.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <utility>
#include <vector>

#include <signal.h>
#include <unistd.h>

#include "comm/walltime.hpp"
#include "coordinator/entry.hpp"
#include "dataset/fingerprint.hpp"
#include "dataset/sha256.hpp"
#include "infer/lease_messages.hpp"
#include "job/clock.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "job/names.hpp"
#include "report/log.hpp"
#include "sweep/places.hpp"

namespace shardmill::sweep {
namespace {

constexpr double tick_seconds = 0.05;

coordinator::Opened opened_of(const job::Job& job) {
  dataset::Sha256 text;
  text.add(std::string_view(job.resolved_yaml));
  // Of every dataset once: most sweeps have one.
  dataset::Sha256 data;
  std::vector<job::Dataset> known;
  for (const job::Trial& trial : job.sweep.trials) {
    if (std::find(known.begin(), known.end(), trial.job->dataset) != known.end()) continue;
    known.push_back(trial.job->dataset);
    data.add(std::string_view(dataset::fingerprint(trial.job->dataset).digest));
  }
  return {1, plan_of(job), text.hex(), data.hex(), ""};
}

}  // namespace

Driver::Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
               report::Progress& progress, const std::string& device, const std::string& versions)
    : world_(world),
      channel_(channel),
      job_(job),
      folder_(std::move(folder)),
      progress_(progress),
      device_(device),
      versions_(versions),
      journal_(store::posix_disk(), folder_.journal()) {
  start_together_ = std::getenv("SHARDMILL_CRASH_AT") != nullptr || std::getenv("SHARDMILL_DISK_FAULT") != nullptr;
  replay();
  started_ = steady_seconds();
  done_before_ = coordinator_->ledger().done().size();
  std::vector<int> alive;
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!world_.is_dead(rank)) alive.push_back(rank);
  }
  // The first coordinator of an mpirun is rank 0; any other has outlived one, with all who are alive.
  due_ = coordinator_->start(alive, std::time(nullptr), started_, /*outlived=*/world_.rank() != 0);
  carry_out();
}

void Driver::replay() {
  if (journal_.content().bad_bytes > 0) {
    progress_.say("note: " + std::to_string(journal_.content().bad_bytes) +
                  " bytes at the end of the journal did not check out (a copy is in " + folder_.journal().string() +
                  ".damaged); what they told is found out again");
  }
  const coordinator::Opened opened = opened_of(job_);
  coordinator::Ledger ledger(opened.plan, 1);
  const std::vector<std::string> lines = journal_.take_payloads();
  if (lines.empty()) append({opened});
  for (const std::string& line : lines) {
    const coordinator::Entry entry = coordinator::decode(line);
    if (const auto* first = std::get_if<coordinator::Opened>(&entry);
        first != nullptr &&
        (first->job_digest != opened.job_digest || first->dataset_digest != opened.dataset_digest)) {
      throw StoreError(std::string(first->job_digest != opened.job_digest ? "the job" : "the data of the trials") +
                       " is not what " + folder_.path.string() +
                       " began with; put it back as it was, or start a new run");
    }
    commits_.note(entry);
    ledger.apply(entry);
  }
  crash_point("during-replay");
  coordinator::Policy policy;
  policy.max_attempts = job_.fault_tolerance.max_attempts;
  policy.shard_timeout = job_.fault_tolerance.shard_timeout;
  policy.rank_timeout = job_.fault_tolerance.rank_timeout;
  // Never by two ranks: they would write the same checkpoints.
  policy.straggler_patience = std::numeric_limits<double>::infinity();
  policy.slots = policy.most_slots = 1;
  if (job_.fault_tolerance.max_quarantined)
    policy.max_quarantined = job_.fault_tolerance.max_quarantined->of(opened.plan.shards());
  coordinator_.emplace(std::move(ledger), policy);
}

void Driver::receive(int from, const comm::Message& message) {
  if (const auto* hello = std::get_if<comm::Hello>(&message)) {
    report::log_info("rank " + std::to_string(from) + " is up: pid " + std::to_string(hello->pid) + " on " +
                     hello->host);
    comm::Welcome welcome;
    welcome.run_dir = folder_.path.string();
    if (!ended()) channel_.send(from, welcome);
  }
  if (const auto* ready = std::get_if<comm::Ready>(&message); ready != nullptr && start_together_) {
    waiting_[from] = *ready;
    feed(coordinator::Heartbeat{from});
    return;
  }
  if (const auto event = infer::to_event(from, message)) feed(*event);
}

bool Driver::all_ready() const {
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!world_.is_dead(rank) && !waiting_.contains(rank)) return false;
  }
  return true;
}

void Driver::rank_died(int rank) {
  progress_.say("rank " + std::to_string(rank) + " died; its trial goes on elsewhere");
  report::log_info("rank " + std::to_string(rank) + " died");
  feed(coordinator::RankDied{rank, "the process died"});
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
    for (int rank = 0; rank < world_.size(); ++rank) channel_.send(rank, comm::Alive{});
  }
  if (start_together_ && all_ready()) {
    start_together_ = false;
    for (const auto& [rank, ready] : std::exchange(waiting_, {})) receive(rank, ready);
  }
  if (steady_seconds() - last_tick_ > tick_seconds) {
    last_tick_ = steady_seconds();
    feed(coordinator::Tick{});
    progress_.update(progress_state(), last_tick_);
    // Trials go on until then, and are saved: a long one need not fit into what is left.
    if (const auto left = comm::seconds_to_stop(); left && *left <= 0) stop("the walltime is nearly over");
  }
  carry_out();
  if (!ended() && coordinator_->deserted()) {
    // Its own trial is stuck, and it is the last: only a new process can go on, from the journal.
    report::log_info("no rank is left that works: this process ends itself");
    ::kill(::getpid(), SIGKILL);
  }
}

void Driver::stop(const std::string& reason) {
  if (ended() || std::exchange(stopping_, true)) return;
  progress_.say("stopping: " + reason);
  report::log_info("stopping: " + reason);
  feed(coordinator::StopAsked{reason, 0});
  carry_out();
}

void Driver::lost_at_end(int rank) {
  if (!lost_at_end_.insert(rank).second) return;
  kill_rank(rank);
  report::log_info("rank " + std::to_string(rank) + " does not answer though the run has ended: it is killed");
  append({coordinator::RankGone{rank, 0, "no answer when the run had ended"}});
}

void Driver::storage_failed(const std::string& message) {
  if (ended()) return;
  try {
    feed(coordinator::RunFailed{message, ExitCode::failed, /*storage=*/true});
    carry_out();
  } catch (const Error&) {
    report::log_info("the journal cannot be told either");
  }
}

void Driver::append(const std::vector<coordinator::Entry>& entries) {
  std::vector<std::string> lines;
  for (const coordinator::Entry& entry : entries) {
    commits_.note(entry);
    lines.push_back(coordinator::encode(entry));
  }
  journal_.append(lines);
}

// One sync serves all that came up since the last time; only then does anything leave.
void Driver::carry_out() {
  if (due_.empty()) return;
  const coordinator::Actions due = std::exchange(due_, {});
  std::vector<coordinator::Entry> entries;
  for (const coordinator::Action& action : due) {
    const auto* record = std::get_if<coordinator::Record>(&action);
    if (record == nullptr) continue;
    if (std::holds_alternative<coordinator::Ended>(record->entry)) crash_point("before-done");
    if (const auto* lost = std::get_if<coordinator::AttemptLost>(&record->entry))
      report::log_info(coordinator::encode(*lost));
    entries.push_back(record->entry);
  }
  if (!entries.empty()) append(entries);
  for (const coordinator::Entry& entry : entries) {
    if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) tell(*commit);
  }
  for (const coordinator::Action& action : due) {
    if (const auto* grant = std::get_if<coordinator::Grant>(&action))
      channel_.send(grant->rank, infer::to_message(*grant));
    if (const auto* proceed = std::get_if<coordinator::Proceed>(&action))
      channel_.send(proceed->rank, comm::Proceed{proceed->shard, proceed->attempt, proceed->row});
    if (const auto* revoke = std::get_if<coordinator::Revoke>(&action))
      channel_.send(revoke->rank, comm::Revoked{revoke->shard, revoke->attempt});
    if (const auto* kill = std::get_if<coordinator::Kill>(&action)) act(*kill);
    if (const auto* finish = std::get_if<coordinator::Finish>(&action)) act(*finish);
  }
}

void Driver::tell(const coordinator::Committed& commit) {
  std::string text = "trial " + job::trial_name(commit.shard);
  if (!commit.bad.empty()) {
    progress_.say(text + " failed: " + commit.bad.front().message);
    return;
  }
  Commits one;
  one.note(commit);
  const TrialRow row = row_of(commit.shard, folder_, coordinator_->ledger(), one);
  if (const auto value = row.value(job_.sweep))
    text += ": " + std::string(job::name_of(job_.sweep.objective)) + report::number_text(" %.4f", *value);
  progress_.say(text + ", " + report::seconds_text(commit.seconds) + " on rank " + std::to_string(commit.rank));
}

void Driver::act(const coordinator::Kill& kill) {
  progress_.say("rank " + std::to_string(kill.rank) + " is taken for dead: " + kill.reason);
  report::log_info("rank " + std::to_string(kill.rank) + " is taken for dead: " + kill.reason);
  kill_rank(kill.rank);
  channel_.send(kill.rank, comm::Expelled{});  // should it be on another host, and only slow
}

void Driver::kill_rank(int rank) {
  const auto process = store::process_of(folder_, rank);
  if (!process || process->host != world_.host() || rank == world_.rank()) return;
  ::kill(static_cast<pid_t>(process->pid), SIGKILL);
}

void Driver::act(const coordinator::Finish& finish) {
  crash_point("after-done");
  outcome_ = finish.outcome;
  message_ = message_of(finish.outcome, finish.message, coordinator_->figures(steady_seconds()));
  progress_.finish(progress_state());
  for (int rank = 0; rank < world_.size(); ++rank) channel_.send(rank, comm::End{to_int(finish.outcome)});
}

report::ProgressState Driver::progress_state() const {
  const coordinator::Figures figures = coordinator_->figures(steady_seconds());
  report::ProgressState state;
  state.records = figures.tasks_submitted;
  state.records_done = figures.tasks_completed;
  state.records_done_before = done_before_;
  state.elapsed = steady_seconds() - started_;
  state.ranks_alive = figures.ranks_alive;
  state.faults = figures.faults;
  state.unit = "trials";
  return state;
}

Table Driver::table() const { return make_table(job_, folder_, coordinator_->ledger(), commits_); }

report::Summary Driver::summary() const {
  report::Summary summary;
  coordinator::Figures figures = coordinator_->figures(steady_seconds());
  const auto late = std::ssize(lost_at_end_);
  figures.faults += late;
  if (figures.tasks_completed == figures.tasks_submitted) figures.faults_recovered += late;
  figures.ranks_alive -= static_cast<int>(late);
  fill(summary, figures, table());
  summary.name = job_.name;
  summary.run_dir = folder_.path.string();
  summary.results = trials_csv(folder_).string();
  summary.outcome = outcome_.value_or(ExitCode::failed);
  summary.message = message_;
  summary.device = device_;
  summary.versions = versions_;
  return summary;
}

}  // namespace shardmill::sweep
