#include "train/worker.hpp"

#include <chrono>
#include <cmath>
#include <cstring>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "job/clock.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "job/names.hpp"
#include "train/evaluation.hpp"
#include "train/grad_norm.hpp"
#include "train/links.hpp"
#include "train/loss.hpp"
#include "train/precision.hpp"
#include "train/random.hpp"
#include "train/schedule.hpp"

namespace shardmill::train {
namespace {

constexpr std::uint32_t dropout_stream = 0x64726f70;  // apart from the other uses of the job's seed
constexpr std::size_t batches_ahead = 4;

// A generator of its own for each logical shard of each step.
std::uint64_t shard_seed(std::uint64_t seed, std::int64_t step, std::int64_t shard) {
  const auto at = static_cast<std::uint64_t>(step);
  const auto words = philox4x32({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32),
                                 static_cast<std::uint32_t>(shard), dropout_stream},
                                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return std::uint64_t{words[1]} << 32 | words[0];
}

void seed_all(std::uint64_t seed, at::Device device) {
  at::Generator generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(seed);
}

std::vector<at::Tensor> moved(const std::vector<at::Tensor>& tensors, at::Device device) {
  std::vector<at::Tensor> there;
  for (const at::Tensor& tensor : tensors) there.push_back(tensor.to(device));
  return there;
}

at::Device device_of(FlatState& flat) { return flat.parameters().device(); }

}  // namespace

Worker::Worker(const job::Job& job, int rank, model::Trainable& network, TrainingData& data, Desk& desk,
               WorkerHooks hooks)
    : job_(job),
      train_(job.train),
      rank_(rank),
      network_(network),
      data_(data),
      desk_(desk),
      hooks_(std::move(hooks)),
      flat_(network, job.train.optimizer.decay_all),
      optimizer_(job.train.optimizer, flat_.trained(), flat_.decayed(), device_of(flat_)),
      outliers_(job.train.skip_outliers.value_or(job::SkipOutliers{})),
      device_space_(device_of(flat_).is_cpu() ? nullptr : make_device_space(device_of(flat_))),
      space_(device_space_ ? *device_space_ : host_space()),
      pieces_(space_, static_cast<std::size_t>(flat_.contribution_elements())),
      total_(
          at::empty({flat_.contribution_elements()}, at::TensorOptions().dtype(at::kFloat).device(device_of(flat_)))),
      batches_([&data](BatchKey key) { return data.training(key); }, batches_ahead) {}

void Worker::begin_with(Course course) {
  optimizer_.whole();
  take_over(std::move(course));
}

void Worker::take_over(Course course) {
  course_ = std::move(course);
  if (!course_.counters.empty()) flat_.counters() = course_.counters;
  course_.counters = flat_.counters();
  outliers_.restore(course_.outliers);
  optimizer_.set_steps(course_.optimizer_steps);
  has_state_ = true;
  leave_step();
}

void Worker::leave_step() {
  pieces_.clear();
  spent_ = 0;
  sums_.there = sums_.on_all = false;
  updated_.reset();
}

void Worker::run() {
  try {
    for (;;) {
      comm::Standing standing;
      standing.position = has_state_ ? course_.position() : -1;
      standing.held = pieces_.leaves();
      standing.speed = speed_;
      const auto deal = desk_.regroup(std::move(standing));
      if (!deal) return;
      try {
        work(*deal);
      } catch (const Interrupted&) {
      }
    }
  } catch (const RankLost& error) {
    desk_.post([message = std::string(error.what())] { throw RankLost(message); });  // as if MPI had told the clerk
  } catch (const ModelError& error) {
    desk_.fail({error.what(), error.exit_code(), Cause::model});
  } catch (const StoreError& error) {
    desk_.fail({error.what(), error.exit_code(), Cause::storage});
  } catch (const Error& error) {
    desk_.fail({error.what(), error.exit_code()});
  } catch (const c10::Error& error) {
    desk_.fail({"the model cannot be trained: " + std::string(error.what_without_backtrace()), ExitCode::failed,
                Cause::model});
  } catch (const std::bad_alloc&) {
    desk_.fail({"out of memory; use more logical_shards (smaller batches) or fewer ranks on this machine",
                ExitCode::failed, Cause::model});
  } catch (const std::exception& error) {
    desk_.fail({error.what(), ExitCode::failed});
  }
}

void Worker::work(const comm::Deal& deal) {
  told_finished_ = false;  // the coordinator may be a new one
  const auto link = make_link(desk_, deal, rank_, job_, device_of(flat_));
  Team team(desk_, *link, space_, deal, rank_, train_);
  const bool in_parts = team.is_member() && train_.optimizer_sharding;
  if (in_parts) settle(team);
  copy_state(deal);
  if (in_parts) optimizer_.spread(desk_, team.group());
  hooks_.on_dealt(team.is_member() && team.size() > 1 ? link->name() : "");
  if (!team.is_member()) desk_.idle();
  if (in_parts) boundary(team, false);  // it may have been missed when somebody died
  while (!finished()) {
    if (course_.evaluated) {
      step(team);
      team.deal_again();
      speed_ = team.speeds()[static_cast<std::size_t>(team.me())];
    } else {
      evaluate(team);
    }
  }
  boundary(team, false);
  desk_.idle();
}

bool Worker::finished() const {
  return course_.evaluated && (course_.step >= data_.sampler().total_steps() || course_.stopped_early);
}

std::int64_t Worker::epoch() const { return data_.sampler().epoch_of(std::max<std::int64_t>(course_.step - 1, 0)) + 1; }

void Worker::note_course() {
  course_.counters = flat_.counters();
  course_.outliers = outliers_.state();
}

void Worker::boundary(Team& team, bool is_best) {
  note_course();
  const bool is_end = finished();
  if (is_end && told_finished_ && !is_best) return;
  told_finished_ = is_end;
  Boundary boundary{course_, is_best, is_end};
  hooks_.plan_boundary(boundary);
  if (train_.optimizer_sharding) whole_ = optimizer_.copy_of_all(desk_, team.group(), boundary.snapshot);
  hooks_.on_boundary(boundary, *this);
  whole_.reset();
}

// ---- A step ---------------------------------------------------------------------------------------------------------

void Worker::plan_batches(const std::vector<std::int64_t>& shards) {
  std::vector<BatchKey> keys;
  for (const std::int64_t ahead : {0, 1}) {
    const std::int64_t step = course_.step + ahead;
    if (step >= data_.sampler().total_steps()) break;
    for (const std::int64_t shard : shards) {
      if (ahead > 0 || !pieces_.holds(shard)) keys.push_back({step, shard});
    }
  }
  batches_.plan(keys);
}

void Worker::step(Team& team) {
  const std::int64_t records = data_.sampler().batch_records(course_.step);
  plan_batches(team.my_shards());
  crash_point("train-begin-step");
  for (const std::int64_t shard : team.my_shards()) {
    if (pieces_.holds(shard)) continue;  // from before somebody died
    const double begun = steady_seconds();
    compute(shard, records);
    spent_ += steady_seconds() - begun;
    desk_.progress();
    crash_point("train-after-shard");
  }
  crash_point("train-before-exchange");
  if (train_.optimizer_sharding) {
    update_in_parts(team);
  } else {
    const double busy = team.sum(pieces_, spent_, floats_of(total_));
    crash_point("train-before-update");
    update(flat_.loss_of(total_), needs_norm() ? grad_norm(gradient()) : 0, busy);
  }
  commit();
  boundary(team, false);
  crash_point("train-after-update");
}

void Worker::compute(std::int64_t shard, std::int64_t records) {
  const at::Device device = device_of(flat_);
  at::Tensor contribution =
      view_of_floats(pieces_.buffer(), static_cast<std::size_t>(flat_.contribution_elements()), device);
  const Batch batch = batches_.take({course_.step, shard});
  flat_.collect_into(contribution);
  flat_.reset_buffers();
  seed_all(shard_seed(train_.seed, course_.step, shard), device);
  const std::int64_t count = batch.target.size(0);
  double loss_of_all = 0;
  for (std::int64_t pass = 0; pass < train_.accumulation; ++pass) {
    const std::int64_t first = count * pass / train_.accumulation;
    const std::int64_t size = count * (pass + 1) / train_.accumulation - first;
    if (size == 0) continue;
    std::vector<at::Tensor> inputs;
    for (const at::Tensor& input : batch.inputs) inputs.push_back(input.narrow(0, first, size).to(device));
    at::Tensor loss;
    {
      const Autocast autocast(device, job_.model.precision);
      const at::Tensor output = network_.forward(inputs);
      loss =
          loss_sum(train_.loss, output, batch.target.narrow(0, first, size).to(device)) / static_cast<double>(records);
    }
    crash_point("train-before-backward");
    (is_scaled() ? loss * course_.loss_scale.factor : loss).backward();
    loss_of_all += loss.item<double>();
  }
  const at::NoGradGuard no_grad;
  flat_.finish_gradient();
  flat_.collect_buffers(contribution, static_cast<double>(count) / static_cast<double>(records));
  flat_.set_loss(contribution, loss_of_all);
  pieces_.add(shard);
}

bool Worker::is_scaled() const { return job_.model.precision == job::Precision::float16; }

bool Worker::needs_norm() const { return train_.clip_grad_norm || train_.skip_outliers || is_scaled(); }

at::Tensor Worker::gradient() const { return total_.narrow(0, 0, flat_.trained()); }

// norm: the gradient's, if needed. It, and whether the step is skipped, go into the report.
Worker::Verdict Worker::judge(double loss, double norm, StepReport& report) {
  Verdict verdict;
  if (is_scaled()) verdict.scale = 1 / course_.loss_scale.factor;
  if (needs_norm()) {
    report.gradient_norm = norm * verdict.scale;
    // torch.nn.utils.clip_grad_norm_, its epsilon included
    if (train_.clip_grad_norm) verdict.scale *= std::min(1.0, *train_.clip_grad_norm / (report.gradient_norm + 1e-6));
  }
  verdict.hopeless = !std::isfinite(loss);
  if (is_scaled()) {
    report.skipped = !std::isfinite(report.gradient_norm);
    verdict.hopeless = report.skipped && course_.loss_scale.is_least();
    course_.loss_scale.note(!report.skipped);
  }
  if (train_.skip_outliers && !report.skipped) report.skipped = outliers_.skip(loss, report.gradient_norm);
  return verdict;
}

void Worker::update(double loss, double norm, double busy) {
  const at::NoGradGuard no_grad;
  const Sampler& sampler = data_.sampler();
  StepReport report;
  report.epoch = sampler.epoch_of(course_.step);
  report.records = sampler.batch_records(course_.step);
  report.loss = loss;
  report.busy = busy;
  report.learning_rate = learning_rate(train_.optimizer, train_.schedule, course_.step, sampler.total_steps());
  const Verdict verdict = judge(loss, norm, report);
  if (!report.skipped) {
    at::Tensor trained = flat_.parameters().narrow(0, 0, flat_.trained());
    optimizer_.step(trained, gradient(), report.learning_rate, verdict.scale);
    flat_.commit_buffers(total_, train_.accumulation);
  }
  updated_ = Updated{report, verdict.hopeless};
}

void Worker::commit() {
  Updated updated = *updated_;
  leave_step();
  ++course_.step;
  course_.optimizer_steps = optimizer_.steps();
  course_.evaluated = !evaluation_is_due(train_.evaluation, data_.sampler(), course_.step);
  updated.report.step = course_.step;
  desk_.progress();
  hooks_.on_step(updated.report);
  if (updated.hopeless && !train_.skip_outliers) {
    throw ModelError((is_scaled() ? "the gradient of step " : "the loss of step ") + std::to_string(course_.step) +
                     " is not finite: lower the learning rate, clip the gradient (clip_grad_norm) or skip such steps "
                     "(skip_outliers); the checkpoints before it are good");
  }
}

// ---- Evaluation -----------------------------------------------------------------------------------------------------

void Worker::evaluate(Team& team) {
  const job::Evaluation& rule = train_.evaluation;
  const std::int64_t records = data_.sampler().validation_records();
  const std::int64_t size = rule.batch_size > 0
                                ? rule.batch_size
                                : std::max<std::int64_t>(train_.global_batch_size / train_.logical_shards, 1);
  const std::int64_t blocks = (records + size - 1) / size;
  std::vector<EvaluationSums> sums(static_cast<std::size_t>(blocks));
  std::vector<std::int64_t> ends;
  for (std::int64_t i = 1; i <= team.size(); ++i) ends.push_back(blocks * i / team.size());
  const std::int64_t first = team.me() == 0 ? 0 : ends[static_cast<std::size_t>(team.me()) - 1];
  {
    const at::NoGradGuard no_grad;
    network_.train(false);
    flat_.reset_buffers();
    for (std::int64_t block = first; block < ends[static_cast<std::size_t>(team.me())]; ++block) {
      desk_.throw_if_interrupted();
      const Batch batch = data_.validation(block * size, std::min(size, records - block * size));
      const Autocast autocast(device_of(flat_), job_.model.precision);
      const at::Tensor output = network_.forward(moved(batch.inputs, device_of(flat_)));
      sums[static_cast<std::size_t>(block)] =
          train::evaluate(train_.loss, rule.metrics, output, batch.target.to(device_of(flat_)));
      desk_.progress();
    }
    network_.train(true);
  }
  crash_point("train-mid-evaluation");
  team.gather(sums, ends);

  EvaluationSums all;
  for (const EvaluationSums& block : sums) all += block;
  EvaluationReport report;
  report.step = course_.step;
  report.epoch = data_.sampler().epoch_of(course_.step - 1);
  std::vector<job::EvaluationMetric> metrics{job::EvaluationMetric::loss};
  metrics.insert(metrics.end(), rule.metrics.begin(), rule.metrics.end());
  for (const job::EvaluationMetric metric : metrics) report.metrics.emplace_back(name_of(metric), finish(metric, all));
  last_metrics_ = report.metrics;
  report.is_best = note_evaluation(course_, rule, finish(rule.best, all));
  hooks_.on_evaluation(report);
  boundary(team, report.is_best);
}

// ---- State from a peer ----------------------------------------------------------------------------------------------

void Worker::copy_state(const comm::Deal& deal) {
  const bool behind = std::find(deal.behind.begin(), deal.behind.end(), rank_) != deal.behind.end();
  if (!behind && (deal.behind.empty() || rank_ != deal.source)) return;
  const at::NoGradGuard no_grad;
  // What comes is kept apart until all of it is there: the sender may die, and then this rank's own state may be the
  // newest that is left.
  std::vector<at::Tensor> mine{flat_.parameters(), flat_.buffers()};
  if (!train_.optimizer_sharding) {
    for (const auto& [name, tensor] : optimizer_.whole().state()) mine.push_back(tensor);
  }
  std::vector<at::Tensor> staged;
  for (const at::Tensor& tensor : mine)
    staged.push_back(behind ? at::empty(tensor.sizes(), at::kFloat) : tensor.to(at::kCPU));
  note_course();
  std::string course = behind ? "" : to_json(course_);
  auto size = static_cast<std::int64_t>(course.size());
  if (behind) {
    desk_.exchange({}, {{deal.source, &size, sizeof size}});
    course.resize(static_cast<std::size_t>(size));
  }
  std::vector<comm::Transfer> transfers;
  for (const std::int32_t peer : behind ? std::vector<std::int32_t>{deal.source} : deal.behind) {
    if (!behind) transfers.push_back({peer, &size, sizeof size});
    transfers.push_back({peer, course.data(), course.size()});
    for (at::Tensor& tensor : staged)
      transfers.push_back({peer, tensor.mutable_data_ptr(), static_cast<std::size_t>(tensor.nbytes())});
  }
  crash_point("train-before-state");
  if (!behind) return desk_.exchange(std::move(transfers), {});
  desk_.exchange({}, std::move(transfers));
  for (std::size_t i = 0; i < mine.size(); ++i) mine[i].copy_(staged[i]);
  take_over(from_json(course));
  crash_point("train-after-state");
}

}  // namespace shardmill::train
