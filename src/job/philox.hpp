// Random numbers that depend on their counter and key alone, not on what was drawn before.
#pragma once

#include <array>
#include <cstdint>

namespace shardmill::job {

// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

}  // namespace shardmill::job
