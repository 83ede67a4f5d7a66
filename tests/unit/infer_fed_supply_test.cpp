// Rows, model and job of a rank that does not see the files; and what it takes for seeing them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "infer/fed_rows.hpp"
#include "infer/fed_supply.hpp"
#include "infer/sights.hpp"
#include "infer_feed.hpp"
#include "job/error.hpp"
#include "job_fixture.hpp"
#include "store/private_file.hpp"

namespace shardmill::infer {
namespace {

using namespace test;
using ::testing::HasSubstr;

store::ResultsLayout layout_of(std::int64_t records) {
  store::ResultsLayout layout;
  layout.records = records;
  layout.shard_size = 100;
  layout.outputs = {{"a", DType::float64, {4}}, {"b", DType::int64, {}}};
  return layout;
}

TEST(FedRows, AreInTheFileWhenTheyAreSynced) {
  const TempFolder folder;
  const job::Job job = job_over(folder, 1000, 16);
  Feeding feeding(job, {1000, 100});
  store::create_results(store::posix_disk(), folder / "r.h5", layout_of(100'000));
  store::Results results(store::posix_disk(), folder / "r.h5", store::Open::write);
  FedRows rows(feeding.line, layout_of(100'000));
  const auto a = counting<double>(4 * 100'000);
  const auto b = counting<std::int64_t>(100'000);
  rows.write({}, 0, 0, 3, a.data());
  rows.write({}, 1, 0, 3, b.data());
  std::thread waiting([&] { rows.sync(); });
  feeding.feeder.open(results);  // what comes before waits
  waiting.join();
  EXPECT_EQ(feeding.requests, 1);
  rows.write({}, 0, 3, 100'000 - 3, a.data() + 12);  // more than is gathered
  rows.write({}, 1, 3, 100'000 - 3, b.data() + 3);
  std::vector<double> back(a.size());
  rows.read(0, 0, 100'000, back.data());
  EXPECT_EQ(back, a);
  rows.sync();
  std::vector<std::int64_t> stored(b.size());
  results.read_rows(1, 0, 100'000, stored.data());
  EXPECT_EQ(stored, b);
  EXPECT_TRUE(feeding.feeder.idle());
}

TEST(FedRows, WhatCannotBeWrittenIsTold) {
  const TempFolder folder;
  const job::Job job = job_over(folder, 1000, 16);
  Feeding feeding(job, {1000, 100});
  store::create_results(store::posix_disk(), folder / "r.h5", layout_of(100));
  store::Results results(store::posix_disk(), folder / "r.h5", store::Open::read);
  feeding.feeder.open(results);
  FedRows rows(feeding.line, layout_of(100));
  const auto b = counting<std::int64_t>(100);
  rows.write({}, 1, 0, 100, b.data());
  EXPECT_THROW(rows.sync(), StoreError);
}

TEST(PrivateFile, IsReadByItsPathAndLeavesNothing) {
  const TempFolder folder;
  ::setenv("TMPDIR", folder.path().c_str(), 1);
  {
    store::PrivateFile file;
    file.write_at(0, "model", 5);
    file.write_at(5, "end", 3);
    std::ifstream stream(file.path());
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), "modelend");
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
  ::setenv("TMPDIR", (folder / "missing").c_str(), 1);
  EXPECT_THROW(store::PrivateFile(), StoreError);
  ::unsetenv("TMPDIR");
}

TEST(FedSupply, AModelThatCannotBeLoadedIsNamedAsInTheJob) {
  const TempFolder folder;
  const job::Job job = job_over(folder, 100, 16);
  Feeding feeding(job, {100, 100});
  FedSupply supply(job, feeding.line, feeding.feeder.provision(1, "host"));
  EXPECT_EQ(supply.open_source()->records(), 100);
  EXPECT_EQ(supply.open_source()->fields()[1].dtype, DType::int64);
  try {
    supply.load_model(at::kCPU);
    ADD_FAILURE() << "this is no model";
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), HasSubstr(job.model.path.string()));
    EXPECT_EQ(feeding.requests, 3);  // 10 MB
  }
}

class Jobs : public job::JobTest {};

TEST_F(Jobs, ArriveWhereNoneOfTheirFilesIs) {
  const job::Job job = load(job::minimal_job);
  comm::Provision provision;
  provision.job = job.resolved_yaml;
  std::filesystem::remove_all(folder_ / "data");
  EXPECT_TRUE(job_of(provision) == job);
  std::filesystem::current_path("/");
  std::filesystem::remove_all(folder_);
  const job::Job again = job_of(provision);
  EXPECT_TRUE(again == job);
  EXPECT_EQ(again.resolved_yaml, job.resolved_yaml);
  std::filesystem::create_directories(folder_);
}

class Sights : public ::testing::Test {
 protected:
  Sights() : run_{folder_ / "run"} {
    job_.dataset.path = put("d.h5", "dataset");
    job_.model.path = put("m.pt", "model");
    std::filesystem::create_directories(run_.logs());
  }
  std::filesystem::path put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }

  TempFolder folder_;
  store::RunFolder run_;
  job::Job job_;
};

TEST_F(Sights, TheSameFilesAreSeen) {
  EXPECT_EQ(unseen(look_at(job_, run_), job_), std::nullopt);
  job_.output = put("r.h5", "results");
  EXPECT_EQ(unseen(look_at(job_, run_), job_), std::nullopt);
}

TEST_F(Sights, ACopyOfDatasetOrModelWillDo) {
  const comm::Welcome welcome = look_at(job_, run_);
  for (const std::filesystem::path& path : {job_.dataset.path, job_.model.path}) {
    std::filesystem::copy_file(path, path.string() + ".copy");
    std::filesystem::rename(path.string() + ".copy", path);
  }
  EXPECT_EQ(unseen(welcome, job_), std::nullopt);
}

TEST_F(Sights, OthersUnderTheirNamesWillNot) {
  job_.output = put("r.h5", "results");
  const comm::Welcome welcome = look_at(job_, run_);
  put("d.h5", "Dataset");
  EXPECT_EQ(unseen(welcome, job_), "the dataset " + job_.dataset.path.string());
  put("d.h5", "dataset");
  std::filesystem::remove(job_.model.path);
  EXPECT_EQ(unseen(welcome, job_), "the model " + job_.model.path.string());
  put("m.pt", "model");
  put("other", "results");
  std::filesystem::rename(folder_ / "other", *job_.output);
  EXPECT_EQ(unseen(welcome, job_), "the results file " + job_.output->string());
  look_at(job_, run_);  // of another coordinator: another token
  EXPECT_EQ(unseen(welcome, job_), "the run folder " + run_.path.string());
}

}  // namespace
}  // namespace shardmill::infer
