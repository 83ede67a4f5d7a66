// How far a server's idle job is: written by the launcher, which runs it, and read by the front, which says so. Free of
// LibTorch and MPI.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "store/run_folder.hpp"

namespace shardmill::serve {

// waiting: until the server is up. preempted: stopped, and goes on with the next start of the server.
inline constexpr std::array idle_states{"waiting", "running", "done", "preempted", "failed"};

struct IdleState {
  std::string state = idle_states.front();
  std::int64_t records = 0;  // of the job; 0 until its run has begun
  std::int64_t records_done = 0;
  std::string message;  // why it has failed, or what there is to say in the end

  friend bool operator==(const IdleState&, const IdleState&) = default;
};

// In files.
void to_json(nlohmann::ordered_json& json, const IdleState& idle);
void from_json(const nlohmann::ordered_json& json, IdleState& idle);

// "running, 640 of 1,797 records"
std::string to_text(const IdleState& idle);

// The idle job's run is one like any other, in the server's run folder.
store::RunFolder idle_run_of(const store::RunFolder& server);

// Puts it in the place of the last one, at once; not durable. Never throws: who misses it sees an older one.
void write_idle_state(const store::RunFolder& server, const IdleState& idle);
// None if there is none.
std::optional<IdleState> read_idle_state(const store::RunFolder& server);
// For the time after the server.
void remove_idle_state(const store::RunFolder& server);

}  // namespace shardmill::serve
