// Control messages between the coordinator and the ranks, and their encoding on the wire.
//
// Wire format, little-endian: version (1 byte), kind (1 byte: the index in Message), then the fields in the order of
// the struct. Numbers have fixed width; text and lists have a 32-bit length in front. Several messages may travel
// together, one behind the other. A message of another version, of an unknown kind or too short is refused, never
// guessed at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace shardmill::comm {

inline constexpr std::uint8_t wire_version = 5;

struct BadRecord {
  std::int64_t row = 0;  // in its shard
  std::string message;
  friend bool operator==(const BadRecord&, const BadRecord&) = default;
};

// What a record has of an input or output.
struct TensorShape {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;  // of a record
  friend bool operator==(const TensorShape&, const TensorShape&) = default;
};

// ---- rank -> coordinator --------------------------------------------------------------------------------------------

// The rank is up. Sent before the model is loaded.
struct Hello {
  std::int64_t pid = 0;
  std::string host;
  std::string device;
  friend bool operator==(const Hello&, const Hello&) = default;
};
// The model is loaded: the rank holds up to `slots` leases from now on.
struct Ready {
  std::int32_t slots = 0;
  friend bool operator==(const Ready&, const Ready&) = default;
};
// From either side: nothing to say, but there.
struct Alive {
  friend bool operator==(const Alive&, const Alive&) = default;
};
struct Progress {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::int64_t durable = 0;   // rows
  std::int64_t computed = 0;  // rows
  std::vector<BadRecord> bad;
  friend bool operator==(const Progress&, const Progress&) = default;
};
struct Finished {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::uint64_t checksum = 0;
  double seconds = 0;
  std::vector<BadRecord> bad;
  friend bool operator==(const Finished&, const Finished&) = default;
};
struct Failed {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::string message;
  friend bool operator==(const Failed&, const Failed&) = default;
};
struct Returned {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  friend bool operator==(const Returned&, const Returned&) = default;
};
// With a lease that is `again`: may the batch (or lone record) at `row` begin?
struct Asked {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::int64_t row = 0;
  friend bool operator==(const Asked&, const Asked&) = default;
};
// The rank cannot go on, and no other could: the disk is full, the model does not fit the dataset.
struct GiveUp {
  std::string message;
  std::int32_t exit_code = 1;
  std::uint8_t storage = 0;  // the disk is at fault
  friend bool operator==(const GiveUp&, const GiveUp&) = default;
};

// Answer to End. idle: no thread of the rank is in the model any more, so that it can leave by MPI_Finalize.
struct Bye {
  std::uint8_t idle = 1;
  friend bool operator==(const Bye&, const Bye&) = default;
};

// ---- coordinator -> rank --------------------------------------------------------------------------------------------

// Results are ready to be written: the rank may ask for leases. What the run's files look like to the coordinator: a
// rank to which they look otherwise does not see them, but none, or others under their names (infer/sights.hpp).
struct Welcome {
  std::string run_dir;
  std::string token;
  std::string results;
  std::string dataset;
  std::string model;
  std::vector<TensorShape> outputs;
  friend bool operator==(const Welcome&, const Welcome&) = default;
};
struct Lease {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::int64_t first_row = 0;
  std::uint8_t careful = 0;  // one record at a time up to the end of the batch of first_row
  std::uint8_t again = 0;    // before every batch: Asked, and wait for Proceed
  std::vector<BadRecord> skip;
  friend bool operator==(const Lease&, const Lease&) = default;
};
// The answer to Asked.
struct Proceed {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::int64_t row = 0;
  friend bool operator==(const Proceed&, const Proceed&) = default;
};
struct Revoked {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  friend bool operator==(const Revoked&, const Revoked&) = default;
};
struct End {
  std::int32_t exit_code = 0;
  friend bool operator==(const End&, const End&) = default;
};

// After End and everybody's Bye: the process may go. clean: all together by MPI_Finalize; else each by itself.
struct Leave {
  std::uint8_t clean = 1;
  friend bool operator==(const Leave&, const Leave&) = default;
};

// ---- Training: who works on what (train/assembly.hpp) ---------------------------------------------------------------

// coordinator -> rank: somebody died. Stop at the next opportunity and say where you stand.
struct Regroup {
  std::int32_t generation = 0;
  friend bool operator==(const Regroup&, const Regroup&) = default;
};
// rank -> coordinator: where it stands, and that it waits for a Deal. Also unasked, when it cannot go on.
struct Standing {
  std::int32_t generation = 0;     // the newest that it has heard of
  std::int32_t channel = -1;       // the newest generation of the DataChannel that it has begun
  std::int64_t position = -1;      // of its state; -1: it has none
  std::vector<std::int64_t> held;  // logical shards of the next step that it has computed
  double speed = 0;                // logical shards a second; 0: not known
  friend bool operator==(const Standing&, const Standing&) = default;
};
// coordinator -> rank: go on, together with `members`. Their order is that of the slices.
struct Deal {
  std::int32_t generation = 0;
  std::int32_t channel = 0;           // the generation of the DataChannel to begin
  std::int64_t position = 0;          // from which all go on
  std::int32_t source = 0;            // who sends its state to those in `behind`
  std::vector<std::int32_t> members;  // ranks
  std::vector<std::int32_t> behind;   // ranks
  std::vector<std::int32_t> owner;    // of each logical shard of the next step: an index into members
  std::vector<double> speeds;         // of each member
  friend bool operator==(const Deal&, const Deal&) = default;
};
// coordinator -> rank: you were taken for dead, and the others have gone on without you.
struct Expelled {
  friend bool operator==(const Expelled&, const Expelled&) = default;
};

