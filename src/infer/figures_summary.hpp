#pragma once

#include "coordinator/types.hpp"
#include "report/summary.hpp"

namespace shardmill::infer {

// The coordinator's figures, as the summary and `status` show them.
void fill(report::Summary& summary, const coordinator::Figures& figures);

}  // namespace shardmill::infer
