#include "train/rank.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include <signal.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include "comm/control_channel.hpp"
#include "comm/data_channel.hpp"
#include "comm/parting.hpp"
#include "comm/placement.hpp"
#include "comm/rank_process.hpp"
#include "comm/world.hpp"
#include "job/error.hpp"
#include "model/model.hpp"
#include "report/log.hpp"
#include "store/versions.hpp"
#include "train/begin.hpp"
#include "train/conclude.hpp"
#include "train/coordinator_watch.hpp"
#include "train/driver.hpp"

namespace shardmill::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds shortest_nap{50};
constexpr std::chrono::microseconds longest_nap{1000};
// One communicator a generation; every death begins one.
constexpr int most_generations = 64;

class RankLife {
 public:
  RankLife(comm::World& world, const RankOptions& options)
      : world_(world),
        options_(options),
        job_(options.job),
        channel_(world),
        data_channel_(world, std::min(world.size() + 2, most_generations)),
        progress_(options.progress, stdout),
        watch_(world, options.job.fault_tolerance.rank_timeout) {}

  // Until the run has ended for this rank. The exit code.
  ExitCode live() {
    model::configure_torch(job_.resources.threads_per_rank);
    if (watch_.is_me()) {
      if (options_.fresh) store::create_run(store::posix_disk(), options_.run_dir, job_.resolved_yaml);
      know_run(options_.run_dir);
      coordinate();
      comm::Welcome welcome;
      welcome.run_dir = run_dir_.string();
      for (int rank = 0; rank < world_.size(); ++rank) {
        if (rank != world_.rank()) channel_.send(rank, welcome);
      }
    } else if (!options_.fresh) {
      know_run(options_.run_dir);
    }
    worker_thread_ = std::thread([this] { work(); });
    std::chrono::microseconds nap = shortest_nap;
    while (!end_) {
      const bool busy = turn(nap);
      nap = busy ? shortest_nap : std::min(nap * 2, longest_nap);
    }
    data_channel_.revoke();
    if (transferring_) desk_.end_transfers(false);
    desk_.end();
    return *end_;
  }

  // Tells the others that the run is over, as far as they can hear it.
  void dismiss(ExitCode code) {
    if (watch_.is_me()) comm::dismiss(world_, channel_, code);
  }

  // `last`: on the coordinator, before anybody leaves.
  bool part(const std::function<void()>& last) {
    comm::Parting parting{world_,
                          channel_,
                          watch_.rank(),
                          [this] { return !desk_.busy(); },
                          std::chrono::duration<double>(job_.fault_tolerance.rank_timeout),
                          nullptr,
                          nullptr,
                          byes_,
                          last};
    if (driver_) {
      parting.kill = [this](int rank) { driver_->kill_rank(rank); };
      parting.is_gone = [this](int rank) { return driver_->is_expelled(rank); };
    }
    const bool clean = comm::part(parting);
    comm::flush(world_, channel_);
    return clean;
  }

  bool is_coordinator() const { return watch_.is_me(); }
  Driver* driver() { return driver_.get(); }
  void join() { worker_thread_.join(); }

 private:
  // ---- The worker's thread ----

  void work() {
    try {
      const at::Device device = training_device(job_, world_.local_rank());
      TrainingData data(job_, device);
      const bool leads = watch_.is_me();
      const auto network = make_network(job_, device, /*initial=*/leads);
      WorkerHooks hooks;
      hooks.on_dealt = [this](const std::string& link) {
        if (!link.empty()) report::log_info("gradients go over " + link);
        tell([link](Driver& driver) { driver.note_in_place(link); });
      };
      hooks.on_step = [this](const StepReport& report) { tell([report](Driver& driver) { driver.note(report); }); };
      hooks.on_evaluation = [this](const EvaluationReport& report) {
        tell([report](Driver& driver) { driver.note(report); });
      };
      hooks.plan_boundary = [this](Boundary& boundary) {
        if (const Driver* driver = driving_) driver->plan_boundary(boundary);
      };
      hooks.on_boundary = [this](const Boundary& boundary, Worker& worker) {
        if (Driver* driver = driving_) driver->at_boundary(boundary, worker);
      };
      Worker worker(job_, world_.rank(), *network, data, desk_, std::move(hooks));
      // The others are sent it by a peer: first values too may differ in a bit between kinds of processors.
      if (leads) {
        const auto folder = options_.fresh ? std::nullopt : std::optional(checkpoints_of({run_dir_}));
        begin(folder, job_, worker,
              [this](const std::string& remark) { desk_.post([this, remark] { progress_.say(remark); }); });
      }
      const Opened opened = opened_entry(job_, data, worker);
      const auto step = leads ? std::optional(worker.course().step) : std::nullopt;
      desk_.post([this, opened, step, device] { worker_ready(opened, step, device.str()); });
      worker.run();
    } catch (const Error& error) {
      desk_.fail({error.what(), error.exit_code()});
    } catch (const std::exception& error) {
      desk_.fail({error.what(), ExitCode::failed});
    }
  }

