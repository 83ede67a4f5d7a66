// What the launcher sees of the processes of an mpirun.
#include <string>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/watchdog.hpp"
#include "temp_folder.hpp"

namespace shardmill::cli {
namespace {

// A process in a group of its own that runs a shell command, for as long as this lives.
class Shell {
 public:
  explicit Shell(const char* command) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::setpgid(0, 0);
    ::execl("/bin/sh", "sh", "-c", command, nullptr);
    ::_exit(127);
  }
  ~Shell() {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(Watchdog, ProcessesMayEndWhileTheyAreLookedAt) {
  const Shell mpirun("while :; do /bin/true & /bin/true & wait; done");
  const test::TempFolder folder;
  const store::RunFolder run{folder.path()};
  Watchdog watchdog(run, mpirun.pid(), 3600, 2);
  for (int look = 0; look < 20'000; ++look) ASSERT_EQ(watchdog.look(), "");
}

TEST(Watchdog, OneThatStaysStoppedIsKilled) {
  const Shell mpirun("sh -c 'kill -STOP $$'; sleep 100");
  const test::TempFolder folder;
  const store::RunFolder run{folder.path()};
  Watchdog watchdog(run, mpirun.pid(), 0.2, 2);
  std::string told;
  for (int look = 0; look < 2000 && told.empty(); ++look) {
    told = watchdog.look();
    ::usleep(5000);
  }
  EXPECT_NE(told.find("is stopped, it is killed"), std::string::npos);
}

}  // namespace
}  // namespace shardmill::cli
