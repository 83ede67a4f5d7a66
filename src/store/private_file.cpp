#include "store/private_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "job/error.hpp"

namespace shardmill::store {
namespace {

constexpr std::size_t most_at_once = std::size_t{1} << 30;  // Linux writes 2 GiB less a page at most

std::string folder() {
  const char* set = std::getenv("TMPDIR");
  return set == nullptr || *set == '\0' ? "/tmp" : set;
}

[[noreturn]] void fail(const std::string& doing) {
  throw StoreError(doing + " in " + folder() + ": " + std::strerror(errno) + "; set TMPDIR to a folder with room");
}

}  // namespace

PrivateFile::PrivateFile() {
  std::string name = folder() + "/shardmill-XXXXXX";
  fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) fail("cannot create a temporary file");
  ::unlink(name.c_str());
}

PrivateFile::~PrivateFile() { ::close(fd_); }

void PrivateFile::write_at(std::uint64_t offset, const void* data, std::size_t size) {
  const auto* from = static_cast<const char*>(data);
  for (std::size_t done = 0; done < size;) {
    const ssize_t written =
        ::pwrite(fd_, from + done, std::min(size - done, most_at_once), static_cast<off_t>(offset + done));
    if (written >= 0) {
      done += static_cast<std::size_t>(written);
    } else if (errno != EINTR) {
      fail("cannot write a temporary file");
    }
  }
}

}  // namespace shardmill::store
