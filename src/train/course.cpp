#include "train/course.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "job/error.hpp"
#include "train/evaluation.hpp"

namespace shardmill::train {

std::string to_json(const Course& course) {
  nlohmann::json json{{"step", course.step},
                      {"evaluated", course.evaluated},
                      {"optimizer_steps", course.optimizer_steps},
                      {"counters", course.counters},
                      {"outliers", {{"losses", course.outliers.losses}, {"norms", course.outliers.gradient_norms}}},
                      {"loss_scale", {{"factor", course.loss_scale.factor}, {"steps", course.loss_scale.steps}}},
                      {"best_step", course.best_step},
                      {"stale", course.stale},
                      {"stopped_early", course.stopped_early}};
  if (course.best) json["best"] = *course.best;
  return json.dump();
}

Course from_json(const std::string& text) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    Course course;
    json.at("step").get_to(course.step);
    json.at("evaluated").get_to(course.evaluated);
    json.at("optimizer_steps").get_to(course.optimizer_steps);
    json.at("counters").get_to(course.counters);
    json.at("outliers").at("losses").get_to(course.outliers.losses);
    json.at("outliers").at("norms").get_to(course.outliers.gradient_norms);
    json.at("loss_scale").at("factor").get_to(course.loss_scale.factor);
    json.at("loss_scale").at("steps").get_to(course.loss_scale.steps);
    json.at("best_step").get_to(course.best_step);
    json.at("stale").get_to(course.stale);
    json.at("stopped_early").get_to(course.stopped_early);
    if (json.contains("best")) course.best = json.at("best").get<double>();
    return course;
  } catch (const nlohmann::json::exception&) {
    throw StoreError("the state of a training run cannot be read; it is of another version of shardmill");
  }
}

bool evaluation_is_due(const job::Evaluation& rule, const Sampler& sampler, std::int64_t steps) {
  if (sampler.validation_records() == 0 || steps == 0) return false;
  const std::int64_t every = rule.every_steps.value_or(rule.every_epochs * sampler.steps_per_epoch());
  return steps % every == 0 || steps == sampler.total_steps();
}

bool note_evaluation(Course& course, const job::Evaluation& rule, double value) {
  course.evaluated = true;
  const double sign = higher_is_better(rule.best) ? 1 : -1;
  const double least = rule.early_stopping ? rule.early_stopping->min_delta : 0;
  const bool first = !course.best.has_value();
  const bool is_best = std::isfinite(value) && (first || sign * (value - *course.best) > 0);
  const bool counts = std::isfinite(value) && (first || sign * (value - *course.best) > least);
  if (is_best) {
    course.best = value;
    course.best_step = course.step;
  }
  course.stale = counts ? 0 : course.stale + 1;
  if (rule.early_stopping && course.stale >= rule.early_stopping->patience) course.stopped_early = true;
  return is_best;
}

}  // namespace shardmill::train
