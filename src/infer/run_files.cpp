#include "infer/run_files.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include "coordinator/entry.hpp"
#include "dataset/batch_order.hpp"
#include "dataset/fingerprint.hpp"
#include "dataset/record_source.hpp"
#include "dataset/sha256.hpp"
#include "dataset/shard_plan.hpp"
#include "infer/parts.hpp"
#include "job/clock.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "store/run_parts.hpp"

namespace shardmill::infer {
namespace {

using Clock = std::chrono::steady_clock;

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
  const Clock::time_point began = Clock::now();
  const auto source = dataset::open_source(job.dataset);
  plan_ = {source->records(), dataset::plan_shards(job, *source).shard_size(), job.part.value_or(job::Part{})};
  dataset_digest_ = dataset::fingerprint(job.dataset).digest;
  model_digest_ = dataset::sha256_file(job.model.path);
  const coordinator::Opened opened{1, plan_, sha256_text(job.resolved_yaml), dataset_digest_, model_digest_};

  const Clock::time_point opens = Clock::now();
  rebuild_seconds_ = seconds_since(began);
  journal_ = std::make_unique<store::Journal>(store::posix_disk(), folder_.journal());
  const store::JournalContent& content = journal_->content();
  if (content.bad_bytes > 0) {
    remark_ = std::to_string(content.bad_bytes) + " bytes at the end of the journal did not check out (a copy is in " +
              folder_.journal().string() + ".damaged); what they told is computed again";
  }
  ledger_.emplace(plan_, job.batch_size);
  const std::vector<std::string> lines = journal_->take_payloads();
  if (lines.empty()) {
    append({opened});
    return;
  }
  for (const std::string& line : lines) {
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
  replay_seconds_ = seconds_since(opens);
  crash_point("during-replay");
}

std::filesystem::path results_path(const job::Job& job, const store::RunFolder& folder) {
  if (job.output) return *job.output;
  return job.part ? store::whole_of(folder).results() : folder.results();
}

std::filesystem::path RunFiles::results_path() const { return infer::results_path(job_, folder_); }

void RunFiles::open_results(const std::vector<store::OutputLayout>& outputs, const std::string& versions) {
  const Clock::time_point began = Clock::now();
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
    layout.job_yaml = job_.part ? store::read_file(disk, store::whole_of(folder_).job()) : job_.resolved_yaml;
    layout.model_sha256 = model_digest_;
    layout.dataset_digest = dataset_digest_;
    layout.versions = versions;
    if (job_.part) {
      store::create_shared_results(disk, path, layout);
    } else {
      store::create_results(disk, path, layout);
    }
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
  check_same(have.dataset_digest, dataset_digest_, "the dataset " + job_.dataset.path.string(), path);
  check_same(have.model_sha256, model_digest_, "the model " + job_.model.path.string(), path);
  // The journal is what counts: a crash may have come between a commit and its row in the tables.
  show_commits(*results_, job_, plan_, std::exchange(replayed_, {}), listed());
  rebuild_seconds_ += seconds_since(began);
}

void RunFiles::append(const std::vector<coordinator::Entry>& entries) {
  std::vector<std::string> lines;
  for (const coordinator::Entry& entry : entries) lines.push_back(coordinator::encode(entry));
  journal_->append(lines);
  std::vector<coordinator::Committed> commits;
  for (const coordinator::Entry& entry : entries) {
    if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) commits.push_back(*commit);
  }
  if (!commits.empty()) show_commits(*results_, job_, plan_, std::move(commits), listed());
}

// Shards that follow each other are written together: with short shards most do.
void show_commits(store::Results& results, const job::Job& job, const coordinator::Plan& plan,
                  std::vector<coordinator::Committed> commits, std::int64_t* listed) {
  std::sort(commits.begin(), commits.end(), [](const auto& a, const auto& b) { return a.shard < b.shard; });
  std::vector<store::RecordStatus> status;
  std::vector<store::ShardRow> rows;
  for (std::size_t i = 0; i < commits.size(); ++i) {
    const coordinator::Committed& commit = commits[i];
    const std::int64_t first = plan.first(commit.shard);
    const std::size_t before = status.size();
    status.resize(before + static_cast<std::size_t>(plan.count(commit.shard)), store::RecordStatus::done);
    for (const coordinator::BadRow& bad : by_row(job, plan, commit)) {
      status.at(before + static_cast<std::size_t>(bad.row)) = store::RecordStatus::quarantined;
      if (listed != nullptr) results.write_quarantine((*listed)++, first + bad.row, bad.message);
    }
    rows.push_back({first, plan.count(commit.shard), commit.checksum, static_cast<std::uint32_t>(commit.attempts),
                    commit.rank, commit.seconds});
    if (i + 1 < commits.size() && commits[i + 1].shard == commit.shard + 1) continue;
    results.write_status(rows.front().first, status);
    results.write_shards(commit.shard + 1 - std::ssize(rows), rows);
    status.clear();
    rows.clear();
  }
}

std::vector<coordinator::BadRow> by_row(const job::Job& job, const coordinator::Plan& plan,
                                        const coordinator::Committed& commit) {
  std::vector<std::int64_t> places;
  for (const coordinator::BadRow& bad : commit.bad) places.push_back(bad.row);
  const auto rows = dataset::rows_at(job, plan.first(commit.shard), plan.count(commit.shard), places);
  std::vector<coordinator::BadRow> bad = commit.bad;
  for (std::size_t i = 0; i < bad.size(); ++i) bad[i].row = rows[i];
  std::sort(bad.begin(), bad.end(), [](const auto& a, const auto& b) { return a.row < b.row; });
  return bad;
}

RunRecord record_of(const std::vector<coordinator::Entry>& entries, std::int64_t batch_size) {
  const auto* opened = entries.empty() ? nullptr : std::get_if<coordinator::Opened>(&entries.front());
  if (opened == nullptr) throw StoreError("the journal does not begin like one; it belongs to another program");
  RunRecord record{opened->plan, coordinator::Ledger(opened->plan, batch_size), {}};
  for (const coordinator::Entry& entry : entries) {
    if (const auto* commit = std::get_if<coordinator::Committed>(&entry)) {
      if (!record.ledger.is_done(commit->shard)) record.commits.push_back(*commit);
    }
    record.ledger.apply(entry);
  }
  return record;
}

std::optional<RunRecord> read_run(const store::RunFolder& folder, std::int64_t batch_size) {
  std::error_code error;
  const std::vector<coordinator::Entry> entries = std::filesystem::exists(folder.journal(), error)
                                                      ? read_entries(folder)
                                                      : join_journals(read_parts(folder), std::time(nullptr));
  if (entries.empty()) return std::nullopt;
  return record_of(entries, batch_size);
}

}  // namespace shardmill::infer
