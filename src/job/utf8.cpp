#include "job/utf8.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace shardmill::job {
namespace {

// Bytes of the UTF-8 character at the front of `text`; 0 if there is none (cut off, overlong, a surrogate, too large).
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  std::uint32_t code = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

}  // namespace

std::optional<BadText> find_bad_text(std::string_view text) {
  int line = 1;
  std::size_t line_begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const int column = static_cast<int>(i - line_begin) + 1;
    char hex[8];
    std::snprintf(hex, sizeof hex, "0x%02x", byte);
    const std::size_t length = character_length(text.substr(i, 4));
    if (length == 0) return BadText{line, column, std::string("not a text file: byte ") + hex + " is not UTF-8"};
    // The parser would take some of these for the end of the file.
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
      return BadText{line, column, std::string("not a text file: control character ") + hex};
    }
    i += length;
    if (byte == '\n') {
      ++line;
      line_begin = i;
    }
  }
  return std::nullopt;
}

}  // namespace shardmill::job
