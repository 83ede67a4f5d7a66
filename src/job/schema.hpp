// What a job file may hold. A kind of job is one entry in the table of schema.cpp, with the sections that it reads.
#pragma once

#include <set>
#include <string>

#include "job/job.hpp"
#include "job/node.hpp"

namespace shardmill::job {

// Reads and checks a merged tree. Paths stay as they are written; files are not looked at.
Job read_job(const Node& root, Diagnostics& diagnostics);

// A pattern for each key that read_job takes: "batch_size", "dataset.inputs[].name", "outputs.*.post".
std::set<std::string> known_keys();

}  // namespace shardmill::job
