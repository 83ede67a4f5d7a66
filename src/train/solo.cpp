#include "train/solo.hpp"

#include <chrono>
#include <thread>

#include <nlohmann/json.hpp>

#include "job/clock.hpp"
#include "job/error.hpp"
#include "job/names.hpp"
#include "model/model.hpp"
#include "report/log.hpp"
#include "store/checkpoint_folder.hpp"
#include "store/run_folder.hpp"
#include "train/begin.hpp"
#include "train/run_places.hpp"
#include "train/snapshot.hpp"

namespace shardmill::train {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds between_tries{20};
constexpr std::chrono::seconds lock_patience{30};

// All of the work, from the state that the worker has.
comm::Deal whole_deal(const job::Job& job, const Worker& worker) {
  comm::Deal deal;
  deal.position = worker.course().position();
  deal.members = {0};
  deal.owner.assign(static_cast<std::size_t>(job.train.logical_shards), 0);
  deal.speeds = {0};
  return deal;
}

[[noreturn]] void throw_as(const Trouble& trouble) {
  if (trouble.cause == Cause::model) throw ModelError(trouble.message);
  if (trouble.cause == Cause::storage) throw StoreError(trouble.message);
  throw DataError(trouble.message);
}

}  // namespace

Solo::Solo(const job::Job& job, std::filesystem::path folder, int local_rank,
           std::function<void(std::int64_t, std::int64_t)> on_saved)
    : job_(job),
      folder_(std::move(folder)),
      checkpoints_(checkpoints_of({folder_})),
      local_rank_(local_rank),
      on_saved_(std::move(on_saved)),
      snapshots_(job.train.checkpoints) {}

// Two processes at one trial would prune each other's checkpoints.
bool Solo::lock_folder() {
  lock_ = store::posix_disk().open(folder_ / "lock", store::Open::create);
  for (const auto began = Clock::now(); !lock_->try_lock(); std::this_thread::sleep_for(between_tries)) {
    if (stop_wanted_) return false;
    if (Clock::now() - began > lock_patience)
      throw DataError(folder_.string() + " is in use by another process, which does not end");
  }
  return true;
}

std::optional<SoloResult> Solo::run() {
  model::configure_torch(job_.resources.threads_per_rank);  // counted for each thread by itself
  store::Disk& disk = store::posix_disk();
  disk.make_folders(folder_);
  if (!lock_folder()) return std::nullopt;
  std::error_code error;
  if (const store::RunFolder place{folder_}; !std::filesystem::exists(place.job(), error))
    store::write_file(disk, place.job(), job_.resolved_yaml);

  const at::Device device = training_device(job_, local_rank_);
  TrainingData data(job_, device);
  steps_ = data.sampler().total_steps();
  const auto network = make_network(job_, device, /*initial=*/true);
  Worker worker(job_, 0, *network, data, desk_, hooks());
  begin(checkpoints_, job_, worker, [](const std::string& remark) { report::log_info(remark); });
  const Course& course = worker.course();
  if (course.step > 0) snapshots_.begin_at(course.position());
  const std::string best = store::checkpoint_name(course.best_step);
  if (course.best && std::filesystem::exists(checkpoints_ / best, error)) best_ = best;
  keeper_ = std::make_unique<CheckpointKeeper>(disk, checkpoints_, job_.train.checkpoints.keep,
                                               [this](const Saved& snapshot) { saved(snapshot); });
  metrics_.open(folder_, course.step);
  desk_.progress();
  desk_.deal(whole_deal(job_, worker));
  worker.run();
  if (const auto trouble = desk_.trouble()) throw_as(*trouble);
  keeper_->wait();
  metrics_.flush();
  if (stop_wanted_) return std::nullopt;
  return result(worker);
}

WorkerHooks Solo::hooks() {
  WorkerHooks hooks;
  hooks.on_dealt = [](const std::string&) {};
  hooks.on_step = [this, began = Clock::now()](const StepReport& report) {
    metrics_.step(report.step, report.epoch, report.loss, report.learning_rate, report.gradient_norm,
                  seconds_since(began));
    if (report.skipped)
      report::log_info("step " + std::to_string(report.step) +
                       " is skipped: its loss or gradient is an outlier, or not finite");
  };
  hooks.on_evaluation = [this](const EvaluationReport& report) {
    metrics_.evaluation(report.step, report.epoch, report.metrics);
  };
  hooks.plan_boundary = [this](Boundary& boundary) {
    boundary.stops = stop_wanted_;
    boundary.snapshot = snapshots_.is_due(boundary, keeper_->busy());
  };
  hooks.on_boundary = [this](const Boundary& boundary, Worker& worker) { at_boundary(boundary, worker); };
  return hooks;
}

void Solo::at_boundary(const Boundary& boundary, Worker& worker) {
  const bool final = boundary.finished || boundary.stops;
  if (boundary.snapshot) {
    snapshots_.note_taken(boundary);
    keeper_->submit(take_snapshot(job_, worker, boundary.is_best, final));
  }
  if (!final) return;
  desk_.end();
  throw Interrupted{};
}

void Solo::saved(const Saved& snapshot) {
  if (snapshot.is_best) best_ = snapshot.name;
  keeper_->prune(snapshot.name, best_);
  on_saved_(snapshot.step, steps_);
}

// From the checkpoint itself: this process may not have seen the evaluation.
SoloResult Solo::result(const Worker& worker) const {
  const Course& course = worker.course();
  if (!course.best)
    throw ModelError("no evaluation gave a finite " + std::string(job::name_of(job_.train.evaluation.best)));
  SoloResult result;
  result.steps = course.step;
  result.best_step = course.best_step;
  result.checkpoint = store::checkpoint_name(course.best_step);
  const store::CheckpointFile best(store::posix_disk(), checkpoints_ / result.checkpoint);
  const auto meta = nlohmann::ordered_json::parse(best.meta());
  for (const auto& [name, value] : meta.at("metrics").items()) {
    if (value.is_number()) result.metrics.emplace_back(name, value.get<double>());
  }
  return result;
}

}  // namespace shardmill::train
