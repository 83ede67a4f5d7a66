// SHA-256 of what is added, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace shardmill::dataset {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(const void* data, std::size_t bytes);
  // With its length before it, so that "ab","c" and "a","bc" differ.
  void add(std::string_view text);
  void add(std::int64_t number);  // as 8 bytes, little-endian
  std::string hex();              // ends it

 private:
  evp_md_ctx_st* context_;
};

}  // namespace shardmill::dataset
