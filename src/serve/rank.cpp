#include "serve/rank.hpp"

#include <chrono>
#include <memory>

#include "comm/parting.hpp"
#include "comm/placement.hpp"
#include "comm/rank_process.hpp"
#include "job/error.hpp"
#include "report/log.hpp"
#include "serve/front.hpp"
#include "serve/idle_state.hpp"
#include "serve/reload_signal.hpp"
#include "serve/worker.hpp"

namespace shardmill::serve {
namespace {

class RankLife {
 public:
  RankLife(comm::World& world, const RankOptions& options, std::unique_ptr<store::Gate> gate)
      : world_(world), options_(options), channel_(world), gate_(std::move(gate)) {}

  ExitCode live() {
    if (world_.size() < 2)
      throw UsageError("a server needs two processes at least: the front, and one that runs the model");
    if (world_.rank() == 0) {
      front_ = std::make_unique<Front>(world_, channel_, options_);
      const ExitCode code = front_->live();
      front_->conclude(code);
      front_->dismiss(code);
      return code;
    }
    worker_ = std::make_unique<Worker>(world_, channel_, options_.job, std::move(gate_));
    return worker_->live();
  }

  bool part() {
    comm::Parting parting{world_,
                          channel_,
                          0,
                          [this] { return !worker_ || worker_->idle(); },
                          std::chrono::duration<double>(options_.job.fault_tolerance.rank_timeout),
                          nullptr,
                          nullptr,
                          {},
                          nullptr};
    if (front_) {
      parting.kill = [this](int rank) { front_->kill_rank(rank); };
      parting.is_gone = [this](int rank) { return front_->is_gone(rank); };
    }
    const bool clean = comm::part(parting);
    comm::flush(world_, channel_);
    if (clean && worker_) worker_->join();
    return clean;
  }

  // Tells the others that it is over, as far as they can hear it.
  void dismiss(ExitCode code) {
    if (world_.rank() == 0) comm::dismiss(world_, channel_, code);
  }

  bool is_front() const { return world_.rank() == 0; }

 private:
  comm::World& world_;
  const RankOptions& options_;
  comm::ControlChannel channel_;
  std::unique_ptr<store::Gate> gate_;
  std::unique_ptr<Front> front_;
  std::unique_ptr<Worker> worker_;
};

// Before MPI starts, and so before any rank can say that the server is up: then the idle job begins, and looks for the
// gates.
std::unique_ptr<store::Gate> gate_of_this_rank(const RankOptions& options) {
  const comm::Placement place = comm::placement_from_environment();
  if (!options.job.serve.idle_job || place.rank == 0) return nullptr;
  return store::make_gate(idle_run_of({options.run_dir}), device_rank(place.rank, place.local_rank));
}

}  // namespace

void run_rank(const RankOptions& options) {
  catch_reload_signal();
  std::unique_ptr<store::Gate> gate;
  const std::unique_ptr<comm::World> world = comm::start_rank([&] { gate = gate_of_this_rank(options); });
  // The model may hang, so after an error the process leaves without waiting for it: never destroyed.
  auto* life = new RankLife(*world, options, std::move(gate));
  try {
    const ExitCode code = life->live();
    const bool clean = life->part();
    world->leave(to_int(code), clean);
  } catch (const std::exception& error) {
    comm::leave_after(error,
                      {*world, life->is_front(), true, report::log_info, [&](ExitCode code) { life->dismiss(code); }});
  }
}

}  // namespace shardmill::serve
