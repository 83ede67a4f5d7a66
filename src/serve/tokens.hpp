// Who may ask: bearer tokens, of which only SHA-256 digests are kept.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::serve {

class Tokens {
 public:
  // A token a line, as it is or as "sha256:" and 64 hexadecimal digits; "#" begins a comment. Throws StoreError if the
  // file cannot be read, holds no token, or holds a line that is none; the line is named by its number only.
  static Tokens read(const std::filesystem::path& file);

  // The value of the header Authorization: "Bearer <token>". Takes as long for a wrong token as for a right one.
  bool admit(std::string_view authorization) const;

  std::size_t size() const { return digests_.size(); }

 private:
  using Digest = std::array<std::uint8_t, 32>;
  static Digest digest(std::string_view text);

  std::vector<Digest> digests_;
};

}  // namespace shardmill::serve