// ---- Serving: the front, rank 0, and the ranks that run the model
// ----------------------------------------------------

// rank -> front: it has loaded this version of a model, and run it on zeros.
struct Loaded {
  std::int32_t model = 0;  // of the job's
  std::int32_t version = 0;
  std::string device;
  std::string digest;  // of the model's file
  std::vector<TensorShape> outputs;
  friend bool operator==(const Loaded&, const Loaded&) = default;
};
// front -> rank: records, input after input; of each input the rows one after the other.
struct Forward {
  std::int32_t model = 0;
  std::int32_t version = 0;
  std::int64_t batch = 0;
  std::int64_t rows = 0;
  std::string bytes;
  friend bool operator==(const Forward&, const Forward&) = default;
};
// rank -> front: the outputs in the same order; rows in `bad` have zeros.
struct Answered {
  std::int64_t batch = 0;
  std::string bytes;
  double seconds = 0;  // in the model
  std::vector<BadRecord> bad;
  friend bool operator==(const Answered&, const Answered&) = default;
};

// front -> rank: load this version of a model, beside what is there.
struct Load {
  std::int32_t model = 0;
  std::int32_t version = 0;
  std::string path;
  friend bool operator==(const Load&, const Load&) = default;
};
// rank -> front: it cannot.
struct LoadFailed {
  std::int32_t model = 0;
  std::int32_t version = 0;
  std::string message;
  friend bool operator==(const LoadFailed&, const LoadFailed&) = default;
};
// front -> rank: after the batches that have been sent, this version is not needed any more.
struct Unload {
  std::int32_t model = 0;
  std::int32_t version = 0;
  friend bool operator==(const Unload&, const Unload&) = default;
};

// ---- Inference: ranks that do not see the run's files get all that they need over MPI (infer/feeder.hpp)
// -------------

// rank -> coordinator: it is one of them.
struct Unsighted {
  std::string why;
  friend bool operator==(const Unsighted&, const Unsighted&) = default;
};
// The answer. Who answers, and what the rank would have read from files.
struct Provision {
  std::int64_t pid = 0;
  std::string host;
  std::string job;  // as it was resolved, YAML
  std::int64_t model_bytes = 0;
  std::int64_t records = 0;
  std::int64_t shard_size = 0;
  std::vector<TensorShape> inputs;
  friend bool operator==(const Provision&, const Provision&) = default;
};
// rank -> coordinator: bytes that it needs.
struct Fetch {
  enum From : std::uint8_t { records, model, rows };
  std::int64_t id = 0;          // of the rank's requests, ascending
  std::uint8_t from = records;  // a From
  std::int32_t part = 0;        // which field of the records, -1 for all, one after the other; which output of the rows
  std::int64_t first = 0;
  std::int64_t count = 0;  // of records or rows; of a model's bytes
  friend bool operator==(const Fetch&, const Fetch&) = default;
};
// rank -> coordinator: rows for the results.
struct RowBlock {
  std::int64_t shard = 0;
  std::int64_t attempt = 0;
  std::int32_t output = 0;
  std::int64_t first = 0;  // record
  std::int64_t count = 0;
  std::string bytes;
  friend bool operator==(const RowBlock&, const RowBlock&) = default;
};
struct Store {
  std::int64_t id = 0;
  std::uint8_t sync = 0;  // all that this rank has sent is to be durable before the answer
  std::vector<RowBlock> blocks;
  friend bool operator==(const Store&, const Store&) = default;
};
// coordinator -> rank: a request is done. With an error it was not.
struct Served {
  std::int64_t id = 0;
  std::string bytes;
  std::string error;
  friend bool operator==(const Served&, const Served&) = default;
};

// The order is the wire's: append only, and raise wire_version when a field changes.
using Message = std::variant<Hello, Ready, Alive, Progress, Finished, Failed, Returned, GiveUp, Welcome, Lease, Revoked,
                             End, Bye, Leave, Asked, Proceed, Regroup, Standing, Deal, Expelled, Loaded, Forward,
                             Answered, Load, LoadFailed, Unload, Unsighted, Provision, Fetch, Store, Served>;

// Sent by ranks to their coordinator (Alive goes both ways and does not count).
bool is_for_coordinator(const Message& message);
// Long ones, which go by a channel of their own: nobody is taken for dead because a message is still being read.
bool is_bulk(const Message& message);

// Appends the message.
void encode(const Message& message, std::vector<std::byte>& bytes);
// All messages in the bytes. Throws RankLost if they are not whole messages of this version.
std::vector<Message> decode(const std::byte* data, std::size_t size);

}  // namespace shardmill::comm
