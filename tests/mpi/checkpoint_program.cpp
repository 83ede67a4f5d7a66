// checkpoint_program FILE META: writes a checkpoint of every type of tensor, whose values are their indices, for tests
// that look at it from outside.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "job/error.hpp"
#include "store/checkpoint_file.hpp"

namespace {

using shardmill::DType;

struct Made {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::vector<char> bytes;
};

template <typename T>
Made counted(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
  Made made{name, dtype, shape, std::vector<char>(count * sizeof(T))};
  for (std::size_t i = 0; i < count; ++i) {
    const T value = static_cast<T>(i);
    std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, &made.bytes[i * sizeof value]);
  }
  return made;
}

Made raw(const std::string& name, DType dtype, const std::vector<std::uint16_t>& values) {
  const char* begin = reinterpret_cast<const char*>(values.data());
  return {name, dtype, {static_cast<std::int64_t>(values.size())}, {begin, begin + 2 * values.size()}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::vector<Made> tensors = {
      counted<float>("model/features.0.weight", DType::float32, {8, 1, 3, 3}),
      counted<float>("model/features.0.bias", DType::float32, {8}),
      raw("model/short", DType::bfloat16, {0x3f80, 0xc000, 0x4049}),  // 1, -2, 3.140625
      raw("model/half", DType::float16, {0x3c00, 0xc000, 0x4248}),    // the same
      counted<double>("model/empty", DType::float64, {0, 3}),
      counted<float>("model/features.1.running_mean", DType::float32, {8}),
      counted<std::int64_t>("model/features.1.num_batches_tracked", DType::int64, {}),
      counted<std::uint8_t>("model/mask", DType::boolean, {2}),
      counted<float>("optimizer/momentum_buffer/features.0.weight", DType::float32, {8, 1, 3, 3}),
      counted<float>("optimizer/momentum_buffer/features.0.bias", DType::float32, {8}),
  };
  shardmill::store::CheckpointContent content;
  content.meta = argv[2];
  for (const Made& made : tensors) content.tensors.push_back({made.name, made.dtype, made.shape, made.bytes.data()});
  try {
    const auto info = shardmill::store::write_checkpoint(shardmill::store::posix_disk(), argv[1], content);
    std::printf("%s %llu\n", info.checksum.c_str(), static_cast<unsigned long long>(info.bytes));
  } catch (const shardmill::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
