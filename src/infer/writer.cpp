#include "infer/writer.hpp"

#include "job/crash_point.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

// How much of a long shard a death may cost. A sync takes milliseconds, so this costs no throughput.
constexpr std::chrono::seconds progress_interval{2};
// Batches that may share one sync: with a stream that never pauses, reports must not wait for its end.
constexpr int most_per_sync = 1024;
// Batches of a fast model are written a few at a time.
constexpr std::chrono::milliseconds linger{3};

}  // namespace

void Writer::run(BoundedQueue<Batch>& in) {
  while (std::optional<Batch> batch = in.pop(linger)) {
    int taken = 0;
    do {
      write(*batch);
      batch = ++taken < most_per_sync ? in.try_pop() : std::nullopt;
    } while (batch);
    if (commit_now_ || std::chrono::steady_clock::now() - last_commit_ >= progress_interval) commit();
  }
  commit();
}

Writer::Open& Writer::open(const LeasePtr& lease, bool scattered) {
  const auto found = open_.find(lease.get());
  if (found != open_.end()) return found->second;
  Open fresh{
      lease, store::ShardHasher(rows_.layout().outputs.size()), lease->lease.first_row, lease->lease.first_row, {}};
  // An earlier attempt's rows are in the file; the shard's checksum is over them too. (With batch_by: length it is
  // taken at the end, over all.)
  if (!scattered) hash_stored(lease->first_record, lease->lease.first_row, fresh.hasher);
  return open_.emplace(lease.get(), std::move(fresh)).first->second;
}

void Writer::write(const Batch& batch) {
  if (!batch.failure.empty()) {
    open_.erase(batch.lease.get());
    outbox_.post(comm::Failed{batch.lease->lease.shard, batch.lease->lease.attempt, batch.failure});
    return;
  }
  Open& open = this->open(batch.lease, !batch.rows.empty());
  if (batch.count > 0 && !batch.abandoned) {
    SHARDMILL_CHECK(batch.row == open.written, "batches of a shard come in order");
    crash_point("before-write");
    write_rows(batch, open);
    crash_point("after-write");
    open.written += batch.count;
    open.bad.insert(open.bad.end(), batch.bad.begin(), batch.bad.end());
  }
  if (batch.last) {
    open.finished = !batch.abandoned;
    open.abandoned = batch.abandoned;
    commit_now_ = true;
  }
  // A lease after a death: the next batch waits until this one is durable.
  if (batch.lease->lease.again != 0) commit_now_ = true;
}

void Writer::write_rows(const Batch& batch, Open& open) {
  const std::int64_t first = batch.lease->first_record;
  for (std::size_t output = 0; output < batch.tensors.size(); ++output) {
    const at::Tensor& rows = batch.tensors[output];
    const auto* bytes = static_cast<const char*>(rows.data_ptr());
    if (batch.rows.empty()) {
      rows_.write(batch.lease->lease, output, first + batch.row, batch.count, bytes);
      open.hasher.add(output, bytes, rows.nbytes());
      continue;
    }
    const std::size_t row_bytes = rows.nbytes() / static_cast<std::size_t>(batch.count);
    for (const std::int64_t row : batch.rows) {
      rows_.write(batch.lease->lease, output, first + row, 1, bytes);
      bytes += row_bytes;
    }
  }
  const bool all = open.written + batch.count == batch.lease->rows;
  if (all && !batch.rows.empty()) hash_stored(first, batch.lease->rows, open.hasher);
}

void Writer::hash_stored(std::int64_t first_record, std::int64_t count, store::ShardHasher& hasher) {
  const auto read = [this](std::size_t output, std::int64_t first, std::int64_t rows, void* to) {
    rows_.read(output, first, rows, to);
  };
  store::hash_rows(rows_.layout(), read, first_record, count, hasher);
}

void Writer::commit() {
  if (open_.empty()) return;
  rows_.sync();
  crash_point("after-sync");
  commit_now_ = false;
  last_commit_ = std::chrono::steady_clock::now();
  std::vector<Outbox::Item> reports;
  for (auto entry = open_.begin(); entry != open_.end();) {
    Open& open = entry->second;
    const comm::Lease& lease = open.lease->lease;
    if (open.finished) {
      const double seconds = std::chrono::duration<double>(last_commit_ - open.lease->taken).count();
      reports.emplace_back(
          comm::Finished{lease.shard, lease.attempt, open.hasher.digest(), seconds, std::move(open.bad)});
    } else if (open.written > open.reported) {
      reports.emplace_back(comm::Progress{lease.shard, lease.attempt, open.written, open.written, open.bad});
      open.reported = open.written;
    }
    if (open.abandoned) reports.emplace_back(comm::Returned{lease.shard, lease.attempt});
    entry = open.finished || open.abandoned ? open_.erase(entry) : std::next(entry);
  }
  outbox_.post(std::move(reports));
  crash_point("after-report");
}

}  // namespace shardmill::infer
