// One function a section of the job file.
#pragma once

#include "job/job.hpp"
#include "job/map_reader.hpp"

namespace shardmill::job {

void read_model(const Node& node, const Path& path, Context& context, Model& model);
// A network of the zoo or a TorchScript module.
void read_train_model(const Node& node, const Path& path, Context& context, Model& model);
// A network of the zoo, by the keys zoo and options of `model`. False if there is none, or not one that can be read.
bool read_zoo(MapReader& model, Zoo& zoo);
std::vector<std::string> zoo_names();
// The keys that a dataset has in every kind of job.
void read_records(MapReader& reader, Dataset& dataset);
void read_dataset(const Node& node, const Path& path, Context& context, Dataset& dataset);
std::vector<Transform> read_transforms(const Node& node, const Path& path, Context& context);
// With what only training has: target, sequence, split, augment.
void read_train_dataset(const Node& node, const Path& path, Context& context, Dataset& dataset, Train& train);
void read_training(const Node& node, const Path& path, Context& context, Train& train);
void read_evaluation(const Node& node, const Path& path, Context& context, Evaluation& evaluation);
void read_checkpoints(const Node& node, const Path& path, Context& context, Checkpoints& checkpoints);
// The keys of fault_tolerance that training has.
void read_train_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance);
void read_outputs(const Node& node, const Path& path, Context& context, std::vector<Output>& outputs);
void read_metrics(const Node& node, const Path& path, Context& context, const std::vector<Output>& outputs,
                  std::vector<Metric>& metrics);
void read_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance);
void read_faults(const Node& node, const Path& path, Context& context, Faults& faults);
void read_slurm(const Node& node, const Path& path, Context& context, Slurm& slurm);
// Names become names of folders and parts of paths. `node` is where the name stands.
void check_name(const std::string& name, const std::string& key, const Node* node, Context& context);
// A server's models and the server; `job` is at the top level of the job file.
void read_serve(MapReader& job, const std::string& name, Serve& serve);
// Together: as many ranks as the models need, and none that would have no model. `ranks` may be null.
void check_serve_ranks(const Node* ranks, const Path& path, Context& context, const Serve& serve,
                       const Resources& resources);
// The keys model, inputs and outputs of a mapping.
void read_served_model(MapReader& reader, ServedModel& served);
// The keys max_batch_size and max_queue_delay.
void read_batching(MapReader& reader, ServedModel& served);
// A batch must fit into one message. `key` may be null: max_batch_size was left out, and `place` is to be named.
void check_batch_bytes(const Node* key, const Path& path, const Location& place, Context& context,
                       const ServedModel& served);
// The keys of fault_tolerance that serving has.
void read_serve_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance);
// A sweep: the train job, the search, the parameters, the objective; `job` is at the top level of the job file.
void read_sweep(MapReader& job, Sweep& sweep);
// The keys of fault_tolerance that a sweep has.
void read_sweep_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance);
// A number of records (or trials), or a percentage of them.
void read_limit(const Node& node, const Path& path, Context& context, std::optional<RecordLimit>& into);
// "2/3", as in a run's own copy of its job.
void read_part(const Node& node, const Path& path, Context& context, std::optional<Part>& part);
void read_resources(const Node& node, const Path& path, Context& context, Resources& resources);

}  // namespace shardmill::job
