// Every file of tests/jobs_broken is refused with the sentence that its first line expects; every file of jobs/ loads.
#include <fstream>
#include <regex>
#include <sstream>

#include <gmock/gmock.h>

#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<fs::path> yaml_files(const char* folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(fs::path(SHARDMILL_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

TEST(BrokenJobs, EachIsRefusedInTheWordsItExpects) {
  const auto files = yaml_files("tests/jobs_broken");
  EXPECT_GE(files.size(), 25u);
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename());
    std::string first_line;
    std::getline(std::ifstream(file) >> std::ws, first_line);
    const std::string marker = "# expect: ";
    ASSERT_EQ(first_line.rfind(marker, 0), 0u);
    std::string said;
    try {
      load_job(file);
    } catch (const Error& e) {
      said = e.what();
      EXPECT_EQ(to_int(e.exit_code()), 2);
    }
    EXPECT_THAT(said, HasSubstr(first_line.substr(marker.size())));
    std::istringstream lines(said);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_EQ(line.rfind(file.string() + ":", 0), 0u) << line;
      const std::string rest = line.substr(std::min(line.size(), file.string().size()));
      EXPECT_TRUE(std::regex_match(rest, std::regex(":[1-9][0-9]*:[1-9][0-9]*: .+"))) << line;
      for (const char* leak : {"yaml-cpp", "exception", "terminate"}) EXPECT_THAT(line, Not(HasSubstr(leak)));
    }
  }
}

TEST(BrokenJobs, EachHasOneProblemOnly) {
  for (const fs::path& file : yaml_files("tests/jobs_broken")) {
    try {
      load_job(file);
    } catch (const JobError& e) {
      EXPECT_EQ(e.diagnostics().size(), 1u) << e.what();
    }
  }
}

TEST(ReadyJobs, Load) {
  for (const fs::path& file : yaml_files("jobs")) {
    SCOPED_TRACE(file.filename());
    try {
      const Job job = load_job(file);
      EXPECT_EQ(job.project, fs::path(SHARDMILL_SOURCE_DIR));
    } catch (const JobError& e) {
      // Files that are made by a script, and not kept in the repository.
      for (const Diagnostic& d : e.diagnostics()) EXPECT_THAT(d.message, HasSubstr("no such file: data/generated/"));
    }
  }
}

}  // namespace
}  // namespace shardmill::job
