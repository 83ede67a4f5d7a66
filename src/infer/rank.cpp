#include "infer/rank.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include <signal.h>
#include <sys/prctl.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include "comm/control_channel.hpp"
#include "comm/placement.hpp"
#include "comm/world.hpp"
#include "infer/driver.hpp"
#include "infer/metrics.hpp"
#include "infer/pipeline.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "model/model.hpp"
#include "report/log.hpp"
#include "store/versions.hpp"

namespace shardmill::infer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int32_t lease_slots = 3;  // one in the model, one being read, one on its way
constexpr std::chrono::microseconds shortest_nap{100};
constexpr std::chrono::microseconds longest_nap{2000};
constexpr std::chrono::seconds farewell{5};  // for the last messages to leave

volatile std::sig_atomic_t stop_signal = 0;

void note_signal(int signal) { stop_signal = signal; }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) sigaction(signal, &action, nullptr);
}

void print_error(const std::string& message) {
  std::string line = "shardmill: error: " + message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fputs((line + "\n").c_str(), stderr);
  std::fflush(stderr);
}

class RankLife {
 public:
  RankLife(comm::World& world, const RankOptions& options)
      : world_(world), options_(options), channel_(world), progress_(options.progress, stdout) {}

  // Until the run has ended for this rank. The exit code.
  ExitCode live() {
    model::configure_torch(options_.job.resources.threads_per_rank);
    pipeline_ = std::make_unique<Pipeline>(options_.job, world_.local_rank(), outbox_);
    if (world_.rank() == coordinator_) {
      if (options_.fresh) store::create_run(store::posix_disk(), options_.run_dir, options_.job.resolved_yaml);
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
    if (world_.rank() != coordinator_) return;
    for (int rank = 0; rank < world_.size(); ++rank) {
      if (rank != world_.rank()) channel_.send(rank, comm::End{to_int(code)});
    }
    flush();
  }

  void flush() {
    const auto deadline = Clock::now() + farewell;
    while (!channel_.flushed() && Clock::now() < deadline) {
      static_cast<void>(channel_.poll());
      static_cast<void>(world_.newly_dead());
      std::this_thread::sleep_for(shortest_nap);
    }
  }

  // Everybody leaves together. True if by MPI_Finalize: nobody is dead, stopped or still busy in a model. A rank that
  // does not answer within rank_timeout (it is stopped, say) is killed, or it would keep the others from leaving.
  bool part() {
    const std::chrono::duration<double> patience(options_.job.fault_tolerance.rank_timeout);
    const auto deadline = Clock::now() + patience;
    channel_.send(coordinator_, comm::Bye{static_cast<std::uint8_t>(pipeline_->idle() ? 1 : 0)});
    while (!leave_) {
      for (comm::Received& received : channel_.poll()) {
        if (const auto* bye = std::get_if<comm::Bye>(&received.message)) byes_[received.from] = bye->idle != 0;
        std::visit([this](const auto& message) { on(message); }, received.message);
      }
      for (const int rank : world_.newly_dead()) {
        if (rank == coordinator_) return false;
      }
      if (driver_) send_leave(Clock::now() > deadline);
      if (!driver_ && Clock::now() > deadline + patience) return false;
      std::this_thread::sleep_for(shortest_nap);
    }
    return *leave_;
  }

  bool is_coordinator() const { return world_.rank() == coordinator_; }
  Driver* driver() { return driver_.get(); }
  void stop_pipeline() { pipeline_->stop(); }

 private:
  // One turn of the loop; true if anything happened.
  bool turn(std::chrono::microseconds nap) {
    bool busy = false;
    std::deque<Outbox::Item> items = outbox_.take(nap);
    for (const Outbox::Item& item : items) {
      busy = true;
      if (const auto* message = std::get_if<comm::Message>(&item)) channel_.send(coordinator_, *message);
      if (const auto* ready = std::get_if<ModelReady>(&item)) on_model_ready(*ready);
    }
    outbox_.sent(items.size());
    for (comm::Received& received : channel_.poll()) {
      busy = true;
      deliver(received);
    }
    bool orphaned = false;
    for (const int rank : world_.newly_dead()) {
      busy = true;
      orphaned = orphaned || rank == coordinator_;
      if (driver_) driver_->rank_died(rank);
    }
    if (orphaned) fail_over();
    if (!driver_) watch_coordinator();
    if (driver_) {
      if (stop_signal != 0)
        driver_->stop(std::exchange(stop_signal, 0) == SIGINT ? "interrupted" : "asked to stop by a signal");
      driver_->step();
    }
    const auto now = Clock::now();
    if (now - last_sign_ > std::chrono::duration<double>(options_.job.fault_tolerance.rank_timeout / 5)) {
      channel_.send(coordinator_, comm::Alive{});
      last_sign_ = now;
    }
    return busy;
  }

  void deliver(comm::Received& received) {
    if (received.from == coordinator_) heard_ = Clock::now();
    if (driver_) {
      driver_->receive(received.from, received.message);
    } else if (comm::is_for_coordinator(received.message)) {
      // Its sender has noticed the coordinator's death before us, and takes us for the next one.
      early_.push_back(std::move(received));
      return;
    }
    std::visit([this](const auto& message) { on(message); }, received.message);
  }

  void know_run(const std::filesystem::path& run_dir) {
    run_dir_ = run_dir;
    store::note_process({run_dir_}, world_.rank(), {::getpid(), world_.host()});
  }

  void greet() { channel_.send(coordinator_, comm::Hello{::getpid(), world_.host(), ""}); }

  // Becomes the coordinator: replays the journal, lays out the results as soon as the model is there.
  void coordinate() {
    const store::RunFolder folder = store::open_run(run_dir_);
    report::open_log(folder.log(world_.rank()));
    driver_ = std::make_unique<Driver>(world_, channel_, options_.job, folder, progress_);
    if (model_) driver_->model_ready(*model_, versions_text());
    for (const comm::Received& received : std::exchange(early_, {})) driver_->receive(received.from, received.message);
  }

  // The lowest rank alive is the coordinator: all survivors come to the same one without a word. Leases of the old one
  // are void; what it had not journalled is computed again, to the same bytes.
  void fail_over() {
    crash_point("during-failover");
    while (coordinator_ < world_.size() && world_.is_dead(coordinator_)) ++coordinator_;
    report::log_info("the coordinator died; rank " + std::to_string(coordinator_) + " takes over");
    if (run_dir_.empty()) throw RankLost("the coordinator died before the run had begun");
    pipeline_->revoke_all();
    heard_ = Clock::now();
    if (coordinator_ == world_.rank()) {
      progress_.say("the coordinator died; rank " + std::to_string(coordinator_) + " takes over from the journal");
      coordinate();
    }
    greet();
    declare_ready();
  }

  // A coordinator that is stopped or stuck says nothing, and MPI does not notice. The lowest rank behind it ends it (on
  // the same host), and then fails over as after any death.
  void watch_coordinator() {
    if (run_dir_.empty()) return;
    const std::chrono::duration<double> patience(options_.job.fault_tolerance.rank_timeout);
    int next = coordinator_ + 1;
    while (next < world_.size() && world_.is_dead(next)) ++next;
    // One that lays out a large run, or reads a large journal, is silent for a while.
    const double turns = (next == world_.rank() ? 1 : 2) * (results_ ? 1 : 3);
    if (Clock::now() - heard_ < turns * patience) return;
    const auto process = store::process_of({run_dir_}, coordinator_);
    if (!process || process->host != world_.host()) throw RankLost("the coordinator has fallen silent");
    report::log_info("the coordinator has been silent for longer than rank_timeout: it is killed");
    ::kill(static_cast<pid_t>(process->pid), SIGKILL);
    heard_ = Clock::now();
  }

  void send_leave(bool too_late) {
    bool clean = !world_.any_dead();
    for (int rank = 0; rank < world_.size(); ++rank) {
      if (world_.is_dead(rank)) continue;
      const auto bye = byes_.find(rank);
      if (bye == byes_.end() && !too_late) return;
      if (bye == byes_.end()) driver_->kill_rank(rank);
      clean = clean && bye != byes_.end() && bye->second;
    }
    for (int rank = 0; rank < world_.size(); ++rank)
      channel_.send(rank, comm::Leave{static_cast<std::uint8_t>(clean ? 1 : 0)});
  }

  void on_model_ready(const ModelReady& ready) {
    report::log_info("the model is loaded, on " + ready.device);
    model_ = ready;
    if (driver_) driver_->model_ready(ready, versions_text());
    declare_ready();
  }

  // Both the results and the model are there.
  void declare_ready() {
    if (model_ && results_) channel_.send(coordinator_, comm::Ready{lease_slots});
  }

  void on(const comm::Welcome& welcome) {
    if (results_) return;
    know_run(welcome.run_dir);
    const store::RunFolder folder = store::open_run(welcome.run_dir);
    if (!driver_) report::open_log(folder.log(world_.rank()));
    report::log_info("rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ", pid " +
                     std::to_string(::getpid()) + " on " + world_.host() + "; " + versions_text());
    results_ =
        std::make_unique<store::Results>(store::posix_disk(), results_path(options_.job, folder), store::Open::write);
    pipeline_->open(*results_);
    declare_ready();
  }
  void on(const comm::Lease& lease) {
    report::log_info("lease: shard " + std::to_string(lease.shard) + " attempt " + std::to_string(lease.attempt) +
                     " from row " + std::to_string(lease.first_row));
    pipeline_->add(lease);
  }
  void on(const comm::Revoked& revoked) { pipeline_->revoke(revoked.shard, revoked.attempt); }
  void on(const comm::End& end) { end_ = static_cast<ExitCode>(end.exit_code); }
  void on(const comm::Leave& leave) { leave_ = leave.clean != 0; }
  template <typename ForCoordinator>
  void on(const ForCoordinator&) {}

  comm::World& world_;
  const RankOptions& options_;
  comm::ControlChannel channel_;
  report::Progress progress_;
  Outbox outbox_;
  std::unique_ptr<store::Results> results_;
  std::unique_ptr<Pipeline> pipeline_;  // its threads use what is above
  std::unique_ptr<Driver> driver_;
  int coordinator_ = 0;                     // the lowest rank alive, as far as this one knows
  Clock::time_point heard_ = Clock::now();  // from the coordinator, last
  std::filesystem::path run_dir_;
  std::optional<ModelReady> model_;
  std::vector<comm::Received> early_;
  std::optional<ExitCode> end_;
  std::map<int, bool> byes_;  // rank -> idle
  std::optional<bool> leave_;
  Clock::time_point last_sign_ = Clock::now();
};

// A rank whose mpirun is gone must not work on: it would hold the run against the next mpirun.
void die_with_launcher() {
  const bool launched = comm::placement_from_environment().size > 0;
  if (launched && ::getppid() != 1) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

// summary.json, the table, the last word.
ExitCode conclude(Driver& driver, const RankOptions& options) {
  report::Summary summary = driver.summary();
  try {
    const bool whole = summary.outcome == ExitCode::done || summary.outcome == ExitCode::quarantined;
    if (whole) summary.metrics = compute_metrics(options.job, driver.files().results());
    store::write_file(store::posix_disk(), driver.files().folder().summary(), report::to_json(summary));
  } catch (const Error& error) {
    print_error("the run has ended as it says, but its summary is incomplete: " + std::string(error.what()));
  }
  if (options.print_summary && driver.files().has_results()) {
    std::fputs(report::to_table(summary).c_str(), stdout);
    std::fflush(stdout);
  }
  if (summary.outcome == ExitCode::failed || summary.outcome == ExitCode::bad_job) print_error(summary.message);
  return summary.outcome;
}

}  // namespace

std::string versions_text() {
  return "shardmill " SHARDMILL_VERSION ", LibTorch " TORCH_VERSION ", " + comm::mpi_info().library + ", HDF5 " +
         store::hdf5_version();
}

void run_rank(const RankOptions& options) {
  catch_signals();
  die_with_launcher();
  std::unique_ptr<comm::World> world;
  try {
    arm_crash_points(comm::placement_from_environment().rank);
    world = std::make_unique<comm::World>();
  } catch (const Error& error) {
    print_error(error.what());
    std::_Exit(to_int(error.exit_code()));
  }
  // Threads may hang in a model, so after an error the process leaves without waiting for anything: never destroyed.
  auto* life = new RankLife(*world, options);
  try {
    const ExitCode code = life->live();
    ExitCode result = code;
    if (Driver* driver = life->driver()) result = conclude(*driver, options);
    const bool clean = life->part();
    life->flush();
    if (clean) life->stop_pipeline();
    world->leave(to_int(result), clean);
  } catch (const Error& error) {
    report::log_info(std::string("leaving: ") + error.what());
    if (life->is_coordinator()) print_error(error.what());
    life->dismiss(error.exit_code());
    world->leave(to_int(error.exit_code()), false);
  } catch (const std::exception& error) {
    report::log_info(std::string("leaving: ") + error.what());
    print_error(error.what());
    life->dismiss(ExitCode::failed);
    world->leave(to_int(ExitCode::failed), false);
  }
}

}  // namespace shardmill::infer
