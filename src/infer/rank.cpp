#include "infer/rank.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>

#include <signal.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include "comm/control_channel.hpp"
#include "comm/parting.hpp"
#include "comm/placement.hpp"
#include "comm/rank_process.hpp"
#include "comm/world.hpp"
#include "infer/ask_ahead.hpp"
#include "infer/driver.hpp"
#include "infer/fed_rows.hpp"
#include "infer/fed_supply.hpp"
#include "infer/feed_line.hpp"
#include "infer/feeder.hpp"
#include "infer/lease_log.hpp"
#include "infer/metrics.hpp"
#include "infer/pipeline.hpp"
#include "infer/rows.hpp"
#include "infer/sights.hpp"
#include "infer/supply.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "job/rehearsal.hpp"
#include "model/model.hpp"
#include "report/log.hpp"
#include "store/versions.hpp"

namespace shardmill::infer {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds shortest_nap{100};
constexpr std::chrono::microseconds longest_nap{2000};

class RankLife {
 public:
  RankLife(comm::World& world, const RankOptions& options)
      : world_(world),
        options_(options),
        channel_(world),
        bulk_(world, comm::ControlChannel::Lane::bulk),
        progress_(options.progress, stdout),
        unsighted_(options.unsighted) {
    const bool scattered = options_.job.data_path == job::DataPath::scatter && world_.rank() != coordinator_;
    if (scattered && unsighted_.empty()) unsighted_ = "data_path is scatter";
  }

