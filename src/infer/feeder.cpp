#include "infer/feeder.hpp"

#include <exception>
#include <utility>
#include <vector>

#include "infer/fed_supply.hpp"
#include "job/error.hpp"

namespace shardmill::infer {
namespace {

constexpr std::size_t most_waiting = std::size_t{256} << 20;  // bytes

}  // namespace

Feeder::Feeder(const job::Job& job, const coordinator::Plan& plan, Outbox& outbox)
    : job_(job), outbox_(outbox), source_(dataset::open_source(job.dataset)), model_(job.model.path), plan_(plan) {
  reader_ = std::thread([this] { read_loop(); });
}

Feeder::~Feeder() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  for (std::thread* thread : {&reader_, &writer_}) {
    if (thread->joinable()) thread->join();
  }
}

comm::Provision Feeder::provision(std::int64_t pid, const std::string& host) const {
  comm::Provision provision;
  provision.pid = pid;
  provision.host = host;
  provision.job = job_.resolved_yaml;
  provision.model_bytes = static_cast<std::int64_t>(model_.bytes());
  provision.records = plan_.records;
  provision.shard_size = plan_.shard_size;
  for (const dataset::Field& field : source_->fields()) {
    provision.inputs.push_back(shape_of(field.name, field.dtype, field.shape));
  }
  return provision;
}

void Feeder::open(store::Results& results) {
  if (writer_.joinable()) return;
  results_ = &results;
  writer_ = std::thread([this] { write_loop(); });
}

void Feeder::serve(int rank, comm::Fetch fetch) {
  const std::lock_guard lock(mutex_);
  ++open_requests_;
  // Rows are read behind those that the rank has sent before.
  if (fetch.from == comm::Fetch::rows) {
    to_write_.push_back({rank, fetch});
  } else {
    to_read_.push_back({rank, fetch});
  }
  changed_.notify_all();
}

void Feeder::serve(int rank, comm::Store store) {
  const std::lock_guard lock(mutex_);
  ++open_requests_;
  to_write_.push_back({rank, std::move(store)});
  changed_.notify_all();
}

void Feeder::answer(int rank, comm::Served served) {
  {
    const std::lock_guard lock(mutex_);
    queued_ += served.bytes.size();
  }
  outbox_.post(Answer{rank, std::move(served)});
}

void Feeder::sent(const comm::Served& served) {
  const std::lock_guard lock(mutex_);
  --open_requests_;
  queued_ -= served.bytes.size();
}

void Feeder::under_way(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  under_way_ = bytes;
  changed_.notify_all();
}

bool Feeder::idle() {
  const std::lock_guard lock(mutex_);
  return open_requests_ == 0;
}

std::string Feeder::read(const comm::Fetch& fetch) {
  std::string bytes;
  if (fetch.from == comm::Fetch::model) {
    bytes.resize(static_cast<std::size_t>(fetch.count));
    bytes.resize(model_.read_some(static_cast<std::uint64_t>(fetch.first), bytes.data(), bytes.size()));
    return bytes;
  }
  const auto count = static_cast<std::size_t>(fetch.count);
  const auto only = static_cast<std::size_t>(fetch.part);
  for (std::size_t field = 0; field < source_->fields().size(); ++field) {
    if (fetch.part >= 0 && field != only) continue;
    const std::size_t before = bytes.size();
    bytes.resize(before + count * source_->fields()[field].bytes());
    source_->read(field, fetch.first, fetch.count, bytes.data() + before);
  }
  return bytes;
}

void Feeder::read_loop() {
  for (std::unique_lock lock(mutex_);;) {
    changed_.wait(lock, [this] { return closed_ || (!to_read_.empty() && queued_ + under_way_ <= most_waiting); });
    if (closed_) return;
    const Fetching next = std::move(to_read_.front());
    to_read_.pop_front();
    lock.unlock();
    comm::Served served{next.fetch.id, "", ""};
    try {
      served.bytes = read(next.fetch);
    } catch (const std::exception& error) {
      served.error = error.what();
    }
    answer(next.rank, std::move(served));
    lock.lock();
  }
}

std::string Feeder::read_rows(const comm::Fetch& fetch) {
  const auto output = static_cast<std::size_t>(fetch.part);
  std::string bytes(static_cast<std::size_t>(fetch.count) * results_->layout().outputs.at(output).row_bytes(), '\0');
  results_->read_rows(output, fetch.first, fetch.count, bytes.data());
  return bytes;
}

// Writes all that is there, and then syncs once for all who want that.
void Feeder::write_loop() {
  for (std::unique_lock lock(mutex_);;) {
    changed_.wait(lock, [this] { return closed_ || !to_write_.empty(); });
    if (closed_) return;
    const std::deque<Storing> all = std::exchange(to_write_, {});
    lock.unlock();
    std::vector<std::pair<int, comm::Served>> served;
    std::string sync_error;
    bool sync = false;
    for (const Storing& next : all) {
      comm::Served done;
      try {
        if (const auto* fetch = std::get_if<comm::Fetch>(&next.request)) {
          done.id = fetch->id;
          done.bytes = read_rows(*fetch);
        } else {
          const auto& store = std::get<comm::Store>(next.request);
          done.id = store.id;
          sync = sync || store.sync != 0;
          for (const comm::RowBlock& block : store.blocks) {
            results_->write_rows(static_cast<std::size_t>(block.output), block.first, block.count, block.bytes.data());
          }
        }
      } catch (const std::exception& error) {
        done.error = error.what();
      }
      served.emplace_back(next.rank, std::move(done));
    }
    try {
      if (sync) results_->sync();
    } catch (const std::exception& error) {
      sync_error = error.what();
    }
    for (auto& [rank, done] : served) {
      if (done.error.empty()) done.error = sync_error;
      answer(rank, std::move(done));
    }
    lock.lock();
  }
}

}  // namespace shardmill::infer
