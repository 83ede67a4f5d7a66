#include "model/checkpoint_network.hpp"

#include <nlohmann/json.hpp>

#include "job/error.hpp"
#include "job/zoo_text.hpp"

namespace shardmill::model {

CheckpointNetwork network_of(const store::CheckpointFile& checkpoint) {
  const nlohmann::json meta = nlohmann::json::parse(checkpoint.meta(), nullptr, false);
  if (meta.is_object()) {
    if (const auto network = meta.find("model"); network != meta.end() && network->is_string())
      return job::zoo_from_yaml(network->get<std::string>());
    if (const auto script = meta.find("torchscript"); script != meta.end() && script->is_object())
      return ScriptSource{script->value("path", ""), script->value("checksum", "")};
  }
  throw StoreError("checkpoint " + checkpoint.path().string() +
                   " does not say which network it is of; `shardmill export` gives its weights to a program of yours");
}

}  // namespace shardmill::model
