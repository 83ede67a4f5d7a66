#include "infer/reader.hpp"

#include <algorithm>
#include <cstring>

#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::infer {
namespace {

std::vector<at::Tensor> buffers_for(const dataset::RecordSource& source, std::int64_t count) {
  std::vector<at::Tensor> tensors;
  for (const dataset::Field& field : source.fields()) {
    std::vector<std::int64_t> shape{count};
    shape.insert(shape.end(), field.shape.begin(), field.shape.end());
    tensors.push_back(at::empty(shape, at::TensorOptions().dtype(model::to_scalar_type(field.dtype))));
  }
  return tensors;
}

// One by one, since some record among them cannot be read.
void read_singly(dataset::RecordSource& source, Batch& batch) {
  for (std::int64_t i = 0; i < batch.count; ++i) {
    try {
      for (std::size_t field = 0; field < batch.tensors.size(); ++field) {
        const std::size_t bytes = source.fields()[field].bytes();
        source.read(field, batch.lease->first_record + batch.row + i, 1,
                    static_cast<char*>(batch.tensors[field].data_ptr()) + static_cast<std::size_t>(i) * bytes);
      }
    } catch (const DataError& error) {
      batch.bad.push_back({batch.row + i, error.what()});
      for (const at::Tensor& tensor : batch.tensors) tensor[i].zero_();
    }
  }
}

}  // namespace

void read_lease(dataset::RecordSource& source, const LeasePtr& lease, std::int64_t batch_size,
                BoundedQueue<Batch>& out) {
  crash_point("after-lease");
  std::int64_t row = lease->lease.first_row;
  const std::int64_t careful_end = lease->lease.careful != 0 ? (row / batch_size + 1) * batch_size : row;
  do {
    Batch batch;
    batch.lease = lease;
    batch.row = row;
    if (lease->revoked) {
      batch.last = batch.abandoned = true;
      out.push(std::move(batch));
      return;
    }
    try {
      const std::int64_t cut = row < careful_end ? row + 1 : (row / batch_size + 1) * batch_size;
      batch.count = std::min(cut, lease->rows) - row;
      batch.last = row + batch.count >= lease->rows;
      batch.tensors = buffers_for(source, batch.count);
      try {
        for (std::size_t field = 0; field < batch.tensors.size() && batch.count > 0; ++field) {
          source.read(field, lease->first_record + row, batch.count, batch.tensors[field].data_ptr());
        }
      } catch (const DataError&) {
        read_singly(source, batch);
      }
    } catch (const std::exception& error) {
      batch.last = true;
      batch.failure = error.what();
    }
    row += batch.count;
    crash_point("after-read");
    const bool last = batch.last;
    if (!out.push(std::move(batch)) || last) return;
  } while (true);
}

}  // namespace shardmill::infer
