#include "serve/tokens.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "job/error.hpp"

namespace shardmill::serve {
namespace {

constexpr std::size_t shortest = 16;  // fewer characters are guessed
constexpr std::string_view hashed = "sha256:";

// What RFC 6750 has for a token: letters, digits and -._~+/ with = at the end. So a token is never cut at a space.
bool is_token(std::string_view text) {
  const auto allowed = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~+/=").find(static_cast<char>(c)) != std::string_view::npos;
  };
  return text.size() >= shortest && std::all_of(text.begin(), text.end(), allowed);
}

bool equal_without_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

Tokens::Digest Tokens::digest(std::string_view text) {
  Digest digest{};
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

Tokens Tokens::read(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) throw StoreError("cannot read " + file.string() + "; check its permissions");
  Tokens tokens;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.front() == '#') continue;
    const std::string place = "line " + std::to_string(number) + " of " + file.string();
    if (!text.starts_with(hashed)) {
      if (!is_token(text))
        throw StoreError(place + " is no token: 16 characters or more, of letters, digits and -._~+/=");
      tokens.digests_.push_back(digest(text));
      continue;
    }
    const std::string_view digits = text.substr(hashed.size());
    Digest value{};
    bool good = digits.size() == 2 * value.size();
    for (std::size_t i = 0; good && i < value.size(); ++i) {
      const char* at = digits.data() + 2 * i;
      good = std::from_chars(at, at + 2, value[i], 16).ptr == at + 2;
    }
    if (!good) throw StoreError(place + " must have 64 hexadecimal digits after sha256:");
    tokens.digests_.push_back(value);
  }
  if (tokens.digests_.empty()) throw StoreError(file.string() + " holds no token, so nobody could ask anything");
  return tokens;
}

bool Tokens::admit(std::string_view authorization) const {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() < scheme.size() || !equal_without_case(authorization.substr(0, scheme.size()), scheme))
    return false;
  const Digest given = digest(trimmed(authorization.substr(scheme.size())));
  // All of them, whatever the outcome.
  bool found = false;
  for (const Digest& known : digests_) found |= ::CRYPTO_memcmp(known.data(), given.data(), given.size()) == 0;
  return found;
}

}  // namespace shardmill::serve
