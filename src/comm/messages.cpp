#include "comm/messages.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

#include "job/error.hpp"

namespace shardmill::comm {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

// Becomes whatever a field is: a message has as many fields as it can be made of these.
struct AnyField {
  template <typename Field>
  operator Field() const;  // NOLINT(google-explicit-constructor)
};

template <typename Record, typename... Fields>
consteval std::size_t field_count() {
  if constexpr (requires { Record{Fields{}..., AnyField{}}; }) {
    return field_count<Record, Fields..., AnyField>();
  } else {
    return sizeof...(Fields);
  }
}

// archive(field, field, ...), in the order of the struct.
template <typename Archive, typename Record>
void give_fields(Archive& archive, Record& record) {
  constexpr std::size_t count = field_count<std::remove_const_t<Record>>();
  static_assert(count <= 8, "one more line here");
  if constexpr (count == 1) {
    auto& [a] = record;
    archive(a);
  } else if constexpr (count == 2) {
    auto& [a, b] = record;
    archive(a, b);
  } else if constexpr (count == 3) {
    auto& [a, b, c] = record;
    archive(a, b, c);
  } else if constexpr (count == 4) {
    auto& [a, b, c, d] = record;
    archive(a, b, c, d);
  } else if constexpr (count == 5) {
    auto& [a, b, c, d, e] = record;
    archive(a, b, c, d, e);
  } else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = record;
    archive(a, b, c, d, e, f);
  } else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = record;
    archive(a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = record;
    archive(a, b, c, d, e, f, g, h);
  }
}

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& bytes) : bytes_(bytes) {}

  template <typename... Field>
  void operator()(const Field&... field) {
    (put(field), ...);
  }

 private:
  void put_bytes(const void* data, std::size_t size) {
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }
  template <typename Number>
  requires std::is_arithmetic_v<Number>
  void put(const Number& value) { put_bytes(&value, sizeof value); }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    put_bytes(text.data(), text.size());
  }
  template <typename Item>
  void put(const std::vector<Item>& list) {
    put(static_cast<std::uint32_t>(list.size()));
    for (const Item& item : list) {
      if constexpr (std::is_arithmetic_v<Item>)
        put(item);
      else
        give_fields(*this, item);
    }
  }

  std::vector<std::byte>& bytes_;
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
  template <typename Item>
  void get(std::vector<Item>& list) {
    std::uint32_t size = 0;
    get(size);
    if (size > left_) refuse("too short");  // every item takes a byte at least: bounds the allocation
    list.resize(size);
    for (Item& item : list) {
      if constexpr (std::is_arithmetic_v<Item>)
        get(item);
      else
        give_fields(*this, item);
    }
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
    give_fields(reader, message);
    return message;
  }
}

}  // namespace

bool is_for_coordinator(const Message& message) {
  return std::visit(
      []<typename Kind>(const Kind&) {
        return std::is_same_v<Kind, Hello> || std::is_same_v<Kind, Ready> || std::is_same_v<Kind, Progress> ||
               std::is_same_v<Kind, Finished> || std::is_same_v<Kind, Asked> || std::is_same_v<Kind, Failed> ||
               std::is_same_v<Kind, Returned> || std::is_same_v<Kind, GiveUp> || std::is_same_v<Kind, Bye> ||
               std::is_same_v<Kind, Standing> || std::is_same_v<Kind, Loaded> || std::is_same_v<Kind, LoadFailed> ||
               std::is_same_v<Kind, Answered> || std::is_same_v<Kind, Unsighted>;
      },
      message);
}

bool is_bulk(const Message& message) {
  return std::holds_alternative<Fetch>(message) || std::holds_alternative<Store>(message) ||
         std::holds_alternative<Served>(message);
}

void encode(const Message& message, std::vector<std::byte>& bytes) {
  Writer writer(bytes);
  writer(wire_version, static_cast<std::uint8_t>(message.index()));
  std::visit([&writer](const auto& m) { give_fields(writer, m); }, message);
}

std::vector<Message> decode(const std::byte* data, std::size_t size) {
  Reader reader(data, size);
  std::vector<Message> messages;
  do {
    const std::uint8_t version = reader.byte();
    if (version != wire_version) refuse("version " + std::to_string(version) + ", not " + std::to_string(wire_version));
    messages.push_back(read_kind(reader.byte(), reader));
  } while (reader.left() > 0);
  return messages;
}

}  // namespace shardmill::comm
