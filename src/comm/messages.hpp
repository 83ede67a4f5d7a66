// Control messages between the coordinator and the ranks, and their encoding on the wire.
//
// Wire format, little-endian: version (1 byte), kind (1 byte: the index in Message), then the fields in the order of
// `fields`. Numbers have fixed width; text and lists have a 32-bit length in front. A message of another version, of an
// unknown kind, too short or too long is refused, never guessed at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace shardmill::comm {

inline constexpr std::uint8_t wire_version = 1;

struct BadRecord {
  std::int64_t row = 0;  // in its shard
  std::string message;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(row, message);
  }
  friend bool operator==(const BadRecord&, const BadRecord&) = default;
};

// ---- rank -> coordinator --------------------------------------------------------------------------------------------

// The rank is up. Sent before the model is loaded.
struct Hello {
  std::int64_t pid = 0;
  std::string host;
  std::string device;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(pid, host, device);
  }
  friend bool operator==(const Hello&, const Hello&) = default;
};
// The model is loaded: the rank holds up to `slots` leases from now on.
struct Ready {
  std::int32_t slots = 0;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(slots);
  }
  friend bool operator==(const Ready&, const Ready&) = default;
};
// From either side: nothing to say, but there.
struct Alive {
  template <typename Archive>
  void fields(Archive&) {}
  friend bool operator==(const Alive&, const Alive&) = default;
};
struct Progress {
  std::int64_t shard = 0;
  std::int32_t attempt = 0;
  std::int64_t durable = 0;   // rows
  std::int64_t computed = 0;  // rows
  std::vector<BadRecord> bad;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(shard, attempt, durable, computed, bad);
  }
  friend bool operator==(const Progress&, const Progress&) = default;
};
struct Finished {
  std::int64_t shard = 0;
  std::int32_t attempt = 0;
  std::uint64_t checksum = 0;
  double seconds = 0;
  std::vector<BadRecord> bad;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(shard, attempt, checksum, seconds, bad);
  }
  friend bool operator==(const Finished&, const Finished&) = default;
};
struct Failed {
  std::int64_t shard = 0;
  std::int32_t attempt = 0;
  std::string message;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(shard, attempt, message);
  }
  friend bool operator==(const Failed&, const Failed&) = default;
};
struct Returned {
  std::int64_t shard = 0;
  std::int32_t attempt = 0;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(shard, attempt);
  }
  friend bool operator==(const Returned&, const Returned&) = default;
};
// The rank cannot go on, and no other could: the disk is full, the model does not fit the dataset.
struct GiveUp {
  std::string message;
  std::int32_t exit_code = 1;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(message, exit_code);
  }
  friend bool operator==(const GiveUp&, const GiveUp&) = default;
};

// Answer to End. idle: no thread of the rank is in the model any more, so that it can leave by MPI_Finalize.
struct Bye {
  std::uint8_t idle = 1;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(idle);
  }
  friend bool operator==(const Bye&, const Bye&) = default;
};

// ---- coordinator -> rank --------------------------------------------------------------------------------------------

// Results are ready to be written: the rank may ask for leases.
struct Welcome {
  std::string run_dir;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(run_dir);
  }
  friend bool operator==(const Welcome&, const Welcome&) = default;
};
struct Lease {
  std::int64_t shard = 0;
  std::int32_t attempt = 0;
  std::int64_t first_row = 0;
  std::uint8_t careful = 0;  // one record at a time up to the end of the batch of first_row
  std::uint8_t again = 0;    // tell of every batch before it begins
  std::vector<BadRecord> skip;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(shard, attempt, first_row, careful, again, skip);
  }
  friend bool operator==(const Lease&, const Lease&) = default;
};
struct Revoked {
  std::int64_t shard = 0;
  std::int32_t attempt = 0;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(shard, attempt);
  }
  friend bool operator==(const Revoked&, const Revoked&) = default;
};
struct End {
  std::int32_t exit_code = 0;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(exit_code);
  }
  friend bool operator==(const End&, const End&) = default;
};

// After End and everybody's Bye: the process may go. clean: all together by MPI_Finalize; else each by itself.
struct Leave {
  std::uint8_t clean = 1;
  template <typename Archive>
  void fields(Archive& archive) {
    archive(clean);
  }
  friend bool operator==(const Leave&, const Leave&) = default;
};

// The order is the wire's: append only, and raise wire_version when a field changes.
using Message = std::variant<Hello, Ready, Alive, Progress, Finished, Failed, Returned, GiveUp, Welcome, Lease, Revoked,
                             End, Bye, Leave>;

// Sent by ranks to their coordinator (Alive goes both ways and does not count).
bool is_for_coordinator(const Message& message);

std::vector<std::byte> encode(const Message& message);
// Throws RankLost if the bytes are not a message of this version.
Message decode(const std::byte* data, std::size_t size);

}  // namespace shardmill::comm
