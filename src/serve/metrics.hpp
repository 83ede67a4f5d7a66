// What /metrics says, in the text format of Prometheus (version 0.0.4).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "serve/board.hpp"

namespace shardmill::serve {

struct Durations {
  static constexpr std::array<double, 14> bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                 0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  std::array<std::int64_t, bounds.size() + 1> counts{};
  double sum = 0;

  void add(double seconds);
};
struct HttpFigures {
  std::map<int, std::int64_t> requests;  // by status
  std::vector<Durations> durations;      // of each model's forward passes, from body read to answer ready

  void count(int status) { ++requests[status]; }
};

struct MetricsInput {
  std::vector<std::string> models;  // names
  const Conditions& conditions;
  const HttpFigures& http;
  std::vector<std::size_t> waiting;  // of each model
  std::size_t connections = 0;
  double uptime = 0;  // seconds
};
std::string metrics_text(const MetricsInput& input);

// The three figures, as everywhere: see report/summary.hpp. A task is a request for a forward pass.
double utilization(const DispatchFigures& figures);
double fault_tolerance(const DispatchFigures& figures);

}  // namespace shardmill::serve
