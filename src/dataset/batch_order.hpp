// The order in which a shard's records are put into batches: their own, or by length, so that padding is not computed.
#pragma once

#include <cstdint>
#include <vector>

#include "dataset/record_source.hpp"
#include "job/error.hpp"
#include "job/job.hpp"

namespace shardmill::dataset {

// The records have no length.
class LengthError : public DataError {
 public:
  using DataError::DataError;
};

// A place is a record's index in that order, a row its index in the shard. With batch_by: length the longest records
// come first, and of equally long ones the earlier. A pure function of the job and the dataset: all ranks, and a
// resumed run, come to the same batches.
//
// A record's length is the index of its last entry along its first axis that is not all zero bytes, plus one: in the
// input named by length_from, or the longest over all inputs. At least 1.
class BatchOrder {
 public:
  // Throws LengthError if no input has an axis to be cut along, or the one that is named has none.
  BatchOrder(const job::Job& job, const RecordSource& source);

  bool by_length() const { return !measured_.empty(); }

  struct Shard {
    std::vector<std::int64_t> rows;     // by place
    std::vector<std::int64_t> lengths;  // by place
  };
  // Of the shard of `count` records from `first` on. Reads the inputs that tell the length. Throws DataError. Only if
  // by_length().
  Shard of(RecordSource& source, std::int64_t first, std::int64_t count) const;

  // Whether a batch of this input is cut to its longest record: its records have as many entries as those that tell the
  // length.
  bool is_cut(std::size_t field) const { return cut_.at(field); }

 private:
  std::vector<std::size_t> measured_;  // fields
  std::vector<bool> cut_;              // by field
};

// The row of the shard [first, first + count) at a place of the order; the place itself if batches go by order. For
// what is rare (messages, quarantine): opens and reads the dataset each time. Throws DataError.
std::vector<std::int64_t> rows_at(const job::Job& job, std::int64_t first, std::int64_t count,
                                  const std::vector<std::int64_t>& places);

}  // namespace shardmill::dataset
