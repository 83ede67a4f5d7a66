// Where values come from besides the job file: profiles, overrides, the environment.
#include <gmock/gmock.h>

#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::HasSubstr;

class Sources : public JobTest {
 protected:
  static LoadOptions set(std::vector<std::string> overrides) { return {std::nullopt, std::move(overrides), {}}; }
  static LoadOptions profile(const std::string& name) { return {name, {}, "installed"}; }
  Job loaded_with(const std::string& override_text) { return load(minimal_job, set({override_text})); }
  std::string errors_with(const std::string& override_text) { return errors(minimal_job, set({override_text})); }
};

TEST_F(Sources, ProfilesFillInWhatTheJobLeavesOut) {
  write("configs/big.yaml", "batch_size: 512\nresources: {ranks: 8, threads_per_rank: 4}\nmodel: {device: cpu}\n");
  const Job job = load(with("", "resources: {ranks: 2}"), profile("big"));
  EXPECT_EQ(job.batch_size, 64);
  EXPECT_EQ(job.resources, (Resources{2, 4}));
  EXPECT_EQ(job.model.device, Device::cpu);
  EXPECT_EQ(job.where("resources.threads_per_rank"), (Location{"configs/big.yaml", 2, 41}));
  EXPECT_EQ(job.where("resources.ranks"), (Location{"job.yaml", 10, 20}));
  EXPECT_EQ(load(with("", "resources:"), profile("big")).resources, (Resources{8, 4}));
}

TEST_F(Sources, ProfileListsAreReplacedAndTheJobsOrderComesFirst) {
  write("configs/p.yaml", "outputs: {a: {}, label: {dtype: int32}}\ndataset: {inputs: [x, y]}\n");
  const Job job = load(minimal_job, profile("p"));
  ASSERT_EQ(job.outputs.size(), 2u);
  EXPECT_EQ(job.outputs[0], (Output{"label", "", Post::argmax, 0, DType::int32}));
  EXPECT_EQ(job.outputs[1].name, "a");
  EXPECT_EQ(job.dataset.inputs.size(), 1u);
}

TEST_F(Sources, ProfilesAreLookedForInTheProjectFirst) {
  write("installed/a.yaml", "resources: {ranks: 1}\n");
  write("installed/b.yaml", "resources: {ranks: 2}\n");
  write("configs/b.yaml", "resources: {ranks: 3}\n");
  EXPECT_EQ(load(minimal_job, profile("a")).resources.ranks, 1);
  EXPECT_EQ(load(minimal_job, profile("b")).resources.ranks, 3);
  EXPECT_EQ(load(minimal_job, profile("installed/b.yaml")).resources.ranks, 2);
  const std::string said = errors(minimal_job, profile("bb"));
  EXPECT_THAT(said, HasSubstr("--profile bb: no profile 'bb': looked for configs/bb.yaml and installed/bb.yaml"));
  EXPECT_THAT(said, HasSubstr("profiles: a, b"));
  EXPECT_THAT(errors(minimal_job, profile("no/where.yaml")), HasSubstr("no/where.yaml: no such file"));
  EXPECT_NE(errors(minimal_job, profile("")), "");
}

TEST_F(Sources, ProblemsInAProfileAreShownThere) {
  write("configs/p.yaml", "resources:\n  rank: 8\n  threads_per_rank: 0\nmodel:\n  path: [\n");
  EXPECT_THAT(errors(minimal_job, profile("p")), HasSubstr("configs/p.yaml:6:1: not readable as YAML"));
  write("configs/p.yaml", "resources:\n  rank: 8\n  threads_per_rank: 0\n  threads_per_rank: 1\n");
  const std::string said = errors(minimal_job, profile("p"));
  EXPECT_THAT(said, HasSubstr("configs/p.yaml:2:3: unknown key 'rank', did you mean 'ranks'?"));
  EXPECT_THAT(said, HasSubstr("configs/p.yaml:3:21: resources.threads_per_rank must be from 1 to 1024, not 0"));
  EXPECT_THAT(said, HasSubstr("configs/p.yaml:4:3: duplicate key 'threads_per_rank', first given in line 3"));
}

TEST_F(Sources, OverridesWin) {
  write("configs/p.yaml", "batch_size: 1\nshard_size: 5\n");
  const Job job = load(minimal_job, {"p", {"batch_size=2", "shard_size=6", "batch_size=3"}, {}});
  EXPECT_EQ(job.batch_size, 3);
  EXPECT_EQ(job.shard_size, 6);
  EXPECT_EQ(job.where("batch_size").to_string(), "--set batch_size=3");
  EXPECT_EQ(loaded_with("fault_tolerance.max_attempts=5").fault_tolerance.max_attempts, 5);
  EXPECT_EQ(loaded_with("dataset.inputs[0]=other").dataset.inputs[0].name, "other");
  EXPECT_EQ(loaded_with("dataset.inputs=[a, b]").dataset.inputs.size(), 2u);
  EXPECT_EQ(loaded_with("outputs.extra={post: softmax}").outputs[1].post, Post::softmax);
  EXPECT_EQ(loaded_with("outputs.label.dtype=int32").outputs[0].dtype, DType::int32);
  EXPECT_EQ(loaded_with("outputs.label.from=a=b").outputs[0].from, "a=b");
  EXPECT_EQ(loaded_with("resources={ranks: 3}").resources.ranks, 3);
}

