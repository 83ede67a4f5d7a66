#include "serve/runner.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "job/clock.hpp"
#include "job/error.hpp"
#include "model/transforms.hpp"

namespace shardmill::serve {
namespace {

// It travels in one message, whose length MPI counts in an int.
constexpr std::size_t max_answer_bytes = std::size_t{1} << 30;

std::vector<std::int64_t> with_rows(std::int64_t rows, const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> all{rows};
  all.insert(all.end(), shape.begin(), shape.end());
  return all;
}

std::vector<at::Tensor> zeros(const job::ServedModel& served, std::int64_t rows) {
  std::vector<at::Tensor> tensors;
  for (const job::ServeInput& input : served.inputs)
    tensors.push_back(at::zeros(with_rows(rows, input.shape), model::to_scalar_type(input.dtype)));
  return tensors;
}

bool contains(const std::vector<comm::BadRecord>& rows, std::int64_t row) {
  return std::any_of(rows.begin(), rows.end(), [row](const comm::BadRecord& bad) { return bad.row == row; });
}

}  // namespace

std::vector<at::Tensor> Runner::forward(const std::vector<at::Tensor>& inputs) {
  const std::int64_t rows = inputs.front().size(0);
  const std::int64_t given = served_.model.pad_batches ? served_.max_batch_size : rows;
  std::vector<at::Tensor> ready;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    at::Tensor tensor = inputs[i];
    if (given > rows) {
      std::vector<std::int64_t> shape = tensor.sizes().vec();
      shape.front() = given - rows;
      tensor = at::cat({tensor, at::zeros(shape, tensor.options())});
    }
    ready.push_back(model::apply_transforms(served_.inputs[i].transforms, tensor.to(model_.device())));
  }
  const std::vector<model::NamedTensor> from_model = model_.forward(ready);
  std::vector<at::Tensor> outputs;
  for (const job::Output& output : served_.outputs) {
    const at::Tensor tensor = model::apply_output(output, from_model, given);
    outputs.push_back(given == rows ? tensor : tensor.narrow(0, 0, rows));
  }
  return outputs;
}

std::vector<comm::TensorShape> Runner::probe() {
  const std::vector<at::Tensor> whole = forward(zeros(served_, served_.max_batch_size));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto shape = whole[i].sizes().slice(1);
    outputs_.push_back(
        {served_.outputs[i].name, std::string(name_of(model::from_scalar_type(whole[i].scalar_type()))), shape.vec()});
    types_.push_back(whole[i].scalar_type());
  }
  std::size_t bytes = 0;
  for (const at::Tensor& output : whole) bytes += output.nbytes();
  if (bytes > max_answer_bytes)
    throw ModelError("the outputs of a batch have " + std::to_string(bytes) +
                     " bytes, more than 1 GiB; set max_batch_size to less");
  check_shapes(forward(zeros(served_, 1)));
  return outputs_;
}

void Runner::check_shapes(const std::vector<at::Tensor>& outputs) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].sizes().slice(1).equals(outputs_[i].shape)) continue;
    throw ModelError("output '" + outputs_[i].name +
                     "' has another shape a record than before; outputs must have one size (choose another output, or "
                     "post-process to a fixed size)");
  }
}

comm::Answered Runner::run(const comm::Forward& forward_message) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<at::Tensor> inputs;
  const char* at = forward_message.bytes.data();
  for (const job::ServeInput& input : served_.inputs) {
    at::Tensor tensor = at::empty(with_rows(forward_message.rows, input.shape), model::to_scalar_type(input.dtype));
    std::memcpy(tensor.data_ptr(), at, tensor.nbytes());
    at += tensor.nbytes();
    inputs.push_back(std::move(tensor));
  }
  SHARDMILL_CHECK(at == forward_message.bytes.data() + forward_message.bytes.size(), "a batch has whole records");
  comm::Answered answer;
  answer.batch = forward_message.batch;
  std::vector<at::Tensor> outputs;
  try {
    outputs = forward(inputs);
    check_shapes(outputs);
  } catch (const ModelError&) {
    outputs.clear();  // a record of it is bad: which one?
  }
  if (outputs.empty()) {
    for (std::size_t i = 0; i < outputs_.size(); ++i)
      outputs.push_back(at::zeros(with_rows(forward_message.rows, outputs_[i].shape), types_[i]));
    const std::int64_t half = forward_message.rows / 2;
    if (half > 0) run_rows(inputs, 0, half, outputs, answer.bad);
    run_rows(inputs, half, forward_message.rows - half, outputs, answer.bad);
  }
  if (finite_) find_not_finite(outputs, answer.bad);
  for (const comm::BadRecord& bad : answer.bad) {
    for (const at::Tensor& output : outputs) output[bad.row].zero_();
  }
  for (const at::Tensor& output : outputs) {
    const at::Tensor whole = output.contiguous();
    answer.bytes.append(static_cast<const char*>(whole.data_ptr()), whole.nbytes());
  }
  answer.seconds = seconds_since(began);
  return answer;
}

void Runner::run_rows(const std::vector<at::Tensor>& inputs, std::int64_t first, std::int64_t count,
                      std::vector<at::Tensor>& into, std::vector<comm::BadRecord>& bad) {
  try {
    std::vector<at::Tensor> part;
    for (const at::Tensor& input : inputs) part.push_back(input.narrow(0, first, count));
    const std::vector<at::Tensor> outputs = forward(part);
    check_shapes(outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) into[i].narrow(0, first, count).copy_(outputs[i]);
  } catch (const ModelError& error) {
    if (count == 1) {
      bad.push_back({first, error.what()});
      return;
    }
    run_rows(inputs, first, count / 2, into, bad);
    run_rows(inputs, first + count / 2, count - count / 2, into, bad);
  }
}

void Runner::find_not_finite(const std::vector<at::Tensor>& outputs, std::vector<comm::BadRecord>& bad) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!at::isFloatingType(outputs[i].scalar_type())) continue;
    const at::Tensor good = at::isfinite(outputs[i]).reshape({outputs[i].size(0), -1}).all(1);
    if (good.all().item<bool>()) continue;
    for (std::int64_t row = 0; row < outputs[i].size(0); ++row) {
      if (!good[row].item<bool>() && !contains(bad, row))
        bad.push_back({row, "NaN or Inf in output '" + outputs_[i].name + "'"});
    }
  }
}

}  // namespace shardmill::serve
