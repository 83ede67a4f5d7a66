// From what the model returns to what is stored.
#include <ATen/ATen.h>

#include "job/error.hpp"
#include "model/error_text.hpp"
#include "model/transforms.hpp"

namespace shardmill::model {

namespace {

const at::Tensor& select(const job::Output& output, const std::vector<NamedTensor>& from_model) {
  if (from_model.empty()) throw ModelError("the model returned no output");
  if (output.from.empty()) return from_model.front().tensor;
  std::string names;
  for (const NamedTensor& one : from_model) {
    if (one.name == output.from) return one.tensor;
    names += (names.empty() ? "'" : ", '") + one.name + "'";
  }
  throw ModelError("output '" + output.name + "': the model has no output '" + output.from + "'; it has " + names);
}

at::Tensor as_floats(const at::Tensor& values) { return values.is_floating_point() ? values : values.to(at::kFloat); }

at::Tensor post_process(const job::Output& output, const at::Tensor& values) {
  if (output.post == job::Post::none) return values;
  if (values.dim() < 2)
    throw ModelError("output '" + output.name + "': the model gives a single number a record, " + describe({values}) +
                     ", so there are no classes to choose from; set post: none");
  const std::int64_t classes = values.size(-1);
  const bool is_top = output.post == job::Post::top_k || output.post == job::Post::top_k_values;
  if (is_top && (output.k < 1 || output.k > classes))
    throw ModelError("output '" + output.name + "': k is " + std::to_string(output.k) + ", but the model gives " +
                     std::to_string(classes) + " classes");
  if (classes == 0) throw ModelError("output '" + output.name + "': the model gives no classes");
  switch (output.post) {
    case job::Post::softmax:
      // Half precisions are summed up, and stored, as float32.
      return at::softmax(values, -1, values.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    case job::Post::argmax:
      return at::argmax(values, -1);
    case job::Post::top_k:
      return std::get<1>(at::topk(as_floats(values), output.k, -1, true, true));
    case job::Post::top_k_values:
      return std::get<0>(at::topk(as_floats(values), output.k, -1, true, true));
    case job::Post::none:
      break;
  }
  return values;
}

at::ScalarType stored_type(const job::Output& output, const at::Tensor& values) {
  if (output.dtype) return to_scalar_type(*output.dtype);
  const auto type = values.scalar_type();
  if (type == at::kHalf || type == at::kBFloat16) return at::kFloat;
  return to_scalar_type(from_scalar_type(type));
}

}  // namespace

at::Tensor apply_output(const job::Output& output, const std::vector<NamedTensor>& from_model, std::int64_t records) {
  const at::Tensor& selected = select(output, from_model);
  if (selected.dim() < 1 || selected.size(0) != records)
    throw ModelError("output '" + output.name + "' is " + describe({selected}) + ", which is not one row for each of " +
                     std::to_string(records) + " records");
  try {
    at::Tensor values = selected.layout() == at::kStrided ? selected : selected.to_dense();
    values = post_process(output, values);
    // The cast first, on the device, since it mostly makes less to copy. Each step gives back what it is given if
    // there is nothing to do.
    return values.to(stored_type(output, values)).to(at::kCPU).contiguous().resolve_conj().resolve_neg();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ModelError("output '" + output.name + "' cannot be made from " + describe({selected}) + ": " +
                     useful_line(error));
  }
}

}  // namespace shardmill::model
