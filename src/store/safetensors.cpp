#include "store/safetensors.hpp"

#include <algorithm>

#include "job/error.hpp"
#include "store/safetensors_header.hpp"

namespace shardmill::store {

namespace {

constexpr std::uint64_t length_bytes = 8;

std::string little_endian(std::uint64_t value) {
  std::string bytes;
  for (unsigned i = 0; i < length_bytes; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return bytes;
}

std::uint64_t from_little_endian(const unsigned char* bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < length_bytes; ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

SafetensorsHeader read_header(File& file) {
  const std::uint64_t size = file.size();
  if (size < length_bytes) throw StoreError("it is too short");
  unsigned char bytes[length_bytes];
  file.read_at(0, bytes, length_bytes);
  const std::uint64_t length = from_little_endian(bytes);
  if (length > max_safetensors_header)
    throw StoreError("its header would have " + std::to_string(length) + " bytes, and " +
                     std::to_string(max_safetensors_header) + " are the most");
  if (length > size - length_bytes) throw StoreError("it ends inside its header: it has been truncated");
  std::string text(length, '\0');
  file.read_at(length_bytes, text.data(), length);
  SafetensorsHeader header = parse_safetensors_header(text);

  const std::uint64_t begin = length_bytes + length;
  std::uint64_t end = begin;
  for (TensorInfo& tensor : header.tensors) {
    tensor.offset += begin;
    end = tensor.offset + tensor.size;
  }
  if (size < end)
    throw StoreError("it has " + std::to_string(size) + " bytes of the " + std::to_string(end) +
                     " that its header tells of: it has been truncated");
  if (size > end) throw StoreError("it has " + std::to_string(size - end) + " bytes behind its last tensor");
  return header;
}

}  // namespace

SafetensorsFile::SafetensorsFile(Disk& disk, const std::filesystem::path& path) : file_(disk.open(path, Open::read)) {
  try {
    SafetensorsHeader header = read_header(*file_);
    tensors_ = std::move(header.tensors);
    metadata_ = std::move(header.metadata);
  } catch (const StoreError& error) {
    throw StoreError(path.string() + " cannot be read as safetensors: " + error.what());
  }
}

void SafetensorsFile::read(const TensorInfo& info, void* to) { file_->read_at(info.offset, to, info.size); }

void write_safetensors(Disk& disk, const std::filesystem::path& path, const std::vector<TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorBytes*> ordered;
  ordered.reserve(tensors.size());
  for (const TensorBytes& tensor : tensors) ordered.push_back(&tensor);
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const TensorBytes* a, const TensorBytes* b) { return size_of(a->dtype) > size_of(b->dtype); });

  SafetensorsHeader header;
  header.metadata = metadata;
  std::uint64_t end = 0;
  for (const TensorBytes* tensor : ordered) {
    const std::uint64_t size = bytes_of(tensor->dtype, tensor->shape);
    header.tensors.push_back({tensor->name, tensor->dtype, tensor->shape, end, size});
    end += size;
  }
  const std::string text = safetensors_header(header);
  const std::string head = little_endian(text.size()) + text;

  const std::filesystem::path temporary = path.string() + ".tmp";
  {
    const auto file = disk.open(temporary, Open::create);
    file->truncate(0);
    file->reserve(head.size() + end);
    file->write_at(0, head.data(), head.size());
    for (std::size_t i = 0; i < ordered.size(); ++i)
      file->write_at(head.size() + header.tensors[i].offset, ordered[i]->data, header.tensors[i].size);
    file->sync();
  }
  disk.rename(temporary, path);
  disk.sync_folder(path.parent_path());
}

}  // namespace shardmill::store
