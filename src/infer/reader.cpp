#include "infer/reader.hpp"

#include <algorithm>
#include <utility>

#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::infer {
namespace {

// Larger shards are read record by record, if batches go by length.
constexpr std::size_t most_whole_bytes = std::size_t{64} << 20;

at::Tensor buffer_for(const dataset::Field& field, std::int64_t count) {
  std::vector<std::int64_t> shape{count};
  shape.insert(shape.end(), field.shape.begin(), field.shape.end());
  return at::empty(shape, at::TensorOptions().dtype(model::to_scalar_type(field.dtype)));
}

std::vector<at::Tensor> buffers_for(const dataset::RecordSource& source, std::int64_t count) {
  std::vector<at::Tensor> tensors;
  for (const dataset::Field& field : source.fields()) tensors.push_back(buffer_for(field, count));
  return tensors;
}

// Row i of the tensors becomes record first + rows[i], or first + i. One by one: they lie apart, or some of them cannot
// be read.
void read_singly(dataset::RecordSource& source, std::int64_t first, Batch& batch) {
  for (std::int64_t i = 0; i < batch.count; ++i) {
    const std::int64_t row = batch.rows.empty() ? batch.row + i : batch.rows[static_cast<std::size_t>(i)];
    try {
      for (std::size_t field = 0; field < batch.tensors.size(); ++field) {
        const std::size_t bytes = source.fields()[field].bytes();
        source.read(field, first + row, 1,
                    static_cast<char*>(batch.tensors[field].data_ptr()) + static_cast<std::size_t>(i) * bytes);
      }
    } catch (const DataError& error) {
      batch.bad.push_back({batch.row + i, error.what()});
      for (const at::Tensor& tensor : batch.tensors) tensor[i].zero_();
    }
  }
}

}  // namespace

Reader::Reader(const job::Job& job, std::shared_ptr<dataset::RecordSource> source, Outbox& outbox,
               BoundedQueue<Batch>& out)
    : job_(job), outbox_(outbox), out_(out), source_(std::move(source)), order_(job, *source_) {}

void Reader::begin_shard(const HeldLease& lease) {
  if (!order_.by_length()) return;
  shard_ = order_.of(*source_, lease.first_record, lease.rows);
  whole_.clear();
  if (dataset::record_bytes(*source_) * static_cast<std::size_t>(lease.rows) > most_whole_bytes) return;
  try {
    whole_ = buffers_for(*source_, lease.rows);
    for (std::size_t field = 0; field < whole_.size(); ++field) {
      source_->read(field, lease.first_record, lease.rows, whole_[field].data_ptr());
    }
  } catch (const DataError&) {
    whole_.clear();
  }
}

void Reader::fill(Batch& batch) {
  if (order_.by_length()) {
    fill_by_length(batch);
  } else {
    fill_in_order(batch);
  }
}

void Reader::fill_in_order(Batch& batch) {
  batch.tensors = buffers_for(*source_, batch.count);
  const std::int64_t first = batch.lease->first_record;
  try {
    for (std::size_t field = 0; field < batch.tensors.size() && batch.count > 0; ++field) {
      source_->read(field, first + batch.row, batch.count, batch.tensors[field].data_ptr());
    }
  } catch (const DataError&) {
    read_singly(*source_, first, batch);
  }
}

void Reader::fill_by_length(Batch& batch) {
  const auto begin = shard_.rows.begin() + batch.row;
  batch.rows.assign(begin, begin + batch.count);
  if (batch.count == 0) return fill_in_order(batch);
  // A batch that goes record by record is cut like the whole one, to give the same results.
  const std::int64_t longest = shard_.lengths[static_cast<std::size_t>(batch.row / job_.batch_size * job_.batch_size)];
  const auto cut = [&](const at::Tensor& tensor, std::size_t field) {
    return order_.is_cut(field) ? tensor.narrow(1, 0, std::min(longest, tensor.size(1))) : tensor;
  };
  if (whole_.empty()) {
    batch.tensors = buffers_for(*source_, batch.count);
    read_singly(*source_, batch.lease->first_record, batch);
    for (std::size_t i = 0; i < batch.tensors.size(); ++i) batch.tensors[i] = cut(batch.tensors[i], i).contiguous();
    return;
  }
  const at::Tensor rows = at::tensor(batch.rows, at::kLong);
  for (std::size_t i = 0; i < whole_.size(); ++i) batch.tensors.push_back(cut(whole_[i], i).index_select(0, rows));
}

void Reader::read(const LeasePtr& lease) {
  crash_point("after-lease");
  const std::int64_t batch_size = job_.batch_size;
  std::int64_t row = lease->lease.first_row;
  const std::int64_t careful_end = lease->lease.careful != 0 ? (row / batch_size + 1) * batch_size : row;
  bool begun = false;
  do {
    Batch batch;
    batch.lease = lease;
    batch.row = row;
    if (lease->lease.again != 0) {
      // Should anything of this batch end the process, its reading too, the journal says which it was.
      outbox_.post(comm::Asked{lease->lease.shard, lease->lease.attempt, row});
      lease->wait_for(row);
    }
    if (lease->revoked()) {
      batch.last = batch.abandoned = true;
      out_.push(std::move(batch));
      return;
    }
    try {
      if (!std::exchange(begun, true)) begin_shard(*lease);
      const std::int64_t cut = row < careful_end ? row + 1 : (row / batch_size + 1) * batch_size;
      batch.count = std::min(cut, lease->rows) - row;
      batch.last = row + batch.count >= lease->rows;
      fill(batch);
    } catch (const std::exception& error) {
      batch.last = true;
      batch.failure = error.what();
    }
    row += batch.count;
    crash_point("after-read");
    const bool last = batch.last;
    if (!out_.push(std::move(batch)) || last) return;
  } while (true);
}

}  // namespace shardmill::infer
