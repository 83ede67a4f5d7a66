#include "job/part.hpp"
#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

TEST(Part, ReadsBackAsItWasWritten) {
  for (const Part part : {Part{1, 1}, Part{2, 3}, Part{most_parts, most_parts}})
    EXPECT_EQ(parse_part(to_text(part)), part);
  for (const char* text : {"", "2", "/", "2/", "/3", "0/3", "4/3", "-1/3", "2/3 ", " 2/3", "2/3/4", "2/0", "1/100001",
                           "99999999999/99999999999", "a/b", "2:3"})
    EXPECT_FALSE(parse_part(text)) << text;
}

TEST(Part, AllOfThemTogetherAreTheWhole) {
  for (const std::int64_t all : {0L, 1L, 7L, 1000L, std::int64_t{1} << 62}) {
    for (const int of : {1, 2, 3, 7, 64}) {
      EXPECT_EQ(part_border(all, 0, of), 0);
      EXPECT_EQ(part_border(all, of, of), all);
      for (int index = 0; index < of; ++index) {
        const std::int64_t size = part_border(all, index + 1, of) - part_border(all, index, of);
        EXPECT_GE(size, all / of);
        EXPECT_LE(size, all / of + 1);
      }
    }
  }
}

using JobPartTest = JobTest;

TEST_F(JobPartTest, StandsInTheResolvedJob) {
  LoadOptions options;
  options.overrides = {"part=2/3"};
  const Job job = load(minimal_job, options);
  EXPECT_EQ(job.part, (Part{2, 3}));
  const Job again = load_job(write("resolved.yaml", job.resolved_yaml));
  EXPECT_TRUE(again == job);
  EXPECT_FALSE(load(minimal_job) == job);
}

}  // namespace
}  // namespace shardmill::job
