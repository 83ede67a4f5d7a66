#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "report/summary.hpp"

namespace shardmill::report {
namespace {

Summary digits() {
  Summary summary;
  summary.name = "digits";
  summary.run_dir = "runs/digits-1";
  summary.results = "runs/digits-1/results.h5";
  summary.outcome = ExitCode::quarantined;
  summary.message = "2 records are in quarantine";
  summary.tasks_submitted = 30;
  summary.tasks_completed = 30;
  summary.utilization = 1;
  summary.records = 1797;
  summary.records_done = 1797;
  summary.records_quarantined = 2;
  summary.total_time = 2;
  summary.load = 898.5;
  summary.faults = 4;
  summary.faults_recovered = 3;
  summary.fault_tolerance = 0.75;
  summary.attempts_lost = 3;
  summary.incarnations = 2;
  summary.ranks = 4;
  summary.ranks_alive = 3;
  summary.device = "cpu";
  summary.metrics = {{"accuracy", 0.98765}, {"top5", std::numeric_limits<double>::quiet_NaN()}};
  return summary;
}

TEST(Summary, AsJsonHasTheThreeFiguresAndIsValid) {
  const auto json = nlohmann::json::parse(to_json(digits()));
  EXPECT_EQ(json["utilization"], 1.0);
  EXPECT_EQ(json["load"], 898.5);
  EXPECT_EQ(json["fault_tolerance"], 0.75);
  EXPECT_EQ(json["exit_code"], 3);
  EXPECT_EQ(json["tasks"]["submitted"], 30);
  EXPECT_EQ(json["records"]["quarantined"], 2);
  EXPECT_EQ(json["faults"]["recovered"], 3);
  EXPECT_EQ(json["ranks"]["alive_at_end"], 3);
  EXPECT_EQ(json["metrics"]["accuracy"], 0.98765);
  EXPECT_TRUE(json["metrics"]["top5"].is_null());  // JSON has no NaN
}

TEST(Summary, AsJsonIsValidWhateverTheMessagesQuote) {
  for (const std::string& text : {std::string("\xff\xfe\x80"), std::string("a\"b\\c\n\t"), std::string("\0x", 2),
                                  std::string("cut \xc3"), std::string("größe")}) {
    Summary summary = digits();
    summary.message = summary.name = summary.device = text;
    summary.metrics = {{text, std::numeric_limits<double>::infinity()}};
    const std::string json = to_json(summary);
    ASSERT_TRUE(nlohmann::json::accept(json)) << json;
  }
  Summary summary = digits();
  summary.message = "größe \"1\"";
  EXPECT_EQ(nlohmann::json::parse(to_json(summary))["message"], "größe \"1\"");
}

TEST(Summary, AsJsonIsValidWithFiguresThatAreNoNumbers) {
  Summary summary = digits();
  summary.load = std::numeric_limits<double>::infinity();
  summary.utilization = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(nlohmann::json::accept(to_json(summary)));
}

TEST(Summary, AsATableHasTheThreeFigures) {
  const std::string table = to_table(digits());
  EXPECT_NE(table.find("digits: done, with records in quarantine (2 records are in quarantine)\n"), std::string::npos)
      << table;
  EXPECT_NE(table.find("\n  utilization        1.000          30 of 30 tasks (shards)\n"), std::string::npos) << table;
  EXPECT_NE(table.find("\n  load               898.5 rec/s    1,797 of 1,797 records in 2.0 s\n"), std::string::npos)
      << table;
  EXPECT_NE(table.find("\n  fault tolerance    0.750          3 of 4 faults recovered\n"), std::string::npos) << table;
  EXPECT_NE(table.find("3 alive at the end, on cpu"), std::string::npos) << table;
  EXPECT_NE(table.find("accuracy           0.9877\n"), std::string::npos) << table;
  EXPECT_NE(table.find("top5               nan\n"), std::string::npos) << table;
  EXPECT_EQ(table.find(" \n"), std::string::npos) << "spaces at the end of a line";
}

TEST(Summary, OfARunWithoutFaultsDoesNotSpeakOfThem) {
  Summary summary;
  summary.name = "quiet";
  const std::string table = to_table(summary);
  EXPECT_EQ(table.find("lost attempts"), std::string::npos);
  EXPECT_EQ(table.find("incarnations"), std::string::npos);
  EXPECT_EQ(table.find("quarantined"), std::string::npos);
}

TEST(Summary, DoesNotCutALongPath) {
  Summary summary = digits();
  summary.results = "/" + std::string(2000, 'p') + "/results.h5";
  EXPECT_NE(to_table(summary).find(summary.results + "\n"), std::string::npos);
}

TEST(Summary, OutcomesHaveNames) {
  EXPECT_EQ(outcome_name(ExitCode::done), "done");
  EXPECT_EQ(outcome_name(ExitCode::preempted), "preempted");
  EXPECT_EQ(outcome_name(static_cast<ExitCode>(99)), "unknown");
}

TEST(Numbers, HaveCommas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(123456), "123,456");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(-1), "-1");
  EXPECT_EQ(with_commas(-999), "-999");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(-123456), "-123,456");
  EXPECT_EQ(with_commas(std::numeric_limits<std::int64_t>::max()), "9,223,372,036,854,775,807");
  EXPECT_EQ(with_commas(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Numbers, OfBytesHaveUnits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(1.5 * 1024 * 1024), "1.5 MiB");
  EXPECT_EQ(bytes_text(4.1 * 1024 * 1024 * 1024), "4.1 GiB");
  EXPECT_EQ(bytes_text(std::pow(2.0, 70)), "1048576.0 PiB");
}

TEST(Numbers, OfSecondsAreShort) {
  EXPECT_EQ(seconds_text(0), "0 ms");
  EXPECT_EQ(seconds_text(0.0123), "12 ms");
  EXPECT_EQ(seconds_text(0.9996), "1.0 s");
  EXPECT_EQ(seconds_text(1), "1.0 s");
  EXPECT_EQ(seconds_text(59.94), "59.9 s");
  EXPECT_EQ(seconds_text(59.96), "1m 0s");
  EXPECT_EQ(seconds_text(72), "1m 12s");
  EXPECT_EQ(seconds_text(3599.6), "1h 0m");
  EXPECT_EQ(seconds_text(3 * 3600 + 25 * 60), "3h 25m");
}

}  // namespace
}  // namespace shardmill::report
