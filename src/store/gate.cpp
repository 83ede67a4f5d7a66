#include "store/gate.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "job/error.hpp"
#include "store/disk.hpp"

namespace shardmill::store {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int wanted = 0;
constexpr int inside = 1;
constexpr std::chrono::microseconds nap{100};  // between two looks of who goes first: what a request may wait longer

// Locks of the open file and not of the process: closing another file that is the same one releases nothing.
int lock(int fd, int command, short type, int byte) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  int result = 0;
  while ((result = ::fcntl(fd, command, &range)) != 0 && errno == EINTR) {
  }
  return result;
}

[[noreturn]] void fail(const std::string& doing, const std::filesystem::path& file) {
  throw StoreError("cannot " + doing + " " + file.string() + ": " + std::strerror(errno) +
                   "; put the run's folder where files can be locked (--run-dir)");
}

std::filesystem::path gates_here(const RunFolder& run) { return gates_of(run) / this_host(); }

}  // namespace

Gate::Gate(std::filesystem::path file)
    : file_(std::move(file)), fd_(::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (fd_ < 0) fail("open", file_);
  if (lock(fd_, F_OFD_GETLK, F_WRLCK, wanted) == 0) return;
  const int error = errno;
  ::close(fd_);
  errno = error;
  fail("lock", file_);
}

Gate::~Gate() { ::close(fd_); }

bool Gate::try_lock(int byte) {
  if (lock(fd_, F_OFD_SETLK, F_WRLCK, byte) == 0) return true;
  if (errno != EAGAIN && errno != EACCES) fail("lock", file_);
  return false;
}

void Gate::unlock(int byte) { static_cast<void>(lock(fd_, F_OFD_SETLK, F_UNLCK, byte)); }

bool Gate::claim(std::chrono::duration<double> patience) {
  const auto until = Clock::now() + patience;
  for (const int byte : {wanted, inside}) {
    while (!try_lock(byte)) {
      if (Clock::now() > until) return false;
      std::this_thread::sleep_for(nap);
    }
  }
  return true;
}

void Gate::release() {
  unlock(inside);
  unlock(wanted);
}

bool Gate::try_enter() {
  if (!try_lock(wanted)) return false;
  const bool entered = try_lock(inside);
  unlock(wanted);
  return entered;
}

void Gate::leave() { unlock(inside); }

std::filesystem::path gates_of(const RunFolder& run) { return run.path / "gates"; }

std::unique_ptr<Gate> make_gate(const RunFolder& run, int local_rank) {
  posix_disk().make_folders(gates_here(run));
  return std::make_unique<Gate>(gates_here(run) / std::to_string(local_rank));
}

std::unique_ptr<Gate> find_gate(const RunFolder& run, int local_rank) {
  std::vector<int> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(gates_here(run), error)) {
    const std::string name = entry.path().filename().string();
    int number = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), number).ec == std::errc()) numbers.push_back(number);
  }
  if (numbers.empty()) return nullptr;
  std::sort(numbers.begin(), numbers.end());
  const int number = numbers[static_cast<std::size_t>(local_rank) % numbers.size()];
  return std::make_unique<Gate>(gates_here(run) / std::to_string(number));
}

}  // namespace shardmill::store
