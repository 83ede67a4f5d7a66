// Batches, balance, deadlines and deaths, in a fake world.
#include <gmock/gmock.h>

#include "serve/dispatcher.hpp"

namespace shardmill::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DispatcherTest : public ::testing::Test {
 protected:
  void make(const DispatchPolicy& policy) {
    dispatcher_ = Dispatcher(policy);
    for (std::size_t model = 0; model < policy.models.size(); ++model) dispatcher_.set_outputs(model, {1, 2});
  }

  // Inputs: two of one byte a record. `name` fills them.
  std::size_t submit(char name, std::int64_t rows = 1, double arrived = 0, double deadline = 100,
                     std::size_t model = 0) {
    const std::size_t index = outcomes_.size();
    outcomes_.emplace_back();
    Request request;
    request.model = model;
    request.rows = rows;
    request.inputs = {std::string(static_cast<std::size_t>(rows), name),
                      std::string(static_cast<std::size_t>(rows), static_cast<char>(name - 'a' + 'A'))};
    request.arrived = arrived;
    request.deadline = deadline;
    request.answer = [this, index](Outcome outcome) { outcomes_[index].push_back(std::move(outcome)); };
    dispatcher_.submit(std::move(request));
    return index;
  }
  // The model: the first input, and the second twice.
  void answer(const Assignment& assignment, const std::vector<BadRow>& bad = {}) {
    const auto rows = static_cast<std::size_t>(assignment.rows);
    std::string second;
    for (const char c : assignment.bytes.substr(rows)) second += std::string(2, c);
    dispatcher_.answered(assignment.rank, assignment.batch, assignment.bytes.substr(0, rows) + second, bad);
  }
  std::string batches(double now) {
    std::string text;
    last_ = dispatcher_.step(now);
    for (const Assignment& a : last_)
      text += std::to_string(a.rank) + ":" + a.bytes.substr(0, static_cast<std::size_t>(a.rows)) + " ";
    return text;
  }
  int status(std::size_t index) const {
    EXPECT_LE(outcomes_[index].size(), 1u) << "answered twice";
    return outcomes_[index].empty() ? 0 : outcomes_[index][0].status;
  }

  Dispatcher dispatcher_{{{{4, 0}}, 3, 10}};
  std::vector<std::vector<Outcome>> outcomes_;
  std::vector<Assignment> last_;
  void SetUp() override { make({{{4, 0}}, 3, 10}); }
};

TEST_F(DispatcherTest, GivesAnIdleRankWhatWaits) {
  submit('a');
  EXPECT_EQ(batches(0), "");  // nobody is there
  submit('b', 2);
  dispatcher_.set_rank(1, {0});
  EXPECT_EQ(batches(0), "1:abb ");
  submit('c');
  EXPECT_EQ(batches(0), "");
  dispatcher_.set_rank(2, {0});
  EXPECT_EQ(batches(0), "2:c ");
}

TEST_F(DispatcherTest, ServesTheRankThatHasWaitedLongestFirst) {
  for (const int rank : {1, 2}) dispatcher_.set_rank(rank, {0});
  std::string ranks;
  for (int i = 0; i < 4; ++i) {
    submit('a');
    ranks += batches(0);
    answer(last_[0]);
  }
  EXPECT_EQ(ranks, "1:a 2:a 1:a 2:a ");
}

TEST_F(DispatcherTest, LeavesRanksToAnIdleJob) {
  DispatchPolicy policy{{{4, 0}}, 3, 10};
  policy.recent_first = true;
  make(policy);
  for (const int rank : {1, 2}) dispatcher_.set_rank(rank, {0});
  std::string ranks;
  for (int i = 0; i < 3; ++i) {
    submit('a');
    ranks += batches(0);
    answer(last_[0]);
  }
  EXPECT_EQ(ranks, "1:a 1:a 1:a ");
  submit('a', 4);
  submit('b', 4);
  EXPECT_EQ(batches(0), "1:aaaa 2:bbbb ");  // where one is not enough, both
}

TEST_F(DispatcherTest, FillsBatchesInTheOrderOfArrival) {
  dispatcher_.set_rank(1, {0});
  submit('a', 3);
  submit('b', 2);
  submit('c', 1);
  EXPECT_EQ(batches(0), "1:aaa ");  // b does not fit, and c does not overtake it
  answer(last_[0]);
  EXPECT_EQ(batches(0), "1:bbc ");
}

