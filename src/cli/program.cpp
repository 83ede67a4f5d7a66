#include "cli/program.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include "cli/places.hpp"
#include "comm/placement.hpp"
#include "job/diagnostics.hpp"
#include "job/error.hpp"

namespace shardmill::cli {
namespace {

constexpr unsigned patience = 5;  // seconds

// Under mpirun all ranks find the same mistakes; rank 0 says so. The others leave it the time to: most mpiruns end all
// of them as soon as one has left.
void say(const std::string& text) {
  if (comm::placement_from_environment().rank == 0) {
    std::fputs((text + "\n").c_str(), stderr);
  } else {
    ::sleep(patience);
  }
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const Action& action) {
  try {
    app.parse(argc, argv);
    return to_int(action());
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == to_int(ExitCode::done)) return app.exit(error);  // --help, --version
    say("shardmill: " + std::string(error.what()) + " (`shardmill --help` shows what there is)");
    return to_int(ExitCode::bad_job);
  } catch (const job::JobError& error) {
    say(error.what());
    return to_int(error.exit_code());
  } catch (const Error& error) {
    say("shardmill: error: " + std::string(error.what()));
    return to_int(error.exit_code());
  } catch (const std::exception& error) {
    say("shardmill: internal error: " + std::string(error.what()) + "; please report it");
    return to_int(ExitCode::failed);
  }
}

void become_rank_program(const std::vector<std::string>& words) {
  const std::string program = rank_program().string();
  std::vector<char*> arguments{const_cast<char*>(program.c_str())};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(program.c_str(), arguments.data());
  throw UsageError("cannot start " + program + ": " + std::strerror(errno));
}

}  // namespace shardmill::cli
