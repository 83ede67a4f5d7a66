// Files that are no job at all must cost milliseconds and end in one sentence.
#include <chrono>
#include <random>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::HasSubstr;

class Hostile : public JobTest {};

std::string repeated(const std::string& text, std::size_t times) {
  std::string out;
  out.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST_F(Hostile, NotAFile) {
  EXPECT_EQ(errors_of("none.yaml"), "none.yaml: no such file");
  EXPECT_EQ(errors_of("data/m.pt/job.yaml"), "data/m.pt/job.yaml: no such file");
  EXPECT_EQ(errors_of("data"), "data: is a folder, not a YAML file");
  EXPECT_EQ(errors_of("/dev/null"), "/dev/null: is not a regular file");
  ASSERT_EQ(mkfifo("fifo.yaml", 0600), 0);  // opening it would wait for a writer forever
  EXPECT_EQ(errors_of("fifo.yaml"), "fifo.yaml: is not a regular file");
  std::filesystem::create_symlink("loop.yaml", "loop.yaml");
  EXPECT_NE(errors_of("loop.yaml"), "");
  write("secret.yaml", minimal_job);
  if (geteuid() != 0) {
    std::filesystem::permissions("secret.yaml", std::filesystem::perms::none);
    EXPECT_EQ(errors_of("secret.yaml"), "secret.yaml: cannot be read; check its permissions");
  }
}

TEST_F(Hostile, NotAMapping) {
  EXPECT_THAT(errors(""), HasSubstr("job.yaml:1:1: holds nothing"));
  EXPECT_THAT(errors("# nothing\n"), HasSubstr("job.yaml:1:1: holds nothing"));
  EXPECT_THAT(errors("---\n"), HasSubstr("holds nothing"));
  EXPECT_THAT(errors("- infer\n"), HasSubstr("must be a mapping of keys to values, not a list"));
  EXPECT_THAT(errors("infer\n"), HasSubstr("must be a mapping of keys to values, not 'infer'"));
}

TEST_F(Hostile, NotText) {
  EXPECT_THAT(errors(std::string("job: infer\nname: a\0b", 20)), HasSubstr("job.yaml:2:8: not a text file: control"));
  EXPECT_THAT(errors("job: infer\n\x04name: x\n"), HasSubstr("job.yaml:2:1: not a text file: control character 0x04"));
  EXPECT_THAT(errors("name: \xff\xfe"), HasSubstr("job.yaml:1:7: not a text file: byte 0xff is not UTF-8"));
  EXPECT_THAT(errors("\xff\xfej\0o\0"), HasSubstr("job.yaml:1:1: not a text file"));
  for (const char* bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf0\x80\x80\x80"}) {
    EXPECT_THAT(errors(std::string("name: ") + bad), HasSubstr("is not UTF-8"));
  }
  EXPECT_THAT(errors("\x89PNG\r\n\x1a\n"), HasSubstr("job.yaml:1:1: not a text file"));
}

TEST_F(Hostile, NotYaml) {
  EXPECT_THAT(errors("job: [infer\n"), HasSubstr("not readable as YAML: a [ without its ]"));
  EXPECT_THAT(errors("job: infer\n\tname: x\n"), HasSubstr("job.yaml:2:"));
  EXPECT_THAT(errors("name: 'x\n"), HasSubstr("a quote that is not closed"));
  EXPECT_THAT(errors("job: infer\n  name: x\n"), HasSubstr("job.yaml:2:7: not readable as YAML: a ':' where no key"));
  EXPECT_THAT(errors("name: *nobody\n"), HasSubstr("an alias without its anchor"));
  EXPECT_THAT(errors("model: {path: ${X}}\n"), HasSubstr("inside { } or [ ], quote \"${...}\""));
  EXPECT_THAT(errors("? [a, b]\n: c\n"), HasSubstr("a key must be text"));
  EXPECT_THAT(errors("base: &b {x: 1}\nmodel:\n  <<: *b\n"),
              HasSubstr("job.yaml:3:3: not readable as YAML: merge keys"));
  EXPECT_THAT(errors("name: !thing x\n"), HasSubstr("job.yaml:1:7: not readable as YAML: tags are not supported"));
  EXPECT_THAT(errors(std::string(minimal_job) + "---\njob: infer\n"), HasSubstr("a second YAML document begins here"));
  EXPECT_THAT(errors("a: 1\n---\n"), HasSubstr("a second YAML document begins here"));
}

TEST_F(Hostile, SelfReference) {
  EXPECT_THAT(errors("a: &x [*x]\n"), HasSubstr("job.yaml:1:8: not readable as YAML: an alias inside the value"));
  EXPECT_THAT(errors("&r\na: {b: *r}\n"), HasSubstr("an alias inside the value"));
}

TEST_F(Hostile, AliasBombs) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1) + ", ";
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + repeated(before, 9) + "x]\n";
  }
  EXPECT_THAT(errors(bomb), HasSubstr("values, or too much text, once aliases are followed"));
  const std::string wide = "a: &a " + std::string(400'000, 'x') + "\nb: [" + repeated("*a, ", 90'000) + "]\n";
  EXPECT_THAT(errors(wide), HasSubstr("too much text, once aliases are followed"));
  const std::string nested = repeated("&a [", 30) + repeated("1,", 90'000) + repeated("]", 30);
  EXPECT_THAT(errors("a: " + nested), HasSubstr("once aliases are followed"));
}

