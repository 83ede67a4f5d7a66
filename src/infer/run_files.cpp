#include "infer/run_files.hpp"

#include <algorithm>

#include "coordinator/entry.hpp"
#include "dataset/fingerprint.hpp"
#include "dataset/record_source.hpp"
#include "dataset/sha256.hpp"
#include "dataset/shard_plan.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

std::string sha256_text(const std::string& text) {
  dataset::Sha256 hash;
  hash.add(std::string_view(text));
  return hash.hex();
}

void check_same(const std::string& then, const std::string& now, const std::string& what,
                const std::filesystem::path& run) {
  if (then == now) return;
  throw StoreError(what + " is not the one that " + run.string() +
                   " began with; put it back as it was, or start a new run");
}

}  // namespace

RunFiles::RunFiles(const job::Job& job, store::RunFolder folder) : job_(job), folder_(std::move(folder)) {
  const auto source = dataset::open_source(job.dataset);
  std::size_t record_bytes = 0;
  for (const dataset::Field& field : source->fields()) record_bytes += field.bytes();
  plan_ = {source->records(), dataset::plan_shards(job, source->records(), record_bytes).shard_size()};
  dataset_digest_ = dataset::fingerprint(job.dataset).digest;
  model_digest_ = dataset::sha256_file(job.model.path);
  const coordinator::Opened opened{1, plan_, sha256_text(job.resolved_yaml), dataset_digest_, model_digest_};

  journal_ = std::make_unique<store::Journal>(store::posix_disk(), folder_.journal());
  const store::JournalContent& content = journal_->content();
  if (content.bad_bytes > 0) {
    remark_ = std::to_string(content.bad_bytes) + " bytes at the end of the journal did not check out (a copy is in " +
              folder_.journal().string() + ".damaged); what they told is computed again";
  }
  ledger_.emplace(plan_, job.batch_size);
  if (content.payloads.empty()) {
    append({opened});
    return;
  }
  for (const std::string& line : content.payloads) {
    const coordinator::Entry entry = coordinator::decode(line);
    if (const auto* first = std::get_if<coordinator::Opened>(&entry)) {
      check_same(first->dataset_digest, dataset_digest_, "the dataset " + job.dataset.path.string(), folder_.path);
      check_same(first->model_digest, model_digest_, "the model " + job.model.path.string(), folder_.path);
      check_same(first->job_digest, opened.job_digest, "the job in " + folder_.job().string(), folder_.path);
    }
    if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) {
      if (!ledger_->is_done(commit->shard)) replayed_.push_back(*commit);
    }
    rows_written_ = rows_written_ || std::holds_alternative<coordinator::Committed>(entry) ||
                    std::holds_alternative<coordinator::Advanced>(entry);
    ledger_->apply(entry);
  }
  crash_point("during-replay");
}

std::filesystem::path results_path(const job::Job& job, const store::RunFolder& folder) {
  return job.output ? *job.output : folder.results();
}

std::filesystem::path RunFiles::results_path() const { return infer::results_path(job_, folder_); }

void RunFiles::open_results(const std::vector<store::OutputLayout>& outputs, const std::string& versions) {
  store::Disk& disk = store::posix_disk();
  const std::filesystem::path path = results_path();
  std::error_code error;
  const bool there = std::filesystem::exists(path, error);
  // A file that is there is whole, since it came by rename, and others may have it open: after a failover it must be
  // the same file, not another one under its name.
  if (!there && !rows_written_) {
    store::ResultsLayout layout;
    layout.records = plan_.records;
    layout.shard_size = plan_.shard_size;
    layout.outputs = outputs;
    layout.job_yaml = job_.resolved_yaml;
    layout.model_sha256 = model_digest_;
    layout.dataset_digest = dataset_digest_;
    layout.versions = versions;
    store::create_results(disk, path, layout);
  } else if (!there) {
    throw StoreError(path.string() + " is gone, but the journal says that rows are in it; start a new run");
  }
  results_ = std::make_unique<store::Results>(disk, path, store::Open::write);
  const auto& have = results_->layout();
  const bool fits = have.records == plan_.records && have.shard_size == std::min(plan_.shard_size, plan_.records) &&
                    std::equal(have.outputs.begin(), have.outputs.end(), outputs.begin(), outputs.end(),
                               [](const auto& a, const auto& b) {
                                 return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape;
                               });
  if (!fits) throw StoreError(path.string() + " was made by another job: its datasets differ; start a new run");
  // The journal is what counts: a crash may have come between a commit and its row in the tables.
  for (const coordinator::Committed& commit : replayed_) show(commit);
  replayed_.clear();
}

void RunFiles::append(const std::vector<coordinator::Entry>& entries) {
  std::vector<std::string> lines;
  for (const coordinator::Entry& entry : entries) lines.push_back(coordinator::encode(entry));
  journal_->append(lines);
  for (const coordinator::Entry& entry : entries) {
    if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) show(*commit);
  }
}

void RunFiles::show(const coordinator::Committed& commit) {
  const std::int64_t first = plan_.first(commit.shard);
  std::vector<store::RecordStatus> status(static_cast<std::size_t>(plan_.count(commit.shard)),
                                          store::RecordStatus::done);
  for (const coordinator::BadRow& bad : commit.bad) {
    status.at(static_cast<std::size_t>(bad.row)) = store::RecordStatus::quarantined;
    results_->write_quarantine(quarantined_++, first + bad.row, bad.message);
  }
  results_->write_status(first, status);
  results_->write_shard(commit.shard, {first, plan_.count(commit.shard), commit.checksum,
                                       static_cast<std::uint32_t>(commit.attempts), commit.rank, commit.seconds});
}

std::optional<RunRecord> read_run(const store::RunFolder& folder, std::int64_t batch_size) {
  std::error_code error;
  if (!std::filesystem::exists(folder.journal(), error)) return std::nullopt;
  const store::JournalContent content = store::read_journal(store::posix_disk(), folder.journal());
  if (content.payloads.empty()) return std::nullopt;
  const coordinator::Entry first = coordinator::decode(content.payloads.front());
  const auto* opened = std::get_if<coordinator::Opened>(&first);
  if (opened == nullptr) throw StoreError(folder.journal().string() + " does not begin like a journal");
  RunRecord record{opened->plan, coordinator::Ledger(opened->plan, batch_size), {}};
  for (const std::string& line : content.payloads) {
    const coordinator::Entry entry = coordinator::decode(line);
    if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) {
      if (!record.ledger.is_done(commit->shard)) record.commits.push_back(*commit);
    }
    record.ledger.apply(entry);
  }
  return record;
}

}  // namespace shardmill::infer
