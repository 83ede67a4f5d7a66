// What `job: sweep` adds to a job: which train jobs it tries, and by what they are compared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "job/node.hpp"
#include "job/train.hpp"

namespace shardmill::job {

struct Job;

enum class SearchMethod { grid, random };

// One train job of the sweep. Its number is its place in the list, and the name of its folder: trials/0007.
struct Trial {
  std::vector<std::string> values;  // as text, one for each of the sweep's keys
  std::shared_ptr<const Job> job;
};

inline constexpr std::int64_t most_trials = 10'000;

struct Sweep {
  SearchMethod method = SearchMethod::grid;
  std::int64_t draws = 0;                               // trials of a random search
  std::uint64_t seed = 0;                               // of a random search
  EvaluationMetric objective = EvaluationMetric::loss;  // the best trial has the best value of it
  Node trial;                     // the train job as it is written, before anything is put into it
  Node parameters;                // key of the train job -> values, or a distribution
  std::vector<std::string> keys;  // those of `parameters`
  std::vector<Trial> trials;      // load_job makes them

  friend bool operator==(const Sweep& a, const Sweep& b);
};

}  // namespace shardmill::job
