// The dataset of a rank that does not see it: records come over MPI, ahead of the reader.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dataset/record_source.hpp"
#include "infer/feed_line.hpp"

namespace shardmill::infer {

// Records that were foreseen come in pieces, all fields of some records in one message: a batch, or several small ones.
// Two pieces' worth is asked for ahead of what has been read. Whatever else is read is asked for when it is read, by
// itself: what cannot be read in a piece, for one.
//
// One thread reads; any thread foresees.
class FedSource : public dataset::RecordSource {
 public:
  // Throws DataError if a record is too large to be sent.
  FedSource(FeedLine& line, std::int64_t records, std::vector<dataset::Field> fields, std::int64_t batch_size);

  std::int64_t records() const override { return records_; }
  const std::vector<dataset::Field>& fields() const override { return fields_; }
  void read(std::size_t field, std::int64_t first, std::int64_t count, void* destination) override;

  // In the order in which they will be read. Reading one range drops what is left of those before it.
  void foresee(std::int64_t first, std::int64_t count);

 private:
  struct Piece {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::int64_t id = 0;  // of the request
    std::optional<std::string> bytes;
    bool unread = true;
  };
  struct Range {
    std::int64_t first = 0;
    std::int64_t end = 0;
    std::int64_t asked = 0;  // up to this record
    std::deque<Piece> pieces;
  };

  Piece* find(std::int64_t record);
  void ask_ahead();
  void drop(Range& range);
  std::int64_t read_piece(Piece& piece, std::size_t field, std::int64_t first, std::int64_t count, void* destination);
  void read_alone(std::size_t field, std::int64_t first, std::int64_t count, void* destination);

  FeedLine& line_;
  std::int64_t records_;
  std::vector<dataset::Field> fields_;
  std::size_t record_bytes_ = 0;
  std::int64_t piece_records_ = 1;
  std::mutex mutex_;
  std::deque<Range> ranges_;
  std::int64_t unread_ = 0;  // pieces that have been asked for, and not been read from
  std::int64_t unread_records_ = 0;
};

}  // namespace shardmill::infer
