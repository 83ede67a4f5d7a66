#include "infer/writer.hpp"

#include "job/crash_point.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

// How much of a long shard a death may cost. A sync takes milliseconds, so this costs no throughput.
constexpr std::chrono::seconds progress_interval{2};
// Batches that may share one sync: with a stream that never pauses, reports must not wait for its end.
constexpr int most_per_sync = 64;

}  // namespace

void Writer::run(BoundedQueue<Batch>& in) {
  while (std::optional<Batch> batch = in.pop()) {
    int taken = 0;
    do {
      write(*batch);
      batch = ++taken < most_per_sync ? in.try_pop() : std::nullopt;
    } while (batch);
    if (commit_now_ || std::chrono::steady_clock::now() - last_commit_ >= progress_interval) commit();
  }
  commit();
}

Writer::Open& Writer::open(const LeasePtr& lease) {
  const auto found = open_.find(lease.get());
  if (found != open_.end()) return found->second;
  Open fresh{
      lease, store::ShardHasher(results_.layout().outputs.size()), lease->lease.first_row, lease->lease.first_row, {}};
  // An earlier attempt's rows are in the file; the shard's checksum is over them too.
  store::hash_rows(results_, lease->first_record, lease->lease.first_row, fresh.hasher);
  return open_.emplace(lease.get(), std::move(fresh)).first->second;
}

void Writer::write(const Batch& batch) {
  if (!batch.failure.empty()) {
    open_.erase(batch.lease.get());
    outbox_.post(comm::Failed{batch.lease->lease.shard, batch.lease->lease.attempt, batch.failure});
    return;
  }
  Open& open = this->open(batch.lease);
  if (batch.count > 0 && !batch.abandoned) {
    SHARDMILL_CHECK(batch.row == open.written, "batches of a shard come in order");
    crash_point("before-write");
    for (std::size_t output = 0; output < batch.tensors.size(); ++output) {
      const at::Tensor& rows = batch.tensors[output];
      results_.write_rows(output, batch.lease->first_record + batch.row, batch.count, rows.data_ptr());
      open.hasher.add(output, rows.data_ptr(), rows.nbytes());
    }
    crash_point("after-write");
    open.written += batch.count;
    open.bad.insert(open.bad.end(), batch.bad.begin(), batch.bad.end());
  }
  if (batch.last) {
    open.finished = !batch.abandoned;
    open.abandoned = batch.abandoned;
    commit_now_ = true;
  }
  // A lease after a death: each record that went well is worth keeping.
  if (batch.lease->lease.careful != 0) commit_now_ = true;
}

void Writer::commit() {
  if (open_.empty()) return;
  results_.sync();
  crash_point("after-sync");
  commit_now_ = false;
  last_commit_ = std::chrono::steady_clock::now();
  for (auto entry = open_.begin(); entry != open_.end();) {
    Open& open = entry->second;
    const comm::Lease& lease = open.lease->lease;
    if (open.finished) {
      const double seconds = std::chrono::duration<double>(last_commit_ - open.lease->taken).count();
      outbox_.post(comm::Finished{lease.shard, lease.attempt, open.hasher.digest(), seconds, std::move(open.bad)});
    } else if (open.written > open.reported) {
      outbox_.post(comm::Progress{lease.shard, lease.attempt, open.written, open.written, open.bad});
      open.reported = open.written;
    }
    if (open.abandoned) outbox_.post(comm::Returned{lease.shard, lease.attempt});
    entry = open.finished || open.abandoned ? open_.erase(entry) : std::next(entry);
  }
  crash_point("after-report");
}

}  // namespace shardmill::infer
