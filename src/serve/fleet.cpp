#include "serve/fleet.hpp"

#include <algorithm>

#include "job/error.hpp"

namespace shardmill::serve {

std::vector<Models> places(const job::Job& job, int ranks) {
  const auto& models = job.serve.models;
  const auto team = static_cast<std::size_t>(std::max(1, ranks - job.fault_tolerance.spares));
  std::vector<Models> places;
  Models shared;
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (!models[i].ranks) shared.insert(i);
    places.insert(places.end(), static_cast<std::size_t>(models[i].ranks.value_or(0)), {i});
  }
  const std::size_t needed = places.size() + (shared.empty() ? 0 : 1);
  if (team < needed)
    throw UsageError("the models need " + std::to_string(needed) + " ranks, but there are " + std::to_string(team) +
                     " beside the front and its spares; start more, or set resources.ranks");
  if (!shared.empty()) places.resize(team, shared);
  return places;
}

Fleet::Fleet(std::vector<Models> places, std::size_t models, int ranks) : places_(std::move(places)) {
  for (std::size_t model = 0; model < models; ++model) all_.insert(model);
  filled_by_.resize(places_.size());
  for (int rank = 1; rank <= ranks; ++rank) {
    Member& member = members_[rank];
    const auto place = static_cast<std::size_t>(rank - 1);
    if (place >= places_.size()) continue;
    filled_by_[place] = rank;
    member.places.insert(place);
  }
}

Models Fleet::wanted(int rank) const {
  const Member& member = members_.at(rank);
  if (!member.alive) return {};
  if (member.places.empty()) return all_;
  Models models = member.ordered;
  for (const std::size_t place : member.places) models.insert(places_[place].begin(), places_[place].end());
  return models;
}

std::vector<int> Fleet::holders(std::size_t model) const {
  std::vector<int> ranks;
  for (const auto& [rank, member] : members_) {
    if (wanted(rank).contains(model)) ranks.push_back(rank);
  }
  std::sort(ranks.begin(), ranks.end(), [&](int a, int b) {
    const bool spare_a = members_.at(a).places.empty();
    const bool spare_b = members_.at(b).places.empty();
    return spare_a != spare_b ? spare_a : a > b;
  });
  return ranks;
}

void Fleet::loaded(int rank, std::size_t model) {
  if (Member& member = members_.at(rank); member.alive) member.holds.insert(model);
}

void Fleet::lose(int rank) {
  Member& member = members_.at(rank);
  for (const std::size_t place : member.places) filled_by_[place].reset();
  member = {};
  member.alive = false;
}

bool Fleet::has_all(const Member& member) const {
  return std::includes(member.holds.begin(), member.holds.end(), all_.begin(), all_.end());
}

// By a rank that lives, or by a spare that is still to be ready.
bool Fleet::is_covered(std::size_t model) const {
  for (const auto& [rank, member] : members_) {
    if (!member.alive) continue;
    if (member.places.empty()) return true;
    for (const std::size_t place : member.places) {
      if (places_[place].contains(model)) return true;
    }
  }
  return false;
}

// Who can be spared best for a place more: a rank of the place that most others fill as well.
std::optional<int> Fleet::helper() const {
  std::optional<int> best;
  std::ptrdiff_t most = 0;
  for (const auto& [rank, member] : members_) {
    if (!member.alive || member.places.size() != 1) continue;
    const Models& models = places_[*member.places.begin()];
    std::ptrdiff_t same = 0;
    for (std::size_t place = 0; place < places_.size(); ++place)
      same += filled_by_[place] && places_[place] == models ? 1 : 0;
    if (same <= most) continue;
    best = rank;
    most = same;
  }
  if (best) return best;
  for (const auto& [rank, member] : members_) {
    if (member.alive) return rank;
  }
  return std::nullopt;
}

Fleet::Changes Fleet::settle() {
  Changes changes;
  std::set<int> stepped_in;
  for (std::size_t place = 0; place < places_.size(); ++place) {
    if (filled_by_[place]) continue;
    const auto spare = std::find_if(members_.begin(), members_.end(), [&](const auto& entry) {
      return entry.second.alive && entry.second.places.empty() && has_all(entry.second);
    });
    std::optional<int> taker;
    if (spare != members_.end()) {
      taker = spare->first;
      spare->second.ordered = all_;  // it holds them, and keeps them
      stepped_in.insert(*taker);
    } else if (std::any_of(places_[place].begin(), places_[place].end(),
                           [this](std::size_t model) { return !is_covered(model); })) {
      taker = helper();
      if (!taker) continue;
      const Models before = wanted(*taker);
      Order order{*taker, {}};
      for (const std::size_t model : places_[place]) {
        if (!before.contains(model)) order.models.insert(model);
      }
      if (!order.models.empty()) changes.orders.push_back(order);
    }
    if (!taker) continue;
    filled_by_[place] = taker;
    members_.at(*taker).places.insert(place);
  }
  for (auto& [rank, member] : members_) {
    Models duty;
    for (const std::size_t place : member.places) {
      const Models& models = places_[place];
      if (std::includes(member.holds.begin(), member.holds.end(), models.begin(), models.end()))
        duty.insert(models.begin(), models.end());
    }
    if (duty == member.duty) continue;
    member.duty = duty;
    changes.duties.push_back({rank, duty, stepped_in.contains(rank)});
  }
  return changes;
}

Fleet::State Fleet::state(int rank) const {
  const Member& member = members_.at(rank);
  if (!member.alive) return State::dead;
  if (!member.duty.empty()) return State::working;
  return member.places.empty() && has_all(member) ? State::spare : State::loading;
}

int Fleet::count(State wanted_state) const {
  return static_cast<int>(std::count_if(members_.begin(), members_.end(),
                                        [&](const auto& entry) { return state(entry.first) == wanted_state; }));
}

}  // namespace shardmill::serve
