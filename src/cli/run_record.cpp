#include "cli/run_record.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

#include "infer/figures_summary.hpp"
#include "infer/parts.hpp"
#include "infer/run_files.hpp"
#include "job/load.hpp"
#include "store/journal.hpp"
#include "sweep/places.hpp"
#include "train/figures.hpp"
#include "train/run_places.hpp"

namespace shardmill::cli {
namespace {

double since(std::int64_t unix_seconds) { return static_cast<double>(std::time(nullptr) - unix_seconds); }

void read_infer(const job::Job& job, const store::RunFolder& folder, RunRecord& record) {
  record.summary.results = infer::results_path(job, folder).string();
  const auto found = infer::read_run(folder, job.batch_size);
  if (!found) return;
  infer::fill(record.summary, found->ledger.figures(record.running ? since(found->ledger.started_unix()) : 0));
  record.advances = found->ledger.advances();
  record.suspicions = found->ledger.suspicions();
  if (const auto& ended = found->ledger.ended()) {
    record.ended = ended->outcome;
    record.message = ended->message;
  }
}

void read_train(const store::RunFolder& folder, RunRecord& record) {
  record.summary.results = train::checkpoints_of(folder).string();
  const store::JournalContent content = store::read_journal(store::posix_disk(), folder.journal());
  const train::Ledger ledger = train::Ledger::replay(content.payloads);
  train::fill(record.summary, ledger);
  record.advances = static_cast<std::int64_t>(ledger.saved().size());
  if (const auto& ended = ledger.ended()) {
    record.ended = ended->outcome;
    record.message = ended->message;
  }
}

void read_sweep(const job::Job& job, const store::RunFolder& folder, RunRecord& record) {
  record.summary.results = sweep::trials_csv(folder).string();
  auto found = sweep::read_sweep(job, folder);
  if (!found) return;
  const auto figures = found->ledger.figures(record.running ? since(found->ledger.started_unix()) : 0);
  sweep::fill(record.summary, figures, found->table);
  record.trials = std::move(found->table);
  record.advances = found->ledger.advances();
  record.suspicions = found->ledger.suspicions();
  if (const auto& ended = found->ledger.ended()) {
    record.ended = ended->outcome;
    record.message = sweep::message_of(ended->outcome, ended->message, figures);
  }
}

// A server counts as getting somewhere when it comes up: that it is started again and again is what one expects of it.
void read_serve(const store::RunFolder& folder, RunRecord& record) {
  const serve::ServeRecord found = serve::replay(store::read_journal(store::posix_disk(), folder.journal()).payloads);
  const report::Summary places = std::exchange(record.summary, found.summary);
  record.summary.name = places.name;
  record.summary.run_dir = places.run_dir;
  record.summary.incarnations = static_cast<int>(found.ready);
  record.advances = found.ready;
  record.ended = found.ended;
  record.message = found.summary.message;
  if (!found.ended && found.ready > 0) record.serving = serve::read_figures(folder, record.summary);
}

}  // namespace

job::Job job_of(const store::RunFolder& folder) {
  job::LoadOptions options;
  options.later = "/";
  return job::load_job(folder.job(), options);
}

std::optional<RunRecord> read_record(const job::Job& job, const store::RunFolder& folder) {
  std::error_code error;
  const bool own = std::filesystem::exists(folder.journal(), error);
  const std::vector<infer::PartRecord> parts = own ? std::vector<infer::PartRecord>() : infer::read_parts(folder);
  const auto is_running = [](const infer::PartRecord& part) { return part.running; };
  if (!own && parts.empty()) return std::nullopt;
  RunRecord record;
  record.running = own ? store::journal_in_use(store::posix_disk(), folder.journal())
                       : std::any_of(parts.begin(), parts.end(), is_running);
  record.summary.name = job.name;
  record.summary.run_dir = folder.path.string();
  if (job.kind == job::Kind::train) {
    read_train(folder, record);
  } else if (job.kind == job::Kind::serve) {
    read_serve(folder, record);
  } else if (job.kind == job::Kind::sweep) {
    read_sweep(job, folder, record);
  } else {
    read_infer(job, folder, record);
  }
  if (record.ended) record.summary.outcome = *record.ended;
  record.summary.message = record.message;
  return record;
}

bool is_done(const RunRecord& record) {
  return record.ended == ExitCode::done || record.ended == ExitCode::quarantined;
}

}  // namespace shardmill::cli
