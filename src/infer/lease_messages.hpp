// What goes between the coordinator and a rank about leases: messages on one side, events and actions on the other.
#pragma once

#include <optional>

#include "comm/messages.hpp"
#include "coordinator/types.hpp"

namespace shardmill::infer {

// What a rank's message means to the coordinator; none if it is not for it.
std::optional<coordinator::Event> to_event(int from, const comm::Message& message);

comm::Lease to_message(const coordinator::Grant& grant);

}  // namespace shardmill::infer
