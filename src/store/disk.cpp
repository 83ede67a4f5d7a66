#include "store/disk.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/disk_fault.hpp"
#include "job/error.hpp"

namespace shardmill::store {
namespace {

[[noreturn]] void fail(const std::string& doing, const std::filesystem::path& path, int error) {
  std::string advice;
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      advice = "; free some space there, then resume the run";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      advice = "; choose a place that you may write to (--run-dir, or `output` in the job)";
      break;
    case EIO:
      advice = "; the disk reports an error: have it checked before you resume the run";
      break;
    default:
      break;
  }
  throw StoreError("cannot " + doing + " " + path.string() + ": " + std::strerror(error) + advice);
}

// A fault that is injected here is told like a real one.
void meet(DiskOp op, const std::string& doing, const std::filesystem::path& path) {
  if (const DiskFault fault = disk_fault(op, path); fault.error != 0) fail(doing, path, fault.error);
}

class PosixFile : public File {
 public:
  PosixFile(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixFile() override { ::close(fd_); }

  void write_at(std::uint64_t offset, const void* data, std::size_t size) override {
    const char* from = static_cast<const char*>(data);
    while (size > 0) {
      const DiskFault fault = disk_fault(DiskOp::write, path_);
      if (fault.error != 0) fail("write to", path_, fault.error);
      const ssize_t written = ::pwrite(fd_, from, fault.is_short ? (size + 1) / 2 : size, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write to", path_, errno);
      if (written == 0) fail("write to", path_, ENOSPC);
      from += written;
      offset += static_cast<std::uint64_t>(written);
      size -= static_cast<std::size_t>(written);
    }
  }
  void read_at(std::uint64_t offset, void* data, std::size_t size) override {
    char* to = static_cast<char*>(data);
    while (size > 0) {
      meet(DiskOp::read, "read", path_);
      const ssize_t got = ::pread(fd_, to, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("read from", path_, errno);
      if (got == 0) throw StoreError(path_.string() + " is shorter than it should be: it has been truncated");
      to += got;
      offset += static_cast<std::uint64_t>(got);
      size -= static_cast<std::size_t>(got);
    }
  }
  void sync() override {
    // Once fdatasync has failed the kernel may have dropped the pages: never try again and call it good.
    meet(DiskOp::sync, "sync", path_);
    if (::fdatasync(fd_) != 0) fail("sync", path_, errno);
  }
  void truncate(std::uint64_t size) override {
    meet(DiskOp::truncate, "set the size of", path_);
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("set the size of", path_, errno);
  }
  void reserve(std::uint64_t size) override {
    if (size == 0) return;
    meet(DiskOp::reserve, "reserve " + std::to_string(size) + " bytes for", path_);
    if (::fallocate(fd_, 0, 0, static_cast<off_t>(size)) == 0) return;
    if (errno != EOPNOTSUPP && errno != ENOSYS) fail("reserve " + std::to_string(size) + " bytes for", path_, errno);
    // A file system that cannot reserve (NFS 3, some FUSE ones): a full disk then shows when rows are written.
    truncate(std::max(size, this->size()));
  }
  std::uint64_t size() override {
    struct stat status {};
    if (::fstat(fd_, &status) != 0) fail("look at", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }
  bool try_lock() override { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }

 private:
  std::filesystem::path path_;
  int fd_;
};

class PosixDisk : public Disk {
 public:
  std::unique_ptr<File> open(const std::filesystem::path& path, Open how) override {
    meet(DiskOp::open, how == Open::create ? "create" : "open", path);
    int flags = O_CLOEXEC;
    flags |= how == Open::read ? O_RDONLY : O_RDWR;
    if (how == Open::create) flags |= O_CREAT;
    const int fd = ::open(path.c_str(), flags, 0644);
    if (fd < 0) fail(how == Open::create ? "create" : "open", path, errno);
    return std::make_unique<PosixFile>(path, fd);
  }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    meet(DiskOp::rename, "rename " + from.string() + " to", to);
    if (::rename(from.c_str(), to.c_str()) != 0) fail("rename " + from.string() + " to", to, errno);
  }
  bool link(const std::filesystem::path& from, const std::filesystem::path& to) override {
    meet(DiskOp::rename, "rename " + from.string() + " to", to);
    if (::link(from.c_str(), to.c_str()) == 0) return true;
    const int error = errno;
    // The answer of a file server may be lost, and the call repeated: then the name is ours, and "taken".
    struct stat status {};
    if (::stat(from.c_str(), &status) == 0 && status.st_nlink == 2) return true;
    if (error == EEXIST) return false;
    if (error != EPERM && error != EOPNOTSUPP && error != EMLINK && error != ENOSYS)
      fail("rename " + from.string() + " to", to, error);
    // A file system without second names, where the one that is first to look and last to rename wins.
    if (::access(to.c_str(), F_OK) == 0) return false;
    rename(from, to);
    return true;
  }
  void remove(const std::filesystem::path& path) override {
    meet(DiskOp::remove, "remove", path);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove", path, errno);
  }
  void make_folders(const std::filesystem::path& path) override {
    meet(DiskOp::make_folder, "create the folder", path);
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) fail("create the folder", path, error.value());
  }
  void sync_folder(const std::filesystem::path& folder) override {
    meet(DiskOp::sync_folder, "sync the folder", folder);
    const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) fail("open the folder", folder, errno);
    const int result = ::fsync(fd);
    const int error = errno;
    ::close(fd);
    // Some file systems have no such thing as syncing a folder, and say EINVAL.
    if (result != 0 && error != EINVAL) fail("sync the folder", folder, error);
  }
};

}  // namespace

Disk& posix_disk() {
  static PosixDisk disk;
  return disk;
}

namespace {

void write_durably(Disk& disk, const std::filesystem::path& path, std::string_view content) {
  const auto file = disk.open(path, Open::create);
  file->truncate(0);
  file->write_at(0, content.data(), content.size());
  file->sync();
}

}  // namespace

std::filesystem::path temporary_beside(const std::filesystem::path& path) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  return path.string() + "." + host.data() + "." + std::to_string(::getpid()) + ".tmp";
}

bool publish_file(Disk& disk, const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = temporary_beside(path);
  write_durably(disk, temporary, content);
  const bool first = disk.link(temporary, path);
  disk.remove(temporary);
  if (first) disk.sync_folder(path.parent_path());
  return first;
}

void write_file(Disk& disk, const std::filesystem::path& path, std::string_view content) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  write_durably(disk, temporary, content);
  disk.rename(temporary, path);
  disk.sync_folder(path.parent_path());
}

std::string read_file(Disk& disk, const std::filesystem::path& path) {
  const auto file = disk.open(path, Open::read);
  std::string content(file->size(), '\0');
  file->read_at(0, content.data(), content.size());
  return content;
}

}  // namespace shardmill::store
