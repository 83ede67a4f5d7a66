// A seeded fake world around the coordinator: clock, messages, journal, storage, ranks, and what may happen to them. No
// test framework: `simulate` tells what it saw.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "coordinator/coordinator.hpp"
#include "simulation/random.hpp"
#include "simulation/rank.hpp"
#include "simulation/scenario.hpp"
#include "simulation/storage.hpp"
#include "simulation/watch.hpp"

namespace shardmill::simulation {

struct Outcome {
  std::vector<std::string> violations;  // of what must always hold; empty if all is well
  ExitCode exit_code = ExitCode::done;
  coordinator::Figures figures;
  coordinator::Seconds seconds = 0;  // of virtual time
  std::int64_t steps = 0;
};

Outcome simulate(const Scenario& scenario);

class World {
 public:
  explicit World(const Scenario& scenario);
  Outcome run();

  // For the ranks.
  const Scenario& scenario() const { return scenario_; }
  coordinator::Seconds now() const { return now_; }
  Random& random() { return random_; }
  Storage& storage() { return storage_; }
  void write(std::int64_t record, Content content);
  void at(coordinator::Seconds when, std::function<void()> what);
  void after(coordinator::Seconds delay, std::function<void()> what);
  // To the coordinator. What a rank sends arrives in order, its death last.
  void send(SimulatedRank& rank, coordinator::Event event);
  void rank_died(SimulatedRank& rank);

 private:
  struct Happening {
    coordinator::Seconds at = 0;
    std::int64_t order = 0;
    std::function<void()> what;
    bool operator<(const Happening& other) const {  // for a queue with the earliest on top
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  // The way between the coordinator and one rank: messages do not overtake each other.
  struct Link {
    std::shared_ptr<SimulatedRank> rank;
    coordinator::Seconds last_up = 0;
    coordinator::Seconds last_down = 0;
  };

  // None if it is of an mpirun that is over.
  Link* link_of(const SimulatedRank& rank);
  void schedule_faults();
  void schedule(int how_many, const std::function<void()>& what);
  SimulatedRank* some_rank();

  void start_ranks();
  void start_coordinator(bool outlived);
  coordinator::Ledger replayed() const;
  void tick(int incarnation);
  void hear(const coordinator::Event& event);
  void catch_up(int incarnation);
  void carry_out(const coordinator::Actions& actions);
  void carry_out(const coordinator::Record& record);
  void carry_out(const coordinator::Grant& grant);
  void carry_out(const coordinator::Proceed& proceed);
  void carry_out(const coordinator::Revoke& revoke);
  void carry_out(const coordinator::Kill& kill);
  void carry_out(const coordinator::Finish& finish);
  void send_down(coordinator::Rank rank, const std::function<void(SimulatedRank&)>& what);
  void sync_journal();
  bool someone_is_careful(std::optional<coordinator::Rank> rank = {}) const;
  void coordinator_dies();
  void end_processes();
  void start_again();

  Scenario scenario_;
  Random random_;
  Storage storage_;
  Watch watch_;
  coordinator::Seconds now_ = 0;
  std::int64_t steps_ = 0;
  std::int64_t order_ = 0;
  std::priority_queue<Happening> queue_;

  std::vector<Link> links_;  // by rank
  int alive_ = 0;            // ranks
  int mpirun_ = 0;           // which one: nothing is delivered from one to the next
  int incarnation_ = 0;
  coordinator::Rank home_ = 0;                             // whose process the coordinator is in
  std::unique_ptr<coordinator::Coordinator> coordinator_;  // none: it is dead or has ended
  coordinator::Seconds paused_until_ = 0;                  // the coordinator
  std::vector<coordinator::Event> unheard_;                // while it was paused
  bool doomed_ = false;                                    // it dies in its next answer
  std::vector<std::string> journal_;
  coordinator::Ledger durable_;  // what the journal says
  std::vector<std::string> not_synced_;
  bool over_ = false;
  Outcome outcome_;
};

}  // namespace shardmill::simulation
