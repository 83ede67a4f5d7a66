// The trials as text, and what a journal and results say together.
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "coordinator/entry.hpp"
#include "store/checksum.hpp"
#include "store/journal.hpp"
#include "sweep/places.hpp"
#include "sweep/record.hpp"
#include "sweep/result.hpp"
#include "sweep/telling.hpp"
#include "temp_folder.hpp"

namespace shardmill::sweep {
namespace {

using ::testing::HasSubstr;

// Four trials: done, done and better, failed, begun.
class SweepRun : public ::testing::Test {
 protected:
  SweepRun() : run_{folder_.path()} {
    job_.kind = job::Kind::sweep;
    job_.sweep.objective = job::EvaluationMetric::accuracy;
    job_.sweep.keys = {"training.optimizer.learning_rate", "training.seed"};
    for (const char* rate : {"0.1", "0.01", "1e9", "[1, 2]"})
      job_.sweep.trials.push_back({{rate, "7"}, std::make_shared<const job::Job>()});
    store::Journal journal(store::posix_disk(), run_.journal());
    append(journal, coordinator::Opened{1, plan_of(job_), "j", "d", ""});
    append(journal, coordinator::Started{1, 2, 100, 1});
    finish(journal, 0, 0.5);
    finish(journal, 1, 0.75);
    append(journal, coordinator::Committed{2, 1, 0, 0, 1.5, {{0, "the loss, say, is \"not\" finite"}}, 4});
    append(journal, coordinator::Advanced{3, 250, {}});
    append(journal, coordinator::AttemptLost{3, 1, 250, false, "died"});
  }

  void append(store::Journal& journal, const coordinator::Entry& entry) {
    journal.append({coordinator::encode(entry)});
  }
  void finish(store::Journal& journal, std::int64_t trial, double accuracy) {
    const std::string text = to_json({100, 80, {{"loss", 0.25}, {"accuracy", accuracy}}, "checkpoint-000000080.h5"});
    store::posix_disk().make_folders(trial_folder(run_, trial));
    store::write_file(store::posix_disk(), result_file(run_, trial), text);
    append(journal, coordinator::Committed{trial, 1, 1, store::checksum(text), 2.5, {}, 3});
  }

  test::TempFolder folder_;
  store::RunFolder run_;
  job::Job job_;
};

TEST_F(SweepRun, IsReadFromJournalAndResults) {
  const auto record = read_sweep(job_, run_);
  ASSERT_TRUE(record);
  const Table& table = record->table;
  ASSERT_EQ(table.rows.size(), 4U);
  EXPECT_EQ(table.best, 1);
  EXPECT_EQ(table.rows[0].value(job_.sweep), 0.5);
  EXPECT_EQ(table.rows[2].state, TrialState::failed);
  EXPECT_EQ(table.rows[3].state, TrialState::begun);
  EXPECT_EQ(table.rows[3].progress, 0.25);
  EXPECT_EQ(table.rows[3].attempts, 1);
  report::Summary summary;
  fill(summary, record->ledger.figures(), table);
  EXPECT_EQ(summary.tasks_completed, 3);
  EXPECT_EQ(summary.records, 4);
  EXPECT_EQ(summary.records_done, 3);
  EXPECT_EQ(summary.records_quarantined, 1);
  EXPECT_EQ(summary.load, 0.75);
  EXPECT_EQ(summary.metrics.back().second, 0.75);
}

TEST_F(SweepRun, LowerIsBetterForALoss) {
  job_.sweep.objective = job::EvaluationMetric::loss;
  EXPECT_EQ(read_sweep(job_, run_)->table.best, 0) << "of equal ones the first";
}

TEST_F(SweepRun, AResultThatIsNotTheJournalsDoesNotCount) {
  store::write_file(store::posix_disk(), result_file(run_, 1), to_json({100, 80, {{"accuracy", 0.99}}, "x"}));
  const Table table = read_sweep(job_, run_)->table;
  EXPECT_FALSE(table.rows[1].result);
  EXPECT_EQ(table.best, 0);
  EXPECT_THAT(to_table(job_, run_, table), HasSubstr("no result"));
}

TEST_F(SweepRun, AsATableTheBestComesFirst) {
  const std::string table = to_table(job_, run_, read_sweep(job_, run_)->table);
  EXPECT_THAT(table, HasSubstr("trial   state  accuracy  learning_rate  seed  steps  seconds  attempts\n"));
  EXPECT_LT(table.find("0001"), table.find("0000"));
  EXPECT_THAT(table, HasSubstr("25 %"));
  EXPECT_THAT(table, HasSubstr("trial 0002 failed: the loss, say"));
  EXPECT_THAT(table, HasSubstr("best: trial 0001, " + run_.path.string() + "/trials/0001/checkpoints/best.h5\n"));
}

TEST_F(SweepRun, AsCsvAndJson) {
  const Table table = read_sweep(job_, run_)->table;
  const std::string csv = to_csv(job_, run_, table);
  EXPECT_THAT(csv, HasSubstr("trial,state,training.optimizer.learning_rate,training.seed,loss,accuracy,steps,best_step,"
                             "seconds,rank,attempts,checkpoint,message\n"));
  EXPECT_THAT(csv, HasSubstr("0001,done,0.01,7,0.25,0.75,100,80,2.500,1,1,trials/0001/checkpoints/best.h5,\n"));
  EXPECT_THAT(csv, HasSubstr(R"(0002,failed,1e9,7,,,,,1.500,0,1,,"the loss, say, is ""not"" finite")"));
  EXPECT_THAT(csv, HasSubstr(R"(0003,begun,"[1, 2]",7,,)"));
  const auto json = nlohmann::json::parse(to_json(report::Summary{}, "running", job_, run_, table));
  EXPECT_EQ(json["best"]["trial"], "0001");
  EXPECT_EQ(json["best"]["parameters"]["training.seed"], "7");
  EXPECT_EQ(json["trials"].size(), 4U);
  EXPECT_EQ(json["trials"][3]["progress"], 0.25);
}

TEST(SweepResult, ReadsBack) {
  const train::SoloResult result{120, 100, {{"loss", 0.1 + 0.2}, {"accuracy", 1.0 / 3}}, "checkpoint-000000100.h5"};
  EXPECT_EQ(result_from_json(to_json(result)), result);
  EXPECT_FALSE(result_from_json("{}"));
  EXPECT_FALSE(result_from_json("no"));
}

}  // namespace
}  // namespace shardmill::sweep
