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
  static constexpr std::array<std::pair<std::string_view, Kind>, 4> all{
      {{"infer", Kind::infer}, {"train", Kind::train}, {"serve", Kind::serve}, {"sweep", Kind::sweep}}};
};
template <>
struct Names<ModelFormat> {
  static constexpr std::array<std::pair<std::string_view, ModelFormat>, 4> all{{
      {"torchscript", ModelFormat::torchscript},
      {"exported", ModelFormat::exported},
      {"compiled", ModelFormat::compiled},
      {"checkpoint", ModelFormat::checkpoint},
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
struct Names<BatchBy> {
  static constexpr std::array<std::pair<std::string_view, BatchBy>, 2> all{
      {{"order", BatchBy::order}, {"length", BatchBy::length}}};
};
template <>
struct Names<DataPath> {
  static constexpr std::array<std::pair<std::string_view, DataPath>, 3> all{{
      {"auto", DataPath::automatic},
      {"shared", DataPath::shared},
      {"scatter", DataPath::scatter},
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

// How a run ends, as a job may expect it.
template <>
struct Names<ExitCode> {
  static constexpr std::array<std::pair<std::string_view, ExitCode>, 4> all{{
      {"done", ExitCode::done},
      {"quarantined", ExitCode::quarantined},
      {"failed", ExitCode::failed},
      {"preempted", ExitCode::preempted},
  }};
};
template <>
struct Names<Activation> {
  static constexpr std::array<std::pair<std::string_view, Activation>, 3> all{{
      {"relu", Activation::relu},
      {"gelu", Activation::gelu},
      {"tanh", Activation::tanh},
  }};
};
template <>
struct Names<Stem> {
  static constexpr std::array<std::pair<std::string_view, Stem>, 2> all{{
      {"imagenet", Stem::imagenet},
      {"cifar", Stem::cifar},
  }};
};
template <>
struct Names<LossType> {
  static constexpr std::array<std::pair<std::string_view, LossType>, 5> all{{
      {"cross_entropy", LossType::cross_entropy},
      {"mse", LossType::mse},
      {"l1", LossType::l1},
      {"bce_with_logits", LossType::bce_with_logits},
      {"next_token", LossType::next_token},
  }};
};
template <>
struct Names<OptimizerType> {
  static constexpr std::array<std::pair<std::string_view, OptimizerType>, 3> all{{
      {"sgd", OptimizerType::sgd},
      {"adam", OptimizerType::adam},
      {"adamw", OptimizerType::adamw},
  }};
};
template <>
struct Names<ScheduleType> {
  static constexpr std::array<std::pair<std::string_view, ScheduleType>, 5> all{{
      {"constant", ScheduleType::constant},
      {"step", ScheduleType::step},
      {"cosine", ScheduleType::cosine},
      {"linear", ScheduleType::linear},
      {"one_cycle", ScheduleType::one_cycle},
  }};
};
template <>
struct Names<Reduction> {
  static constexpr std::array<std::pair<std::string_view, Reduction>, 2> all{{
      {"ordered", Reduction::ordered},
      {"fast", Reduction::fast},
  }};
};
template <>
struct Names<Dealing> {
  static constexpr std::array<std::pair<std::string_view, Dealing>, 2> all{{
      {"by_speed", Dealing::by_speed},
      {"even", Dealing::even},
  }};
};
template <>
struct Names<Exchange> {
  static constexpr std::array<std::pair<std::string_view, Exchange>, 3> all{{
      {"auto", Exchange::automatic},
      {"nccl", Exchange::nccl},
      {"mpi", Exchange::mpi},
  }};
};
template <>
struct Names<SearchMethod> {
  static constexpr std::array<std::pair<std::string_view, SearchMethod>, 2> all{
      {{"grid", SearchMethod::grid}, {"random", SearchMethod::random}}};
};
template <>
struct Names<EvaluationMetric> {
  static constexpr std::array<std::pair<std::string_view, EvaluationMetric>, 6> all{{
      {"loss", EvaluationMetric::loss},
      {"accuracy", EvaluationMetric::accuracy},
      {"top_5", EvaluationMetric::top_5},
      {"mean_absolute_error", EvaluationMetric::mean_absolute_error},
      {"mean_squared_error", EvaluationMetric::mean_squared_error},
      {"perplexity", EvaluationMetric::perplexity},
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
