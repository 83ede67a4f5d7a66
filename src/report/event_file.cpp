#include "report/event_file.hpp"

#include <array>
#include <cstdio>
#include <cstring>

#include <unistd.h>

namespace shardmill::report {
namespace {

// CRC-32C (Castagnoli), reflected; RFC 3720, B.4.
std::uint32_t crc32c(std::string_view data) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < made.size(); ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78U : 0U);
      made[i] = value;
    }
    return made;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : data) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xFFU] ^ (crc >> 8);
  return ~crc;
}

template <typename T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string masked_crc(std::string_view data) {
  const std::uint32_t crc = crc32c(data);
  return bytes_of(((crc >> 15) | (crc << 17)) + 0xA282EAD8U);
}

// Protocol buffers' wire format: a key is the field's number and its wire type.
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string text_field(unsigned number, const std::string& text) {
  return varint(number << 3 | 2U) + varint(text.size()) + text;
}
template <typename T>
std::string fixed_field(unsigned number, T value) {
  return varint(number << 3 | (sizeof value == 8 ? 1U : 5U)) + bytes_of(value);
}

}  // namespace

EventFile::EventFile(const std::filesystem::path& folder, double unix_seconds) {
  char name[96];
  std::snprintf(name, sizeof name, "events.out.tfevents.%010lld.shardmill.%d", static_cast<long long>(unix_seconds),
                static_cast<int>(::getpid()));
  file_ = std::ofstream(folder / name, std::ios::binary | std::ios::app);
  record(fixed_field(1, unix_seconds) + text_field(3, "brain.Event:2"));
}

void EventFile::scalar(const std::string& tag, std::int64_t step, double value, double unix_seconds) {
  const std::string item = text_field(1, tag) + fixed_field(2, static_cast<float>(value));
  record(fixed_field(1, unix_seconds) + varint(2U << 3) + varint(static_cast<std::uint64_t>(step)) +
         text_field(5, text_field(1, item)));
}

void EventFile::record(std::string_view data) {
  if (!file_) return;
  const std::string length = bytes_of(static_cast<std::uint64_t>(data.size()));
  file_ << length << masked_crc(length) << data << masked_crc(data);
}

}  // namespace shardmill::report
