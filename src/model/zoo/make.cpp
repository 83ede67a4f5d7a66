#include <variant>

#include "model/trainable.hpp"
#include "model/zoo/networks.hpp"

namespace shardmill::model {

std::unique_ptr<Trainable> make_zoo(const job::Zoo& spec, std::uint64_t seed) {
  return std::visit([seed](const auto& network) { return zoo::make(network, seed); }, spec);
}

}  // namespace shardmill::model
