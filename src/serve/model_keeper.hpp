// Which version of which model is where: has ranks load them, and new versions of them while the old ones serve.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "comm/messages.hpp"
#include "job/job.hpp"
#include "serve/api.hpp"
#include "serve/fleet.hpp"
#include "serve/rollout.hpp"

namespace shardmill::serve {

// What became of a reload.
struct ReloadOutcome {
  std::vector<std::string> reloaded;  // models
  std::vector<std::string> problems;  // a sentence for each that has failed
};
// A wish to load models again from their files.
struct ReloadWish {
  std::optional<std::size_t> model;  // none: all
  std::function<void(const ReloadOutcome&)> done;
};

// Made and used by the thread that does MPI, which the links hide. Time is an argument, in seconds.
class ModelKeeper {
 public:
  struct Links {
    std::function<void(int rank, const comm::Message& message)> send;
    // The rank works for the models of the duty, and for no others, from now on.
    std::function<void(const Fleet::Duty& duty)> put_to_work;
    // The first rank has loaded and run the model: it can be asked.
    std::function<void(std::size_t model)> known;
    // The rank is of no use: to be killed, and lose() to be called.
    std::function<void(int rank, const std::string& why)> give_up;
    std::function<void(const std::string& line)> say;
  };
  // Throws UsageError if there are too few ranks for the job.
  ModelKeeper(const job::Job& job, int ranks, Links links);

  // Has every rank load what it is to run.
  void begin();
  void on(int from, const comm::Loaded& loaded);
  void on(int from, const comm::LoadFailed& failed);
  void lose(int rank);
  void reload(ReloadWish wish) { wishes_.push_back({std::move(wish), {}, 0}); }
  // To be called now and then: begins reloads, and ends those that hang.
  void step(double now);

  const Fleet& fleet() const { return fleet_; }
  // Null until a rank has run it.
  std::shared_ptr<const ModelSpec> spec(std::size_t model) const { return served_[model].spec; }
  int version(std::size_t model) const { return served_[model].version; }
  // Since the server's start; 1 when the first is there.
  int times_loaded(std::size_t model) const { return served_[model].times_loaded; }
  const std::string& device() const { return device_; }
  // Why the server cannot come up: the job does not fit its model.
  const std::optional<std::string>& failure() const { return failure_; }

 private:
  struct Served {
    std::shared_ptr<const ModelSpec> spec;
    std::string path;
    std::string digest;
    int version = 1;
    int newest = 1;  // that has been tried
    int times_loaded = 0;
  };
  struct Wish {
    ReloadWish wish;
    ReloadOutcome outcome;
    std::size_t next = 0;  // index among the models
  };

  void order(int rank, std::size_t model, int version, const std::string& path);
  void settle();
  void take_first(int from, const comm::Loaded& loaded);
  void on_rollout(int from, const comm::Loaded& loaded);
  void advance_rollout();
  void end_rollout();
  void begin_rollout(std::size_t model);
  ModelSpec spec_of(std::size_t model, const std::vector<comm::TensorShape>& outputs) const;

  const job::Job& job_;
  Links links_;
  Fleet fleet_;
  std::vector<Served> served_;
  std::map<std::pair<int, std::size_t>, int> pending_;  // loads on their way: rank and model -> version
  std::deque<Wish> wishes_;
  std::optional<Rollout> rollout_;
  std::string new_path_;
  std::string new_digest_;
  double now_ = 0;
  double rollout_began_ = 0;
  std::string device_;
  std::optional<std::string> failure_;
};

}  // namespace shardmill::serve
