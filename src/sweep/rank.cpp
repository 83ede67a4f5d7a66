#include "sweep/rank.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <unistd.h>

#include "comm/control_channel.hpp"
#include "comm/parting.hpp"
#include "comm/placement.hpp"
#include "comm/rank_process.hpp"
#include "comm/world.hpp"
#include "infer/rank.hpp"
#include "job/error.hpp"
#include "model/model.hpp"
#include "report/log.hpp"
#include "sweep/driver.hpp"
#include "sweep/places.hpp"
#include "sweep/runner.hpp"
#include "sweep/telling.hpp"
#include "train/conclude.hpp"
#include "train/coordinator_watch.hpp"

namespace shardmill::sweep {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds shortest_nap{100};
constexpr std::chrono::microseconds longest_nap{2000};

class RankLife {
 public:
  RankLife(comm::World& world, const report::RankOptions& options)
      : world_(world),
        options_(options),
        job_(options.job),
        channel_(world),
        progress_(options.progress, stdout),
        watch_(world, options.job.fault_tolerance.rank_timeout),
        runner_(std::make_unique<Runner>(options.job, world.local_rank())) {}

  // Until the run has ended for this rank. The exit code.
  ExitCode live() {
    model::configure_torch(job_.resources.threads_per_rank);
    // A rank without the device that it is to have is no trial's fault.
    device_ = model::choose_device(job_.sweep.trials.front().job->model.device, world_.local_rank()).str();
    if (watch_.is_me()) {
      if (options_.fresh) store::create_run(store::posix_disk(), options_.run_dir, job_.resolved_yaml);
      know_run(options_.run_dir);
      coordinate();
    } else if (!options_.fresh) {
      know_run(options_.run_dir);
    }
    greet();
    std::chrono::microseconds nap = shortest_nap;
    while (!end_) {
      const bool busy = turn(nap);
      nap = busy ? shortest_nap : std::min(nap * 2, longest_nap);
    }
    return *end_;
  }

  // Tells the others that the run is over, as far as they can hear it.
  void dismiss(ExitCode code) {
    if (watch_.is_me()) comm::dismiss(world_, channel_, code);
  }
  // Lets the journal know, if that is not what fails.
  void storage_failed(const std::exception& error) {
    if (driver_) driver_->storage_failed(error.what());
  }

  // `last`: on the coordinator, before anybody leaves.
  bool part(const std::function<void()>& last) {
    comm::Parting parting{world_,
                          channel_,
                          watch_.rank(),
                          [this] { return runner_->is_idle(); },
                          std::chrono::duration<double>(job_.fault_tolerance.rank_timeout),
                          nullptr,
                          nullptr,
                          byes_,
                          last};
    if (driver_) parting.kill = [this](int rank) { driver_->lost_at_end(rank); };
    const bool clean = comm::part(parting);
    comm::flush(world_, channel_);
    return clean;
  }

  bool is_coordinator() const { return watch_.is_me(); }
  Driver& driver() { return *driver_; }
  void join() { runner_.reset(); }

 private:
  // One turn of the loop; true if anything happened.
  bool turn(std::chrono::microseconds nap) {
    bool busy = false;
    for (const comm::Message& message : runner_->take(nap)) {
      busy = true;
      channel_.send(watch_.rank(), message);
    }
    for (comm::Received& received : channel_.poll()) {
      busy = true;
      deliver(received);
    }
    bool orphaned = false;
    for (const int rank : world_.newly_dead()) {
      busy = true;
      orphaned = orphaned || rank == watch_.rank();
      if (driver_) driver_->rank_died(rank);
    }
    if (orphaned) fail_over();
    if (driver_) {
      if (const int signal = comm::caught_signal())
        driver_->stop(signal == SIGINT ? "interrupted" : "asked to stop by a signal");
      driver_->step();
    } else {
      watch_.look({run_dir_});
    }
    const auto now = Clock::now();
    if (now - last_sign_ > std::chrono::duration<double>(job_.fault_tolerance.rank_timeout / 5)) {
      channel_.send(watch_.rank(), comm::Alive{});
      last_sign_ = now;
    }
    return busy;
  }

  void deliver(comm::Received& received) {
    if (received.from == watch_.rank()) watch_.heard();
    if (const auto* bye = std::get_if<comm::Bye>(&received.message)) byes_[received.from] = bye->idle != 0;
    if (driver_) {
      driver_->receive(received.from, received.message);
    } else if (comm::is_for_coordinator(received.message)) {
      // Its sender has noticed the coordinator's death before us, and takes us for the next one.
      early_.push_back(std::move(received));
      return;
    }
    std::visit([this](const auto& message) { on(message); }, received.message);
  }

