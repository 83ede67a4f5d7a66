// Models are loaded, and loaded again while the old ones serve; in a fake world.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "serve/model_keeper.hpp"
#include "temp_folder.hpp"

namespace shardmill::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KeeperTest : public ::testing::Test {
 protected:
  // `spares` of the ranks are spares.
  void make(int models, int ranks, int spares = 0) {
    job_ = {};
    for (int i = 0; i < models; ++i) {
      job::ServedModel served;
      served.name = std::string(1, static_cast<char>('a' + i));
      served.model.path = folder_ / served.name;
      std::ofstream(served.model.path) << "model";
      job_.serve.models.push_back(served);
    }
    job_.fault_tolerance.spares = spares;
    ModelKeeper::Links links;
    links.send = [this](int rank, const comm::Message& message) {
      if (const auto* load = std::get_if<comm::Load>(&message)) {
        said_ += "load " + at(rank, load->model, load->version);
        path_ = load->path;
      }
      if (const auto* unload = std::get_if<comm::Unload>(&message))
        said_ += "unload " + at(rank, unload->model, unload->version);
    };
    links.put_to_work = [this](const Fleet::Duty& duty) { said_ += "work " + std::to_string(duty.rank) + "; "; };
    links.known = [this](std::size_t model) { said_ += "known " + job_.serve.models[model].name + "; "; };
    links.give_up = [this](int rank, const std::string&) {
      said_ += "give up " + std::to_string(rank) + "; ";
      keeper_->lose(rank);
    };
    links.say = [this](const std::string& line) { lines_ += line + "\n"; };
    keeper_ = std::make_unique<ModelKeeper>(job_, ranks, links);
    keeper_->begin();
  }
  std::string at(int rank, int model, int version) const {
    return std::to_string(rank) + " " + job_.serve.models[static_cast<std::size_t>(model)].name +
           std::to_string(version) + "; ";
  }
  void loaded(int rank, int model, int version, const std::string& digest, std::int64_t width = 3) {
    keeper_->on(rank, comm::Loaded{model, version, "cpu", digest, {{"y", "float32", {width}}}});
  }
  std::string said() { return std::exchange(said_, {}); }
  // Two ranks that serve version 1, of `digest`.
  void serve_two(int spares = 0) {
    make(1, 2 + spares, spares);
    for (int rank = 1; rank <= 2 + spares; ++rank) loaded(rank, 0, 1, "old");
    said();
  }
  void ask(std::optional<std::size_t> model = std::nullopt) {
    keeper_->reload({model, [this](const ReloadOutcome& outcome) { outcomes_.push_back(outcome); }});
    step();
  }
  void step(double now = 1) {
    for (int i = 0; i < 4; ++i) keeper_->step(now);
  }

  test::TempFolder folder_;
  job::Job job_;
  std::unique_ptr<ModelKeeper> keeper_;
  std::string said_;
  std::string lines_;
  std::string path_;
  std::vector<ReloadOutcome> outcomes_;
};

TEST_F(KeeperTest, EveryRankLoadsAndWorks) {
  make(2, 2);
  EXPECT_EQ(said(), "load 2 a1; load 1 a1; load 2 b1; load 1 b1; ");
  loaded(1, 0, 1, "x");
  EXPECT_EQ(said(), "known a; ");
  loaded(1, 1, 1, "y");
  EXPECT_EQ(said(), "known b; work 1; ");
  loaded(2, 0, 1, "x");
  loaded(2, 1, 1, "y");
  EXPECT_EQ(said(), "work 2; ");
  EXPECT_EQ(keeper_->spec(1)->outputs[0].shape, (std::vector<std::int64_t>{3}));
}

TEST_F(KeeperTest, AModelThatDoesNotFitTheJobEndsTheServer) {
  make(1, 2);
  keeper_->on(1, comm::LoadFailed{0, 1, "no such input"});
  EXPECT_EQ(keeper_->failure(), "no such input");
}

TEST_F(KeeperTest, ANewVersionServesWhenEveryRankHasIt) {
  serve_two(1);
  ask();
  EXPECT_EQ(said(), "load 3 a2; ");  // the spare tries it
  loaded(3, 0, 2, "new");
  EXPECT_EQ(said(), "load 1 a2; load 2 a2; ");
  EXPECT_EQ(keeper_->version(0), 1);
  loaded(2, 0, 2, "new");
  EXPECT_EQ(keeper_->version(0), 1);
  loaded(1, 0, 2, "new");
  EXPECT_EQ(keeper_->version(0), 2);
  EXPECT_EQ(said(), "unload 1 a1; unload 2 a1; unload 3 a1; ");
  step();
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_THAT(outcomes_[0].reloaded, ElementsAre("a"));
  EXPECT_EQ(outcomes_[0].problems.size(), 0u);
  EXPECT_EQ(keeper_->times_loaded(0), 2);
}

