#include "store/results.hpp"

#include <algorithm>
#include <cstring>

#include <xxhash.h>

#include "job/error.hpp"
#include "store/hdf5_metadata.hpp"
#include "store/hdf5_types.hpp"

namespace shardmill::store {
Results::Results(Disk& disk, const std::filesystem::path& path, Open how) : file_(disk.open(path, how)) {
  Hdf5Metadata metadata(path, "results file");
  layout_.job_yaml = metadata.text("shardmill/job");
  layout_.model_sha256 = metadata.text("shardmill/model_sha256");
  layout_.dataset_digest = metadata.text("shardmill/dataset_digest");
  layout_.versions = metadata.text("shardmill/versions");
  auto place = [&](const std::string& name, std::uint64_t row_bytes) {
    const Hdf5Handle dataset = metadata.open(name);
    const std::vector<std::int64_t> dims = metadata.dims(dataset.get());
    if (dims.size() != 1) metadata.refuse(name);
    return Place{metadata.offset(dataset.get(), name, static_cast<std::uint64_t>(dims[0]) * row_bytes), row_bytes,
                 dims[0]};
  };
  status_ = place("shardmill/record_status", 1);
  shards_ = place("shardmill/shards", sizeof(ShardRow));
  quarantine_ = place("shardmill/quarantine", sizeof(QuarantineRow));
  quarantined_ = place("shardmill/quarantined", sizeof(std::int64_t));
  layout_.records = status_.rows;
  std::string names = metadata.text("shardmill/outputs");
  for (std::size_t end = 0; !names.empty(); names.erase(0, end + 1)) {
    end = std::min(names.find('\n'), names.size() - 1);
    OutputLayout output;
    output.name = names.substr(0, names.find('\n'));
    const Hdf5Handle dataset = metadata.open(output.name);
    output.dtype = dtype_of(Hdf5Handle(H5Dget_type(dataset.get()), H5Tclose).get());
    output.shape = metadata.dims(dataset.get());
    if (output.shape.empty() || output.shape.front() != layout_.records) metadata.refuse(output.name);
    output.shape.erase(output.shape.begin());
    const std::uint64_t bytes = static_cast<std::uint64_t>(layout_.records) * output.row_bytes();
    outputs_.push_back({metadata.offset(dataset.get(), output.name, bytes), output.row_bytes(), layout_.records});
    layout_.outputs.push_back(std::move(output));
  }
  // The plan is told by the shard table's first row; a file under construction has none yet.
  if (shards_.rows > 0) layout_.shard_size = std::max<std::int64_t>(read_shard(0).count, 1);
}

void Results::write(const Place& place, std::int64_t first, std::int64_t count, const void* rows) {
  SHARDMILL_CHECK(first >= 0 && count >= 0 && first + count <= place.rows, "rows outside the dataset");
  if (count * static_cast<std::int64_t>(place.row_bytes) == 0) return;
  file_->write_at(place.offset + static_cast<std::uint64_t>(first) * place.row_bytes, rows,
                  static_cast<std::size_t>(count) * place.row_bytes);
}

void Results::read(const Place& place, std::int64_t first, std::int64_t count, void* rows) {
  SHARDMILL_CHECK(first >= 0 && count >= 0 && first + count <= place.rows, "rows outside the dataset");
  if (count * static_cast<std::int64_t>(place.row_bytes) == 0) return;
  file_->read_at(place.offset + static_cast<std::uint64_t>(first) * place.row_bytes, rows,
                 static_cast<std::size_t>(count) * place.row_bytes);
}

void Results::write_rows(std::size_t output, std::int64_t first_record, std::int64_t count, const void* rows) {
  write(outputs_.at(output), first_record, count, rows);
}

void Results::read_rows(std::size_t output, std::int64_t first_record, std::int64_t count, void* rows) {
  read(outputs_.at(output), first_record, count, rows);
}

void Results::write_status(std::int64_t first_record, const std::vector<RecordStatus>& status) {
  write(status_, first_record, static_cast<std::int64_t>(status.size()), status.data());
}

std::vector<RecordStatus> Results::read_status(std::int64_t first_record, std::int64_t count) {
  std::vector<RecordStatus> status(static_cast<std::size_t>(count));
  read(status_, first_record, count, status.data());
  return status;
}

void Results::write_shards(std::int64_t first_shard, const std::vector<ShardRow>& rows) {
  write(shards_, first_shard, std::ssize(rows), rows.data());
}

ShardRow Results::read_shard(std::int64_t shard) {
  ShardRow row;
  read(shards_, shard, 1, &row);
  return row;
}

void Results::write_quarantine(std::int64_t index, std::int64_t record, const std::string& message) {
  if (index < quarantine_.rows) {
    QuarantineRow row;
    row.record = record;
    std::size_t length = std::min(message.size(), sizeof row.message - 1);
    // Not in the middle of a UTF-8 character.
    while (length < message.size() && length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0U) == 0x80U)
      --length;
    std::memcpy(row.message, message.data(), length);
    write(quarantine_, index, 1, &row);
  }
  const std::int64_t count = std::min(index + 1, quarantine_.rows);
  write(quarantined_, 0, 1, &count);
}