  // Does something with the driver, in the thread that does MPI, on the rank that coordinates.
  void tell(std::function<void(Driver&)> what) {
    if (driving_ == nullptr) return;
    desk_.post([this, what = std::move(what)] { what(*driver_); });
  }

  // ---- The thread that does MPI ----

  // One turn of the loop; true if anything happened.
  bool turn(std::chrono::microseconds nap) {
    bool busy = transferring_ ? desk_.wait(std::chrono::microseconds(0)) : desk_.wait(nap);
    for (Desk::Task& task : desk_.take_tasks()) task();
    busy = transfer() || busy;
    for (comm::Received& received : channel_.poll()) {
      busy = true;
      deliver(received);
    }
    look_for_deaths();
    if (driver_) {
      if (const int signal = comm::caught_signal())
        driver_->stop(signal == SIGINT ? "interrupted" : "asked to stop by a signal");
      driver_->step();
    } else {
      watch_.look({run_dir_});
    }
    watch_worker();
    stand();
    const auto now = Clock::now();
    if (now - last_sign_ > std::chrono::duration<double>(job_.fault_tolerance.rank_timeout / 5)) {
      channel_.send(watch_.rank(), comm::Alive{});
      last_sign_ = now;
    }
    if (transferring_ && !busy) std::this_thread::yield();
    return busy;
  }

  bool transfer() {
    if (!transferring_) {
      const auto transfers = desk_.take_transfers();
      if (!transfers) return false;
      transferring_ = true;
      static_cast<void>(data_channel_.start(transfers->sends, transfers->receives));
    }
    const auto state = data_channel_.test();
    if (state == comm::DataChannel::State::under_way) return false;
    if (state == comm::DataChannel::State::failed) {
      interrupt();
    } else {
      transferring_ = false;
      desk_.end_transfers(true);
    }
    return true;
  }

  // The worker is to stop where it is and say where that is.
  void interrupt() {
    data_channel_.revoke();
    if (std::exchange(transferring_, false)) desk_.end_transfers(false);
    desk_.interrupt();
  }