TEST_F(KeeperTest, ABrokenVersionLeavesTheOldOne) {
  serve_two();
  ask();
  EXPECT_EQ(said(), "load 2 a2; ");
  keeper_->on(2, comm::LoadFailed{0, 2, "is truncated"});
  step();
  EXPECT_EQ(said(), "");  // the other rank does not even try
  EXPECT_EQ(keeper_->version(0), 1);
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_THAT(outcomes_[0].problems[0], HasSubstr("the old one serves on: is truncated"));
  // The next try has a number of its own.
  ask();
  EXPECT_EQ(said(), "load 2 a3; ");
}

TEST_F(KeeperTest, AVersionWithOtherOutputsDoesNotTakeOver) {
  serve_two();
  ask();
  loaded(2, 0, 2, "new", 4);
  step();
  EXPECT_THAT(said(), HasSubstr("unload 2 a2; "));
  ASSERT_EQ(outcomes_.size(), 1u);
  EXPECT_THAT(outcomes_[0].problems[0], HasSubstr("other outputs"));
}

TEST_F(KeeperTest, AFileThatChangesOnTheWayDoesNotTakeOver) {
  serve_two();
  ask();
  loaded(2, 0, 2, "new");
  loaded(1, 0, 2, "newer");
  step();
  EXPECT_EQ(said(), "load 2 a2; load 1 a2; unload 1 a2; unload 2 a2; ");
  EXPECT_EQ(keeper_->version(0), 1);
  EXPECT_THAT(outcomes_.at(0).problems[0], HasSubstr("has changed"));
}

TEST_F(KeeperTest, ARankThatDiesOfTheNewVersionIsTheOnlyOne) {
  serve_two();
  ask();
  keeper_->lose(2);
  step();
  EXPECT_EQ(said(), "load 2 a2; ");
  EXPECT_THAT(outcomes_.at(0).problems[0], HasSubstr("rank 2 died while it loaded it"));
}

TEST_F(KeeperTest, ADeathOnTheWayDoesNotHoldUpTheOthers) {
  serve_two(1);
  ask();
  loaded(3, 0, 2, "new");
  loaded(2, 0, 2, "new");
  said();
  keeper_->lose(1);
  EXPECT_EQ(keeper_->version(0), 2);
  EXPECT_THAT(said(), HasSubstr("work 3; "));
}

TEST_F(KeeperTest, ReloadsOneAfterTheOther) {
  make(2, 1);
  ask();  // before it has come up
  EXPECT_EQ(said(), "load 1 a1; load 1 b1; ");
  loaded(1, 0, 1, "x");
  loaded(1, 1, 1, "y");
  ask(1);
  EXPECT_EQ(said(), "known a; known b; work 1; load 1 a2; ");
  loaded(1, 0, 2, "x");
  step();
  EXPECT_EQ(said(), "unload 1 a1; load 1 b2; ");
  keeper_->on(1, comm::LoadFailed{1, 2, "broken"});
  step();
  EXPECT_THAT(outcomes_.at(0).reloaded, ElementsAre("a"));
  EXPECT_EQ(outcomes_.at(0).problems.size(), 1u);
  EXPECT_EQ(said(), "load 1 b3; ");  // the second wish
}

TEST_F(KeeperTest, FollowsALinkToANewFile) {
  make(1, 1);
  loaded(1, 0, 1, "old");
  std::ofstream(folder_ / "other") << "model";
  std::filesystem::remove(folder_ / "a");
  std::filesystem::create_symlink("other", folder_ / "a");
  ask();
  EXPECT_EQ(std::filesystem::path(path_).filename(), "other");
}

TEST_F(KeeperTest, WhoFindsAnotherFileMakesAllLoadIt) {
  make(1, 2);
  loaded(1, 0, 1, "old");
  loaded(2, 0, 1, "new");
  step();
  EXPECT_EQ(said(), "load 2 a1; load 1 a1; known a; work 1; unload 2 a1; load 2 a2; ");
  loaded(2, 0, 2, "new");
  loaded(1, 0, 2, "new");
  EXPECT_EQ(said(), "load 1 a2; work 2; unload 1 a1; unload 2 a1; ");
}

TEST_F(KeeperTest, ALoadThatHangsIsEnded) {
  serve_two();
  ask();
  step(2000);
  EXPECT_THAT(said(), HasSubstr("give up 2; "));
  step(2001);
  EXPECT_THAT(outcomes_.at(0).problems[0], HasSubstr("not loaded within"));
}

}  // namespace
}  // namespace shardmill::serve
