#include "infer/fed_source.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "job/error.hpp"

namespace shardmill::infer {
namespace {

constexpr std::size_t small_piece = std::size_t{1} << 20;  // bytes; batches that are smaller share a piece
constexpr std::size_t large_piece = std::size_t{64} << 20;
constexpr std::int64_t pieces_ahead = 2;
constexpr std::int64_t most_pieces = 64;  // of short ranges
// A range of no more bytes is kept until the next one is read: with batch_by: length it is read twice.
constexpr std::size_t most_kept = std::size_t{64} << 20;
constexpr std::size_t largest_record = std::size_t{1} << 30;

}  // namespace

FedSource::FedSource(FeedLine& line, std::int64_t records, std::vector<dataset::Field> fields, std::int64_t batch_size)
    : line_(line), records_(records), fields_(std::move(fields)) {
  record_bytes_ = std::max<std::size_t>(dataset::record_bytes(*this), 1);
  if (record_bytes_ > largest_record) {
    throw DataError("a record of the dataset has " + std::to_string(record_bytes_) +
                    " bytes, too many to be sent to a rank that does not see the file");
  }
  const auto most = static_cast<std::int64_t>(large_piece / record_bytes_);
  const auto few = static_cast<std::int64_t>(small_piece / record_bytes_);
  piece_records_ = std::clamp<std::int64_t>(std::max<std::int64_t>(few / batch_size, 1) * batch_size, 1,
                                            std::max<std::int64_t>(most, 1));
}

void FedSource::foresee(std::int64_t first, std::int64_t count) {
  if (count == 0) return;
  const std::lock_guard lock(mutex_);
  ranges_.push_back({first, first + count, first, {}});
  ask_ahead();
}

void FedSource::ask_ahead() {
  for (Range& range : ranges_) {
    while (range.asked < range.end) {
      if (unread_ >= most_pieces || (unread_ > 0 && unread_records_ >= pieces_ahead * piece_records_)) return;
      Piece piece;
      piece.first = range.asked;
      piece.count = std::min(piece_records_, range.end - range.asked);
      piece.id = line_.ask(comm::Fetch{0, comm::Fetch::records, -1, piece.first, piece.count});
      range.asked += piece.count;
      ++unread_;
      unread_records_ += piece.count;
      range.pieces.push_back(std::move(piece));
    }
  }
}

void FedSource::drop(Range& range) {
  for (const Piece& piece : range.pieces) {
    if (!piece.bytes) line_.forget(piece.id);
    if (!piece.unread) continue;
    --unread_;
    unread_records_ -= piece.count;
  }
}

// The piece that holds the record, if one does. The range that it is in is the first one then.
FedSource::Piece* FedSource::find(std::int64_t record) {
  const auto range = std::find_if(ranges_.begin(), ranges_.end(), [record](const Range& candidate) {
    return record >= candidate.first && record < candidate.end;
  });
  if (range == ranges_.end()) return nullptr;
  for (auto before = ranges_.begin(); before != range; ++before) drop(*before);
  ranges_.erase(ranges_.begin(), range);
  std::deque<Piece>& pieces = ranges_.front().pieces;
  if (record > ranges_.front().asked) {  // a shard that is leased again does not begin at its first row
    drop(ranges_.front());
    pieces.clear();
    ranges_.front().asked = record;
  }
  ask_ahead();
  const auto piece = std::find_if(pieces.begin(), pieces.end(), [record](const Piece& candidate) {
    return record >= candidate.first && record < candidate.first + candidate.count;
  });
  return piece == pieces.end() ? nullptr : &*piece;
}

void FedSource::read(std::size_t field, std::int64_t first, std::int64_t count, void* destination) {
  SHARDMILL_CHECK(field < fields_.size() && first >= 0 && count >= 0 && first <= records_ - count,
                  "records of the dataset");
  auto* to = static_cast<char*>(destination);
  while (count > 0) {
    std::unique_lock lock(mutex_);
    Piece* piece = find(first);
    if (piece == nullptr) {
      lock.unlock();
      return read_alone(field, first, count, to);
    }
    // Only this thread takes pieces away, so the piece stays while the lock is open.
    if (!piece->bytes) {
      lock.unlock();
      comm::Served served = line_.wait(piece->id);
      lock.lock();
      piece->bytes = std::move(served.bytes);  // empty if they could not be read
    }
    const std::int64_t read = read_piece(*piece, field, first, count, to);
    lock.unlock();
    if (read == 0) return read_alone(field, first, count, to);
    first += read;
    count -= read;
    to += static_cast<std::size_t>(read) * fields_[field].bytes();
  }
}

// So many of the records as the piece has; 0 if it could not be read.
std::int64_t FedSource::read_piece(Piece& piece, std::size_t field, std::int64_t first, std::int64_t count,
                                   void* destination) {
  if (std::exchange(piece.unread, false)) {
    --unread_;
    unread_records_ -= piece.count;
    // One piece behind is kept: a batch may lie over both, and its fields are read one after the other.
    Range& range = ranges_.front();
    const bool keeps = record_bytes_ * static_cast<std::size_t>(range.end - range.first) <= most_kept;
    while (!keeps && range.pieces.size() > 1 && &range.pieces[0] != &piece && &range.pieces[1] != &piece) {
      if (range.pieces.front().unread) break;
      range.pieces.pop_front();
    }
    ask_ahead();
  }
  if (piece.bytes->empty()) return 0;
  std::size_t offset = 0;
  for (std::size_t before = 0; before < field; ++before) {
    offset += fields_[before].bytes() * static_cast<std::size_t>(piece.count);
  }
  const std::size_t bytes = fields_[field].bytes();
  const std::int64_t taken = std::min(count, piece.first + piece.count - first);
  if (bytes == 0) return taken;
  std::memcpy(destination, piece.bytes->data() + offset + static_cast<std::size_t>(first - piece.first) * bytes,
              static_cast<std::size_t>(taken) * bytes);
  return taken;
}

void FedSource::read_alone(std::size_t field, std::int64_t first, std::int64_t count, void* destination) {
  auto* to = static_cast<char*>(destination);
  const std::size_t bytes = fields_[field].bytes();
  const auto at_once =
      static_cast<std::int64_t>(std::max<std::size_t>(large_piece / std::max<std::size_t>(bytes, 1), 1));
  while (count > 0) {
    const std::int64_t records = std::min(count, at_once);
    const comm::Served served =
        line_.wait(line_.ask(comm::Fetch{0, comm::Fetch::records, static_cast<std::int32_t>(field), first, records}));
    if (!served.error.empty()) throw DataError(served.error);
    const std::size_t size = static_cast<std::size_t>(records) * bytes;
    SHARDMILL_CHECK(served.bytes.size() == size, "as many bytes as were asked for");
    if (size > 0) std::memcpy(to, served.bytes.data(), size);
    to += size;
    first += records;
    count -= records;
  }
}

}  // namespace shardmill::infer
