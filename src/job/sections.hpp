// One function a section of the job file.
#pragma once

#include "job/job.hpp"
#include "job/map_reader.hpp"

namespace shardmill::job {

void read_model(const Node& node, const Path& path, Context& context, Model& model);
void read_dataset(const Node& node, const Path& path, Context& context, Dataset& dataset);
std::vector<Transform> read_transforms(const Node& node, const Path& path, Context& context);
void read_outputs(const Node& node, const Path& path, Context& context, std::vector<Output>& outputs);
void read_metrics(const Node& node, const Path& path, Context& context, const std::vector<Output>& outputs,
                  std::vector<Metric>& metrics);
void read_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance);
void read_resources(const Node& node, const Path& path, Context& context, Resources& resources);

}  // namespace shardmill::job
