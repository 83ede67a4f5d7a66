#include "train/snapshot.hpp"

#include <cstring>
#include <set>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "job/error.hpp"
#include "job/names.hpp"
#include "job/zoo_text.hpp"
#include "model/checkpoint_weights.hpp"
#include "model/weights.hpp"
#include "train/weights_file.hpp"

namespace shardmill::train {
namespace {

// Host copies that the snapshot's tensors point into.
struct Storage {
  std::vector<at::Tensor> flats;
  std::vector<std::int64_t> counters;
};

void add_parts(std::vector<store::CheckpointTensor>& tensors, const std::string& group, const at::Tensor& flat,
               const std::vector<FlatPart>& parts, std::int64_t elements) {
  for (const FlatPart& part : parts) {
    if (part.first + part.count > elements) continue;  // a frozen parameter has no optimizer state
    tensors.push_back({group + part.name, DType::float32, part.shape, flat.const_data_ptr<float>() + part.first});
  }
}

// The same parts, filled from the file.
class Filler {
 public:
  Filler(store::CheckpointFile& file) : file_(file) {}

  void parts(const std::string& group, at::Tensor flat, const std::vector<FlatPart>& parts, std::int64_t elements) {
    at::Tensor host = flat.to(at::kCPU);
    for (const FlatPart& part : parts) {
      if (part.first + part.count > elements) continue;
      read(group + part.name, DType::float32, part, host.mutable_data_ptr<float>() + part.first);
    }
    if (!flat.is_cpu()) flat.copy_(host);
  }
  void counters(const std::vector<FlatPart>& parts, std::vector<std::int64_t>& values) {
    for (const FlatPart& part : parts) read("model/" + part.name, DType::int64, part, values.data() + part.first);
  }

 private:
  void read(const std::string& name, DType dtype, const FlatPart& part, void* to) {
    const auto* entry = file_.find(name);
    if (entry == nullptr || entry->dtype != dtype || entry->shape != part.shape) {
      throw StoreError("checkpoint " + file_.path().string() + " is of another network or optimizer: " + name +
                       (entry == nullptr ? " is not in it" : " has another shape"));
    }
    file_.read(*entry, to);
  }

  store::CheckpointFile& file_;
};

}  // namespace

Snapshot take_snapshot(const job::Job& job, Worker& worker, bool is_best, bool is_final) {
  FlatState& flat = worker.flat();
  auto storage = std::make_shared<Storage>();
  const auto copy = [&](const at::Tensor& tensor) {
    storage->flats.push_back(tensor.is_cpu() ? tensor.clone() : tensor.to(at::kCPU));
    return storage->flats.back();
  };
  Snapshot snapshot;
  snapshot.step = worker.course().step;
  snapshot.position = worker.course().position();
  snapshot.is_best = is_best;
  snapshot.is_final = is_final;
  const at::Tensor parameters = copy(flat.parameters());
  add_parts(snapshot.tensors, "model/", parameters, flat.parameter_parts(), parameters.numel());
  const at::Tensor buffers = copy(flat.buffers());
  add_parts(snapshot.tensors, "model/", buffers, flat.buffer_parts(), buffers.numel());
  storage->counters = flat.counters();
  for (const FlatPart& part : flat.counter_parts()) {
    snapshot.tensors.push_back({"model/" + part.name, DType::int64, part.shape, storage->counters.data() + part.first});
  }
  for (const auto& [name, tensor] : worker.optimizer().state())
    add_parts(snapshot.tensors, "optimizer/" + name + "/", copy(tensor), flat.parameter_parts(), tensor.numel());
  nlohmann::ordered_json meta;
  meta["step"] = worker.course().step;
  meta["epoch"] = worker.epoch();
  meta["name"] = job.name;
  meta["seed"] = job.train.seed;
  meta["optimizer"] = std::string(name_of(job.train.optimizer.type));
  if (job.model.zoo) meta["model"] = job::zoo_to_yaml(*job.model.zoo);
  if (const auto& script = worker.network().source())
    meta["torchscript"] = {{"path", script->path.string()}, {"checksum", script->checksum}};
  meta["metrics"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : worker.last_metrics()) meta["metrics"][name] = value;
  meta["course"] = nlohmann::json::parse(to_json(worker.course()));
  snapshot.meta = meta.dump(2);
  snapshot.storage = std::move(storage);
  return snapshot;
}

void restore(store::CheckpointFile& checkpoint, const job::Job& job, Worker& worker) {
  const at::NoGradGuard no_grad;
  FlatState& flat = worker.flat();
  Filler fill(checkpoint);
  fill.parts("model/", flat.parameters(), flat.parameter_parts(), flat.parameters().numel());
  fill.parts("model/", flat.buffers(), flat.buffer_parts(), flat.buffers().numel());
  fill.counters(flat.counter_parts(), flat.counters());
  for (const auto& [name, tensor] : worker.optimizer().state())
    fill.parts("optimizer/" + name + "/", tensor, flat.parameter_parts(), tensor.numel());
  const nlohmann::json meta = nlohmann::json::parse(checkpoint.meta(), nullptr, false);
  if (meta.is_discarded() || !meta.contains("course"))
    throw StoreError("checkpoint " + checkpoint.path().string() + " does not hold the state of a training run");
  if (meta.value("seed", job.train.seed) != job.train.seed)
    throw StoreError("checkpoint " + checkpoint.path().string() + " is of a run with another seed");
  const auto& script = worker.network().source();
  if (script && meta.contains("torchscript") && meta["torchscript"].value("checksum", "") != script->checksum)
    throw StoreError("checkpoint " + checkpoint.path().string() + " is of a run with another model than " +
                     script->path.string() + " as it is now; put it back as it was, or start a new run");
  worker.begin_with(from_json(meta["course"].dump()));
}

void load_initial_weights(const job::Job& job, model::Trainable& network) {
  const std::filesystem::path& path = *job.train.init_from;
  if (path.extension() != ".h5") return load_weights(store::posix_disk(), path, network);
  store::CheckpointFile checkpoint(store::posix_disk(), path);
  model::assign_weights(network, model::weights_of(checkpoint), path.string());
}

}  // namespace shardmill::train
