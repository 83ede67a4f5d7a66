// A fed rank and its coordinator in one process: what MPI would carry goes from outbox to outbox.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dataset_files.hpp"
#include "infer/fed_source.hpp"
#include "infer/feed_line.hpp"
#include "infer/feeder.hpp"

namespace shardmill::infer::test {

using namespace dataset::test;

class Feeding {
 public:
  Feeding(const job::Job& job, const coordinator::Plan& plan) : feeder(job, plan, at_feeder_), line(at_rank_) {
    carrier_ = std::thread([this] {
      while (!stop_) carry();
    });
  }
  ~Feeding() {
    stop_ = true;
    carrier_.join();
  }
  Feeding(const Feeding&) = delete;
  Feeding& operator=(const Feeding&) = delete;

 private:
  Outbox at_feeder_;
  Outbox at_rank_;

 public:
  Feeder feeder;
  FeedLine line;
  std::atomic<int> requests = 0;

 private:
  void carry() {
    for (const Outbox::Item& item : at_rank_.take(std::chrono::microseconds(200))) {
      ++requests;
      const auto& message = std::get<comm::Message>(item);
      if (const auto* fetch = std::get_if<comm::Fetch>(&message)) feeder.serve(1, *fetch);
      if (const auto* store = std::get_if<comm::Store>(&message)) feeder.serve(1, *store);
    }
    for (const Outbox::Item& item : at_feeder_.take(std::chrono::microseconds(200))) {
      const auto& answer = std::get<Answer>(item);
      feeder.sent(answer.served);
      feeder.under_way(0);
      line.answer(answer.served);
    }
  }

  std::atomic<bool> stop_ = false;
  std::thread carrier_;
};

// A dataset of two inputs, of 24 bytes and of 8 a record.
inline job::Job job_over(const TempFolder& folder, std::int64_t records, std::int64_t batch_size) {
  const auto file = create_file(folder / "d.h5");
  const auto size = static_cast<hsize_t>(records);
  write(file.get(), "x", {size, 3}, H5T_NATIVE_DOUBLE, H5T_NATIVE_DOUBLE, counting<double>(size * 3));
  write(file.get(), "y", {size}, H5T_NATIVE_INT64, H5T_NATIVE_INT64, counting<std::int64_t>(size));
  std::ofstream(folder / "m.pt") << std::string(10'000'000, 'm') << "end";
  job::Job job;
  job.dataset = dataset_of(folder / "d.h5", {"x", "y"});
  job.model.path = folder / "m.pt";
  job.batch_size = batch_size;
  job.resolved_yaml = "job: infer\n";
  return job;
}

}  // namespace shardmill::infer::test
