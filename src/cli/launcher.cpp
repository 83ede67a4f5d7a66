#include "cli/launcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/places.hpp"
#include "infer/run_files.hpp"
#include "job/error.hpp"

namespace shardmill::cli {
namespace {

// Signals reach the launcher, which passes on what the ranks should know.
volatile std::sig_atomic_t mpirun_pid = 0;
volatile std::sig_atomic_t stops_asked = 0;
constexpr unsigned stop_patience = 120;  // seconds for the ranks to stop by themselves, before mpirun ends them

void pass_on(int signal) {
  stops_asked = stops_asked + (signal == SIGALRM && stops_asked == 0 ? 0 : 1);
  if (mpirun_pid <= 0) return;
  // mpirun forwards USR1 to every rank; TERM makes it end them.
  ::kill(static_cast<pid_t>(mpirun_pid), stops_asked == 1 ? SIGUSR1 : SIGTERM);
  if (stops_asked == 1) ::alarm(stop_patience);
}

int cores() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(CPU_COUNT(&set), 1);
  return 1;
}

int gpus() {
#ifdef SHARDMILL_WITH_CUDA
  int count = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
#else
  return 0;
#endif
}

void prepare_environment(const job::Job& job, bool restarted) {
  const std::string threads = std::to_string(job.resources.threads_per_rank);
  ::setenv("OMP_NUM_THREADS", threads.c_str(), 1);
  ::setenv("HDF5_USE_FILE_LOCKING", "BEST_EFFORT", 0);
  if (::geteuid() == 0) {
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  }
  // The libfabric transport alone takes a second to start, and is of no use inside one machine.
  ::setenv("OMPI_MCA_btl", "^ofi", 0);
  // A rehearsed crash happens once.
  if (restarted) ::unsetenv("SHARDMILL_CRASH_AT");
}

std::vector<std::string> command_line(const store::RunFolder& folder, int ranks, const LaunchOptions& options) {
  std::vector<std::string> words{mpirun().string()};
#if SHARDMILL_MPI_HAS_ULFM
  words.insert(words.end(), {"--with-ft", "ulfm"});
#endif
#if SHARDMILL_MPI_IS_OPENMPI
  words.insert(words.end(), {"--oversubscribe", "--bind-to", "none"});
#endif
  words.insert(words.end(),
               {"-np", std::to_string(ranks), rank_program().string(), "run-folder", folder.path.string()});
  words.insert(words.end(), {"--progress", options.quiet ? "none" : ::isatty(STDOUT_FILENO) != 0 ? "bar" : "lines"});
  if (options.quiet) words.emplace_back("--no-summary");
  return words;
}

// mpirun's standard error: our ranks' sentences go to the user, everything to the log.
class ErrorStream {
 public:
  explicit ErrorStream(const store::RunFolder& folder)
      : log_(std::fopen((folder.logs() / "mpirun.log").c_str(), "ae")) {}
  ~ErrorStream() {
    if (log_ != nullptr) std::fclose(log_);
  }
  ErrorStream(const ErrorStream&) = delete;
  ErrorStream& operator=(const ErrorStream&) = delete;

  void drain(int fd) {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      for (ssize_t i = 0; i < got; ++i) {
        line_ += buffer[static_cast<std::size_t>(i)];
        if (line_.back() == '\n') end_line();
      }
    }
    if (!line_.empty()) end_line();
  }
  bool told() const { return told_; }

 private:
  void end_line() {
    if (log_ != nullptr) {
      std::fputs(line_.c_str(), log_);
      std::fflush(log_);
    }
    if (line_.rfind("shardmill: error: ", 0) == 0) {
      std::fputs(line_.c_str(), stderr);
      told_ = true;
    }
    line_.clear();
  }

  std::FILE* log_;
  std::string line_;
  bool told_ = false;
};

// One mpirun, from start to end. Its exit code (128 + signal if one ended it), for the message only.
int run_once(const std::vector<std::string>& words, ErrorStream& errors) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw StoreError(std::string("cannot start mpirun: ") + std::strerror(errno));
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) throw StoreError(std::string("cannot start mpirun: ") + std::strerror(errno));
  if (child == 0) {
    ::setpgid(0, 0);  // a terminal's interrupt reaches the launcher only, which asks the ranks to stop
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
    ::dup2(ends[1], STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  mpirun_pid = child;
  errors.drain(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  mpirun_pid = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::uintmax_t journal_bytes(const store::RunFolder& folder) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(folder.journal(), error);
  return error ? 0 : bytes;
}

}  // namespace

int choose_ranks(const job::Job& job, int asked) {
  if (asked > 0) return asked;
  if (job.resources.ranks) return *job.resources.ranks;
  if (job.model.device != job::Device::cpu && gpus() > 0) return gpus();
  return std::max(cores() / job.resources.threads_per_rank, 1);
}

ExitCode launch(const job::Job& job, const store::RunFolder& folder, const LaunchOptions& options) {
  const int ranks = choose_ranks(job, options.ranks);
  const std::vector<std::string> words = command_line(folder, ranks + job.fault_tolerance.spares, options);
  struct sigaction action {};
  action.sa_handler = pass_on;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGALRM, &action, nullptr);
  ErrorStream errors(folder);
  for (int restarts = 0;; ++restarts) {
    prepare_environment(job, restarts > 0);
    const std::uintmax_t before = journal_bytes(folder);
    const int code = run_once(words, errors);
    // A journal that has not grown ends with an earlier mpirun's last word.
    const bool news = journal_bytes(folder) != before;
    if (const auto record = infer::read_run(folder, job.batch_size); news && record && record->ledger.ended()) {
      const ExitCode outcome = record->ledger.ended()->outcome;
      // Done, but killed before it could say so: the next mpirun finds nothing to compute and writes the summary.
      std::error_code error;
      const bool whole = outcome == ExitCode::done || outcome == ExitCode::quarantined;
      if (!whole || std::filesystem::exists(folder.summary(), error) || restarts > 0) return outcome;
    }
    const std::string ended = "mpirun ended (exit code " + std::to_string(code) + ") before the run was done";
    const std::string resume = "`shardmill resume " + folder.path.string() + "` goes on from what is durable";
    if (errors.told()) return ExitCode::failed;
    if (stops_asked > 0) throw Preempted("stopped; " + resume);
    if (restarts >= job.fault_tolerance.max_restarts) {
      throw RankLost(ended + ", " + std::to_string(restarts + 1) + " times; see " + folder.logs().string() + "; " +
                     resume);
    }
    std::fprintf(stderr, "shardmill: %s; starting it again (%d of %d)\n", ended.c_str(), restarts + 1,
                 job.fault_tolerance.max_restarts);
  }
}

}  // namespace shardmill::cli
