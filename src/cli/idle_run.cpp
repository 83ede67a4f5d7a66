#include "cli/idle_run.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/job_options.hpp"
#include "cli/places.hpp"
#include "cli/run_record.hpp"
#include "job/error.hpp"
#include "report/summary.hpp"
#include "store/disk.hpp"
#include "store/gate.hpp"

namespace shardmill::cli {
namespace {

constexpr std::chrono::seconds between_queue_looks{1};
constexpr int look_share = 50;  // of the time; a long journal is read less often
// For the ranks to stop by themselves, then for mpirun to end them.
constexpr std::chrono::seconds idle_stop_patience{30};
constexpr std::chrono::seconds idle_end_patience{10};
constexpr std::chrono::milliseconds nap{10};

std::filesystem::path log_of(const store::RunFolder& run) { return run.logs() / "launcher.log"; }

// What the run's launcher said last, for ends that the journal does not tell of.
std::string last_words(const store::RunFolder& run) {
  std::ifstream file(log_of(run));
  std::string last;
  for (std::string line; std::getline(file, line);) last = line.empty() ? last : line;
  const std::string prefix = "shardmill: error: ";
  return last.rfind(prefix, 0) == 0 ? last.substr(prefix.size()) : last;
}

const char* state_after(ExitCode outcome) {
  switch (outcome) {
    case ExitCode::done:
    case ExitCode::quarantined:
      return "done";
    case ExitCode::preempted:
      return "preempted";
    default:
      return "failed";
  }
}

}  // namespace

IdleRun::IdleRun(const job::Job& server, const store::RunFolder& folder, int ranks)
    : server_(folder), run_(serve::idle_run_of(folder)), ranks_(ranks) {
  std::error_code error;
  if (!std::filesystem::exists(run_.job(), error))
    store::create_run(store::posix_disk(), run_.path, load_idle_job(server).resolved_yaml);
  job_ = job_of(run_);
  std::filesystem::remove_all(store::gates_of(run_), error);  // of a launcher that was killed
  serve::write_idle_state(server_, state_);
}

IdleRun::~IdleRun() {
  ask_to_stop();
  const auto wait = [this](std::chrono::seconds patience) {
    for (const auto until = Clock::now() + patience; !has_ended() && Clock::now() < until;)
      std::this_thread::sleep_for(nap);
    return has_ended();
  };
  if (!wait(idle_stop_patience)) {
    ::kill(child_, SIGTERM);
    if (!wait(idle_end_patience)) ::kill(child_, SIGKILL);
  }
  std::error_code ignored;
  std::filesystem::remove_all(store::gates_of(run_), ignored);
  serve::remove_idle_state(server_);
}

void IdleRun::look(const std::function<bool()>& server_is_up) {
  if (!began_ && server_is_up()) start();
  if (child_ == 0 || has_ended() || Clock::now() < next_look_) return;
  const auto before = Clock::now();
  read_progress();
  next_look_ = before + std::max<Clock::duration>(between_queue_looks, (Clock::now() - before) * look_share);
}

void IdleRun::ask_to_stop() {
  if (child_ != 0 && !std::exchange(asked_to_stop_, true)) ::kill(child_, SIGTERM);
}

void IdleRun::start() {
  began_ = true;
  const std::string log = log_of(run_).string();
  const std::vector<std::string> words{own_program().string(), "resume", run_.path.string(), "--ranks",
                                       std::to_string(ranks_), "--quiet"};
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  child_ = ::fork();
  if (child_ == 0) {
    ::setpgid(0, 0);  // a terminal's interrupt reaches the server's launcher only
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  state_.state = child_ < 0 ? "failed" : "running";
  if (child_ < 0) state_.message = std::string("cannot start a process: ") + std::strerror(errno);
  child_ = std::max(child_, 0);
  serve::write_idle_state(server_, state_);
}

bool IdleRun::has_ended() {
  int status = 0;
  if (child_ == 0 || ::waitpid(child_, &status, WNOHANG) != child_) return child_ == 0;
  child_ = 0;
  note_end(status);
  return true;
}

void IdleRun::note_end(int status) {
  const ExitCode outcome = WIFEXITED(status) ? static_cast<ExitCode>(WEXITSTATUS(status)) : ExitCode::failed;
  read_progress();
  state_.state = state_after(outcome);
  if (outcome == ExitCode::quarantined) {
    state_.message = "some records are in quarantine";
  } else if (outcome == ExitCode::done) {
    state_.message.clear();
  } else if (state_.message.empty()) {
    state_.message = last_words(run_);
  }
  serve::write_idle_state(server_, state_);
}

void IdleRun::read_progress() {
  serve::IdleState now = state_;
  try {
    const auto record = read_record(job_, run_);
    if (!record) return;
    now.records = record->summary.records;
    now.records_done = record->summary.records_done;
    now.message = record->ended ? record->message : "";
  } catch (const Error&) {
    return;  // its own launcher says what is wrong
  }
  if (now == std::exchange(state_, now)) return;
  serve::write_idle_state(server_, state_);
}

}  // namespace shardmill::cli
