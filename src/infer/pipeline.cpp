#include "infer/pipeline.hpp"

#include <chrono>
#include <sstream>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include "dataset/record_source.hpp"
#include "infer/compute.hpp"
#include "infer/reader.hpp"
#include "infer/writer.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::infer {
namespace {

constexpr std::size_t most_leases = 1024;      // far more than a coordinator grants
constexpr std::chrono::milliseconds quiet{5};  // between two reports of an undisturbed lease

std::string device_text(const at::Device& device) {
  std::ostringstream text;
  text << device;
  return text.str();
}

}  // namespace

Pipeline::Pipeline(const job::Job& job, int local_rank, Outbox& outbox)
    : job_(job),
      local_rank_(local_rank),
      outbox_(outbox),
      leases_(most_leases),
      to_model_(batches_ahead),
      to_writer_(batches_ahead) {
  model_ = std::thread([this] { model_loop(); });
}

Pipeline::~Pipeline() { stop(); }

void Pipeline::open(store::Results& results) {
  results_ = &results;
  reader_ = std::thread([this] { read_loop(); });
  writer_ = std::thread([this] { write_loop(); });
}

void Pipeline::add(const comm::Lease& lease) {
  auto held = std::make_shared<HeldLease>();
  held->lease = lease;
  const std::int64_t shard_size = results_->layout().shard_size;
  held->first_record = lease.shard * shard_size;
  held->rows = std::min(shard_size, results_->layout().records - held->first_record);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
    held_[{lease.shard, lease.attempt}] = held;
  }
  leases_.push(std::move(held));
}

void Pipeline::revoke(std::int64_t shard, std::int32_t attempt) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find({shard, attempt});
  if (found == held_.end()) return;
  if (const LeasePtr held = found->second.lock()) held->revoked = true;
}

void Pipeline::revoke_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, lease] : held_) {
    if (const LeasePtr held = lease.lock()) held->revoked = true;
  }
}

bool Pipeline::idle() {
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
  return held_.empty();
}

void Pipeline::stop() {
  leases_.close();
  to_model_.close();
  to_writer_.close();
  outbox_.close();
  for (std::thread* thread : {&reader_, &model_, &writer_}) {
    if (thread->joinable()) thread->join();
  }
}

void Pipeline::give_up(const std::string& message, ExitCode code) { outbox_.post(comm::GiveUp{message, to_int(code)}); }

void Pipeline::read_loop() {
  try {
    const auto source = dataset::open_source(job_.dataset);
    while (const std::optional<LeasePtr> lease = leases_.pop()) {
      (*lease)->taken = std::chrono::steady_clock::now();
      read_lease(*source, *lease, job_.batch_size, to_model_);
    }
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

void Pipeline::model_loop() {
  bool fits = false;
  try {
    const c10::InferenceMode inference;
    at::set_num_threads(job_.resources.threads_per_rank);  // OpenMP counts threads for each thread by itself
    const at::Device device = model::choose_device(job_.model.device, local_rank_);
    const auto model = model::load_model(job_.model, device);
    Compute compute(job_, *model);
    outbox_.post(ModelReady{compute.probe(zeros_for(job_)), device_text(model->device())});
    fits = true;
    std::chrono::steady_clock::time_point last_report;
    while (std::optional<Batch> batch = to_model_.pop()) {
      const comm::Lease& lease = batch->lease->lease;
      const comm::Progress here{lease.shard, lease.attempt, 0, batch->row, {}};
      if (lease.again != 0) {
        outbox_.post_and_wait(here);  // if this batch ends the process, the coordinator must know which it was
      } else if (const auto now = std::chrono::steady_clock::now(); now - last_report > quiet) {
        outbox_.post(here);
        last_report = now;
      }
      crash_point("mid-batch");
      try {
        compute.run(*batch);
      } catch (const std::exception& error) {
        batch->failure = error.what();
      }
      if (!to_writer_.push(std::move(*batch))) return;
    }
  } catch (const std::exception& error) {
    // Until the first batch has gone through, it is the job that is wrong, not the run.
    give_up(error.what(), fits ? ExitCode::failed : ExitCode::bad_job);
  }
}

void Pipeline::write_loop() {
  try {
    Writer(*results_, outbox_).run(to_writer_);
  } catch (const std::exception& error) {
    give_up(error.what());
  }
}

}  // namespace shardmill::infer
