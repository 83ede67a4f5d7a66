#include "cli/tuning.hpp"

#include <algorithm>
#include <cmath>
#include <future>

#include <nlohmann/json.hpp>

#include "cli/child.hpp"
#include "cli/launcher.hpp"
#include "cli/machine.hpp"
#include "cli/places.hpp"
#include "job/error.hpp"

namespace shardmill::cli {
namespace {

constexpr std::int64_t largest_batch = 4096;

struct Answer {
  double records_per_second = 0;
  std::vector<double> sample;
  std::string problem;
};

// One rank's.
Answer ask(const JobOptions& options, double seconds) {
  std::vector<std::string> words{rank_program().string(), "trial"};
  for (std::string& word : to_words(options)) words.push_back(std::move(word));
  words.insert(words.end(), {"--seconds", std::to_string(seconds)});
  const ChildOutput output = call(words);
  Answer answer;
  if (output.code != 0) {
    answer.problem = output.err.empty() ? "ended with " + std::to_string(output.code) : output.err;
    answer.problem = answer.problem.substr(0, answer.problem.find('\n'));
    return answer;
  }
  const auto json = nlohmann::json::parse(output.out);
  answer.records_per_second = json.at("records_per_second");
  for (const auto& value : json.at("sample")) answer.sample.push_back(value.is_number() ? value.get<double>() : NAN);
  return answer;
}

}  // namespace

std::vector<Setting> settings_to_try(const Setting& own, int most_threads) {
  std::vector<int> threads{own.threads_per_rank};
  for (int count = 1; count <= most_threads; count *= 2) {
    if (count != own.threads_per_rank) threads.push_back(count);
  }
  std::vector<Setting> settings;
  for (const int count : threads) {
    settings.push_back({own.batch_size, count});
    for (const std::int64_t batch : {own.batch_size / 4, own.batch_size / 2, own.batch_size * 2, own.batch_size * 4}) {
      if (batch >= 1 && batch <= std::max(largest_batch, own.batch_size)) settings.push_back({batch, count});
    }
  }
  return settings;
}

bool equal_results(const std::vector<double>& own, const std::vector<double>& other, bool full_precision) {
  const double tolerance = full_precision ? 1e-5 : 1e-2;
  double largest = 0;
  for (const double value : own) largest = std::max(largest, std::isfinite(value) ? std::abs(value) : 0);
  return std::equal(own.begin(), own.end(), other.begin(), other.end(), [&](double a, double b) {
    return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= tolerance * largest;
  });
}

std::vector<std::string> to_overrides(const Setting& setting) {
  return {"batch_size=" + std::to_string(setting.batch_size),
          "resources.threads_per_rank=" + std::to_string(setting.threads_per_rank)};
}

std::vector<Tried> tune(const JobOptions& options, double seconds) {
  const job::Job job = load_infer_and_check(options, "tune");
  const Setting own{job.batch_size, job.resources.threads_per_rank};
  std::vector<double> expected;
  std::vector<Tried> all;
  // Threads matter on the CPU, and are free where the number of ranks follows from them.
  const int most_threads = runs_on_gpus(job) || job.resources.ranks ? 0 : cores();
  for (const Setting& setting : settings_to_try(own, most_threads)) {
    JobOptions tuned = options;
    for (std::string& override : to_overrides(setting)) tuned.overrides.push_back(std::move(override));
    Tried tried{setting, choose_ranks(load(tuned), 0), 0, ""};
    std::vector<std::future<Answer>> ranks;
    for (int i = 0; i < tried.ranks; ++i) ranks.push_back(std::async(std::launch::async, ask, tuned, seconds));
    for (std::future<Answer>& rank : ranks) {
      const Answer answer = rank.get();
      tried.records_per_second += answer.records_per_second;
      if (all.empty()) expected = answer.sample;
      if (tried.problem.empty()) tried.problem = answer.problem;
      if (tried.problem.empty() &&
          !equal_results(expected, answer.sample, job.model.precision == job::Precision::float32)) {
        tried.problem = "other results";
      }
    }
    if (all.empty() && !tried.problem.empty()) throw UsageError("the job cannot be run as it is: " + tried.problem);
    all.push_back(std::move(tried));
  }
  return all;
}

const Tried& best_of(const std::vector<Tried>& tried) {
  return *std::max_element(tried.begin(), tried.end(), [](const Tried& a, const Tried& b) {
    return (a.problem.empty() ? a.records_per_second : 0) < (b.problem.empty() ? b.records_per_second : 0);
  });
}

}  // namespace shardmill::cli
