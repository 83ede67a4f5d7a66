// Who goes first waits for one that is inside, and for nobody else.
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/error.hpp"
#include "store/gate.hpp"
#include "store_scratch.hpp"

namespace shardmill::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class GateTest : public ::testing::Test {
 protected:
  Scratch scratch_;
  std::filesystem::path file_ = scratch_ / "gate";
  Gate first_{file_};
  Gate second_{file_};
};

TEST_F(GateTest, OneIsInsideAtATime) {
  EXPECT_TRUE(second_.try_enter());
  Gate third(file_);
  EXPECT_FALSE(third.try_enter());
  EXPECT_FALSE(third.try_enter());
  second_.leave();
  EXPECT_TRUE(third.try_enter());
}

TEST_F(GateTest, NobodyEntersWhatIsClaimed) {
  EXPECT_TRUE(first_.claim(seconds(0)));
  EXPECT_FALSE(second_.try_enter());
  first_.release();
  EXPECT_TRUE(second_.try_enter());
}

TEST_F(GateTest, WhoGoesFirstWaitsForOneThatIsInside) {
  ASSERT_TRUE(second_.try_enter());
  std::atomic<bool> claimed = false;
  std::thread claims([&] {
    EXPECT_TRUE(first_.claim(seconds(60)));
    claimed = true;
  });
  // Once it is wanted, who leaves does not get in again, however often it tries, and nor does anybody else.
  Gate third(file_);
  while (!claimed) {
    second_.leave();
    if (second_.try_enter()) std::this_thread::sleep_for(milliseconds(1));
    if (third.try_enter()) third.leave();
  }
  claims.join();
  EXPECT_FALSE(second_.try_enter() || third.try_enter());
}

TEST_F(GateTest, WhoStaysInsideIsNotWaitedForForEver) {
  ASSERT_TRUE(second_.try_enter());
  EXPECT_FALSE(first_.claim(milliseconds(20)));
  second_.leave();
  EXPECT_FALSE(second_.try_enter());  // claimed all the same
  first_.release();
  EXPECT_TRUE(second_.try_enter());
}

TEST_F(GateTest, HoldsUnderContention) {
  std::atomic<int> inside = 0;
  std::atomic<bool> stop = false;
  const auto yields = [&] {
    Gate gate(file_);
    while (!stop) {
      if (!gate.try_enter()) continue;
      EXPECT_EQ(++inside, 1);
      --inside;
      gate.leave();
    }
  };
  std::thread one(yields);
  std::thread other(yields);
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(first_.claim(seconds(60)));
    EXPECT_EQ(++inside, 1);
    --inside;
    first_.release();
  }
  stop = true;
  one.join();
  other.join();
}

TEST_F(GateTest, TheDeadHoldNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    Gate theirs(file_);
    if (theirs.try_enter()) ::raise(SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(first_.claim(seconds(0)));
}

TEST(Gates, AreFoundByHostAndNumber) {
  const Scratch scratch;
  const RunFolder run{scratch / "run"};
  EXPECT_EQ(find_gate(run, 0), nullptr);  // nobody to give way to
  const auto zero = make_gate(run, 0);
  const auto one = make_gate(run, 1);
  ASSERT_TRUE(one->claim(seconds(0)));
  for (const int number : {0, 1, 2, 3}) {
    const auto found = find_gate(run, number);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->try_enter(), number % 2 == 0) << number;
  }
}

TEST(Gates, OfAnotherHostAreNotOurs) {
  const Scratch scratch;
  const RunFolder run{scratch / "run"};
  std::filesystem::create_directories(gates_of(run) / "another");
  Gate elsewhere(gates_of(run) / "another" / "0");
  EXPECT_EQ(find_gate(run, 0), nullptr);
}

TEST(Gates, ThatCannotBeMadeSaySo) {
  const std::string why = refusal_of([] { Gate gate("/proc/version/0"); });
  EXPECT_NE(why.find("cannot open /proc/version/0"), std::string::npos) << why;
}

}  // namespace
}  // namespace shardmill::store
