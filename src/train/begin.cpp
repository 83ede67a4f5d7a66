#include "train/begin.hpp"

#include <string_view>

#include <ATen/Context.h>

#include "dataset/fingerprint.hpp"
#include "dataset/sha256.hpp"
#include "model/model.hpp"
#include "store/checkpoint_folder.hpp"
#include "train/snapshot.hpp"

namespace shardmill::train {

at::Device training_device(const job::Job& job, int local_rank) {
  const at::Device device = model::choose_device(job.model.device, local_rank);
  // Warnings would do where runs are compared by hand; here the bits are a promise.
  if (device.is_cuda()) at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  return device;
}

std::unique_ptr<model::Trainable> make_network(const job::Job& job, at::Device device, bool initial) {
  auto network =
      job.model.zoo ? model::make_zoo(*job.model.zoo, job.train.seed) : model::load_trainable(job.model.path);
  if (initial && job.train.init_from) load_initial_weights(job, *network);
  network->to(device);
  return network;
}

void begin(const std::optional<std::filesystem::path>& checkpoints, const job::Job& job, Worker& worker,
           const std::function<void(const std::string&)>& say) {
  std::vector<std::string> remarks;
  std::optional<store::LoadedCheckpoint> loaded;
  if (checkpoints) loaded = store::load_newest(store::posix_disk(), *checkpoints, remarks);
  for (const std::string& remark : remarks) say(remark);
  if (!loaded) return worker.begin_with({});
  restore(loaded->file, job, worker);
  say("going on from the checkpoint of step " + std::to_string(loaded->step));
}

Opened opened_entry(const job::Job& job, const TrainingData& data, Worker& worker) {
  const Sampler& sampler = data.sampler();
  Opened opened;
  dataset::Sha256 hash;
  hash.add(std::string_view(job.resolved_yaml));
  opened.job_digest = hash.hex();
  opened.dataset_digest = dataset::fingerprint(job.dataset).digest;
  opened.steps = sampler.total_steps();
  opened.logical_shards = job.train.logical_shards;
  const std::int64_t epochs = opened.steps / sampler.steps_per_epoch();
  std::int64_t epoch_records = 0;
  for (std::int64_t step = 0; step < sampler.steps_per_epoch(); ++step) epoch_records += sampler.batch_records(step);
  opened.records = epochs * epoch_records;
  for (std::int64_t step = epochs * sampler.steps_per_epoch(); step < opened.steps; ++step)
    opened.records += sampler.batch_records(step);
  for (const FlatPart& part : worker.flat().parameter_parts()) opened.parameters += part.count;
  return opened;
}

}  // namespace shardmill::train
