#include "model/checkpoint_network.hpp"

#include <nlohmann/json.hpp>

#include "job/error.hpp"
#include "job/zoo_text.hpp"

namespace shardmill::model {

job::Zoo network_of(const store::CheckpointFile& checkpoint) {
  const nlohmann::json meta = nlohmann::json::parse(checkpoint.meta(), nullptr, false);
  const auto network = meta.is_object() ? meta.find("model") : meta.end();
  if (meta.is_discarded() || network == meta.end() || !network->is_string()) {
    throw StoreError("checkpoint " + checkpoint.path().string() +
                     " is not of a built-in network; `shardmill export` gives its weights to the program that made the "
                     "TorchScript module");
  }
  return job::zoo_from_yaml(network->get<std::string>());
}

}  // namespace shardmill::model
