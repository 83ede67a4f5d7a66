#include "train/driver.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>

#include <signal.h>

#include "comm/walltime.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "report/log.hpp"
#include "train/figures.hpp"
#include "train/snapshot.hpp"

namespace shardmill::train {
namespace {

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Driver::Driver(comm::World& world, comm::ControlChannel& channel, const job::Job& job, store::RunFolder folder,
               report::Progress& progress, Desk& desk, int generation)
    : world_(world),
      channel_(channel),
      job_(job),
      folder_(std::move(folder)),
      progress_(progress),
      desk_(desk),
      journal_(store::posix_disk(), folder_.journal()),
      ledger_(Ledger::replay(journal_.content().payloads)),
      assembly_(world.rank(), world.size(), world.size() - job.fault_tolerance.spares, job.train.logical_shards,
                generation),
      snapshots_(job.train.checkpoints) {
  const store::JournalContent& content = journal_.content();
  if (content.bad_bytes > 0) {
    progress_.say(std::to_string(content.bad_bytes) +
                  " bytes at the end of the journal did not check out (a copy is in " + folder_.journal().string() +
                  ".damaged)");
  }
  keeper_ = std::make_shared<CheckpointKeeper>(
      store::posix_disk(), checkpoints_of(folder_), job.train.checkpoints.keep,
      [this](const Saved& saved) { desk_.post([this, saved] { note_saved(saved); }); });
}

void Driver::open(const Opened& opened, std::optional<std::int64_t> step, const std::string& device,
                  const std::string& versions) {
  device_ = device;
  versions_ = versions;
  if (const auto& before = ledger_.opened()) {
    if (before->dataset_digest != opened.dataset_digest || before->job_digest != opened.job_digest) {
      throw StoreError((before->dataset_digest != opened.dataset_digest ? "the dataset " + job_.dataset.path.string()
                                                                        : "the job in " + folder_.job().string()) +
                       " is not the one that " + folder_.path.string() +
                       " began with; put it back as it was, or start a new run");
    }
  } else {
    append(to_line(opened));
  }
  step_ = step_at_start_ = step.value_or(ledger_.last_step());
  append(to_line(Started{0, world_.size(), static_cast<std::int64_t>(std::time(nullptr)), step_}));
  metrics_.open(folder_.path, step_);
  open_ = true;
  stepped_ = Clock::now();
  if (const auto left = comm::seconds_to_stop())
    stop_at_ = stepped_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(*left));
  assemble();
}

double Driver::elapsed() const { return seconds_between(started_, Clock::now()); }

void Driver::append(const std::string& line) {
  crash_point("before-journal-write");
  journal_.append({line});
  crash_point("after-journal-sync");
  ledger_.apply(line);
}

std::set<int> Driver::alive() const {
  std::set<int> ranks;
  for (int rank = 0; rank < world_.size(); ++rank) {
    if (!world_.is_dead(rank) && !expelled_.contains(rank)) ranks.insert(rank);
  }
  return ranks;
}

// ---- Coming together ------------------------------------------------------------------------------------------------

void Driver::assemble() {
  if (!open_ || outcome_) return;
  const int generation = assembly_.begin();
  report::log_info("generation " + std::to_string(generation) + ": all are asked where they stand");
  for (const int rank : alive()) channel_.send(rank, comm::Regroup{generation});
}

void Driver::receive(int from, const comm::Message& message) {
  if (expelled_.contains(from)) {
    channel_.send(from, comm::Expelled{});
    return;
  }
  heard_[from] = Clock::now();
  if (const auto* standing = std::get_if<comm::Standing>(&message)) {
    if (assembly_.stand(from, *standing)) assemble();
  } else if (const auto* trouble = std::get_if<comm::GiveUp>(&message)) {
    fail(trouble->message, static_cast<ExitCode>(trouble->exit_code));
  }
}

void Driver::rank_died(int rank, const std::string& reason) {
  if (outcome_ || !open_) return;
  append(to_line(RankGone{rank, step_, reason}, elapsed()));
  progress_.say("rank " + std::to_string(rank) + " is gone (" + reason + "); the others go on");
  if (!members_.empty() && !members_.contains(rank)) {
    append(to_line(Recovered{step_, 0, 0, 0, 0}, elapsed()));  // a spare: nobody needs to stop
    return;
  }
  if (!recovery_) recovery_ = Recovery{0, Clock::now(), std::nullopt, std::nullopt};
  assemble();
}

void Driver::expel_silent() {
  const std::chrono::duration<double> patience(job_.fault_tolerance.rank_timeout);
  const auto now = Clock::now();
  // After a pause of this process itself, what the others have said meanwhile may not be read yet.
  const bool was_away = now - last_look_ > patience / 4;
  last_look_ = now;
  for (const int rank : alive()) {
    if (rank == world_.rank()) continue;
    auto& heard = heard_.try_emplace(rank, now).first->second;
    if (was_away) heard = std::max(heard, now - std::chrono::duration_cast<Clock::duration>(patience / 2));
    if (now - heard <= patience) continue;
    report::log_info("rank " + std::to_string(rank) + " is silent");
    kill_rank(rank);
    channel_.send(rank, comm::Expelled{});
    expelled_.insert(rank);
    recovery_ = Recovery{seconds_between(heard, now), now, std::nullopt, std::nullopt};
    rank_died(rank, "silent for longer than rank_timeout");
  }
}

// On another host it is left alone: it will find itself expelled.
void Driver::kill_rank(int rank) {
  const auto process = store::process_of(folder_, rank);
  if (!process || process->host != world_.host() || rank == world_.rank()) return;
  ::kill(static_cast<pid_t>(process->pid), SIGKILL);
}

void Driver::step() {
  if (outcome_) return;
  expel_silent();
  if (const auto deal = assembly_.settle(alive())) {
    if (!ledger_.saved().empty() && deal->position / 2 < ledger_.saved().back().step)
      throw RankLost("no rank that is left is as far as the newest checkpoint; the run goes on from there");
    members_ = {deal->members.begin(), deal->members.end()};
    if (recovery_ && !recovery_->dealt) recovery_->dealt = Clock::now();
    report::log_info("generation " + std::to_string(deal->generation) + ": " + std::to_string(deal->members.size()) +
                     " members go on from step " + std::to_string(deal->position / 2));
    crash_point("train-before-deal");
    for (const int rank : alive()) channel_.send(rank, *deal);
  }
  const auto now = Clock::now();
  if (now - last_sign_ > std::chrono::duration<double>(job_.fault_tolerance.rank_timeout / 5)) {
    for (const int rank : alive()) {
      if (rank != world_.rank()) channel_.send(rank, comm::Alive{});
    }
    last_sign_ = now;
  }
  if (open_) progress_.update(progress_state(), elapsed());
  // The step at hand still ends before that, and so does the one after it, should it have begun meanwhile.
  if (stop_at_ && seconds_between(now, *stop_at_) <= 2 * longest_step_) stop("the walltime is nearly over");
}

// ---- What the worker tells ------------------------------------------------------------------------------------------

void Driver::note_in_place(const std::string& link) {
  link_ = link;
  if (recovery_ && recovery_->dealt && !recovery_->in_place) recovery_->in_place = Clock::now();
}

void Driver::note(const StepReport& report) {
  if (recovery_ && recovery_->in_place) {
    const Recovery& r = *recovery_;
    const Recovered recovered{report.step, r.detect, seconds_between(r.noticed, *r.dealt),
                              seconds_between(*r.dealt, *r.in_place), seconds_between(*r.in_place, Clock::now())};
    append(to_line(recovered, elapsed()));
    recovery_.reset();
  }
  metrics_.step(report.step, report.epoch, report.loss, report.learning_rate, report.gradient_norm, elapsed());
  if (report.skipped)
    report::log_info("step " + std::to_string(report.step) +
                     " is skipped: its loss or gradient is an outlier, or not finite");
  last_step_ = report;
  busy_ += report.busy;
  step_ = report.step;
  const auto now = Clock::now();
  longest_step_ = std::max(longest_step_, seconds_between(stepped_, now));
  stepped_ = now;
}

void Driver::note(const EvaluationReport& report) {
  append(to_line(EvaluatedEntry{report.step, report.metrics}, elapsed()));
  metrics_.evaluation(report.step, report.epoch, report.metrics);
  std::string text = "epoch " + std::to_string(report.epoch + 1) + ", step " + std::to_string(report.step) + ":";
  for (const auto& [name, value] : report.metrics) {
    char number[32];
    std::snprintf(number, sizeof number, " %.4f", value);
    text += " " + name + number + (&name == &report.metrics.back().first ? "" : ",");
  }
  progress_.say(text + (report.is_best ? "  (best)" : ""));
}

void Driver::plan_boundary(Boundary& boundary) const {
  boundary.stops = stop_wanted_;
  boundary.snapshot = snapshots_.is_due(boundary, keeper_->busy());
}

void Driver::at_boundary(const Boundary& boundary, Worker& worker) {
  const std::int64_t step = boundary.course.step;
  const bool final = boundary.finished || boundary.stops;
  if (boundary.snapshot) {
    snapshots_.note_taken(boundary);
    keeper_->submit(take_snapshot(job_, worker, boundary.is_best, final));
  }
  if (final) desk_.post([this, step] { note_finished(step); });
  if (boundary.stops && !boundary.finished) desk_.idle();  // a step more would be computed again after the restart
}

void Driver::note_saved(const Saved& saved) {
  append(to_line(SavedEntry{saved.step, saved.name, saved.checksum, saved.is_best}, elapsed()));
  final_saved_ = final_saved_ || saved.is_final;
  std::optional<std::string> best;
  for (const SavedEntry& entry : ledger_.saved()) {
    if (entry.is_best) best = entry.file;
  }
  keeper_->prune(saved.name, best);
  metrics_.flush();
  finish_if_through();
}

void Driver::note_finished(std::int64_t step) {
  finished_ = step;
  step_ = std::max(step_, step);  // its report may still be on the way
  finish_if_through();
}

// The last state is durable: nothing is left to be done.
void Driver::finish_if_through() {
  if (!finished_ || !final_saved_ || keeper_->busy() || outcome_) return;
  if (stop_wanted_) {
    end(ExitCode::preempted, stop_reason_);
  } else {
    end(ExitCode::done, "");
  }
}

// ---- The end --------------------------------------------------------------------------------------------------------

void Driver::stop(const std::string& reason) {
  if (stop_wanted_ || outcome_) return;
  report::log_info("stopping: " + reason);
  stop_reason_ = reason;
  stop_wanted_ = true;
  if (!open_ || step_ == 0) end(ExitCode::preempted, reason);  // there is nothing to save
}

void Driver::fail(const std::string& message, ExitCode code) {
  if (!outcome_) end(code, message);
}

void Driver::end(ExitCode outcome, const std::string& message) {
  outcome_ = outcome;
  message_ = message;
  if (open_) {
    crash_point("before-done");
    append(to_line(EndedEntry{outcome, step_, message}, elapsed()));
    crash_point("after-done");
    metrics_.flush();
    progress_.finish(progress_state());
  }
  for (const int rank : alive()) channel_.send(rank, comm::End{to_int(outcome)});
}

report::ProgressState Driver::progress_state() const {
  report::ProgressState state;
  const std::int64_t steps = ledger_.opened()->steps;
  const auto records_at = [&](std::int64_t step) {
    return ledger_.opened()->records * step / std::max<std::int64_t>(steps, 1);
  };
  state.records = ledger_.opened()->records;
  state.records_done = records_at(step_);
  state.records_done_before = records_at(step_at_start_);
  state.elapsed = elapsed();
  state.ranks_alive = static_cast<int>(alive().size());
  state.faults = ledger_.faults();
  char text[96];
  std::snprintf(text, sizeof text, "epoch %lld, step %lld of %lld, loss %.4f",
                static_cast<long long>(last_step_.epoch + 1), static_cast<long long>(step_),
                static_cast<long long>(steps), last_step_.loss);
  if (last_step_.step > 0) state.note = text;
  return state;
}

report::Summary Driver::summary() const {
  report::Summary summary;
  summary.name = job_.name;
  summary.run_dir = folder_.path.string();
  summary.results = checkpoints_of(folder_).string();
  summary.outcome = outcome_.value_or(ExitCode::failed);
  summary.message = message_;
  fill(summary, ledger_);
  summary.ranks = world_.size();
  const double could_be = elapsed() * (world_.size() - job_.fault_tolerance.spares);
  summary.busy_share = could_be > 0 ? std::min(busy_ / could_be, 1.0) : 0;
  summary.ranks_alive = static_cast<int>(alive().size());
  summary.device = device_;
  summary.exchange = link_;
  summary.versions = versions_;
  return summary;
}

}  // namespace shardmill::train
