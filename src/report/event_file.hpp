// TensorBoard's event files: curves that `tensorboard --logdir RUN` shows.
//
// Format: TFRecord (tensorflow/core/lib/io/record_writer.h: length, masked CRC-32C of it, data, masked CRC-32C of that)
// around Event messages (tensorboard/compat/proto/event.proto) with scalar values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace shardmill::report {

// One thread. What goes wrong with the file is not told: nothing depends on it.
class EventFile {
 public:
  EventFile() = default;
  // Begins a new file in the folder; TensorBoard reads all that are there. unix_seconds is part of its name.
  EventFile(const std::filesystem::path& folder, double unix_seconds);
  void scalar(const std::string& tag, std::int64_t step, double value, double unix_seconds);
  void flush() { file_.flush(); }

 private:
  void record(std::string_view data);

  std::ofstream file_;
};

}  // namespace shardmill::report
