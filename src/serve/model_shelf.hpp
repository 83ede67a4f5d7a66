// The models that a rank holds, each in one version or, while a new one takes over, in two.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "comm/messages.hpp"
#include "job/job.hpp"
#include "model/model.hpp"
#include "serve/runner.hpp"

namespace shardmill::serve {

// Safe for one thread that loads beside one that runs.
class ModelShelf {
 public:
  // device_rank: see model::choose_device. The job outlives it.
  ModelShelf(const job::Job& job, int device_rank) : job_(job), device_rank_(device_rank) {}

  // Loads a version and runs it on zeros. Throws ModelError if it cannot.
  comm::Loaded load(const comm::Load& order);
  comm::Answered run(const comm::Forward& forward);
  void drop(const comm::Unload& order);

 private:
  struct Version {
    std::unique_ptr<model::Model> model;
    std::unique_ptr<Runner> runner;
  };

  const job::Job& job_;
  int device_rank_;
  std::mutex mutex_;                                                  // of versions_, not of what is in it
  std::map<std::pair<int, int>, std::shared_ptr<Version>> versions_;  // of model and version
};

}  // namespace shardmill::serve
