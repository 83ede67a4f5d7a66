// Writes checkpoints in the background, while training goes on. One object, on the coordinator. Free of torch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "store/checkpoint_file.hpp"
#include "store/disk.hpp"

namespace shardmill::train {

// A copy of the state between two steps, which nobody changes any more.
struct Snapshot {
  std::int64_t step = 0;                         // steps done
  std::int64_t position = 0;                     // where in the order of records the next step begins
  std::string meta;                              // JSON
  std::vector<store::CheckpointTensor> tensors;  // into `storage`
  std::shared_ptr<void> storage;                 // let go once it is written
  bool is_best = false;
  bool is_final = false;
};

// A snapshot that is durable.
struct Saved {
  std::string name;  // of the file: checkpoint-000001200.h5
  std::int64_t step = 0;
  std::int64_t position = 0;
  std::string checksum;  // of the file, hex
  std::uint64_t bytes = 0;
  double seconds = 0;
  bool is_best = false;
  bool is_final = false;
};

class CheckpointKeeper {
 public:
  // Makes the folder, and removes what a killed writer left under temporary names. on_saved is called in the writer's
  // thread once a file is durable. keep: checkpoints that stay besides the best, at least 1. Throws StoreError.
  CheckpointKeeper(store::Disk& disk, std::filesystem::path folder, std::int64_t keep,
                   std::function<void(const Saved&)> on_saved);
  // Waits for what is being written; what goes wrong then is told to nobody, so wait() first.
  ~CheckpointKeeper();
  CheckpointKeeper(const CheckpointKeeper&) = delete;
  CheckpointKeeper& operator=(const CheckpointKeeper&) = delete;

  // A snapshot is being written: one that is only due by the clock is better left out. Any thread.
  bool busy() const;
  // Waits while busy, hands the snapshot over and returns. If an earlier one could not be written, throws that (once,
  // StoreError or what on_saved threw), and does not take this one. From one thread, as is wait().
  void submit(Snapshot snapshot);
  // Until everything is durable. Throws as submit does.
  void wait();
  // Once the journal knows `newest`: lets last.h5 lead to it and best.h5 to `best`, and deletes the older ones but the
  // `keep` newest and the best. Never touches what was written later. Any thread, one at a time. Throws StoreError.
  void prune(const std::string& newest, const std::optional<std::string>& best);

 private:
  void write_all();
  Saved write(const Snapshot& snapshot);
  void await(std::unique_lock<std::mutex>& lock);

  store::Disk& disk_;
  const std::filesystem::path folder_;
  const std::int64_t keep_;
  const std::function<void(const Saved&)> on_saved_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Snapshot> pending_;  // until it is written
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread writer_;
};

}  // namespace shardmill::train
