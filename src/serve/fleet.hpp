// Which rank runs which models: places in the team, spares, and who takes over from the dead. No MPI, no clock.
//
// A place is to be filled by a rank that holds all models of the place. A spare holds every model, so that it can take
// any place. Where the last rank of a model dies and no spare is left, a rank of another place takes that place too.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "job/job.hpp"

namespace shardmill::serve {

using Models = std::set<std::size_t>;

// The team of the job for so many ranks that run models, spares among them: first those of the models that have ranks
// of their own. Throws UsageError if there are too few.
std::vector<Models> places(const job::Job& job, int ranks);

class Fleet {
 public:
  enum class State { loading, spare, working, dead };
  // Works on these models from now on.
  struct Duty {
    int rank = 0;
    Models models;
    bool steps_in = false;  // was a spare
  };
  // Is to load these, too.
  struct Order {
    int rank = 0;
    Models models;
  };
  struct Changes {
    std::vector<Duty> duties;
    std::vector<Order> orders;
  };

  // Ranks 1 to `ranks`; rank 1 takes the first place, and so on.
  Fleet(std::vector<Models> places, std::size_t models, int ranks);

  // What the rank is to hold; empty if it is dead.
  Models wanted(int rank) const;
  // Living ranks that are to hold the model: spares first, then from the last place on.
  std::vector<int> holders(std::size_t model) const;

  void loaded(int rank, std::size_t model);
  void lose(int rank);
  // Fills what can be filled. To be called after each change.
  Changes settle();

  bool holds(int rank, std::size_t model) const { return members_.at(rank).holds.contains(model); }
  State state(int rank) const;
  int count(State state) const;

 private:
  struct Member {
    bool alive = true;
    std::set<std::size_t> places;
    Models ordered;  // more than its places want
    Models holds;
    Models duty;
  };
  bool has_all(const Member& member) const;
  bool is_covered(std::size_t model) const;
  std::optional<int> helper() const;

  std::vector<Models> places_;
  std::vector<std::optional<int>> filled_by_;  // of each place
  Models all_;
  std::map<int, Member> members_;
};

}  // namespace shardmill::serve
