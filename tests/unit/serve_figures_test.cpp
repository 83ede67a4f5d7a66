// A running server's figures, as `shardmill status` reads them.
#include <fstream>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "serve/idle_state.hpp"
#include "serve/metrics.hpp"
#include "serve/record.hpp"
#include "temp_folder.hpp"

namespace shardmill::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FiguresTest : public ::testing::Test {
 protected:
  FiguresTest() {
    summary_.tasks_submitted = 1204;
    summary_.tasks_completed = 1203;
    summary_.records_done = 2409;
    summary_.total_time = 20;
    summary_.faults = 2;
    summary_.faults_recovered = 1;
    summary_.ranks = 4;
    live_.address = "http://127.0.0.1:8080";
    live_.ranks = {0, 1, 1, 0, 2};
    live_.connections = 16;
    live_.models = {{"a", 1000, 1000, 2000, 0}, {"b", 204, 203, 409, 1}};
  }
  test::TempFolder folder_;
  store::RunFolder run_{folder_.path()};
  report::Summary summary_;
  LiveFigures live_;
};

TEST_F(FiguresTest, AreReadBack) {
  report::Summary summary;
  EXPECT_FALSE(read_figures(run_, summary));
  write_figures(run_, summary_, live_);
  live_.connections = 17;
  write_figures(run_, summary_, live_);
  const auto live = read_figures(run_, summary);
  ASSERT_TRUE(live);
  EXPECT_EQ(live->address, "http://127.0.0.1:8080");
  EXPECT_EQ(live->connections, 17);
  EXPECT_EQ(live->ranks.dead, 2);
  ASSERT_EQ(live->models.size(), 2u);
  EXPECT_EQ(live->models[1].waiting, 1);
  EXPECT_EQ(summary.tasks_completed, 1203);
  EXPECT_DOUBLE_EQ(summary.load, 2409 / 20.0);
  EXPECT_DOUBLE_EQ(summary.fault_tolerance, 0.5);
}

TEST_F(FiguresTest, HaveTheIdleJobIfThereIsOne) {
  report::Summary summary;
  write_figures(run_, summary_, live_);
  EXPECT_EQ(read_figures(run_, summary)->idle, std::nullopt);
  live_.idle = IdleState{"failed", 1797, 640, "the disk is full"};
  write_figures(run_, summary_, live_);
  const auto live = read_figures(run_, summary);
  EXPECT_EQ(live->idle, live_.idle);
  EXPECT_THAT(to_table(summary, *live, "running"), HasSubstr("failed, 640 of 1,797 records (the disk is full)\n"));
  EXPECT_EQ(nlohmann::json::parse(to_json(summary, *live, "running"))["serving"]["idle_job"]["records_done"], 640);
}

TEST_F(FiguresTest, TheIdleJobIsToldByItsLauncher) {
  EXPECT_EQ(read_idle_state(run_), std::nullopt);
  std::filesystem::create_directories(idle_run_of(run_).path);
  const IdleState idle{"running", 10, 4, ""};
  write_idle_state(run_, idle);
  EXPECT_EQ(read_idle_state(run_), idle);
  remove_idle_state(run_);
  EXPECT_EQ(read_idle_state(run_), std::nullopt);
  EXPECT_EQ(to_text(IdleState{}), "waiting");
}

TEST_F(FiguresTest, MetricsHaveTheIdleJob) {
  Conditions conditions;
  const HttpFigures http;
  EXPECT_THAT(metrics_text({{}, conditions, http, {}}), Not(HasSubstr("idle_job")));
  conditions.idle = IdleState{"running", 1797, 640, ""};
  const std::string text = metrics_text({{}, conditions, http, {}});
  EXPECT_THAT(text, HasSubstr("shardmill_idle_job{state=\"running\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("shardmill_idle_job{state=\"done\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("shardmill_idle_job_records 1797\n"));
  EXPECT_THAT(text, HasSubstr("shardmill_idle_job_records_done 640\n"));
}

TEST_F(FiguresTest, HalfAFileIsNone) {
  std::ofstream(figures_file(run_)) << "{\"serving\": {";
  EXPECT_FALSE(read_figures(run_, summary_));
}

TEST_F(FiguresTest, AreShown) {
  write_figures(run_, summary_, live_);
  report::Summary summary;
  summary.name = "both";
  const auto live = read_figures(run_, summary);
  ASSERT_TRUE(live);
  const std::string table = to_table(summary, *live, "running");
  EXPECT_THAT(table, HasSubstr("both: running (http://127.0.0.1:8080)\n"));
  EXPECT_THAT(table, HasSubstr("1,203 of 1,204 requests answered\n"));
  EXPECT_THAT(table, HasSubstr("1 busy, 2 dead\n"));
  EXPECT_THAT(table, HasSubstr("203 answered, 1 waiting\n"));
  const auto json = nlohmann::json::parse(to_json(summary, *live, "running"));
  EXPECT_EQ(json["outcome"], "running");
  EXPECT_EQ(json["serving"]["models"][0]["name"], "a");
  EXPECT_EQ(json["records"]["done"], 2409);
}

}  // namespace
}  // namespace shardmill::serve
