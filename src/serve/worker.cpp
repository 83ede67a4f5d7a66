#include "serve/worker.hpp"

#include <algorithm>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <unistd.h>

#include "job/crash_point.hpp"
#include "job/error.hpp"
#include "model/model.hpp"
#include "report/log.hpp"
#include "serve/pace.hpp"
#include "serve/rank.hpp"
#include "store/run_folder.hpp"

namespace shardmill::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int front = 0;
constexpr std::chrono::microseconds attentive{2000};  // after a batch the next one often comes at once
constexpr std::chrono::microseconds longest_nap{1000};
constexpr double front_timeouts = 3;  // of its silence, in rank_timeout

}  // namespace

// The front has no use for a GPU: on its host the ranks behind it have those from the first on.
int device_rank(int rank, int local_rank) { return local_rank == rank ? local_rank - 1 : local_rank; }

Worker::Worker(comm::World& world, comm::ControlChannel& channel, const job::Job& job,
               std::unique_ptr<store::Gate> gate)
    : world_(world),
      channel_(channel),
      job_(job),
      shelf_(job, device_rank(world.rank(), world.local_rank())),
      gate_(std::move(gate)),
      heard_(Clock::now()),
      last_sign_(Clock::now()) {}

ExitCode Worker::live() {
  model::configure_torch(job_.resources.threads_per_rank);
  channel_.send(front, comm::Hello{::getpid(), world_.host(), ""});
  runner_ = std::thread([this] { run_models(); });
  loader_ = std::thread([this] { load_models(); });
  nap_precisely();
  const bool may_spin = cores_for_spinning(world_.size());
  Pace pace(attentive, world_.bell().reaches(front));
  while (!end_) {
    // While the model computes it has the core: its answer wakes this thread.
    const auto nap = pace.next(Clock::now(), may_spin && idle(), longest_nap);
    if (nap.count() == 0) std::this_thread::yield();
    pace.note(turn(nap), Clock::now());
  }
  const std::lock_guard lock(mutex_);
  stop_ = true;
  work_.notify_all();
  orders_.notify_all();
  return *end_;
}

bool Worker::idle() {
  const std::lock_guard lock(mutex_);
  return !busy_ && todo_.empty() && !loading_ && to_load_.empty();
}

void Worker::join() {
  runner_.join();
  loader_.join();
}

void Worker::deliver(comm::Received& received) {
  const std::lock_guard lock(mutex_);
  if (auto* forward = std::get_if<comm::Forward>(&received.message)) {
    todo_.emplace_back(std::move(*forward));
    work_.notify_all();
  } else if (const auto* unload = std::get_if<comm::Unload>(&received.message)) {
    todo_.emplace_back(*unload);
    work_.notify_all();
  } else if (auto* load = std::get_if<comm::Load>(&received.message)) {
    to_load_.push_back(std::move(*load));
    orders_.notify_all();
  } else if (const auto* welcome = std::get_if<comm::Welcome>(&received.message); welcome != nullptr && !logs_) {
    logs_ = true;
    report::open_log(store::RunFolder{welcome->run_dir}.log(world_.rank()));
    report::log_info("rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ", pid " +
                     std::to_string(::getpid()) + " on " + world_.host());
  } else if (const auto* end = std::get_if<comm::End>(&received.message)) {
    end_ = static_cast<ExitCode>(end->exit_code);
  }
}

Look Worker::turn(std::chrono::microseconds nap) {
  const bool announced = world_.bell().wait(nap) == comm::Bell::Rung::peer;
  bool worked = false;
  for (const comm::Message& message : said()) {
    worked = true;
    channel_.send(front, message);
  }
  for (comm::Received& received : channel_.poll()) {
    worked = true;
    if (received.from == front) heard_ = Clock::now();
    deliver(received);
  }
  for (const int rank : world_.newly_dead()) {
    if (rank == front) throw RankLost("the front has died; a server cannot go on without it");
  }
  const auto now = Clock::now();
  const std::chrono::duration<double> timeout(job_.fault_tolerance.rank_timeout);
  if (now - heard_ > front_timeouts * timeout) throw RankLost("the front has fallen silent");
  if (now - last_sign_ > timeout / 5) {
    channel_.send(front, comm::Alive{});
    last_sign_ = now;
  }
  return look_of(worked, announced || channel_.moving());
}

void Worker::post(comm::Message message) {
  {
    const std::lock_guard lock(mutex_);
    outbox_.push_back(std::move(message));
  }
  world_.bell().ring();
}

std::deque<comm::Message> Worker::said() {
  const std::lock_guard lock(mutex_);
  return std::exchange(outbox_, {});
}

// Waits; none if the rank is to leave. After a batch the next one often comes at once, so what is lent to the idle job
// is lent only a moment later.
std::optional<Worker::Work> Worker::next_work() {
  const auto is_there = [this] { return stop_ || !todo_.empty(); };
  std::unique_lock lock(mutex_);
  busy_ = false;
  if (claimed_ && !work_.wait_for(lock, attentive, is_there)) {
    gate_->release();
    claimed_ = false;
  }
  work_.wait(lock, is_there);
  if (stop_) return std::nullopt;
  Work work = std::move(todo_.front());
  todo_.pop_front();
  busy_ = true;
  return work;
}

// Has the idle job give way, at the end of its batch. One that takes very long, or hangs, must not keep a request until
// the front takes this rank for dead.
void Worker::claim() {
  if (!gate_ || std::exchange(claimed_, true)) return;
  const std::chrono::duration<double> patience(batch_timeout(job_) / 2);
  if (!gate_->claim(patience)) report::log_info("a batch of the idle job has not ended in time: it is not waited for");
}

void Worker::run_models() {
  try {
    const c10::InferenceMode inference;
    at::set_num_threads(job_.resources.threads_per_rank);  // OpenMP counts threads for each thread by itself
    while (const std::optional<Work> work = next_work()) {
      if (const auto* unload = std::get_if<comm::Unload>(&*work)) {
        shelf_.drop(*unload);
        continue;
      }
      claim();
      crash_point("mid-batch");
      post(shelf_.run(std::get<comm::Forward>(*work)));
    }
  } catch (const std::exception& error) {
    post(comm::GiveUp{error.what(), to_int(ExitCode::failed)});
  }
}

void Worker::load_models() {
  const c10::InferenceMode inference;
  at::set_num_threads(job_.resources.threads_per_rank);
  for (;;) {
    comm::Load order;
    {
      std::unique_lock lock(mutex_);
      loading_ = false;
      orders_.wait(lock, [this] { return stop_ || !to_load_.empty(); });
      if (stop_) return;
      order = std::move(to_load_.front());
      to_load_.pop_front();
      loading_ = true;
    }
    try {
      post(shelf_.load(order));
    } catch (const std::exception& error) {
      post(comm::LoadFailed{order.model, order.version, error.what()});
    }
  }
}

}  // namespace shardmill::serve
