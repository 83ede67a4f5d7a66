#include "job/part.hpp"

#include <charconv>

namespace shardmill::job {

std::string to_text(const Part& part) { return std::to_string(part.index) + "/" + std::to_string(part.of); }

std::optional<Part> parse_part(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits, int& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return error == std::errc() && end == digits.data() + digits.size();
  };
  Part part;
  if (!number(text.substr(0, slash), part.index) || !number(text.substr(slash + 1), part.of)) return std::nullopt;
  if (part.of < 1 || part.of > most_parts || part.index < 1 || part.index > part.of) return std::nullopt;
  return part;
}

}  // namespace shardmill::job
