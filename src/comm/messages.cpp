#include "comm/messages.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

#include "job/error.hpp"

namespace shardmill::comm {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

class Writer {
 public:
  template <typename... Field>
  void operator()(Field&... field) {
    (put(field), ...);
  }
  void put_byte(std::uint8_t value) { bytes_.push_back(static_cast<std::byte>(value)); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void put(const Number& value) {
    const auto* data = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), data, data + sizeof value);
  }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), data, data + text.size());
  }
  void put(std::vector<BadRecord>& list) {
    put(static_cast<std::uint32_t>(list.size()));
    for (BadRecord& item : list) item.fields(*this);
  }

  std::vector<std::byte> bytes_;
};

[[noreturn]] void refuse(const std::string& why) {
  throw RankLost("a control message cannot be read (" + why + "): are all ranks of the same version?");
}

class Reader {
 public:
  Reader(const std::byte* data, std::size_t size) : at_(data), left_(size) {}

  template <typename... Field>
  void operator()(Field&... field) {
    (get(field), ...);
  }
  std::uint8_t byte() {
    std::uint8_t value = 0;
    get(value);
    return value;
  }
  std::size_t left() const { return left_; }

 private:
  const std::byte* take(std::size_t size) {
    if (size > left_) refuse("too short");
    const std::byte* here = at_;
    at_ += size;
    left_ -= size;
    return here;
  }
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void get(Number& value) { std::memcpy(&value, take(sizeof value), sizeof value); }
  void get(std::string& text) {
    std::uint32_t size = 0;
    get(size);
    const std::byte* data = take(size);
    text.assign(reinterpret_cast<const char*>(data), size);
  }
  void get(std::vector<BadRecord>& list) {
    std::uint32_t size = 0;
    get(size);
    if (size > left_) refuse("too short");  // every item takes a byte at least: bounds the allocation
    list.resize(size);
    for (BadRecord& item : list) item.fields(*this);
  }

  const std::byte* at_;
  std::size_t left_;
};

template <std::size_t index = 0>
Message read_kind(std::size_t kind, Reader& reader) {
  if constexpr (index == std::variant_size_v<Message>) {
    refuse("unknown kind " + std::to_string(kind));
  } else {
    if (kind != index) return read_kind<index + 1>(kind, reader);
    std::variant_alternative_t<index, Message> message;
    message.fields(reader);
    return message;
  }
}

}  // namespace

bool is_for_coordinator(const Message& message) {
  return std::visit(
      []<typename Kind>(const Kind&) {
        return std::is_same_v<Kind, Hello> || std::is_same_v<Kind, Ready> || std::is_same_v<Kind, Progress> ||
               std::is_same_v<Kind, Finished> || std::is_same_v<Kind, Failed> || std::is_same_v<Kind, Returned> ||
               std::is_same_v<Kind, GiveUp> || std::is_same_v<Kind, Bye>;
      },
      message);
}

std::vector<std::byte> encode(const Message& message) {
  Writer writer;
  writer.put_byte(wire_version);
  writer.put_byte(static_cast<std::uint8_t>(message.index()));
  Message copy = message;  // `fields` serves both directions, so it needs an lvalue
  std::visit([&writer](auto& m) { m.fields(writer); }, copy);
  return writer.take();
}

Message decode(const std::byte* data, std::size_t size) {
  Reader reader(data, size);
  const std::uint8_t version = reader.byte();
  if (version != wire_version) refuse("version " + std::to_string(version) + ", not " + std::to_string(wire_version));
  Message message = read_kind(reader.byte(), reader);
  if (reader.left() != 0) refuse("too long");
  return message;
}

}  // namespace shardmill::comm
