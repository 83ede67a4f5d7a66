// Two processes that share a rank's cores or GPU take turns: one goes first whenever it has something to do (a rank of
// a server), the other one gives way at the end of what it has in hand (a rank of the server's idle job).
//
// They are locks on two bytes of a file, so a process that dies leaves nothing locked:
//   wanted (byte 0)   held by who goes first as long as it has something to do, by the others while they enter
//   inside (byte 1)   held by who computes
// Who gives way enters with both and lets go of the first at once. So who goes first waits for one that is inside
// already, and for nobody else, however many there are and however often they try.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "store/run_folder.hpp"

namespace shardmill::store {

// One of the processes' ends; each opens its own. One thread.
class Gate {
 public:
  // Makes the file if it is not there. Throws StoreError, also where files cannot be locked.
  explicit Gate(std::filesystem::path file);
  ~Gate();  // lets go
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // ---- Who goes first

  // From now on nobody enters. Waits for one that is inside; false if it is still there after `patience`. Then, too,
  // nobody else enters until release().
  bool claim(std::chrono::duration<double> patience);
  void release();

  // ---- Who gives way

  // False if it is not to enter now; never waits.
  bool try_enter();
  void leave();

 private:
  bool try_lock(int byte);
  void unlock(int byte);

  std::filesystem::path file_;
  int fd_;
};

// Of a run that gives way: where its gates are. A server's ranks make them before the run begins.
std::filesystem::path gates_of(const RunFolder& run);
// For the rank that goes first with this number on this host.
std::unique_ptr<Gate> make_gate(const RunFolder& run, int local_rank);
// For the rank that gives way with this number on this host. Shared, if there are more of these than of those; null if
// there is nobody on this host to give way to.
std::unique_ptr<Gate> find_gate(const RunFolder& run, int local_rank);

}  // namespace shardmill::store
