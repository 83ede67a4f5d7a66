#include "serve/file_digest.hpp"

#include <array>
#include <exception>
#include <fstream>
#include <memory>
#include <vector>

#include <openssl/evp.h>

#include "job/error.hpp"

namespace shardmill::serve {
namespace {
constexpr int most_loads = 5;
}  // namespace

std::string file_digest(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&::EVP_MD_CTX_free)> context(::EVP_MD_CTX_new(), &::EVP_MD_CTX_free);
  ::EVP_DigestInit_ex(context.get(), ::EVP_sha256(), nullptr);
  std::vector<char> buffer(std::size_t{1} << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0)
    ::EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
  if (!in.eof()) throw ModelError("model " + file.string() + " cannot be read");
  std::array<unsigned char, 32> digest{};
  ::EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) {
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

std::string load_unchanged(const std::filesystem::path& file, const std::function<void()>& load) {
  std::string digest = file_digest(file);
  for (int loads = 1; loads <= most_loads; ++loads) {
    std::exception_ptr failure;
    try {
      load();
    } catch (...) {
      failure = std::current_exception();
    }
    std::string now = file_digest(file);
    if (now == digest) {
      if (failure) std::rethrow_exception(failure);
      return digest;
    }
    digest = std::move(now);
  }
  throw ModelError("model " + file.string() + " changes whenever it is loaded");
}

}  // namespace shardmill::serve
