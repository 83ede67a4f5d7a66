// One function a kind of network.
#pragma once

#include <cstdint>
#include <memory>

#include "job/zoo.hpp"
#include "model/trainable.hpp"

namespace shardmill::model::zoo {

std::unique_ptr<Trainable> make(const job::Mlp& spec, std::uint64_t seed);
std::unique_ptr<Trainable> make(const job::Cnn& spec, std::uint64_t seed);
std::unique_ptr<Trainable> make(const job::ResNet& spec, std::uint64_t seed);
std::unique_ptr<Trainable> make(const job::Gpt& spec, std::uint64_t seed);
std::unique_ptr<Trainable> make(const job::Encoder& spec, std::uint64_t seed);

}  // namespace shardmill::model::zoo
