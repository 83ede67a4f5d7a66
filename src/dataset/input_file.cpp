#include "dataset/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/error.hpp"

namespace shardmill::dataset {

namespace {
// Linux transfers at most 2 GiB less a page a call.
constexpr std::size_t max_transfer = std::size_t{1} << 30;

struct ::stat status(int fd, const std::filesystem::path& path) {
  struct ::stat found {};
  if (::fstat(fd, &found) != 0) throw DataError("cannot read " + path.string() + ": " + std::strerror(errno));
  return found;
}
}  // namespace

InputFile::InputFile(const std::filesystem::path& path) : path_(path) {
  do fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  while (fd_ < 0 && errno == EINTR);
  if (fd_ < 0) throw DataError("cannot open " + path.string() + ": " + std::strerror(errno));
  struct ::stat found {};
  if (::fstat(fd_, &found) == 0 && S_ISDIR(found.st_mode)) {
    ::close(fd_);
    throw DataError(path.string() + " is a folder, not a file");
  }
}

InputFile::~InputFile() { ::close(fd_); }

std::uint64_t InputFile::bytes() const { return static_cast<std::uint64_t>(status(fd_, path_).st_size); }

std::int64_t InputFile::mtime_ns() const {
  const auto time = status(fd_, path_).st_mtim;
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::size_t InputFile::read_some(std::uint64_t offset, void* destination, std::size_t count) const {
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = ::pread(fd_, static_cast<char*>(destination) + done, std::min(count - done, max_transfer),
                                static_cast<off_t>(offset + done));
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (got == 0) {
      break;
    } else if (errno != EINTR) {
      throw DataError("cannot read " + path_.string() + ": " + std::strerror(errno));
    }
  }
  return done;
}

void InputFile::will_read(std::uint64_t offset, std::size_t count) const {
  ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(count), POSIX_FADV_WILLNEED);
}

}  // namespace shardmill::dataset
