#include <algorithm>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "report/progress.hpp"

namespace shardmill::report {
namespace {

ProgressState state_of(std::int64_t done, std::int64_t records) {
  ProgressState state;
  state.records = records;
  state.records_done = done;
  state.elapsed = 2;
  state.ranks_alive = 3;
  return state;
}

TEST(ProgressLine, SaysWhatThereIsToSay) {
  ProgressState state = state_of(900, 1800);
  state.faults = 1;
  EXPECT_EQ(progress_line(state, 100),
            "[===============>              ]  50%  900/1,800 records  450/s  2.0 s left  3 ranks  1 fault");
}

TEST(ProgressLine, AtTheStartAndAtTheEnd) {
  ProgressState state = state_of(0, 1800);
  state.elapsed = 0;
  EXPECT_EQ(progress_line(state, 100), "[>                             ]   0%  0/1,800 records  3 ranks");
  EXPECT_EQ(progress_line(state_of(1800, 1800), 100),
            "[==============================] 100%  1,800/1,800 records  900/s  3 ranks");
  state.ranks_alive = 1;
  state.records = 0;
  EXPECT_EQ(progress_line(state, 100), "[==============================] 100%  0/0 records  1 rank");
}

TEST(ProgressLine, CountsTheRateOfThisIncarnationOnly) {
  ProgressState state = state_of(1000, 1800);
  state.records_done_before = 900;
  EXPECT_NE(progress_line(state, 100).find(" 50/s  16.0 s left"), std::string::npos) << progress_line(state, 100);
}

TEST(ProgressLine, FitsOrLeavesTheBarAway) {
  const std::string bare = progress_line(state_of(900, 1800), 0);
  EXPECT_EQ(bare.find('['), std::string::npos);
  for (int width = 0; width <= 200; ++width) {
    for (const std::int64_t done : {0, 1, 899, 900, 1799, 1800}) {
      const std::string text = progress_line(state_of(done, 1800), 0);
      const std::string line = progress_line(state_of(done, 1800), width);
      EXPECT_NE(line.find(text), std::string::npos);
      EXPECT_LE(static_cast<int>(line.size()), std::max(width, static_cast<int>(text.size())));
      if (done < 1800) {
        EXPECT_EQ(line.find("100%"), std::string::npos) << "not before all is done";
      }
    }
  }
}

// What a Progress writes, in memory.
template <typename Script>
std::string written(ProgressStyle style, Script script) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  Progress progress(style, out);
  script(progress);
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST(Progress, AsABarIsOneLineDrawnAgain) {
  const std::string text = written(ProgressStyle::bar, [](Progress& progress) {
    progress.update(state_of(0, 10), 100.0);
    progress.update(state_of(1, 10), 100.05);  // too soon
    progress.update(state_of(5, 10), 100.2);
    progress.say("rank 1 died");
    progress.finish(state_of(10, 10));
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(text.find(" 10%"), std::string::npos);
  EXPECT_NE(text.find("\r\033[Krank 1 died\n"), std::string::npos);
  EXPECT_NE(text.find("100%"), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

TEST(Progress, AsLinesIsOneEveryTenSeconds) {
  const std::string text = written(ProgressStyle::lines, [](Progress& progress) {
    for (int second = 0; second <= 30; ++second) progress.update(state_of(second, 30), second);
    progress.finish(state_of(30, 30));
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

TEST(Progress, AsNoneIsSilent) {
  EXPECT_EQ(written(ProgressStyle::none,
                    [](Progress& progress) {
                      progress.update(state_of(0, 10), 0);
                      progress.say("hello");
                      progress.finish(state_of(10, 10));
                    }),
            "");
}

}  // namespace
}  // namespace shardmill::report
