// The other end of the feed lines, on the coordinator's rank: reads records and the model, and writes rows, for the
// ranks that do not see the files.
//
//   fed rank: reader, model, writer -> FeedLine -> MPI -> Feeder: a thread that reads, a thread that writes
//
// The thread that does MPI only passes requests on, so the coordinator never waits for the disk. Ranks ask for what
// they have room for (FedSource, FedRows), and nothing is read while answers of more than some 256 MiB wait to leave:
// memory is bounded, however large the dataset and however slow a rank.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>

#include "comm/messages.hpp"
#include "coordinator/types.hpp"
#include "dataset/input_file.hpp"
#include "dataset/record_source.hpp"
#include "infer/outbox.hpp"
#include "job/job.hpp"
#include "store/results.hpp"

namespace shardmill::infer {

// Made and used by the thread that does MPI. Answers come as Answer items of the outbox.
class Feeder {
 public:
  // Throws DataError. References outlive it.
  Feeder(const job::Job& job, const coordinator::Plan& plan, Outbox& outbox);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  // What a rank is told that does not see the files.
  comm::Provision provision(std::int64_t pid, const std::string& host) const;
  // Rows can be read and written from now on; requests for them that came before have waited. Once, or more often with
  // the same results. `results` outlives the feeder.
  void open(store::Results& results);

  void serve(int rank, comm::Fetch fetch);
  // Blocks of attempts that do not count any more are to be taken out before.
  void serve(int rank, comm::Store store);

  // This answer has been handed to MPI, where now so many bytes wait to leave.
  void sent(const comm::Served& served);
  void under_way(std::size_t bytes);
  // Nothing is asked for that has not been answered.
  bool idle();

 private:
  // A thread's work, in order.
  struct Fetching {
    int rank = 0;
    comm::Fetch fetch;
  };
  struct Storing {
    int rank = 0;
    std::variant<comm::Store, comm::Fetch> request;
  };

  void read_loop();
  void write_loop();
  std::string read(const comm::Fetch& fetch);
  std::string read_rows(const comm::Fetch& fetch);
  void answer(int rank, comm::Served served);

  const job::Job& job_;
  Outbox& outbox_;
  std::unique_ptr<dataset::RecordSource> source_;
  dataset::InputFile model_;
  coordinator::Plan plan_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Fetching> to_read_;
  std::deque<Storing> to_write_;
  std::int64_t open_requests_ = 0;
  std::size_t queued_ = 0;     // bytes of answers in the outbox
  std::size_t under_way_ = 0;  // and in MPI
  bool closed_ = false;
  store::Results* results_ = nullptr;
  std::thread reader_;
  std::thread writer_;
};

}  // namespace shardmill::infer
