// Everything that is wrong with a job, gathered so that a user sees it in one go.
#pragma once

#include <string>
#include <vector>

#include "job/error.hpp"

namespace shardmill::job {

// A place in a job file or profile; line and column count from 1. line 0: no place known (a default), only the file is
// shown; file empty: a --set override, shown as "--set".
struct Location {
  std::string file;
  int line = 0;
  int column = 0;

  std::string to_string() const;  // "jobs/x.yaml:12:7"
  friend bool operator==(const Location&, const Location&) = default;
};

struct Diagnostic {
  Location where;
  std::string message;

  std::string to_string() const;  // "jobs/x.yaml:12:7: unknown key 'batchsize', did you mean 'batch_size'?"
};

// The job cannot run as it is written. what() holds all diagnostics, one a line.
class JobError : public Error {
 public:
  explicit JobError(std::vector<Diagnostic> diagnostics);
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

class Diagnostics {
 public:
  void add(Location where, std::string message);
  bool empty() const { return found_.empty(); }
  const std::vector<Diagnostic>& found() const { return found_; }
  // Throws JobError, ordered by place and without repeats, if anything was added.
  void throw_if_any() const;

 private:
  std::vector<Diagnostic> found_;
};

}  // namespace shardmill::job
