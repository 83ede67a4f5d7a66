#include "train/reader.hpp"

#include <algorithm>
#include <string>

#include <ATen/ATen.h>

#include "job/error.hpp"
#include "job/names.hpp"
#include "model/model.hpp"
#include "model/transforms.hpp"
#include "train/augment.hpp"
#include "train/sampler.hpp"

namespace shardmill::train {
namespace {

bool over_classes(const job::Train& train) {
  return train.loss.type == job::LossType::cross_entropy || train.loss.type == job::LossType::next_token;
}

bool is_whole(DType dtype) { return at::isIntegralType(model::to_scalar_type(dtype), /*includeBool=*/true); }

// [channels, height, width], or [height, width] for one channel.
bool is_image(const dataset::Field& field) { return field.shape.size() == 2 || field.shape.size() == 3; }

bool augments(const job::Train& train) { return train.augment.flip > 0 || train.augment.crop_padding > 0; }

std::string described(const dataset::Field& field) {
  return "'" + field.name + "' is " + std::string(name_of(field.dtype)) + " with records of " +
         std::to_string(field.shape.size()) + " dimensions";
}

std::unique_ptr<dataset::RecordSource> open_targets(const job::Dataset& dataset, const job::Train& train) {
  SHARDMILL_CHECK(train.targets.size() == (train.sequence ? 0 : 1), "a target, or a sequence of tokens");
  if (train.sequence) return nullptr;
  job::Dataset targets = dataset;
  targets.inputs = {{train.targets.front(), {}}};
  return dataset::open_source(targets);
}

void check_sequence(const dataset::RecordSource& inputs) {
  const dataset::Field& field = inputs.fields().front();
  if (inputs.fields().size() != 1 || !field.shape.empty() || !is_whole(field.dtype))
    throw DataError("dataset.sequence needs one input, a list of whole numbers (tokens) of one dimension, but " +
                    described(field));
}

void check_targets(const job::Train& train, const dataset::RecordSource& inputs, const dataset::RecordSource& targets) {
  const dataset::Field& field = targets.fields().front();
  if (targets.records() != inputs.records())
    throw DataError("the target '" + field.name + "' has " + std::to_string(targets.records()) +
                    " records, but the inputs have " + std::to_string(inputs.records()));
  if (over_classes(train) && !is_whole(field.dtype))
    throw DataError("the loss " + std::string(job::name_of(train.loss.type)) +
                    " needs whole numbers (classes) as the target, but '" + field.name + "' is " +
                    std::string(name_of(field.dtype)));
}

}  // namespace

// Open and checked, before anything is read: a large dataset takes its time.
struct Reader::Sources {
  std::unique_ptr<dataset::RecordSource> inputs;
  std::unique_ptr<dataset::RecordSource> targets;  // none for a sequence
  bool in_memory = false;

  Sources(const job::Dataset& dataset, const job::Train& train, std::optional<std::size_t> memory_limit)
      : inputs(dataset::open_source(dataset)), targets(open_targets(dataset, train)) {
    if (targets) check_targets(train, *inputs, *targets);
    if (train.sequence) check_sequence(*inputs);
    const auto& fields = inputs->fields();
    if (augments(train) && std::none_of(fields.begin(), fields.end(), is_image))
      throw DataError("dataset.augment needs images, [channels, height, width] or [height, width], but " +
                      described(fields.front()));
    const std::size_t bytes = bytes_of(*inputs) + (targets ? bytes_of(*targets) : 0);
    in_memory = bytes <= memory_limit.value_or(available_memory() / 8);
  }
};

Reader::Reader(const job::Dataset& dataset, const job::Train& train, at::Device device,
               std::optional<std::size_t> memory_limit)
    : Reader(dataset, train, device, Sources(dataset, train, memory_limit)) {}

Reader::Reader(const job::Dataset& dataset, const job::Train& train, at::Device device, Sources sources)
    : specs_(dataset.inputs),
      train_(train),
      device_(device),
      inputs_(std::move(sources.inputs), sources.in_memory),
      records_(record_count(train, inputs_.records())) {
  if (sources.targets) targets_.emplace(std::move(sources.targets), sources.in_memory);
}

Batch Reader::read(const std::vector<std::int64_t>& records, std::optional<std::int64_t> epoch) {
  if (train_.sequence) return read_blocks(records);
  Batch batch;
  for (std::size_t input = 0; input < specs_.size(); ++input) {
    const dataset::Field& field = inputs_.fields()[input];
    at::Tensor rows = gather(inputs_, input, records);
    if (epoch && augments(train_) && is_image(field)) rows = augmented(field, rows, records, *epoch);
    batch.inputs.push_back(transformed(input, rows));
  }
  batch.target = gather(*targets_, 0, records).to(device_).to(over_classes(train_) ? at::kLong : at::kFloat);
  return batch;
}

Batch Reader::read_blocks(const std::vector<std::int64_t>& blocks) {
  const std::int64_t length = *train_.sequence;
  std::vector<std::int64_t> starts;
  for (const std::int64_t block : blocks) starts.push_back(block * length);
  const at::Tensor stored = at::empty({static_cast<std::int64_t>(blocks.size()), length + 1},
                                      model::to_scalar_type(inputs_.fields().front().dtype));
  inputs_.gather(0, starts, length + 1, stored.data_ptr());
  const at::Tensor tokens = stored.to(device_).to(at::kLong);
  return {{transformed(0, tokens.narrow(1, 0, length).contiguous())}, tokens.narrow(1, 1, length).contiguous()};
}

at::Tensor Reader::gather(Rows& rows, std::size_t field, const std::vector<std::int64_t>& records) const {
  std::vector<std::int64_t> shape = {static_cast<std::int64_t>(records.size())};
  shape.insert(shape.end(), rows.fields()[field].shape.begin(), rows.fields()[field].shape.end());
  at::Tensor batch = at::empty(shape, model::to_scalar_type(rows.fields()[field].dtype));
  rows.gather(field, records, 1, batch.data_ptr());
  return batch;
}

at::Tensor Reader::augmented(const dataset::Field& field, const at::Tensor& images,
                             const std::vector<std::int64_t>& records, std::int64_t epoch) const {
  at::Tensor changed = at::empty_like(images);
  const auto axis = field.shape.rbegin();
  const ImageShape shape{field.shape.size() == 3 ? field.shape[0] : 1, axis[1], axis[0], size_of(field.dtype)};
  const auto* from = static_cast<const char*>(images.const_data_ptr());
  auto* to = static_cast<char*>(changed.data_ptr());
  for (std::size_t i = 0; i < records.size(); ++i)
    apply_change(draw_change(train_.augment, train_.seed, epoch, records[i]), shape, from + i * field.bytes(),
                 to + i * field.bytes());
  return changed;
}

at::Tensor Reader::transformed(std::size_t input, const at::Tensor& batch) const {
  return model::apply_transforms(specs_[input].transforms, batch.to(device_));
}

}  // namespace shardmill::train
