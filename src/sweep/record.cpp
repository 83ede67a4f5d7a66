#include "sweep/record.hpp"

#include <algorithm>
#include <utility>

#include "coordinator/entry.hpp"
#include "infer/figures_summary.hpp"
#include "job/error.hpp"
#include "job/names.hpp"
#include "store/checksum.hpp"
#include "store/journal.hpp"
#include "sweep/places.hpp"
#include "sweep/result.hpp"

namespace shardmill::sweep {
namespace {

std::optional<train::SoloResult> read_result(const store::RunFolder& run, const coordinator::Committed& commit) {
  try {
    const std::string text = store::read_file(store::posix_disk(), result_file(run, commit.shard));
    if (store::checksum(text) != commit.checksum) return std::nullopt;
    return result_from_json(text);
  } catch (const StoreError&) {
    return std::nullopt;
  }
}

}  // namespace

std::optional<double> TrialRow::value(const job::Sweep& sweep) const {
  if (!result) return std::nullopt;
  for (const auto& [name, value] : result->metrics) {
    if (name == job::name_of(sweep.objective)) return value;
  }
  return std::nullopt;
}

void Commits::note(const coordinator::Entry& entry) {
  if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) first_.try_emplace(commit->shard, *commit);
}

TrialRow row_of(std::int64_t number, const store::RunFolder& run, const coordinator::Ledger& ledger,
                const Commits& commits) {
  TrialRow row;
  row.number = number;
  if (const auto found = commits.all().find(number); found != commits.all().end()) {
    const coordinator::Committed& commit = found->second;
    row.state = commit.bad.empty() ? TrialState::done : TrialState::failed;
    row.progress = 1;
    row.attempts = commit.attempts;
    row.rank = commit.rank;
    row.seconds = commit.seconds;
    if (commit.bad.empty())
      row.result = read_result(run, commit);
    else
      row.message = commit.bad.front().message;
  } else if (const coordinator::Trouble* trouble = ledger.trouble(number)) {
    row.state = TrialState::begun;
    row.progress = static_cast<double>(trouble->durable) / static_cast<double>(rows_of_a_trial);
    row.attempts = trouble->attempts;
  }
  return row;
}

Table make_table(const job::Job& job, const store::RunFolder& run, const coordinator::Ledger& ledger,
                 const Commits& commits) {
  Table table;
  const double sign = job::higher_is_better(job.sweep.objective) ? 1 : -1;
  std::optional<double> best;
  for (std::int64_t number = 0; number < ledger.plan().shards(); ++number) {
    table.rows.push_back(row_of(number, run, ledger, commits));
    const auto value = table.rows.back().value(job.sweep);
    if (!value || (best && sign * (*value - *best) <= 0)) continue;
    best = value;
    table.best = number;
  }
  return table;
}

std::optional<SweepRecord> read_sweep(const job::Job& job, const store::RunFolder& run) {
  const std::vector<std::string> lines = store::read_journal(store::posix_disk(), run.journal()).payloads;
  if (lines.empty()) return std::nullopt;
  coordinator::Ledger ledger(plan_of(job), 1);
  Commits commits;
  for (const std::string& line : lines) {
    const coordinator::Entry entry = coordinator::decode(line);
    commits.note(entry);
    ledger.apply(entry);
  }
  Table table = make_table(job, run, ledger, commits);
  return SweepRecord{std::move(ledger), std::move(table)};
}

void fill(report::Summary& summary, coordinator::Figures figures, const Table& table) {
  for (std::int64_t* rows : {&figures.records, &figures.records_done, &figures.records_recomputed})
    *rows /= rows_of_a_trial;
  infer::fill(summary, figures);
  summary.wording = {"trials", "trials", "trials/s", "see the table of trials"};
  if (!table.best) return;
  const auto number = static_cast<std::size_t>(*table.best);
  summary.metrics = table.rows[number].result->metrics;
}

std::string message_of(ExitCode outcome, const std::string& message, const coordinator::Figures& figures) {
  if (outcome != ExitCode::quarantined) return message;
  const std::int64_t failed = figures.records_quarantined;
  return std::to_string(failed) + (failed == 1 ? " trial" : " trials") + " failed";
}

}  // namespace shardmill::sweep