TEST_F(Sources, OverridesAreCheckedLikeTheJob) {
  EXPECT_EQ(errors_with("batchsize=3"), "--set batchsize=3: unknown key 'batchsize', did you mean 'batch_size'?");
  EXPECT_THAT(errors_with("batch_size=x"), HasSubstr("--set batch_size=x: batch_size must be a whole number, not 'x'"));
  EXPECT_THAT(errors_with("batch_size="), HasSubstr("--set batch_size=: batch_size has no value"));
  EXPECT_THAT(errors_with("batch_size=[1"), HasSubstr("--set batch_size=[1: not readable as YAML"));
  EXPECT_THAT(errors_with("batch_size={a: 1, a: 2}"), HasSubstr("duplicate key 'a'"));
  EXPECT_THAT(errors_with("name.x=1"), HasSubstr("--set name.x=1: name is 'digits', and has no key 'x'"));
  EXPECT_THAT(errors_with("name[0]=1"), HasSubstr("name is 'digits', and has no items"));
  EXPECT_THAT(errors_with("dataset.inputs[1]=x"), HasSubstr("dataset.inputs has no item 1; it has 1, counted from 0"));
  for (const char* bad : {"", "=", "=3", "batch_size", "a..b=1", ".a=1", "a.=1", "a[x]=1", "a[0=1", "a[-1]=1", "a]=1",
                          "[0]=1", "a[0]b=1", "a[99999999999999999999]=1"}) {
    EXPECT_THAT(errors_with(bad), HasSubstr("--set " + std::string(bad) + ": an override reads key=value")) << bad;
  }
  EXPECT_THAT(errors_with("name=" + std::string(2 << 20, 'x')), HasSubstr("too long"));
  EXPECT_THAT(errors_with("name=" + std::string(100'000, '[')), HasSubstr("levels deep"));
  EXPECT_THAT(errors_with("name=a\xff"), HasSubstr("is not text"));
  EXPECT_NE(errors_with("a" + std::string(100, '.') + "=1"), "");
}

TEST_F(Sources, VariablesExpandEverywhere) {
  const Variable name("SHARDMILL_TEST_A", "abc");
  const Variable number("SHARDMILL_TEST_N", "32");
  const Variable empty("SHARDMILL_TEST_EMPTY", "");
  EXPECT_EQ(load(with("name: digits", "name: x-${SHARDMILL_TEST_A}-${SHARDMILL_TEST_A}")).name, "x-abc-abc");
  EXPECT_EQ(load(with("name: digits", "name: ${SHARDMILL_TEST_NONE:-y}")).name, "y");
  EXPECT_EQ(load(with("name: digits", "name: ${SHARDMILL_TEST_EMPTY:-y}")).name, "y");
  EXPECT_EQ(load(with("batch_size: 64", "batch_size: ${SHARDMILL_TEST_N}")).batch_size, 32);
  EXPECT_EQ(load(with("inputs: [images]", "inputs: ['$$x $y $${z} ${SHARDMILL_TEST_A}']")).dataset.inputs[0].name,
            "$x $y ${z} abc");
  write("configs/p.yaml", "resources: {ranks: \"${SHARDMILL_TEST_NONE:-3}\"}\n");
  EXPECT_THAT(errors(minimal_job, profile("p")), HasSubstr("not the string '3'; write it without the quotes"));
  write("configs/p.yaml", "resources:\n  ranks: ${SHARDMILL_TEST_N}\n");
  const Job job = load(minimal_job, {"p", {"name=o-${SHARDMILL_TEST_A}"}, {}});
  EXPECT_EQ(job.resources.ranks, 32);
  EXPECT_EQ(job.name, "o-abc");
  const Variable data("SHARDMILL_TEST_DATA", (folder_ / "data").string());
  EXPECT_EQ(load(with("data/m.pt", "\"${SHARDMILL_TEST_DATA}/m.pt\"")).model.path, folder_ / "data/m.pt");
}

TEST_F(Sources, BadVariablesAreReported) {
  const auto name = [&](const std::string& value) { return errors(with("name: digits", "name: \"" + value + "\"")); };
  EXPECT_THAT(name("${SHARDMILL_TEST_NONE}"), HasSubstr("job.yaml:2:7: the environment variable SHARDMILL_TEST_NONE is "
                                                        "not set; set it, or give a default: "));
  EXPECT_THAT(name("${X"), HasSubstr("${ without its }"));
  EXPECT_THAT(name("${}"), HasSubstr("is not a variable"));
  EXPECT_THAT(name("${1X}"), HasSubstr("is not a variable"));
  EXPECT_THAT(name("${A-b}"), HasSubstr("is not a variable"));
  EXPECT_THAT(name("${A:-${B}}"), HasSubstr("holds a variable itself"));
  const Variable bytes("SHARDMILL_TEST_BYTES", "\xff");
  EXPECT_THAT(name("${SHARDMILL_TEST_BYTES}"), HasSubstr("holds bytes that are not text"));
  const Variable large("SHARDMILL_TEST_LARGE", std::string(100'000, 'x'));
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "${SHARDMILL_TEST_LARGE}";
  EXPECT_THAT(name(many), HasSubstr("make this job too long"));
}

// A value that comes from the environment is not looked through again.
TEST_F(Sources, VariablesDoNotNest) {
  const Variable inner("SHARDMILL_TEST_A", "$${HOME} ${HOME}");
  const Job job = load(with("inputs: [images]", "inputs: ['${SHARDMILL_TEST_A}']"));
  EXPECT_EQ(job.dataset.inputs[0].name, "$${HOME} ${HOME}");
  EXPECT_TRUE(load_job(write("resolved.yaml", job.resolved_yaml)) == job);
}

}  // namespace
}  // namespace shardmill::job
