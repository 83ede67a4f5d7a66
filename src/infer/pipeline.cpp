#include "infer/pipeline.hpp"

#include <chrono>
#include <sstream>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include "infer/compute.hpp"
#include "infer/reader.hpp"
#include "infer/writer.hpp"
#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "model/model.hpp"

namespace shardmill::infer {
namespace {

constexpr std::size_t most_leases = 65'536;    // far more than a coordinator grants
constexpr std::chrono::milliseconds quiet{5};  // between two reports of an undisturbed lease
// At the gate:
constexpr std::chrono::milliseconds between_tries{1};
constexpr std::chrono::milliseconds between_signs{100};

// What it guards ends with it, however it ends.
struct Inside {
  store::Gate* gate;
  ~Inside() {
    if (gate != nullptr) gate->leave();
  }
};

std::string device_text(const at::Device& device) {
  std::ostringstream text;
  text << device;
  return text.str();
}

}  // namespace

Pipeline::Pipeline(const job::Job& job, Supply& supply, int local_rank, Outbox& outbox,
                   std::unique_ptr<store::Gate> gate)
    : job_(job),
      supply_(supply),
      local_rank_(local_rank),
      outbox_(outbox),
      gate_(std::move(gate)),
      leases_(most_leases),
      to_model_(batches_ahead, small_inputs, most_small_inputs),
      to_writer_(batches_ahead, small_outputs) {
  model_ = std::thread([this] { model_loop(); });
}

Pipeline::~Pipeline() { stop(); }

void Pipeline::open(Rows& rows) {
  rows_ = &rows;
  reader_ = std::thread([this] { read_loop(); });
  writer_ = std::thread([this] { write_loop(); });
}

void Pipeline::add(const comm::Lease& lease) {
  auto held = std::make_shared<HeldLease>();
  held->lease = lease;
  const std::int64_t shard_size = rows_->layout().shard_size;
  held->first_record = lease.shard * shard_size;
  held->rows = std::min(shard_size, rows_->layout().records - held->first_record);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
    held_[{lease.shard, lease.attempt}] = held;
  }
  if (lease.again == 0) {
    // Not one that is `again`: should the reading of a record end a process, the journal must say which it was.
    const std::int64_t begin = job_.batch_by == job::BatchBy::order ? lease.first_row : 0;
    supply_.foresee(held->first_record + begin, held->rows - begin);
  }
  ++not_computed_;
  leases_.push(std::move(held));
}

void Pipeline::revoke(std::int64_t shard, std::int64_t attempt) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find({shard, attempt});
  if (found == held_.end()) return;
  if (const LeasePtr held = found->second.lock()) held->revoke();
}

void Pipeline::proceed(std::int64_t shard, std::int64_t attempt, std::int64_t row) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find({shard, attempt});
  if (found == held_.end()) return;
  if (const LeasePtr held = found->second.lock()) held->proceed(row);
}

void Pipeline::revoke_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, lease] : held_) {
    if (const LeasePtr held = lease.lock()) held->revoke();
  }
}

bool Pipeline::idle() {
  const std::lock_guard lock(mutex_);
  std::erase_if(held_, [](const auto& entry) { return entry.second.expired(); });
  return held_.empty();
}

void Pipeline::stop() {
  stopping_ = true;
  leases_.close();
  to_model_.close();
  to_writer_.close();
  revoke_all();
  for (std::thread* thread : {&reader_, &model_, &writer_}) {
    if (thread->joinable()) thread->join();
  }
}

void Pipeline::give_up(const std::exception& error, ExitCode code) {
  const bool storage = dynamic_cast<const StoreError*>(&error) != nullptr;
  outbox_.post(comm::GiveUp{error.what(), to_int(code), static_cast<std::uint8_t>(storage ? 1 : 0)});
}

void Pipeline::read_loop() {
  try {
    Reader reader(job_, supply_.open_source(), outbox_, to_model_);
    while (const std::optional<LeasePtr> lease = leases_.pop()) {
      (*lease)->taken = std::chrono::steady_clock::now();
      reader.read(*lease);
    }
  } catch (const std::exception& error) {
    give_up(error);
  }
}

// Waits at the gate for as long as the batch is wanted. False if it is not to be computed.
bool Pipeline::take_turn(const Batch& batch) {
  if (!gate_) return true;
  const comm::Lease& lease = batch.lease->lease;
  auto sign = std::chrono::steady_clock::now() + between_signs;
  while (!batch.lease->revoked()) {
    if (gate_->try_enter()) return true;
    std::this_thread::sleep_for(between_tries);
    const auto now = std::chrono::steady_clock::now();
    if (now < sign) continue;
    outbox_.post(comm::Progress{lease.shard, lease.attempt, 0, batch.row, {}});  // it is not stuck
    sign = now + between_signs;
  }
  return false;
}

// Before there are leases.
bool Pipeline::take_turn() {
  while (gate_ && !gate_->try_enter()) {
    if (stopping_) return false;
    std::this_thread::sleep_for(between_tries);
  }
  return true;
}

void Pipeline::model_loop() {
  bool fits = false;
  try {
    const c10::InferenceMode inference;
    at::set_num_threads(job_.resources.threads_per_rank);  // OpenMP counts threads for each thread by itself
    const at::Device device = model::choose_device(job_.model.device, local_rank_);
    const auto model = supply_.load_model(device);
    Compute compute(job_, *model);
    if (!take_turn()) return;
    {
      const Inside inside{gate_.get()};
      outbox_.post(ModelReady{compute.probe_quickly(*supply_.open_source()), device_text(model->device())});
    }
    fits = true;
    std::chrono::steady_clock::time_point last_report;
    std::int64_t computed = 0;  // leases
    while (std::optional<Batch> batch = to_model_.pop()) {
      const comm::Lease& lease = batch->lease->lease;
      const auto now = std::chrono::steady_clock::now();
      if (lease.again == 0 && now - last_report > quiet) {
        outbox_.post(comm::Progress{lease.shard, lease.attempt, 0, batch->row, {}});
        last_report = now;
      }
      if (take_turn(*batch)) {
        const Inside inside{gate_.get()};
        crash_point("mid-batch");
        try {
          compute.run(*batch);
        } catch (const std::exception& error) {
          batch->failure = error.what();
        }
      } else {
        batch->abandoned = true;  // as are those behind it: revoked is for good
      }
      if (batch->last && (++computed, --not_computed_ == 0)) outbox_.post(RanDry{computed});
      if (!to_writer_.push(std::move(*batch))) return;
    }
  } catch (const std::exception& error) {
    // Until the first batch has gone through, it is the job that is wrong, not the run.
    give_up(error, fits ? ExitCode::failed : ExitCode::bad_job);
  }
}

void Pipeline::write_loop() {
  try {
    Writer(*rows_, outbox_).run(to_writer_);
  } catch (const std::exception& error) {
    give_up(error);
  }
}

}  // namespace shardmill::infer