TEST_F(Hostile, BigFiles) {
  write("big.yaml", minimal_job);
  std::filesystem::resize_file("big.yaml", 100'000'000);  // sparse
  EXPECT_EQ(errors_of("big.yaml"), "big.yaml: is 100000000 bytes long; a job file has at most 1048576");
  const std::size_t size = max_job_bytes;
  for (const char* unit : {"[",    "{", "- ",  "? ", "{a: ", "&a ", "!!",     "a: ", "\"",  "'",    "# ",
                           "--- ", "%", "|\n", "]",  ",",    ":",   "- |\n ", "\n",  "[a,", "? a\n"}) {
    const std::string text = repeated(unit, size / std::string(unit).size());
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_NE(errors(text), "") << unit;
    // Two hundred times what it takes, and far from what a cost that grows with the square would be.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20)) << unit;
  }
  EXPECT_NE(errors(repeated("k: v\n", size / 5)), "");
  EXPECT_NE(errors("a: " + std::string(size - 3, 'x')), "");
  EXPECT_NE(errors(std::string(size - 3, 'x') + ": 1"), "");
}

TEST_F(Hostile, DepthIsBounded) {
  const auto nested = [](int depth) { return "a: " + repeated("[", depth) + repeated("]", depth); };
  EXPECT_THAT(errors(nested(max_job_depth - 1)), HasSubstr("unknown key 'a'"));
  EXPECT_THAT(errors(nested(max_job_depth)), HasSubstr("nested more than 32 levels deep"));
}

// Every file that ends early or has bytes changed is a job or a JobError, nothing else.
TEST_F(Hostile, DamagedJobs) {
  const std::string good = std::string(minimal_job) +
                           "shard_size: auto\nx: &a [1, \"b\\n\", 'c', {d: |\n }]\ny: *a\nmetrics: {accuracy: {output: "
                           "label, target: t}}\nfault_tolerance:\n  shard_timeout: ${NONE:-5m}\n";
  for (std::size_t length = 0; length <= good.size(); ++length) errors(good.substr(0, length));
  std::mt19937 random(7);
  const std::string bytes = "[]{}:,-?&*!|>'\"%@`# \n\t$~<=\\ab01.";
  for (int i = 0; i < 1500; ++i) {
    std::string text = good;
    for (int change = 0; change < 1 + i % 4; ++change) text[random() % text.size()] = bytes[random() % bytes.size()];
    errors(text);
  }
}

}  // namespace
}  // namespace shardmill::job