std::vector<QuarantineRow> Results::read_quarantine() {
  std::int64_t count = 0;
  read(quarantined_, 0, 1, &count);
  std::vector<QuarantineRow> rows(static_cast<std::size_t>(std::clamp<std::int64_t>(count, 0, quarantine_.rows)));
  read(quarantine_, 0, static_cast<std::int64_t>(rows.size()), rows.data());
  for (QuarantineRow& row : rows) row.message[sizeof row.message - 1] = '\0';
  return rows;
}

void Results::sync() { file_->sync(); }

// ---- Checksums
// --------------------------------------------------------------------------------------------------------

struct ShardHasher::State {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::vector<std::unique_ptr<XXH3_state_t, Free>> outputs;
};

ShardHasher::ShardHasher(std::size_t outputs) : state_(std::make_unique<State>()) {
  for (std::size_t i = 0; i < outputs; ++i) {
    state_->outputs.emplace_back(XXH3_createState());
    XXH3_64bits_reset(state_->outputs.back().get());
  }
}
ShardHasher::~ShardHasher() = default;
ShardHasher::ShardHasher(ShardHasher&&) noexcept = default;
ShardHasher& ShardHasher::operator=(ShardHasher&&) noexcept = default;

void ShardHasher::add(std::size_t output, const void* rows, std::size_t bytes) {
  XXH3_64bits_update(state_->outputs.at(output).get(), rows, bytes);
}

std::uint64_t ShardHasher::digest() const {
  std::vector<std::uint64_t> digests;
  for (const auto& state : state_->outputs) digests.push_back(XXH3_64bits_digest(state.get()));
  return XXH3_64bits(digests.data(), digests.size() * sizeof(std::uint64_t));
}

void hash_rows(Results& results, std::int64_t first_record, std::int64_t count, ShardHasher& hasher) {
  const auto read = [&results](std::size_t output, std::int64_t first, std::int64_t rows, void* to) {
    results.read_rows(output, first, rows, to);
  };
  hash_rows(results.layout(), read, first_record, count, hasher);
}

void hash_rows(const ResultsLayout& layout, const ReadRows& read, std::int64_t first_record, std::int64_t count,
               ShardHasher& hasher) {
  constexpr std::size_t piece_bytes = 4U << 20U;
  std::vector<char> buffer;
  for (std::size_t output = 0; output < layout.outputs.size(); ++output) {
    const std::size_t row_bytes = layout.outputs[output].row_bytes();
    if (row_bytes == 0) continue;
    const auto rows_at_once = static_cast<std::int64_t>(std::max<std::size_t>(piece_bytes / row_bytes, 1));
    for (std::int64_t row = 0; row < count; row += rows_at_once) {
      const std::int64_t rows = std::min(rows_at_once, count - row);
      buffer.resize(static_cast<std::size_t>(rows) * row_bytes);
      read(output, first_record + row, rows, buffer.data());
      hasher.add(output, buffer.data(), buffer.size());
    }
  }
}

}  // namespace shardmill::store