  void on(const comm::Welcome& welcome) {
    know_run(welcome.run_dir);
    if (!std::exchange(welcomed_, true)) runner_->open({run_dir_});
    channel_.send(watch_.rank(), comm::Ready{1});
  }
  void on(const comm::Lease& lease) { runner_->add(lease); }
  void on(const comm::Proceed& proceed) { runner_->proceed(proceed.shard, proceed.attempt); }
  void on(const comm::Revoked& revoked) { runner_->revoke(revoked.shard, revoked.attempt); }
  void on(const comm::Expelled&) {
    report::log_info("this rank was taken for dead, and the others have gone on without it");
    world_.leave(0, false);  // with another code mpirun would end the others
  }
  void on(const comm::End& end) { end_ = static_cast<ExitCode>(end.exit_code); }
  template <typename ForCoordinator>
  void on(const ForCoordinator&) {}

  void know_run(const std::filesystem::path& run_dir) {
    if (!run_dir_.empty()) return;
    run_dir_ = run_dir;
    store::note_process({run_dir_}, world_.rank(), {::getpid(), world_.host()});
    report::open_log(store::RunFolder{run_dir_}.log(world_.rank()));
    report::log_info("rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ", pid " +
                     std::to_string(::getpid()) + " on " + world_.host() + "; " + infer::versions_text());
  }

  void greet() { channel_.send(watch_.rank(), comm::Hello{::getpid(), world_.host(), ""}); }

  // Becomes the coordinator: replays the journal.
  void coordinate() {
    driver_ = std::make_unique<Driver>(world_, channel_, job_, store::open_run(run_dir_), progress_, device_,
                                       infer::versions_text());
    for (const comm::Received& received : std::exchange(early_, {})) driver_->receive(received.from, received.message);
  }

  // Leases of the old coordinator are void. The trials are saved where they are, and go on under the next one.
  void fail_over() {
    watch_.pass_on({run_dir_});
    runner_->revoke_all();
    if (watch_.is_me()) {
      progress_.say("the coordinator died; rank " + std::to_string(watch_.rank()) + " takes over from the journal");
      coordinate();
    }
    greet();
  }

  comm::World& world_;
  const report::RankOptions& options_;
  const job::Job& job_;
  comm::ControlChannel channel_;
  report::Progress progress_;
  train::CoordinatorWatch watch_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<Driver> driver_;
  std::string device_;
  std::filesystem::path run_dir_;
  bool welcomed_ = false;
  std::vector<comm::Received> early_;
  std::map<int, bool> byes_;
  Clock::time_point last_sign_ = Clock::now();
  std::optional<ExitCode> end_;
};

// trials.csv, summary.json, the tables, the last word.
ExitCode conclude(const Driver& driver, const report::RankOptions& options) {
  const job::Job& job = options.job;
  const store::RunFolder& folder = driver.folder();
  const Table table = driver.table();
  try {
    store::write_file(store::posix_disk(), trials_csv(folder), to_csv(job, folder, table));
  } catch (const Error& error) {
    comm::print_error("the run has ended as it says, but without a table: " + std::string(error.what()));
  }
  train::Telling telling;
  telling.json = [&](const report::Summary& summary) { return to_json(summary, "", job, folder, table); };
  telling.table = [&](const report::Summary& summary) {
    return report::to_table(summary) + to_table(job, folder, table);
  };
  return train::conclude(driver.summary(), folder, options, /*begun=*/true, telling);
}

}  // namespace

void run_rank(const report::RankOptions& options) {
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // without it cuBLAS may not give the same bits twice
  const std::unique_ptr<comm::World> world = comm::start_rank([&options] {
    // While MPI starts, too, a rank must be found by those who end it.
    if (!options.fresh) store::note_this_process({options.run_dir}, comm::placement_from_environment().rank);
  });
  // A trial may hang in a model, so after an error the process leaves without waiting for it: never destroyed.
  auto* life = new RankLife(*world, options);
  try {
    const ExitCode code = life->live();
    ExitCode result = code;
    const bool clean = life->part([&] { result = conclude(life->driver(), options); });
    if (clean) life->join();
    world->leave(to_int(result), clean);
  } catch (const std::exception& error) {
    comm::leave_after(error, {*world, life->is_coordinator(), true, report::log_info, [&](ExitCode code) {
                                if (dynamic_cast<const StoreError*>(&error) != nullptr) life->storage_failed(error);
                                life->dismiss(code);
                              }});
  }
}

}  // namespace shardmill::sweep