  // Until the run has ended for this rank. The exit code.
  ExitCode live() {
    if (unsighted_.empty()) start_pipeline(std::make_unique<FileSupply>(options_.job));
    if (world_.rank() == coordinator_) {
      if (options_.fresh) store::create_run(store::posix_disk(), options_.run_dir, options_.job.resolved_yaml);
      know_run(options_.run_dir);
      coordinate();
    } else if (!options_.fresh && unsighted_.empty()) {
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
    if (world_.rank() == coordinator_) comm::dismiss(world_, channel_, code);
  }

  // Lets the journal know, if that is not what fails.
  void storage_failed(const std::exception& error) {
    if (driver_) driver_->storage_failed(error.what());
  }

  // Everybody leaves together. True if by MPI_Finalize: nobody is dead, stopped or still busy in a model. A rank that
  // does not answer within rank_timeout (it is stopped, say) is killed, or it would keep the others from leaving.
  //
  // The coordinator calls `last` when it is known who has to be killed, and before anybody leaves: a rank that leaves
  // with an exit code of its own may make mpirun end the others.
  bool part(const std::function<void()>& last) {
    comm::Parting parting{world_,
                          channel_,
                          coordinator_,
                          [this] { return idle(); },
                          std::chrono::duration<double>(options_.job.fault_tolerance.rank_timeout),
                          nullptr,
                          nullptr,
                          byes_,
                          last};
    if (driver_) parting.kill = [this](int rank) { driver_->lost_at_end(rank); };
    const bool clean = comm::part(parting);
    comm::flush(world_, channel_);
    return clean;
  }

  bool is_coordinator() const { return world_.rank() == coordinator_; }
  Driver* driver() { return driver_.get(); }
  void stop_pipeline() {
    if (line_) line_->close();
    if (pipeline_) pipeline_->stop();
  }

 private:
  void start_pipeline(std::unique_ptr<Supply> supply) {
    model::configure_torch(options_.job.resources.threads_per_rank);
    supply_ = std::move(supply);
    // The idle job of a server gives way to the server's ranks.
    const bool sees_the_run = !options_.fresh && unsighted_.empty();
    auto gate = sees_the_run ? store::find_gate({options_.run_dir}, world_.local_rank()) : nullptr;
    if (gate) stop_grace_ = 0;
    pipeline_ = std::make_unique<Pipeline>(options_.job, *supply_, world_.local_rank(), outbox_, std::move(gate));
  }

  // Nothing of this rank is under way, in the model or over MPI.
  bool idle() {
    return (!pipeline_ || pipeline_->idle()) && (!line_ || line_->idle()) && (!feeder_ || feeder_->idle()) &&
           bulk_.flushed();
  }

  // One turn of the loop; true if anything happened.
  bool turn(std::chrono::microseconds nap) {
    bool busy = false;
    std::deque<Outbox::Item> items = outbox_.take(nap);
    channel_.hold();
    for (const Outbox::Item& item : items) {
      busy = true;
      if (const auto* message = std::get_if<comm::Message>(&item)) {
        if (waits_for_welcome(*message)) continue;
        (comm::is_bulk(*message) ? bulk_ : channel_).send(coordinator_, *message);
      }
      if (const auto* answer = std::get_if<Answer>(&item)) {
        bulk_.send(answer->rank, answer->served);
        feeder_->sent(answer->served);
      }
      if (const auto* ready = std::get_if<ModelReady>(&item)) on_model_ready(*ready);
      if (const auto* dry = std::get_if<RanDry>(&item)) {
        if (ask_ahead_.ran_dry(dry->computed, Clock::now())) declare_ready();
      }
    }
    for (comm::Received& received : channel_.poll()) {
      busy = true;
      deliver(received);
    }
    busy = turn_bulk() || busy;
    bool orphaned = false;
    for (const int rank : world_.newly_dead()) {
      busy = true;
      orphaned = orphaned || rank == coordinator_;
      if (driver_) driver_->rank_died(rank);
    }
    if (orphaned) fail_over();
    if (!driver_) watch_coordinator();
    if (driver_) {
      if (const int signal = comm::caught_signal()) {
        const bool interrupted = signal == SIGINT;
        driver_->stop(interrupted ? "interrupted" : "asked to stop by a signal", interrupted ? 0 : stop_grace_);
      }
      driver_->step();
    }
    const auto now = Clock::now();
    if (now - last_sign_ > std::chrono::duration<double>(options_.job.fault_tolerance.rank_timeout / 5)) {
      channel_.send(coordinator_, comm::Alive{});
      last_sign_ = now;
    }
    channel_.release();
    lease_log_.turn(now);
    return busy;
  }

  // A model that cannot be loaded may be another one under the name of the run's, as the Welcome will show.
  bool waits_for_welcome(const comm::Message& message) {
    if (driver_ || welcomed_ || !std::holds_alternative<comm::GiveUp>(message)) return false;
    early_give_up_ = message;
    return true;
  }

  void deliver(comm::Received& received) {
    if (received.from == coordinator_) heard_ = Clock::now();
    if (const auto* bye = std::get_if<comm::Bye>(&received.message)) byes_[received.from] = bye->idle != 0;
    if (driver_) {
      hand_over(received);
    } else if (comm::is_for_coordinator(received.message)) {
      // Its sender has noticed the coordinator's death before us, and takes us for the next one.
      early_.push_back(std::move(received));
      return;
    }
    std::visit([this](const auto& message) { on(message); }, received.message);
  }

  // Records and rows on their way, where this rank is fed or feeds others.
  bool turn_bulk() {
    if (!line_ && !feeder_) return false;
    std::vector<comm::Received> all = bulk_.poll();
    for (auto& [from, message] : all) {
      if (from == coordinator_) heard_ = Clock::now();
      if (auto* served = std::get_if<comm::Served>(&message); served != nullptr && line_) {
        line_->answer(std::move(*served));
      } else if (feeder_) {
        driver_->receive(from, comm::Alive{});
        if (auto* fetch = std::get_if<comm::Fetch>(&message)) feeder_->serve(from, *fetch);
        if (auto* store = std::get_if<comm::Store>(&message)) {
          // The fence: a rank that was taken for dead may wake up, but what it says does not count.
          std::erase_if(store->blocks, [&](const comm::RowBlock& block) { return !driver_->holds(from, block); });
          feeder_->serve(from, std::move(*store));
        }
      }
    }
    if (feeder_) feeder_->under_way(bulk_.under_way([this](int rank) { return driver_->counts(rank); }));
    return !all.empty();
  }

  // To the coordinator, which this rank is.
  void hand_over(const comm::Received& received) {
    if (const auto* unsighted = std::get_if<comm::Unsighted>(&received.message)) {
      feed(received.from, unsighted->why);
    } else {
      driver_->receive(received.from, received.message);
    }
  }

  void feed(int rank, const std::string& why) {
    if (driver_->ended() || !driver_->may_feed(rank, why)) return;
    if (!feeder_) feeder_ = std::make_unique<Feeder>(options_.job, driver_->files().plan(), outbox_);
    channel_.send(rank, feeder_->provision(::getpid(), world_.host()));
    open_feeder();
  }

  void open_feeder() {
    if (feeder_ && driver_->files().has_results()) feeder_->open(driver_->files().results());
  }

  void know_run(const std::filesystem::path& run_dir) {
    run_dir_ = run_dir;
    store::note_process({run_dir_}, world_.rank(), {::getpid(), world_.host()});
  }

  void greet() {
    channel_.send(coordinator_, comm::Hello{::getpid(), world_.host(), ""});
    if (!unsighted_.empty()) channel_.send(coordinator_, comm::Unsighted{unsighted_});
  }

  // Becomes the coordinator: replays the journal, lays out the results as soon as the model is there.
  void coordinate() {
    const store::RunFolder folder = store::open_run(run_dir_);
    report::open_log(folder.log(world_.rank()));
    driver_ = std::make_unique<Driver>(world_, channel_, options_.job, folder, progress_);
    if (model_) driver_->model_ready(*model_, versions_text());
    for (const comm::Received& received : std::exchange(early_, {})) hand_over(received);
    open_feeder();
  }

  // The lowest rank alive is the coordinator: all survivors come to the same one without a word. Leases of the old one
  // are void; what it had not journalled is computed again, to the same bytes.
  void fail_over() {
    const auto noticed = Clock::now();
    crash_point("during-failover");
    int next = coordinator_;
    while (next < world_.size() && world_.is_dead(next)) ++next;
    if (!unsighted_.empty()) make_way(next);
    coordinator_ = next;
    report::log_info("the coordinator died; rank " + std::to_string(coordinator_) + " takes over");
    if (run_dir_.empty() && !line_) throw RankLost("the coordinator died before the run had begun");
    pipeline_->revoke_all();
    const auto died = std::exchange(heard_, Clock::now());
    if (coordinator_ == world_.rank()) {
      progress_.say("the coordinator died; rank " + std::to_string(coordinator_) + " takes over from the journal");
      const auto chosen = Clock::now();
      coordinate();
      driver_->took_over(std::chrono::duration<double>(noticed - died).count(),
                         std::chrono::duration<double>(chosen - noticed).count());
    }
    greet();
    if (line_) line_->ask_again();
    declare_ready();
  }

  // A rank that does not see the journal cannot be the coordinator. If it would be, it leaves as the dead do, and the
  // others come to the next one; if no other can be, all leave, and the run goes on by a restart.
  void make_way(int next) {
    const bool nobody = options_.job.data_path == job::DataPath::scatter;
    if (next != world_.rank() && !nobody) return;
    const std::string why = "the coordinator died, and this rank does not see the run's files";
    if (next == world_.rank()) comm::print_remark(why);
    if (nobody) throw RankLost(why);
    ::kill(::getpid(), SIGKILL);
  }

  // A coordinator that is stopped or stuck says nothing, and MPI does not notice. The lowest rank behind it ends it (on
  // the same host), and then fails over as after any death.
  void watch_coordinator() {
    if (run_dir_.empty() && !line_) return;
    const std::chrono::duration<double> patience(options_.job.fault_tolerance.rank_timeout);
    int next = coordinator_ + 1;
    while (next < world_.size() && world_.is_dead(next)) ++next;
    // One that lays out a large run, or reads a large journal, is silent for a while.
    const double turns = (next == world_.rank() ? 1 : 2) * (rows_ ? 1 : 3);
    if (Clock::now() - heard_ < turns * patience) return;
    const auto process = line_ ? feeds_ : store::process_of({run_dir_}, coordinator_);
    if (!process || process->host != world_.host()) throw RankLost("the coordinator has fallen silent");
    report::log_info("the coordinator has been silent for longer than rank_timeout: it is killed");
    ::kill(static_cast<pid_t>(process->pid), SIGKILL);
    heard_ = Clock::now();
  }

  void on_model_ready(const ModelReady& ready) {
    report::log_info("the model is loaded, on " + ready.device);
    model_ = ready;
    if (driver_) {
      driver_->model_ready(ready, versions_text());
      open_feeder();
    }
    declare_ready();
  }

  // Both the results and the model are there.
  void declare_ready() {
    if (model_ && rows_) channel_.send(coordinator_, comm::Ready{ask_ahead_.slots()});
  }

  void on(const comm::Welcome& welcome) {
    if (rows_) return;
    welcomed_ = true;
    if (!driver_ && unsighted_.empty()) {
      if (const auto missing = unseen(welcome, options_.job)) {
        unsighted_ = "it does not see " + *missing;
        run_dir_.clear();  // another one under its name
        early_give_up_.reset();
        channel_.send(coordinator_, comm::Unsighted{unsighted_});
      }
    }
    if (early_give_up_) channel_.send(coordinator_, *std::exchange(early_give_up_, {}));
    if (!unsighted_.empty()) {
      welcome_ = welcome;
      return open_fed();
    }
    know_run(welcome.run_dir);
    const store::RunFolder folder = store::open_run(welcome.run_dir);
    if (!driver_) report::open_log(folder.log(world_.rank()));
    report::log_info("rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ", pid " +
                     std::to_string(::getpid()) + " on " + world_.host() + "; " + versions_text());
    try {
      rows_ = open_rows(results_path(options_.job, folder));
    } catch (const StoreError& error) {
      return give_up(error);
    }
    pipeline_->open(*rows_);
    declare_ready();
  }
  void on(const comm::Provision& provision) {
    feeds_ = store::Process{provision.pid, provision.host};
    if (line_ || unsighted_.empty()) return;
    // What was begun with other files of the same names ends here.
    pipeline_.reset();
    model_.reset();
    static_cast<void>(outbox_.take({}));
    provision_ = provision;
    line_ = std::make_unique<FeedLine>(outbox_);
    try {
      options_.job = job_of(provision);
      start_pipeline(std::make_unique<FedSupply>(options_.job, *line_, provision));
      open_fed();
    } catch (const Error& error) {
      give_up(error);
    }
  }
  // It stays until the run has ended: mpirun may end all others when one leaves with an error.
  void give_up(const Error& error) {
    const bool storage = dynamic_cast<const StoreError*>(&error) != nullptr;
    outbox_.post(comm::GiveUp{error.what(), to_int(error.exit_code()), static_cast<std::uint8_t>(storage ? 1 : 0)});
  }
  // Both the Welcome and the Provision are there.
  void open_fed() {
    if (!line_ || !pipeline_ || !welcome_) return;
    store::ResultsLayout layout;
    layout.records = provision_.records;
    layout.shard_size = provision_.shard_size;
    for (const comm::TensorShape& output : welcome_->outputs) {
      layout.outputs.push_back({output.name, *dtype_from_name(output.dtype), output.shape});
    }
    rows_ = std::make_unique<FedRows>(*line_, std::move(layout));
    pipeline_->open(*rows_);
    declare_ready();
  }
  void on(const comm::Lease& lease) {
    lease_log_.add(lease);
    pipeline_->add(lease);
  }
  void on(const comm::Proceed& proceed) { pipeline_->proceed(proceed.shard, proceed.attempt, proceed.row); }
  void on(const comm::Revoked& revoked) { pipeline_->revoke(revoked.shard, revoked.attempt); }
  void on(const comm::End& end) {
    end_ = static_cast<ExitCode>(end.exit_code);
    lease_log_.tell();
  }
  template <typename ForCoordinator>
  void on(const ForCoordinator&) {}

  comm::World& world_;
  RankOptions options_;
  comm::ControlChannel channel_;
  comm::ControlChannel bulk_;
  report::Progress progress_;
  Outbox outbox_;
  std::string unsighted_;  // why this rank does not use the run's files; "": it does
  std::unique_ptr<FeedLine> line_;
  std::unique_ptr<Supply> supply_;
  std::unique_ptr<Rows> rows_;
  std::unique_ptr<Pipeline> pipeline_;  // its threads use what is above
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<Feeder> feeder_;       // on the coordinator, if a rank has to be fed
  std::optional<store::Process> feeds_;  // of a rank that is fed: the coordinator's
  comm::Provision provision_;
  std::optional<comm::Welcome> welcome_;
  bool welcomed_ = false;
  std::optional<comm::Message> early_give_up_;
  int coordinator_ = 0;                     // the lowest rank alive, as far as this one knows
  Clock::time_point heard_ = Clock::now();  // from the coordinator, last
  std::filesystem::path run_dir_;
  std::optional<ModelReady> model_;
  std::vector<comm::Received> early_;
  std::optional<ExitCode> end_;
  std::map<int, bool> byes_;  // rank -> idle
  Clock::time_point last_sign_ = Clock::now();
  double stop_grace_ = 10;  // seconds to finish the shards at hand, after a signal
  AskAhead ask_ahead_;
  LeaseLog lease_log_;
};

// summary.json, the table, the last word.
ExitCode conclude(Driver& driver, const RankOptions& options) {
  report::Summary summary = driver.summary();
  job::Verdict verdict;
  if (options.rehearsal && options.job.faults) {
    verdict = job::judge_rehearsal(*options.job.faults, summary.outcome, summary.faults, summary.faults_recovered);
    summary.rehearsal = verdict.text;
  }
  try {
    const bool whole = summary.outcome == ExitCode::done || summary.outcome == ExitCode::quarantined;
    if (whole && !options.job.part) summary.metrics = compute_metrics(options.job, driver.files().results());
    store::write_file(store::posix_disk(), driver.files().folder().summary(), report::to_json(summary));
  } catch (const Error& error) {
    comm::print_error("the run has ended as it says, but its summary is incomplete: " + std::string(error.what()));
  }
  if (options.print_summary && driver.files().has_results()) {
    std::fputs(report::to_table(summary).c_str(), stdout);
    std::fflush(stdout);
  }
  if (summary.outcome == ExitCode::failed || summary.outcome == ExitCode::bad_job) comm::print_error(summary.message);
  if (options.fresh && summary.outcome == ExitCode::bad_job) store::remove_run(driver.files().folder());
  if (summary.rehearsal.empty()) return summary.outcome;
  if (options.fresh && !verdict.as_expected) comm::print_error("the rehearsal went " + verdict.text);
  return verdict.as_expected ? ExitCode::done : ExitCode::failed;
}

}  // namespace

std::string versions_text() {
  return "shardmill " SHARDMILL_VERSION ", LibTorch " TORCH_VERSION ", " + comm::mpi_info().library + ", HDF5 " +
         store::hdf5_version();
}

void run_rank(const RankOptions& options) {
  const std::unique_ptr<comm::World> world = comm::start_rank([&options] {
    // While MPI starts, too, a rank must be found by those who end it.
    if (!options.fresh) store::note_this_process({options.run_dir}, comm::placement_from_environment().rank);
  });
  // Threads may hang in a model, so after an error the process leaves without waiting for anything: never destroyed.
  auto* life = new RankLife(*world, options);
  try {
    const ExitCode code = life->live();
    ExitCode result = code;
    const bool clean = life->part([&] { result = conclude(*life->driver(), options); });
    if (clean) life->stop_pipeline();
    world->leave(to_int(result), clean);
  } catch (const std::exception& error) {
    comm::leave_after(error, {*world, life->is_coordinator(), false, report::log_info, [&](ExitCode code) {
                                if (dynamic_cast<const StoreError*>(&error) != nullptr) life->storage_failed(error);
                                life->dismiss(code);
                              }});
  }
}

}  // namespace shardmill::infer
