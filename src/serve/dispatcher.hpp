// Which rank computes which request, and when: batches are made at the moment when a rank has nothing to do, of what
// waits then. No MPI, no thread, no clock: time is an argument, in seconds.
//
// A request whose rank died in the middle of its batch is tried again by itself, so that only a request that kills its
// rank is given up, after max_attempts deaths, the last of them alone.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serve/request.hpp"

namespace shardmill::serve {

struct BatchPolicy {
  std::int64_t max_batch_size = 1;
  double max_queue_delay = 0;
};
struct DispatchPolicy {
  std::vector<BatchPolicy> models;
  int max_attempts = 3;
  double batch_timeout = 60;
  // Of the ranks that have nothing to do, who worked last is served first, so that the others are left to the idle job.
  // Else who has waited longest is.
  bool recent_first = false;
};

// Of one model, since the server's start.
struct ModelFigures {
  std::int64_t submitted = 0;  // requests
  std::int64_t completed = 0;  // with an answer of the model
  std::int64_t records = 0;    // in answers
  std::int64_t retried = 0;    // requests that were in a batch whose rank died
  std::int64_t batches = 0;
  std::int64_t batched_records = 0;
  static constexpr std::array<std::int64_t, 11> batch_bounds{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  std::array<std::int64_t, batch_bounds.size() + 1> batch_sizes{};  // batches of up to so many records
};
struct DispatchFigures {
  std::vector<ModelFigures> models;
  std::int64_t faults = 0;     // deaths of ranks that worked
  std::int64_t recovered = 0;  // of them those all of whose requests have been judged since

  std::int64_t sum(std::int64_t ModelFigures::*figure) const {
    std::int64_t sum = 0;
    for (const ModelFigures& model : models) sum += model.*figure;
    return sum;
  }
};

struct BadRow {
  std::int64_t row = 0;  // of the batch
  std::string message;
};

// What a rank is to compute: `inputs` as in Request, of all requests of the batch. They are for one model.
struct Assignment {
  int rank = 0;
  std::size_t model = 0;
  std::int64_t batch = 0;
  std::int64_t rows = 0;
  std::string bytes;  // input after input
};

class Dispatcher {
 public:
  explicit Dispatcher(DispatchPolicy policy);

  // Bytes of a row of each output of the model, before its first answer.
  void set_outputs(std::size_t model, std::vector<std::size_t> row_bytes);

  void submit(Request request);
  // The rank works from now on, for these models.
  void set_rank(int rank, std::set<std::size_t> models);
  // It works no more; what it had in hand is to be done again. Unknown ranks are no fault.
  void remove_rank(int rank, double now);
  // `outputs`: output after output. An answer to a batch that the rank has not in hand is dropped.
  void answered(int rank, std::int64_t batch, const std::string& outputs, const std::vector<BadRow>& bad);
  // Answers what is out of time, and gives work to ranks that have none.
  std::vector<Assignment> step(double now);
  // Ranks that have had their batch for longer than batch_timeout.
  std::vector<int> overdue(double now) const;
  // Answers everything with an error.
  void fail_all(int status, const std::string& message);

  std::size_t waiting(std::size_t model) const;
  std::size_t in_flight() const { return in_hand_.size(); }  // batches
  bool works(int rank) const { return ranks_.contains(rank); }
  bool is_served(std::size_t model) const;  // by a rank at least
  std::size_t ranks() const { return ranks_.size(); }
  const DispatchFigures& figures() const { return figures_; }

 private:
  struct Entry {
    Request request;
    int deaths = 0;
    bool done = false;  // answered already, being out of time
    std::vector<std::int64_t> faults;
  };
  struct InHand {
    std::size_t model = 0;
    std::int64_t batch = 0;
    std::int64_t rows = 0;
    double since = 0;
    std::vector<Entry> entries;
  };

  void finish(Entry& entry, Outcome outcome);
  void drop_late(std::size_t model, double now);
  // When the request that is to be computed next arrived; none if nothing may begin now.
  std::optional<double> next_since(std::size_t model, double now) const;
  std::vector<Entry> take(std::size_t model);
  Assignment assign(int rank, std::size_t model, std::vector<Entry> entries, double now);

  struct Queue {
    std::deque<Entry> entries;
    std::deque<Entry> suspects;  // each to be computed by itself, before the others
    std::int64_t rows = 0;       // of entries
    std::vector<std::size_t> output_bytes;
  };

  DispatchPolicy policy_;
  std::vector<Queue> queues_;  // of each model
  std::map<int, std::set<std::size_t>> ranks_;
  std::deque<int> idle_;  // who is served first is in front
  std::map<int, InHand> in_hand_;
  std::map<std::int64_t, std::int64_t> open_faults_;  // fault -> requests that wait for their answer because of it
  std::int64_t next_batch_ = 0;
  DispatchFigures figures_;
};

}  // namespace shardmill::serve
