#include "model/error_text.hpp"

#include <algorithm>
#include <cctype>
#include <new>
#include <sstream>

#include <c10/util/Exception.h>

namespace shardmill::model {

namespace {

constexpr std::size_t max_line = 400;

std::string trimmed(const std::string& line) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// "RuntimeError: shapes do not match" -> where the message begins; 0 if the line does not name a Python exception.
std::size_t after_python_name(const std::string& line) {
  const auto colon = line.find(": ");
  if (colon == std::string::npos) return 0;
  const std::string name = line.substr(0, colon);
  const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_';
  });
  return is_name && (name.ends_with("Error") || name.ends_with("Exception")) ? colon + 2 : 0;
}

bool is_out_of_memory(const std::exception& error) {
  // From inside a TorchScript program, only the text arrives: of LibTorch's allocator, or of host_memory.cpp.
  const std::string text = error.what();
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         text.find("DefaultCPUAllocator: can't allocate memory") != std::string::npos ||
         text.find("there is no memory for a tensor of") != std::string::npos;
}

// nativert puts the node and its arguments before the reason: "Exception while executing node: ...", "with args:",
// "arg0 input: ...", ..., the reason. None if the text is not of that form.
std::string after_node(const std::string& text) {
  if (!text.starts_with("Exception while executing node")) return "";
  std::istringstream lines(text);
  bool in_arguments = false;
  for (std::string line; std::getline(lines, line);) {
    line = trimmed(line);
    const bool is_argument =
        line.size() > 3 && line.starts_with("arg") && std::isdigit(static_cast<unsigned char>(line[3]));
    if (in_arguments && !line.empty() && !is_argument) return line;
    in_arguments = in_arguments || line == "with args:";
  }
  return "";
}

// Without what LibTorch adds for its own developers, and not too long.
std::string shortened(std::string line) {
  for (const char* aside : {" (Could this error message be improved?", " This is an internal miniz error"})
    line = line.substr(0, line.find(aside));
  line = trimmed(line);
  if (line.find("specArgs.children().size() == args.size()") != std::string::npos)
    return "it was exported with another number of inputs";
  // A compiled package writes its reason to stderr and throws only that there is one.
  if (line.starts_with("run_func_("))
    return "it was compiled for other shapes or types; the line that it wrote before this one says which";
  return line.size() > max_line ? line.substr(0, max_line) + "..." : line;
}

}  // namespace

std::string useful_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string all = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  if (const std::string line = after_node(all); !line.empty()) return shortened(line);
  std::istringstream text(all);
  // The first line, unless an interpreter's trace comes first and the reason after it.
  std::string first;
  std::string reason;
  for (std::string line; std::getline(text, line);) {
    line = trimmed(line);
    if (line.empty()) continue;
    if (line.starts_with("Exception raised from")) break;
    if (first.empty()) first = line;
    if (const auto at = after_python_name(line)) reason = line.substr(at);
  }
  std::string line = reason.empty() ? first : reason;
  if (line.empty()) line = "no reason given";
  return shortened(line);
}

std::string describe(const std::vector<at::Tensor>& tensors) {
  std::ostringstream text;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    text << (i == 0 ? "" : " and ") << c10::toString(tensors[i].scalar_type()) << " [";
    for (std::int64_t axis = 0; axis < tensors[i].dim(); ++axis)
      text << (axis == 0 ? "" : ", ") << tensors[i].size(axis);
    text << "]";
  }
  return text.str();
}

std::string forward_failed(const std::string& path, const std::vector<at::Tensor>& inputs,
                           const std::exception& error) {
  if (is_out_of_memory(error))
    return "model " + path + " ran out of memory on a batch of " + describe(inputs) +
           "; lower batch_size: " + useful_line(error);
  return "model " + path + " does not take what the job gives it, " + describe(inputs) + ": " + useful_line(error);
}

}  // namespace shardmill::model
