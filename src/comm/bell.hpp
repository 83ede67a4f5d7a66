// Wakes the one thread of a process that waits for messages over MPI, which itself can wake nobody: whoever has sent it
// something rings. A ring says only that it is worth looking; it carries nothing, and none is ever needed: the thread
// looks by itself, too, only later. So a ring that is lost costs a moment.
//
// Between processes of one host a ring is a datagram to a socket in Linux's abstract namespace (unix(7)), which leaves
// nothing behind, whatever dies.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace shardmill::comm {

class Bell {
 public:
  // Only for the threads of this process.
  Bell();
  // Also for the other ranks of `group` (one mpirun, under a name that no other one has at the time) on this host.
  // Before MPI starts: then nobody rings in vain. Cannot fail; in a process that has no such socket it is as above.
  Bell(const std::string& group, int rank);
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  // ---- The thread that waits

  enum class Rung {
    nobody,  // `wait` is over
    here,    // a thread of this process, and perhaps others
    peer,    // only other processes
  };
  // Returns at once if it has been rung since the last call.
  Rung wait(std::chrono::microseconds wait);
  // For threads that wait for more than rings: what can be read when other ranks have rung (-1: they cannot), and
  // whether they had, until now.
  int descriptor() const { return socket_; }
  bool take();
  // Wakes that rank; nothing happens where it is on another host, or dead. Microseconds.
  void ring(int rank);
  // That rank and this one can ring each other. Rings it.
  bool reaches(int rank);

  // ---- Any thread

  // Wakes the thread that waits, or keeps it from waiting.
  void ring();

 private:
  std::string group_;
  int event_ = -1;   // what ring() writes
  int socket_ = -1;  // what others ring; -1 if they cannot
  std::atomic<bool> rung_ = false;
  std::vector<std::uint8_t> elsewhere_;  // by rank: not on this host
};

}  // namespace shardmill::comm
