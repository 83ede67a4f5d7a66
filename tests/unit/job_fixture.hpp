// A temp folder with a model and a dataset to point at (their content is not looked at here), and jobs written into it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "job/load.hpp"

namespace shardmill::job {

inline const char* const minimal_job = R"(job: infer
name: digits
model: {path: data/m.pt}
dataset:
  path: data/d.h5
  inputs: [images]
batch_size: 64
outputs:
  label: {post: argmax}
)";

class JobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "shardmill-job-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = std::filesystem::canonical(pattern);
    before_ = std::filesystem::current_path();
    write("data/m.pt", "model");
    write("data/d.h5", "dataset");
    std::filesystem::current_path(folder_);
  }

  void TearDown() override {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path write(const std::string& name, const std::string& text) {
    const std::filesystem::path file = folder_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return name;
  }

  Job load(const std::string& text, const LoadOptions& options = {}) {
    return load_job(write("job.yaml", text), options);
  }

  // The diagnostics, one a line; "" if the job is good.
  std::string errors(const std::string& text, const LoadOptions& options = {}) {
    return errors_of(write("job.yaml", text), options);
  }

  static std::string errors_of(const std::filesystem::path& file, const LoadOptions& options = {}) {
    try {
      load_job(file, options);
    } catch (const JobError& e) {
      EXPECT_EQ(to_int(e.exit_code()), 2);
      EXPECT_FALSE(e.diagnostics().empty());
      return e.what();
    }
    return "";
  }

  // The minimal job with one of its lines replaced, or with lines added when `line` is empty.
  static std::string with(const std::string& line, const std::string& replacement) {
    std::string text = minimal_job;
    if (line.empty()) return text + replacement + "\n";
    const std::size_t at = text.find(line);
    EXPECT_NE(at, std::string::npos) << line;
    return text.replace(at, line.size(), replacement);
  }

  std::filesystem::path folder_;
  std::filesystem::path before_;
};

// Sets an environment variable for one test.
class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  std::string name_;
};

}  // namespace shardmill::job
