// The words of the job file for each enumeration.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "job/job.hpp"

namespace shardmill::job {

template <typename E>
struct Names;

template <>
struct Names<Kind> {
  static constexpr std::array<std::pair<std::string_view, Kind>, 1> all{{{"infer", Kind::infer}}};
};
template <>
struct Names<ModelFormat> {
  static constexpr std::array<std::pair<std::string_view, ModelFormat>, 3> all{{
      {"torchscript", ModelFormat::torchscript},
      {"exported", ModelFormat::exported},
      {"compiled", ModelFormat::compiled},
  }};
};
template <>
struct Names<Device> {
  static constexpr std::array<std::pair<std::string_view, Device>, 3> all{{
      {"auto", Device::automatic},
      {"cpu", Device::cpu},
      {"cuda", Device::cuda},
  }};
};
template <>
struct Names<Precision> {
  static constexpr std::array<std::pair<std::string_view, Precision>, 3> all{{
      {"float32", Precision::float32},
      {"bfloat16", Precision::bfloat16},
      {"float16", Precision::float16},
  }};
};
template <>
struct Names<OnBadRecord> {
  static constexpr std::array<std::pair<std::string_view, OnBadRecord>, 2> all{{
      {"quarantine", OnBadRecord::quarantine},
      {"fail", OnBadRecord::fail},
  }};
};
template <>
struct Names<Post> {
  static constexpr std::array<std::pair<std::string_view, Post>, 5> all{{
      {"none", Post::none},
      {"softmax", Post::softmax},
      {"argmax", Post::argmax},
      {"top_k", Post::top_k},
      {"top_k_values", Post::top_k_values},
  }};
};
template <>
struct Names<MetricType> {
  static constexpr std::array<std::pair<std::string_view, MetricType>, 3> all{{
      {"accuracy", MetricType::accuracy},
      {"mean_absolute_error", MetricType::mean_absolute_error},
      {"mean_squared_error", MetricType::mean_squared_error},
  }};
};

// name_of(Post::softmax) == "softmax"
template <typename E>
requires requires { Names<E>::all; }
std::string_view name_of(E value) {
  for (const auto& [name, named] : Names<E>::all) {
    if (named == value) return name;
  }
  return "?";
}

template <typename E>
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const auto& [name, value] : Names<E>::all) names.emplace_back(name);
  return names;
}

}  // namespace shardmill::job
