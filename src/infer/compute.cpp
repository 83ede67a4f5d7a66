#include "infer/compute.hpp"

#include <algorithm>

#include "job/error.hpp"
#include "model/transforms.hpp"

namespace shardmill::infer {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

bool contains(const std::vector<comm::BadRecord>& rows, std::int64_t row) {
  return std::any_of(rows.begin(), rows.end(), [row](const comm::BadRecord& bad) { return bad.row == row; });
}

}  // namespace

std::vector<at::Tensor> zeros_for(const dataset::RecordSource& source, std::int64_t records) {
  std::vector<at::Tensor> zeros;
  for (const dataset::Field& field : source.fields()) {
    std::vector<std::int64_t> shape{records};
    shape.insert(shape.end(), field.shape.begin(), field.shape.end());
    zeros.push_back(at::zeros(shape, at::TensorOptions().dtype(model::to_scalar_type(field.dtype))));
  }
  return zeros;
}

std::vector<at::Tensor> Compute::forward(const std::vector<at::Tensor>& inputs) {
  const std::int64_t rows = inputs.front().size(0);
  std::vector<at::Tensor> ready;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor tensor = inputs[i];
    if (job_.model.pad_batches && rows < job_.batch_size) {
      std::vector<std::int64_t> shape = tensor.sizes().vec();
      shape.front() = job_.batch_size - rows;
      tensor = at::cat({tensor, at::zeros(shape, tensor.options())});
    }
    ready.push_back(model::apply_transforms(job_.dataset.inputs[i].transforms, tensor.to(model_.device())));
  }
  const std::vector<model::NamedTensor> from_model = model_.forward(ready);
  const std::int64_t given = ready.front().size(0);
  std::vector<at::Tensor> outputs;
  for (const job::Output& output : job_.outputs) {
    at::Tensor tensor = model::apply_output(output, from_model, given);
    outputs.push_back(given == rows ? tensor : tensor.narrow(0, 0, rows));
  }
  return outputs;
}

const std::vector<store::OutputLayout>& Compute::probe(const std::vector<at::Tensor>& zeros) {
  layout_.clear();
  const std::vector<at::Tensor> outputs = forward(zeros);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    store::OutputLayout layout;
    layout.name = job_.outputs[i].name;
    layout.dtype = model::from_scalar_type(outputs[i].scalar_type());
    layout.shape.assign(outputs[i].sizes().begin() + 1, outputs[i].sizes().end());
    layout_.push_back(std::move(layout));
  }
  return layout_;
}

const std::vector<store::OutputLayout>& Compute::probe_quickly(const dataset::RecordSource& source) {
  // Two show the shape of a record's output as a whole batch does. One would not: squeeze() takes its axis away.
  constexpr std::int64_t few = 2;
  if (few < job_.batch_size) {
    try {
      return probe(zeros_for(source, few));
    } catch (const ModelError&) {
      // A model of one fixed batch size, maybe.
    }
  }
  return probe(zeros_for(source, job_.batch_size));
}

void Compute::check_layout(const std::vector<at::Tensor>& outputs) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const at::IntArrayRef shape = outputs[i].sizes().slice(1);
    if (!shape.equals(layout_[i].shape)) {
      throw ModelError("output '" + layout_[i].name + "' has the shape " + shape_text(shape) +
                       " a record here, but had " + shape_text(layout_[i].shape) +
                       " before; outputs must have one size (choose another output, or post-process to a fixed size)");
    }
  }
}

void Compute::run(Batch& batch) {
  if (batch.count == 0 || !batch.failure.empty()) return;
  const std::vector<at::Tensor> inputs = std::move(batch.tensors);
  batch.tensors.clear();
  bool singly = false;
  for (const comm::BadRecord& skip : batch.lease->lease.skip) {
    if (skip.row < batch.row || skip.row >= batch.row + batch.count) continue;
    singly = true;
    if (!contains(batch.bad, skip.row)) batch.bad.push_back(skip);
  }
  if (!singly) {
    try {
      batch.tensors = forward(inputs);
      check_layout(batch.tensors);
    } catch (const ModelError&) {
      batch.tensors.clear();  // a record of it is bad: which one?
    }
  }
  if (batch.tensors.empty()) {
    std::vector<at::Tensor> into;
    for (const store::OutputLayout& output : layout_) {
      std::vector<std::int64_t> shape{batch.count};
      shape.insert(shape.end(), output.shape.begin(), output.shape.end());
      into.push_back(at::zeros(shape, at::TensorOptions().dtype(model::to_scalar_type(output.dtype))));
    }
    if (singly) {
      for (std::int64_t i = 0; i < batch.count; ++i) {
        if (!contains(batch.bad, batch.row + i)) run_rows(inputs, i, 1, batch, into);
      }
    } else if (batch.count == 1) {
      run_rows(inputs, 0, 1, batch, into);
    } else {
      const std::int64_t half = batch.count / 2;
      run_rows(inputs, 0, half, batch, into);
      run_rows(inputs, half, batch.count - half, batch, into);
    }
    batch.tensors = std::move(into);
  }
  if (job_.fault_tolerance.finite) find_not_finite(batch);
  for (const comm::BadRecord& bad : batch.bad) {
    for (const at::Tensor& tensor : batch.tensors) tensor[bad.row - batch.row].zero_();
  }
  std::sort(batch.bad.begin(), batch.bad.end(),
            [](const comm::BadRecord& a, const comm::BadRecord& b) { return a.row < b.row; });
}

void Compute::run_rows(const std::vector<at::Tensor>& inputs, std::int64_t first, std::int64_t count, Batch& batch,
                       std::vector<at::Tensor>& into) {
  try {
    std::vector<at::Tensor> part;
    for (const at::Tensor& input : inputs) part.push_back(input.narrow(0, first, count));
    const std::vector<at::Tensor> outputs = forward(part);
    check_layout(outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) into[i].narrow(0, first, count).copy_(outputs[i]);
  } catch (const ModelError& error) {
    if (count == 1) {
      if (!contains(batch.bad, batch.row + first)) batch.bad.push_back({batch.row + first, error.what()});
      return;
    }
    run_rows(inputs, first, count / 2, batch, into);
    run_rows(inputs, first + count / 2, count - count / 2, batch, into);
  }
}

void Compute::find_not_finite(Batch& batch) const {
  for (std::size_t i = 0; i < batch.tensors.size(); ++i) {
    const at::Tensor& tensor = batch.tensors[i];
    if (!at::isFloatingType(tensor.scalar_type())) continue;
    const at::Tensor good = at::isfinite(tensor).reshape({batch.count, -1}).all(1);
    if (good.all().item<bool>()) continue;
    for (std::int64_t row = 0; row < batch.count; ++row) {
      if (good[row].item<bool>() || contains(batch.bad, batch.row + row)) continue;
      batch.bad.push_back({batch.row + row, "NaN or Inf in output '" + layout_[i].name + "'"});
    }
  }
}

}  // namespace shardmill::infer
