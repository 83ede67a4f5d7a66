#pragma once

#include "report/summary.hpp"
#include "train/ledger.hpp"

namespace shardmill::train {

// What the journal says, as the summary and `status` show it. A task is a logical shard of a step.
void fill(report::Summary& summary, const Ledger& ledger);

}  // namespace shardmill::train
