#include "cli/launcher.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/allocation.hpp"
#include "cli/idle_run.hpp"
#include "cli/machine.hpp"
#include "cli/places.hpp"
#include "cli/run_record.hpp"
#include "cli/slurm_job.hpp"
#include "cli/watchdog.hpp"
#include "job/error.hpp"

namespace shardmill::cli {
namespace {

// Signals reach the launcher, which passes on what the ranks should know. mpirun loses a USR1 that comes before it has
// started the ranks, so the first one is passed on again and again.
volatile std::sig_atomic_t mpirun_pid = 0;
volatile std::sig_atomic_t stops_asked = 0;
constexpr std::chrono::seconds ask_again{2};
constexpr unsigned stop_patience = 120;  // seconds for the ranks to stop by themselves, before mpirun ends them

void pass_on(int signal) {
  // A batch system may ask more than once, but only people and their patience end a run at once.
  if (signal == SIGUSR1 && stops_asked > 0) return;
  stops_asked = stops_asked + (signal == SIGALRM && stops_asked == 0 ? 0 : 1);
  if (mpirun_pid <= 0) return;
  // mpirun forwards USR1 to every rank; TERM makes it end them.
  ::kill(static_cast<pid_t>(mpirun_pid), stops_asked == 1 ? SIGUSR1 : SIGTERM);
  if (stops_asked == 1) ::alarm(stop_patience);
}

// SIGHUP asks a server to load its models again: mpirun passes USR2 on to every rank. It is kept until the server is
// up; before that it would end ranks. A terminal that is closed sends HUP, too, and means the end.
volatile std::sig_atomic_t reload_asked = 0;
bool has_terminal() {
  const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) ::close(terminal);
  return terminal >= 0;
}
volatile std::sig_atomic_t began_on_terminal = 0;
void on_hangup(int signal) {
  if (began_on_terminal != 0 && !has_terminal()) return pass_on(signal);
  reload_asked = 1;
}
bool is_up(const job::Job& job, const store::RunFolder& folder, std::int64_t ready_before) {
  const auto record = read_record(job, folder);
  return record && record->advances > ready_before;
}
void forward_reload(const job::Job& job, const store::RunFolder& folder, std::int64_t ready_before) {
  if (reload_asked == 0 || !is_up(job, folder, ready_before)) return;
  reload_asked = 0;
  ::kill(static_cast<pid_t>(mpirun_pid), SIGUSR2);
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
  // In an allocation mpirun starts its daemons by srun, which waits for ever for what a dead mpirun's have not given
  // back yet.
  ::setenv("PRTE_MCA_plm_slurm_args", "--overlap", 0);
  // A rehearsed crash happens once.
  if (restarted) {
    ::unsetenv("SHARDMILL_CRASH_AT");
    ::unsetenv("SHARDMILL_DISK_FAULT");
  }
}

// Where mpirun puts the ranks: on this machine, or evenly over the nodes of the allocation.
std::vector<std::string> placement(const std::optional<Allocation>& allocation, int ranks) {
  const int nodes = allocation ? allocation->nodes : 1;
  const std::string per_node = std::to_string((ranks + nodes - 1) / nodes);
#if SHARDMILL_MPI_IS_OPENMPI
  if (allocation) return {"--map-by", "ppr:" + per_node + ":node:OVERSUBSCRIBE", "--bind-to", "none"};
  return {"--oversubscribe", "--bind-to", "none"};
#else
  if (allocation) return {"-ppn", per_node};
  return {};
#endif
}

std::vector<std::string> command_line(const job::Job& job, const store::RunFolder& folder, int ranks,
                                      const LaunchOptions& options) {
  std::vector<std::string> words{mpirun().string()};
#if SHARDMILL_MPI_HAS_ULFM
  words.insert(words.end(), {"--with-ft", "ulfm"});
#endif
  const std::vector<std::string> places = placement(allocation_from_environment(), ranks);
  words.insert(words.end(), places.begin(), places.end());
  words.insert(words.end(),
               {"-np", std::to_string(ranks), rank_program().string(), "run-folder", folder.path.string()});
  words.insert(words.end(), {"--progress", options.quiet ? "none" : ::isatty(STDOUT_FILENO) != 0 ? "bar" : "lines"});
  if (options.quiet) words.emplace_back("--no-summary");
  if (options.rehearsal) words.emplace_back("--rehearsal");
  if (job.kind == job::Kind::infer) words.emplace_back("--may-be-fed");
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

  // Until the other end is closed.
  void drain(int fd, Watchdog& watchdog, const std::function<void()>& now_and_then) {
    std::array<char, 4096> buffer;
    auto asked = Clock::now();
    for (auto looked = Clock::now();;) {
      if (stops_asked == 1 && Clock::now() - asked >= ask_again) {
        asked = Clock::now();
        ::kill(static_cast<pid_t>(mpirun_pid), SIGUSR1);
      }
      now_and_then();
      if (Clock::now() - looked >= watchdog_interval) {
        looked = Clock::now();
        if (const std::string did = watchdog.look(); !did.empty()) log("shardmill: " + did + "\n");
      }
      pollfd wait{fd, POLLIN, 0};
      if (::poll(&wait, 1, static_cast<int>(watchdog_interval.count())) <= 0) continue;
      const ssize_t got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      for (ssize_t i = 0; i < got; ++i) {
        line_ += buffer[static_cast<std::size_t>(i)];
        if (line_.back() == '\n') end_line();
      }
      if (told_) watchdog.error_told();
    }
    if (!line_.empty()) end_line();
  }
  bool told() const { return told_; }
  void log(const std::string& line) {
    if (log_ == nullptr) return;
    std::fputs(line.c_str(), log_);
    std::fflush(log_);
  }

 private:
  using Clock = std::chrono::steady_clock;

  void end_line() {
    log(line_);
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
int run_once(const std::vector<std::string>& words, const job::Job& job, const store::RunFolder& folder, int ranks,
             ErrorStream& errors, IdleRun* idle) {
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
  Watchdog watchdog(folder, child, job.fault_tolerance.rank_timeout, ranks);
  const auto record = read_record(job, folder);
  const std::int64_t ready_before = record ? record->advances : 0;
  errors.drain(ends[0], watchdog, [&] {
    forward_reload(job, folder, ready_before);
    if (idle == nullptr) return;
    if (stops_asked > 0) return idle->ask_to_stop();
    idle->look([&] { return is_up(job, folder, ready_before); });
  });
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  mpirun_pid = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Is the run getting anywhere? Rows and checkpoints that are done say so, and suspicions, while a record that kills is
// pinned down.
struct Steps {
  std::int64_t advances = 0;
  std::int64_t suspicions = 0;
};
Steps steps_of(const std::optional<RunRecord>& record) {
  return record ? Steps{record->advances, record->suspicions} : Steps{};
}
// mpiruns in a row that may raise suspicions but finish no row: a bound for what should end much sooner (max_attempts
// deaths for a record, and a few to tell it from what ran beside it).
constexpr int most_suspicions = 40;

std::uintmax_t journal_bytes(const store::RunFolder& folder) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(folder.journal(), error);
  return error ? 0 : bytes;
}

// Processes that are started in addition: spares, and the front of a server, which runs no model.
int beside_ranks(const job::Job& job) { return job.fault_tolerance.spares + (job.kind == job::Kind::serve ? 1 : 0); }

// Open MPI's mpirun now and then ends at once, before any rank is there ("The PMIx server's listener thread failed to
// start"; seen in one of some hundred starts on a busy machine). No rank has lived, so no restart is used up, and a
// rehearsed crash is still to come.
int run_until_it_starts(const std::vector<std::string>& words, const job::Job& job, const store::RunFolder& folder,
                        int ranks, ErrorStream& errors, IdleRun* idle) {
  constexpr int never_started = 213;
  constexpr int most_tries = 5;
  for (int tries = 1;; ++tries) {
    const int code = run_once(words, job, folder, ranks, errors, idle);
    if (code != never_started || tries == most_tries || stops_asked > 0) return code;
    errors.log("shardmill: mpirun could not start; trying again\n");
    if (tries > 1) std::fprintf(stderr, "shardmill: mpirun could not start; trying again\n");  // once is no news
  }
}

}  // namespace

int choose_ranks(const job::Job& job, int asked) {
  // What a server's models need at least.
  const int needed = job.kind == job::Kind::serve ? job::ranks_needed(job.serve) : 1;
  if (asked > 0 && asked < needed)
    throw UsageError("the models of the server need " + std::to_string(needed) + " ranks; -n asks for " +
                     std::to_string(asked));
  if (asked > 0) return asked;
  if (job.resources.ranks) return *job.resources.ranks;
  if (const auto allocation = allocation_from_environment()) {
    return std::max(allocation->nodes * allocation->ranks_per_node - beside_ranks(job), needed);
  }
  if (runs_on_gpus(job)) return std::max(gpus(), needed);
  return std::max(cores() / job.resources.threads_per_rank, needed);
}

ExitCode launch(const job::Job& job, const store::RunFolder& folder, const LaunchOptions& options) {
  struct sigaction action {};
  action.sa_handler = pass_on;
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGALRM, &action, nullptr);
  if (job.kind == job::Kind::serve) {
    began_on_terminal = has_terminal() ? 1 : 0;
    action.sa_handler = on_hangup;
    sigaction(SIGHUP, &action, nullptr);
  }
  if (const auto allocation = allocation_from_environment()) note_slurm_job(folder, allocation->job);
  ErrorStream errors(folder);
  // It outlives the server's mpiruns.
  std::unique_ptr<IdleRun> idle;
  if (job.serve.idle_job)
    idle = std::make_unique<IdleRun>(job, folder, choose_ranks(job, options.ranks) + job.fault_tolerance.spares);
  Steps before = steps_of(read_record(job, folder));
  const std::string resume = "`shardmill resume " + folder.path.string() + "` goes on from what is durable";
  int in_vain = 0;  // restarts that count against max_restarts
  int suspicions = 0;
  for (bool restarted = false;; restarted = true) {
    prepare_environment(job, restarted);
    if (restarted) follow_allocation();
    const int all = choose_ranks(job, options.ranks) + beside_ranks(job);
    const std::vector<std::string> words = command_line(job, folder, all, options);
    const std::uintmax_t bytes_before = journal_bytes(folder);
    if (stops_asked > 0) throw Preempted("stopped; " + resume);
    const int code = run_until_it_starts(words, job, folder, all, errors, idle.get());
    // A journal that has not grown ends with an earlier mpirun's last word.
    const bool news = journal_bytes(folder) != bytes_before;
    const auto record = read_record(job, folder);
    if (news && record && record->ended) {
      const ExitCode outcome = *record->ended;
      // Done, but killed before it could say so: the next mpirun finds nothing to compute and writes the summary.
      std::error_code error;
      const bool whole = outcome == ExitCode::done || outcome == ExitCode::quarantined;
      if (!whole || std::filesystem::exists(folder.summary(), error) || restarted) return outcome;
    }
    const std::string ended = "mpirun ended (exit code " + std::to_string(code) + ") before the run was done";
    if (errors.told()) return ExitCode::failed;
    if (stops_asked > 0) throw Preempted("stopped; " + resume);
    const Steps steps = steps_of(record);
    const bool advanced = steps.advances > before.advances;
    suspicions = advanced ? 0 : suspicions + 1;
    const bool free = advanced || (steps.suspicions > before.suspicions && suspicions <= most_suspicions);
    before = steps;
    const int most = job.fault_tolerance.max_restarts;
    if (most == 0 || (!free && in_vain >= most)) {
      throw RankLost(ended + (in_vain > 0 ? ", " + std::to_string(in_vain + 1) + " times without progress" : "") +
                     "; see " + folder.logs().string() + "; " + resume);
    }
    if (!free) ++in_vain;
    const std::string count = free ? "it has made progress" : std::to_string(in_vain) + " of " + std::to_string(most);
    std::fprintf(stderr, "shardmill: %s; starting it again (%s)\n", ended.c_str(), count.c_str());
  }
}

}  // namespace shardmill::cli
