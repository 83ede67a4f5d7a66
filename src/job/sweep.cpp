#include "job/sweep.hpp"

#include "job/node_text.hpp"

namespace shardmill::job {

// The trials follow from the rest.
bool operator==(const Sweep& a, const Sweep& b) {
  return a.method == b.method && a.draws == b.draws && a.seed == b.seed && a.objective == b.objective &&
         flow_text(a.trial) == flow_text(b.trial) && flow_text(a.parameters) == flow_text(b.parameters);
}

}  // namespace shardmill::job
