#include "sweep/result.hpp"

#include <nlohmann/json.hpp>

namespace shardmill::sweep {

std::string to_json(const train::SoloResult& result) {
  nlohmann::ordered_json json;
  json["steps"] = result.steps;
  json["best_step"] = result.best_step;
  json["checkpoint"] = result.checkpoint;
  json["metrics"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : result.metrics) json["metrics"][name] = value;
  return json.dump(2) + "\n";
}

std::optional<train::SoloResult> result_from_json(std::string_view text) {
  try {
    const auto json = nlohmann::ordered_json::parse(text);
    train::SoloResult result;
    json.at("steps").get_to(result.steps);
    json.at("best_step").get_to(result.best_step);
    json.at("checkpoint").get_to(result.checkpoint);
    for (const auto& [name, value] : json.at("metrics").items()) result.metrics.emplace_back(name, value.get<double>());
    return result;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace shardmill::sweep
