#include <gtest/gtest.h>

#include "dataset/record_source.hpp"
#include "dataset_files.hpp"

namespace shardmill::dataset {
namespace {

using namespace test;

class DatasetCheck : public testing::Test {
 protected:
  DatasetCheck() {
    {
      const auto file = create_file(path_);
      write(file.get(), "x", {6, 2}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(12));
      write(file.get(), "y", {6, 1}, H5T_STD_I32BE, H5T_NATIVE_INT, counting<int>(6));
      write(file.get(), "short", {5}, H5T_NATIVE_INT, H5T_NATIVE_INT, counting<int>(5));
      write<float>(file.get(), "none", {0}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, {});
    }
    job_.dataset = dataset_of(path_, {"x"});
    int line = 1;
    for (const char* key : {"dataset.path", "dataset.inputs[0]", "dataset.inputs[1]", "dataset.range",
                            "metrics[0].target", "metrics[0].mask"})
      job_.locations[key] = {"job.yaml", line++, 3};
  }
  std::vector<std::string> found() {
    job::Diagnostics diagnostics;
    check(job_, diagnostics);
    std::vector<std::string> lines;
    for (const auto& one : diagnostics.found()) lines.push_back(one.to_string());
    return lines;
  }
  void expect_one(const std::string& place, const std::string& part) {
    const auto lines = found();
    ASSERT_EQ(lines.size(), 1U) << testing::PrintToString(lines);
    EXPECT_EQ(lines[0].rfind(place + ": ", 0), 0U) << lines[0];
    EXPECT_NE(lines[0].find(part), std::string::npos) << lines[0];
  }
  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "x.h5";
  job::Job job_;
};

TEST_F(DatasetCheck, AGoodJob) {
  job_.metrics.push_back({"accuracy", job::MetricType::accuracy, "out", "y", "y"});
  job_.dataset.range = {{1, 6}};
  EXPECT_TRUE(found().empty());
}

TEST_F(DatasetCheck, NotHdf5) {
  std::ofstream(path_) << "text";
  expect_one("job.yaml:1:3", "is not an HDF5 file");
}

TEST_F(DatasetCheck, EverythingAtOnce) {
  job_.dataset.inputs.push_back({"short", {}});
  job_.metrics.push_back({"accuracy", job::MetricType::accuracy, "out", "x", "z"});
  job_.dataset.range = {{0, 7}};
  const auto lines = found();
  ASSERT_EQ(lines.size(), 4U) << testing::PrintToString(lines);
  EXPECT_EQ(lines[0], "job.yaml:3:3: dataset 'short' has 5 records, but 'x' has 6");
  EXPECT_EQ(lines[1], "job.yaml:5:3: dataset 'x' does not hold one number a record");
  EXPECT_NE(lines[2].find("job.yaml:6:3: "), std::string::npos);
  EXPECT_NE(lines[2].find(
                "has no dataset 'z'; it has: none (0,) float32, short (5,) int32, x (6, 2) float32, y (6, 1) int32"),
            std::string::npos)
      << lines[2];
  EXPECT_NE(lines[3].find("ends beyond the 6 records"), std::string::npos);
}

TEST_F(DatasetCheck, NoRecords) {
  job_.dataset = dataset_of(path_, {"none"});
  expect_one("job.yaml:1:3", "has no records");
}

TEST_F(DatasetCheck, RangesThatAreNone) {
  job_.dataset.range = {{3, 3}};
  expect_one("job.yaml:4:3", "has no records");
  job_.dataset.range = {{3, 2}};
  expect_one("job.yaml:4:3", "ends before it begins");
  job_.dataset.range = {{-1, 2}};
  expect_one("job.yaml:4:3", "begins before record 0");
}

}  // namespace
}  // namespace shardmill::dataset