TEST_F(DispatcherTest, AnswersEachRequestWithItsOwnRows) {
  dispatcher_.set_rank(1, {0});
  const auto a = submit('a', 2);
  const auto b = submit('b', 1);
  batches(0);
  EXPECT_EQ(last_[0].bytes, "aabAAB");
  answer(last_[0]);
  ASSERT_EQ(status(a), 200);
  ASSERT_EQ(status(b), 200);
  EXPECT_THAT(outcomes_[a][0].outputs, ElementsAre("aa", "AAAA"));
  EXPECT_THAT(outcomes_[b][0].outputs, ElementsAre("b", "BB"));
  EXPECT_EQ(dispatcher_.figures().models[0].completed, 2);
  EXPECT_EQ(dispatcher_.figures().models[0].records, 3);
}

TEST_F(DispatcherTest, WaitsForMoreIfTold) {
  make({{{4, 0.5}}, 3, 10});
  dispatcher_.set_rank(1, {0});
  submit('a', 1, 1.0);
  EXPECT_EQ(batches(1.2), "");
  submit('b', 1, 1.3);
  EXPECT_EQ(batches(1.5), "1:ab ");
  answer(last_[0]);
  submit('c', 4, 2.0);
  EXPECT_EQ(batches(2.0), "1:cccc ");  // full
}

TEST_F(DispatcherTest, WhoIsIdleLongestComesFirst) {
  dispatcher_.set_rank(1, {0});
  dispatcher_.set_rank(2, {0});
  submit('a');
  EXPECT_EQ(batches(0), "1:a ");
  answer(last_[0]);
  submit('b');
  EXPECT_EQ(batches(0), "2:b ");
}

TEST_F(DispatcherTest, OnlyTheRequestOfABadRecordFails) {
  dispatcher_.set_rank(1, {0});
  const auto a = submit('a', 2);
  const auto b = submit('b', 2);
  batches(0);
  answer(last_[0], {{3, "index out of range"}});
  EXPECT_EQ(status(a), 200);
  ASSERT_EQ(status(b), 422);
  EXPECT_EQ(outcomes_[b][0].message, "record 1 (counted from 0) cannot be computed: index out of range");
}

TEST_F(DispatcherTest, DropsWhatIsOutOfTime) {
  const auto a = submit('a', 1, 0, 5);
  const auto b = submit('b', 1, 0, 50);
  EXPECT_EQ(batches(5), "");
  EXPECT_EQ(status(a), 504);
  dispatcher_.set_rank(1, {0});
  EXPECT_EQ(batches(6), "1:b ");
  batches(50);
  EXPECT_EQ(status(b), 504);  // in the model still
  answer(last_.empty() ? Assignment{1, 0, 0, 1, "bB"} : last_[0]);
  EXPECT_EQ(outcomes_[b].size(), 1u);
  submit('c');
  EXPECT_EQ(batches(51), "1:c ");  // the rank is back
}

TEST_F(DispatcherTest, ADeathCostsTime) {
  dispatcher_.set_rank(1, {0});
  const auto a = submit('a');
  const auto b = submit('b');
  EXPECT_EQ(batches(0), "1:ab ");
  dispatcher_.remove_rank(1, 0);
  submit('c');
  dispatcher_.set_rank(2, {0});
  EXPECT_EQ(batches(0), "2:a ");  // by itself, and before what came later
  EXPECT_EQ(dispatcher_.figures().recovered, 0);
  answer(last_[0]);
  EXPECT_EQ(batches(0), "2:b ");
  answer(last_[0]);
  EXPECT_EQ(status(a), 200);
  EXPECT_EQ(status(b), 200);
  EXPECT_EQ(dispatcher_.figures().faults, 1);
  EXPECT_EQ(dispatcher_.figures().recovered, 1);
  EXPECT_EQ(dispatcher_.figures().models[0].retried, 2);
  EXPECT_EQ(batches(0), "2:c ");
}

