#include "job/text.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace shardmill::job {
namespace {

constexpr std::size_t max_quoted = 80;
constexpr std::size_t max_listed = 12;

// Case, and '-' for '_', are slips that cost nothing.
std::string normalized(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Edits to turn a into b, where swapping two neighbours is one edit.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string quote(std::string_view text) {
  std::size_t length = std::min(text.size(), max_quoted);
  while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  std::string out = "'";
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", byte);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + (length < text.size() ? "...'" : "'");
}

std::string join(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += between;
    out += word;
  }
  return out;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() > max_quoted) return std::nullopt;
  const std::string wanted = normalized(word);
  std::optional<std::string> best;
  std::size_t best_distance = 0;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > max_quoted) continue;
    const std::size_t allowed = std::max<std::size_t>(1, std::min(wanted.size(), candidate.size()) / 3);
    // Each letter that one has more than the other is an edit: no need to count further.
    if (std::max(wanted.size(), candidate.size()) - std::min(wanted.size(), candidate.size()) > allowed) continue;
    const std::size_t found = distance(wanted, normalized(candidate));
    if (found > allowed || (best && found >= best_distance)) continue;
    best = candidate;
    best_distance = found;
  }
  return best;
}

std::string suggest(std::string_view word, const std::vector<std::string>& candidates, std::string_view label) {
  if (const auto near = nearest(word, candidates)) return ", did you mean " + quote(*near) + "?";
  if (candidates.empty()) return "";
  std::vector<std::string> listed(candidates.begin(),
                                  candidates.begin() + static_cast<long>(std::min(candidates.size(), max_listed)));
  if (candidates.size() > max_listed) listed.emplace_back("...");
  return "; " + std::string(label) + ": " + join(listed);
}

}  // namespace shardmill::job
