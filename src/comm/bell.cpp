#include "comm/bell.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace shardmill::comm {
namespace {

struct Address {
  sockaddr_un name{};
  socklen_t size = 0;
};

Address address_of(const std::string& group, int rank) {
  const std::string text = "shardmill-" + std::to_string(rank) + "-" + group;
  Address address;
  address.name.sun_family = AF_UNIX;
  // After a first byte of zero, and without one at the end. What tells mpiruns of one host apart is at the group's end.
  const std::size_t room = sizeof address.name.sun_path - 1;
  const std::size_t head = text.find_last_of('-', text.size() - group.size() - 1) + 1;
  const std::string fitting =
      text.size() <= room ? text : text.substr(0, head) + group.substr(group.size() - (room - head));
  std::memcpy(address.name.sun_path + 1, fitting.data(), fitting.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + fitting.size());
  return address;
}

const sockaddr* as_sockaddr(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address.name));
}

}  // namespace

Bell::Bell() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (event_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Bell::Bell(const std::string& group, int rank) : Bell() {
  if (group.empty()) return;
  group_ = group;
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const Address mine = address_of(group, rank);
  if (socket_ >= 0 && ::bind(socket_, as_sockaddr(mine), mine.size) != 0) {
    ::close(socket_);
    socket_ = -1;
  }
}

Bell::~Bell() {
  ::close(event_);
  if (socket_ >= 0) ::close(socket_);
}

Bell::Rung Bell::wait(std::chrono::microseconds wait) {
  std::array<pollfd, 2> ends{{{event_, POLLIN, 0}, {socket_, POLLIN, 0}}};  // poll() passes over -1
  const auto us = std::max<std::chrono::microseconds::rep>(wait.count(), 0);
  const timespec limit{static_cast<std::time_t>(us / 1'000'000), static_cast<long>(us % 1'000'000 * 1000)};
  if (::ppoll(ends.data(), ends.size(), &limit, nullptr) <= 0) return Rung::nobody;
  if (ends[1].revents != 0) take();
  if (ends[0].revents == 0) return Rung::peer;
  std::array<char, sizeof(std::uint64_t)> taken{};
  static_cast<void>(::read(event_, taken.data(), taken.size()) < 0);
  rung_ = false;  // whoever rings before this is heard by it: the caller looks only now
  return Rung::here;
}

bool Bell::take() {
  std::array<char, 16> taken{};
  bool rung = false;
  while (::recv(socket_, taken.data(), taken.size(), 0) >= 0) rung = true;
  return rung;
}

void Bell::ring() {
  if (rung_.exchange(true)) return;
  const std::uint64_t one = 1;
  static_cast<void>(::write(event_, &one, sizeof one) < 0);  // it cannot overflow
}

void Bell::ring(int rank) { static_cast<void>(reaches(rank)); }

bool Bell::reaches(int rank) {
  const auto index = static_cast<std::size_t>(rank);
  if (socket_ < 0) return false;
  if (elsewhere_.size() <= index) elsewhere_.resize(index + 1, 0);
  if (elsewhere_[index] != 0) return false;
  const Address theirs = address_of(group_, rank);
  const char nothing = 0;
  const auto sent = ::sendto(socket_, &nothing, sizeof nothing, 0, as_sockaddr(theirs), theirs.size);
  // It has enough of them waiting already, or is gone.
  const bool is_there = sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
  if (!is_there) elsewhere_[index] = 1;
  return is_there;
}

}  // namespace shardmill::comm