TEST_F(DispatcherTest, OnlyTheRequestThatKillsIsGivenUp) {
  const auto a = submit('a');
  const auto killer = submit('k');
  const auto c = submit('c');
  int rank = 1;
  dispatcher_.set_rank(rank, {0});
  int deaths = 0;
  for (int turn = 0; turn < 20; ++turn) {
    batches(0);
    if (last_.empty()) break;
    if (last_[0].bytes.find('k') == std::string::npos) {
      answer(last_[0]);
    } else {
      ++deaths;
      dispatcher_.remove_rank(rank, 0);
      dispatcher_.set_rank(++rank, {0});
    }
  }
  EXPECT_EQ(deaths, 3);
  EXPECT_EQ(status(a), 200);
  EXPECT_EQ(status(c), 200);
  ASSERT_EQ(status(killer), 500);
  EXPECT_THAT(outcomes_[killer][0].message, HasSubstr("died on this request 3 times"));
  EXPECT_EQ(dispatcher_.figures().recovered, 3);
}

TEST_F(DispatcherTest, LateAnswersOfRanksGivenUpAreDropped) {
  dispatcher_.set_rank(1, {0});
  const auto a = submit('a');
  batches(0);
  const Assignment old = last_[0];
  dispatcher_.remove_rank(1, 0);
  answer(old);
  EXPECT_EQ(status(a), 0);
  dispatcher_.set_rank(2, {0});
  EXPECT_EQ(batches(0), "2:a ");
  dispatcher_.answered(2, old.batch, "x", {});
  EXPECT_EQ(status(a), 0);
  answer(last_[0]);
  EXPECT_EQ(status(a), 200);
}

TEST_F(DispatcherTest, NamesRanksWhoseBatchTakesTooLong) {
  dispatcher_.set_rank(1, {0});
  submit('a');
  batches(1);
  EXPECT_TRUE(dispatcher_.overdue(10).empty());
  EXPECT_THAT(dispatcher_.overdue(11.5), ElementsAre(1));
}

TEST_F(DispatcherTest, ModelsShareRanksInTheOrderOfArrival) {
  make({{{4, 0}, {2, 0}}, 3, 10});
  dispatcher_.set_rank(1, {0, 1});
  const auto x = submit('x', 1, 2, 100, 1);
  const auto a = submit('a', 1, 1, 100, 0);
  submit('y', 1, 3, 100, 1);
  submit('z', 1, 4, 100, 1);
  EXPECT_EQ(batches(5), "1:a ");  // not with those of the other model
  EXPECT_EQ(last_[0].model, 0u);
  answer(last_[0]);
  EXPECT_EQ(batches(5), "1:xy ");  // by this model's own limit
  EXPECT_EQ(last_[0].model, 1u);
  answer(last_[0]);
  EXPECT_EQ(status(a), 200);
  EXPECT_EQ(status(x), 200);
  EXPECT_EQ(dispatcher_.figures().models[1].batched_records, 2);
  EXPECT_EQ(dispatcher_.waiting(1), 1u);
}

TEST_F(DispatcherTest, ARankComputesItsModelsOnly) {
  make({{{4, 0}, {4, 0}}, 3, 10});
  dispatcher_.set_rank(1, {0});
  dispatcher_.set_rank(2, {1});
  submit('x', 1, 0, 100, 1);
  submit('y', 1, 0, 100, 1);
  EXPECT_EQ(batches(0), "2:xy ");
  const auto z = submit('z', 1, 0, 100, 1);
  EXPECT_EQ(batches(0), "");  // rank 1 has nothing to do
  EXPECT_TRUE(dispatcher_.is_served(1));
  dispatcher_.remove_rank(2, 0);
  EXPECT_FALSE(dispatcher_.is_served(1));
  EXPECT_EQ(batches(0), "");
  dispatcher_.set_rank(1, {0, 1});  // takes over
  EXPECT_EQ(batches(0), "1:x ");
  answer(last_[0]);
  EXPECT_EQ(batches(0), "1:y ");
  answer(last_[0]);
  EXPECT_EQ(batches(0), "1:z ");
  answer(last_[0]);
  EXPECT_EQ(status(z), 200);
  EXPECT_EQ(dispatcher_.figures().recovered, 1);
  EXPECT_EQ(dispatcher_.figures().models[1].retried, 2);
}

TEST_F(DispatcherTest, FailsEverythingAtTheEnd) {
  dispatcher_.set_rank(1, {0});
  const auto a = submit('a');
  batches(0);
  const auto b = submit('b');
  dispatcher_.fail_all(503, "over");
  EXPECT_EQ(status(a), 503);
  EXPECT_EQ(status(b), 503);
  EXPECT_EQ(dispatcher_.waiting(0), 0u);
}

}  // namespace
}  // namespace shardmill::serve
