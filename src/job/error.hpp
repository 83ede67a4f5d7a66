// What can go wrong outside our control, as typed exceptions. Each message is one sentence that a user can act on.
//
// c10::Error, YAML::Exception, HDF5 and MPI codes are turned into these at the edge of the room that calls them.
// A broken invariant of ours is not an Error: see SHARDMILL_CHECK.
#pragma once

#include <stdexcept>
#include <string>

#include "job/exit_codes.hpp"

namespace shardmill {

class Error : public std::runtime_error {
 public:
  ExitCode exit_code() const { return code_; }

 protected:
  Error(const std::string& message, ExitCode code) : std::runtime_error(message), code_(code) {}

 private:
  ExitCode code_;
};

// The command line is wrong.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ExitCode::bad_job) {}
};

// The dataset is missing, unreadable or not what the job says.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(message, ExitCode::failed) {}
};

// The model cannot be loaded, or does not take what it is given.
class ModelError : public Error {
 public:
  explicit ModelError(const std::string& message) : Error(message, ExitCode::failed) {}
};

// Something durable (results, journal, checkpoint, log) cannot be written or read back.
class StoreError : public Error {
 public:
  explicit StoreError(const std::string& message) : Error(message, ExitCode::failed) {}
};

// MPI cannot go on, or the rank that this one depends on is gone.
class RankLost : public Error {
 public:
  explicit RankLost(const std::string& message) : Error(message, ExitCode::failed) {}
};

// Asked to stop (signal, walltime). Everything committed so far is safe.
class Preempted : public Error {
 public:
  explicit Preempted(const std::string& message) : Error(message, ExitCode::preempted) {}
};

// Thrown for a broken invariant, that is, for a bug of ours.
class CheckFailure : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);
}

}  // namespace shardmill

#define SHARDMILL_CHECK(condition, message)                                                       \
  do {                                                                                            \
    if (!(condition)) ::shardmill::detail::check_failed(__FILE__, __LINE__, #condition, message); \
  } while (false)