  void look_for_deaths() {
    bool orphaned = false;
    for (const int rank : world_.newly_dead()) {
      orphaned = orphaned || rank == watch_.rank();
      if (members_.contains(rank)) interrupt();
      if (driver_ && !driver_->is_expelled(rank)) driver_->rank_died(rank, "its process has ended");
    }
    if (orphaned) fail_over();
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

  void on(const comm::Welcome& welcome) { know_run(welcome.run_dir); }
  void on(const comm::Regroup& regroup) {
    if (regroup.generation <= generation_) return;
    generation_ = regroup.generation;
    answered_ = false;
    interrupt();
  }
  void on(const comm::Deal& deal) {
    if (deal.generation != generation_) return;  // overtaken
    if (deal.channel >= data_channel_.generations())
      throw RankLost("too many ranks have died in one mpirun; the run goes on from its newest checkpoint");
    members_ = {deal.members.begin(), deal.members.end()};
    data_channel_.begin(deal.channel);
    channel_generation_ = deal.channel;
    answered_ = false;
    desk_.deal(deal);
  }
  void on(const comm::Expelled&) {
    report::log_info("this rank was silent for longer than rank_timeout, and the others have gone on without it");
    world_.leave(0, false);  // with another code mpirun would end the others
  }
  void on(const comm::End& end) { end_ = static_cast<ExitCode>(end.exit_code); }
  template <typename Other>
  void on(const Other&) {}

  // Says where this rank stands: when asked, and when it cannot go on.
  void stand() {
    if (const auto trouble = desk_.trouble(); trouble && !told_trouble_) {
      told_trouble_ = true;
      channel_.send(watch_.rank(), comm::GiveUp{trouble->message, to_int(trouble->code)});
    }
    if (answered_) return;
    if (auto standing = desk_.standing()) {
      standing->generation = generation_;
      standing->channel = channel_generation_;
      channel_.send(watch_.rank(), *standing);
      answered_ = true;
    }
  }

  void know_run(const std::filesystem::path& run_dir) {
    if (!run_dir_.empty()) return;
    run_dir_ = run_dir;
    store::note_process({run_dir_}, world_.rank(), {::getpid(), world_.host()});
    report::open_log(store::RunFolder{run_dir_}.log(world_.rank()));
    report::log_info("rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ", pid " +
                     std::to_string(::getpid()) + " on " + world_.host() + "; " + versions());
  }

  void coordinate() {
    driver_ =
        std::make_unique<Driver>(world_, channel_, job_, store::open_run(run_dir_), progress_, desk_, generation_);
    driving_ = driver_.get();
    if (opened_) driver_->open(*opened_, ready_step_, device_, versions());
    for (const comm::Received& received : std::exchange(early_, {})) driver_->receive(received.from, received.message);
  }

  void worker_ready(const Opened& opened, std::optional<std::int64_t> step, const std::string& device) {
    opened_ = opened;
    ready_step_ = step;
    device_ = device;
    if (driver_) driver_->open(opened, step, device, versions());
  }

  void fail_over() {
    watch_.pass_on({run_dir_});
    answered_ = false;
    if (watch_.is_me()) {
      progress_.say("the coordinator died; rank " + std::to_string(watch_.rank()) + " takes over");
      coordinate();
    }
  }

  // A worker that is stuck in a model takes its rank with it: the others notice that, and go on.
  void watch_worker() {
    const auto now = Clock::now();
    const std::uint64_t progressed = desk_.progressed();
    if (!desk_.busy() || progressed != progressed_) {
      progressed_ = progressed;
      moved_ = now;
    } else if (now - moved_ > std::chrono::duration<double>(job_.fault_tolerance.shard_timeout)) {
      report::log_info("no progress for longer than shard_timeout: this rank ends itself");
      ::raise(SIGKILL);
    }
  }

  static std::string versions() {
    return "shardmill " SHARDMILL_VERSION ", LibTorch " TORCH_VERSION ", " + comm::mpi_info().library + ", HDF5 " +
           store::hdf5_version();
  }

  comm::World& world_;
  const RankOptions& options_;
  const job::Job& job_;
  comm::ControlChannel channel_;
  comm::DataChannel data_channel_;
  report::Progress progress_;
  Desk desk_;
  std::unique_ptr<Driver> driver_;
  std::atomic<Driver*> driving_ = nullptr;  // the same, for the worker's thread
  std::thread worker_thread_;
  CoordinatorWatch watch_;
  Clock::time_point last_sign_ = Clock::now();
  Clock::time_point moved_ = Clock::now();  // the worker, last
  std::uint64_t progressed_ = 0;
  std::filesystem::path run_dir_;
  std::set<int> members_;
  int generation_ = 0;  // the newest that this rank has heard of
  int channel_generation_ = -1;
  bool answered_ = false;  // where it stands, in this generation
  bool transferring_ = false;
  bool told_trouble_ = false;
  std::optional<Opened> opened_;
  std::optional<std::int64_t> ready_step_;  // on the rank that has begun the run
  std::string device_;
  std::vector<comm::Received> early_;
  std::map<int, bool> byes_;
  std::optional<ExitCode> end_;
};

}  // namespace

void run_rank(const RankOptions& options) {
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // without it cuBLAS may not give the same bits twice
  const std::unique_ptr<comm::World> world = comm::start_rank([&options] {
    // While MPI starts, too, a rank must be found by those who end it.
    if (!options.fresh) store::note_this_process({options.run_dir}, comm::placement_from_environment().rank);
  });
  // The worker may hang in a model, so after an error the process leaves without waiting for it: never destroyed.
  auto* life = new RankLife(*world, options);
  try {
    const ExitCode code = life->live();
    ExitCode result = code;
    const bool clean = life->part([&] {
      Driver& driver = *life->driver();
      result = conclude(driver.summary(), driver.folder(), options, driver.has_begun());
    });
    if (clean) life->join();
    world->leave(to_int(result), clean);
  } catch (const std::exception& error) {
    comm::leave_after(
        error, {*world, life->is_coordinator(), true, report::log_info, [&](ExitCode code) { life->dismiss(code); }});
  }
}

}  // namespace shardmill::train
