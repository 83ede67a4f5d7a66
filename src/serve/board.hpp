// What the front's two halves know of each other: requests on their way in over HTTP, and how things are with the
// ranks.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "serve/api.hpp"
#include "serve/dispatcher.hpp"
#include "serve/idle_state.hpp"
#include "serve/model_keeper.hpp"

namespace shardmill::serve {

struct RankCounts {
  int loading = 0;
  int idle = 0;
  int busy = 0;
  int spare = 0;  // ready, and held back until another dies
  int dead = 0;
};

struct ModelConditions {
  std::shared_ptr<const ModelSpec> spec;  // null until a rank has run the model
  bool served = false;                    // by a rank at least
  int times_loaded = 0;

  bool can_compute() const { return spec && served; }
};

// As of a moment ago.
struct Conditions {
  std::vector<ModelConditions> models;
  RankCounts ranks;
  DispatchFigures figures;
  bool draining = false;
  std::optional<IdleState> idle;

  // Worth sending requests to. While it drains, it still computes those that come on connections that are open.
  bool ready(std::size_t model) const { return models[model].can_compute() && !draining; }
  bool ready() const {
    for (std::size_t model = 0; model < models.size(); ++model) {
      if (!ready(model)) return false;
    }
    return true;
  }
};

class Board {
 public:
  struct Arrivals {
    std::vector<Request> requests;
    std::vector<ReloadWish> wishes;
    bool empty() const { return requests.empty() && wishes.empty(); }
  };

  // max_waiting: of requests for a model.
  Board(std::size_t models, std::size_t max_waiting)
      : max_waiting_(max_waiting), arrived_of_(models), waiting_(models) {}

  // ---- HTTP ----

  // False if too many are waiting: the request is not taken.
  bool submit(Request request) {
    if (waiting(request.model) >= max_waiting_) return false;
    ++arrived_of_[request.model];
    inbox_.requests.push_back(std::move(request));
    return true;
  }
  void submit(ReloadWish wish) { inbox_.wishes.push_back(std::move(wish)); }
  std::shared_ptr<const Conditions> conditions() const { return conditions_; }
  std::size_t waiting(std::size_t model) const { return arrived_of_[model] + waiting_[model]; }

  // ---- MPI ----

  Arrivals take() {
    for (std::size_t model = 0; model < waiting_.size(); ++model)
      waiting_[model] += std::exchange(arrived_of_[model], 0);  // until publish() says how many are left
    return std::exchange(inbox_, {});
  }
  void publish(const Dispatcher& dispatcher) {
    for (std::size_t model = 0; model < waiting_.size(); ++model) waiting_[model] = dispatcher.waiting(model);
  }
  void publish(Conditions conditions) { conditions_ = std::make_shared<const Conditions>(std::move(conditions)); }

 private:
  Arrivals inbox_;
  std::size_t max_waiting_;
  std::vector<std::size_t> arrived_of_;  // in the inbox, of each model
  std::vector<std::size_t> waiting_;
  std::shared_ptr<const Conditions> conditions_;
};

}  // namespace shardmill::serve
