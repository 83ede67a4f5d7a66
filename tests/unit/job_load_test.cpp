#include <gmock/gmock.h>

#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* const full_job = R"(job: infer
name: digits-1.0
model: {path: data/m.pt, format: torchscript, device: cpu, precision: bfloat16, pad_batches: true}
dataset:
  path: data/d.h5
  inputs:
    - images
    - {name: /group/mask, transforms: [{scale: -0.5}]}
    - {name: other}
  range: {first: 10, last: 1000}
  transforms:
    - {cast: float32}
    - {scale: 0.0625}
    - {normalize: {mean: 0.5, std: 2}}
    - {normalize: {mean: [0.1, 0.2, 0.3], std: [1, 1e-3, .5]}}
    - {reshape: [1, 8, -1]}
    - {permute: [2, 0, 1]}
batch_size: 64
shard_size: 1000
outputs:
  probabilities: {post: softmax, dtype: float16}
  label: {post: argmax, from: logits}
  best: {post: top_k, k: 3, dtype: int32, from: 0}
  raw:
metrics:
  accuracy: {output: label, target: labels, mask: held_out}
  error: {type: mean_squared_error, output: raw, target: y}
output: out/results.h5
fault_tolerance:
  {max_attempts: 5, shard_timeout: 5m, rank_timeout: 500ms, on_bad_record: fail, finite: true, max_restarts: 0,
   batch_timeout: 1m, max_quarantined: 7, spares: 2}
resources: {ranks: 4, threads_per_rank: 2}
faults:
  inject: [{crash_at: "mid-batch:1:2"}, {disk: "write:*:1:short:results"}]
  expect: {outcome: done, faults: 1, recovered: 1}
slurm:
  {partition: gpu, account: proj-1, qos: low, nodes: 3, ranks_per_node: 4, gpus_per_node: 2, time: 12h, stop_before: 2m,
   max_requeues: 9, modules: [gcc/12, openmpi], setup: ["ulimit -c 0", "export A=\"$$HOME: x\""],
   extra: ["--constraint=a100|h100"]}
)";

class Load : public JobTest {};

TEST_F(Load, MaxQuarantinedIsANumberOrAShare) {
  const auto limit = [this](const std::string& value) {
    return *load(std::string(minimal_job) + "\nfault_tolerance: {max_quarantined: " + value + "}\n")
                .fault_tolerance.max_quarantined;
  };
  EXPECT_EQ(limit("7").of(1'000'000), 7);
  EXPECT_EQ(limit("1%").of(700), 7);
  EXPECT_EQ(limit("0.1%").of(3000), 3);
  EXPECT_EQ(limit("1%").of(99), 0);
  EXPECT_EQ(limit("100%").of(99), 99);
  EXPECT_EQ(limit("0%").of(99), 0);
}

TEST_F(Load, ReadsEveryKey) {
  const Job job = load(full_job);
  EXPECT_EQ(job.name, "digits-1.0");
  EXPECT_EQ(job.project, folder_);
  EXPECT_EQ(job.model,
            (Model{folder_ / "data/m.pt", ModelFormat::torchscript, Device::cpu, Precision::bfloat16, true, {}}));
  EXPECT_EQ(job.dataset.path, folder_ / "data/d.h5");
  ASSERT_EQ(job.dataset.inputs.size(), 3u);
  EXPECT_EQ(job.dataset.inputs[0].name, "images");
  EXPECT_THAT(job.dataset.inputs[0].transforms,
              ElementsAre(Cast{DType::float32}, Scale{0.0625}, Normalize{{0.5}, {2}},
                          Normalize{{0.1, 0.2, 0.3}, {1, 1e-3, 0.5}}, Reshape{{1, 8, -1}}, Permute{{2, 0, 1}}));
  EXPECT_EQ(job.dataset.inputs[1], (Input{"/group/mask", {Scale{-0.5}}}));
  EXPECT_EQ(job.dataset.inputs[2].transforms, job.dataset.inputs[0].transforms);
  EXPECT_EQ(job.dataset.range, (RecordRange{10, 1000}));
  EXPECT_EQ(job.batch_size, 64);
  EXPECT_EQ(job.shard_size, 1000);
  EXPECT_THAT(job.outputs, ElementsAre(Output{"probabilities", "", Post::softmax, 0, DType::float16},
                                       Output{"label", "logits", Post::argmax, 0, std::nullopt},
                                       Output{"best", "0", Post::top_k, 3, DType::int32},
                                       Output{"raw", "", Post::none, 0, std::nullopt}));
  EXPECT_THAT(job.metrics, ElementsAre(Metric{"accuracy", MetricType::accuracy, "label", "labels", "held_out"},
                                       Metric{"error", MetricType::mean_squared_error, "raw", "y", std::nullopt}));
  EXPECT_EQ(job.output, folder_ / "out/results.h5");
  EXPECT_EQ(job.fault_tolerance, (FaultTolerance{5, 300, 0.5, 60, OnBadRecord::fail, true, 0, RecordLimit{7, {}}, 2}));
  const Faults faults{{"mid-batch:1:2"}, {"write:*:1:short:results"}, ExitCode::done, 1, 1};
  EXPECT_EQ(job.faults, faults);
  EXPECT_EQ(job.resources, (Resources{4, 2}));
  EXPECT_EQ(job.slurm, (Slurm{"gpu",
                              "proj-1",
                              "low",
                              3,
                              4,
                              2,
                              43200,
                              120,
                              9,
                              {"gcc/12", "openmpi"},
                              {"ulimit -c 0", "export A=\"$HOME: x\""},
                              {"--constraint=a100|h100"}}));
}

TEST_F(Load, FillsInDefaults) {
  const Job job = load(minimal_job);
  EXPECT_EQ(job.model,
            (Model{folder_ / "data/m.pt", ModelFormat::torchscript, Device::automatic, Precision::float32, false, {}}));
  EXPECT_FALSE(job.dataset.range);
  EXPECT_FALSE(job.shard_size);
  EXPECT_FALSE(job.output);
  EXPECT_TRUE(job.metrics.empty());
  EXPECT_EQ(job.fault_tolerance, FaultTolerance{});
  EXPECT_EQ(job.resources, Resources{});
  EXPECT_EQ(job.slurm, Slurm{});
}

TEST_F(Load, TakesTheModelFormatFromTheSuffix) {
  for (const auto& [name, format] :
       {std::pair{"data/m.pth", ModelFormat::torchscript}, std::pair{"data/m.ts", ModelFormat::torchscript},
        std::pair{"data/m.pt2", ModelFormat::exported}, std::pair{"data/m.aoti.pt2", ModelFormat::compiled}}) {
    write(name, "model");
    EXPECT_EQ(load(with("data/m.pt", name)).model.format, format) << name;
  }
  write("data/m.bin", "model");
  EXPECT_THAT(errors(with("data/m.pt", "data/m.bin")), HasSubstr("job.yaml:3:15: model.path ends in none of"));
  EXPECT_EQ(load(with("data/m.pt}", "data/m.bin, format: exported}")).model.format, ModelFormat::exported);
}

TEST_F(Load, ResolvedYamlReadsBackToAnEqualJob) {
  for (const std::string& text : {std::string(minimal_job), std::string(full_job)}) {
    const Job job = load(text);
    const Job again = load_job(write("elsewhere/resolved.yaml", job.resolved_yaml));
    EXPECT_TRUE(job == again) << job.resolved_yaml;
    EXPECT_EQ(again.resolved_yaml, job.resolved_yaml);
  }
}

TEST_F(Load, ResolvedYamlSurvivesAwkwardText) {
  write("da$ta/m \"x\" ${y}: #\\.pt", "model");
  const Job job = load(with("{path: data/m.pt}", R"({path: 'da$ta/m "x" $${y}: #\.pt'})") +
                       "  \"a$b: 'ü' #\": {from: \"x: [\\\"1\\\", $$] é\"}\n  'null': {}\n  7: {}\n");
  EXPECT_EQ(job.model.path, folder_ / "da$ta/m \"x\" ${y}: #\\.pt");
  EXPECT_EQ(job.outputs[1].name, "a$b: 'ü' #");
  EXPECT_EQ(job.outputs[1].from, "x: [\"1\", $] é");
  const Job again = load_job(write("resolved.yaml", job.resolved_yaml));
  EXPECT_TRUE(job == again) << job.resolved_yaml;
}

TEST_F(Load, ResolvedYamlDoesNotDependOnTheEnvironment) {
  std::string resolved;
  {
    const Variable variable("SHARDMILL_TEST_NAME", "from-env");
    resolved = load(with("name: digits", "name: ${SHARDMILL_TEST_NAME}")).resolved_yaml;
  }
  EXPECT_EQ(load_job(write("resolved.yaml", resolved)).name, "from-env");
}

TEST_F(Load, RecordsWhereEachKeyCameFrom) {
  const Job job = load(full_job);
  EXPECT_EQ(job.where("name"), (Location{"job.yaml", 2, 7}));
  EXPECT_EQ(job.where("dataset"), (Location{"job.yaml", 4, 1}));
  EXPECT_EQ(job.where("dataset.inputs[0]"), (Location{"job.yaml", 7, 7}));
  EXPECT_EQ(job.where("dataset.inputs[1].name"), (Location{"job.yaml", 8, 14}));
  EXPECT_EQ(job.where("outputs.label.post"), (Location{"job.yaml", 22, 17}));
  EXPECT_EQ(job.where("metrics.accuracy.target"), (Location{"job.yaml", 26, 37}));
  EXPECT_TRUE(job.locations.contains("dataset.transforms[3].normalize.std[1]"));
}

TEST_F(Load, FallsBackToTheNearestEnclosingKey) {
  const Job job = load(minimal_job);
  EXPECT_EQ(job.where("dataset.inputs[0].transforms[2].cast"), job.where("dataset.inputs[0]"));
  EXPECT_EQ(job.where("model.device"), job.where("model"));
  EXPECT_EQ(job.where("resources.ranks"), (Location{"job.yaml", 0, 0}));
  EXPECT_EQ(job.where("resources.ranks").to_string(), "job.yaml");
}

TEST_F(Load, FollowsAnchorsAndAliases) {
  const Job job = load(with("label: {post: argmax}", "a: &x {post: softmax}\n  b: *x"));
  EXPECT_EQ(job.outputs[1], (Output{"b", "", Post::softmax, 0, std::nullopt}));
  EXPECT_EQ(job.where("outputs.b.post"), job.where("outputs.a.post"));
}

TEST_F(Load, ReadsJsonAndWindowsLineEnds) {
  EXPECT_EQ(load(R"({"job": "infer", "name": "j", "model": {"path": "data/m.pt"}, "batch_size": 2,
    "dataset": {"path": "data/d.h5", "inputs": ["x"]}, "outputs": {"y": {}}})")
                .name,
            "j");
  std::string text = minimal_job;
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.replace(at, 1, "\r\n");
  EXPECT_TRUE(load("\xEF\xBB\xBF" + text) == load(minimal_job));
}

TEST_F(Load, FindsTheProjectFolder) {
  write("p/data/m.pt", "model");
  write("p/data/d.h5", "dataset");
  write("p/jobs/deep/job.yaml", minimal_job);
  // Both files are in the current folder.
  EXPECT_EQ(load_job("p/jobs/deep/job.yaml").project, folder_);
  // They are not: the nearest folder above the job file that has them.
  std::filesystem::create_directories(folder_ / "empty");
  std::filesystem::current_path(folder_ / "empty");
  EXPECT_EQ(load_job("../p/jobs/deep/job.yaml").project, folder_ / "p");
  EXPECT_EQ(load_job(folder_ / "p/jobs/deep/job.yaml").model.path, folder_ / "p/data/m.pt");
  // The job file's own folder comes before those above it.
  write("p/jobs/deep/data/m.pt", "model");
  write("p/jobs/deep/data/d.h5", "dataset");
  EXPECT_EQ(load_job("../p/jobs/deep/job.yaml").project, folder_ / "p/jobs/deep");
  // The job says so.
  write("p/jobs/deep/job.yaml", "project: " + (folder_ / "p").string() + "\n" + minimal_job);
  EXPECT_EQ(load_job("../p/jobs/deep/job.yaml").project, folder_ / "p");
}

TEST_F(Load, NamesMissingFilesAndWhereItLooked) {
  const std::string said = errors(with("data/d.h5", "data/x.h5"));
  EXPECT_EQ(said, "job.yaml:5:9: dataset.path: no such file: data/x.h5 (looked in " + folder_.string() +
                      " and the folders above the job file)");
  EXPECT_THAT(errors(with("data/m.pt", "/none/m.pt")), HasSubstr("model.path: no such file: /none/m.pt"));
  EXPECT_THAT(errors(with("data/m.pt", "~/m.pt")), HasSubstr("write ${HOME}"));
  EXPECT_THAT(errors("project: sub\n" + std::string(minimal_job)), HasSubstr("job.yaml:1:10: project must be the abs"));
}

TEST_F(Load, WantsRegularReadableFiles) {
  std::filesystem::create_directories("data/folder.pt");
  EXPECT_THAT(errors(with("data/m.pt", "data/folder.pt")), HasSubstr("model.path: is a folder, not a file"));
  EXPECT_THAT(errors(with("data/d.h5", "/dev/null")), HasSubstr("dataset.path: is not a regular file"));
  EXPECT_THAT(errors(with("", "output: data/d.h5")), HasSubstr("output: would overwrite what the job reads"));
  EXPECT_THAT(errors(with("", "output: data")), HasSubstr("output: is a folder"));
  if (geteuid() != 0) {
    std::filesystem::permissions("data/m.pt", std::filesystem::perms::none);
    EXPECT_THAT(errors(minimal_job), HasSubstr("model.path: cannot be read"));
  }
}

TEST_F(Load, ReportsAllProblemsInOneGoInOrder) {
  const std::string said = errors(R"(job: infer
nam: digits
model: {path: data/none.pt, devise: cpu}
dataset: {path: data/d.h5, inputs: []}
batch_size: 0
outputs: {label: {post: armgax}}
metrics: {accuracy: {output: lable, target: labels}}
)");
  EXPECT_THAT(said, HasSubstr("job.yaml:2:1: unknown key 'nam', did you mean 'name'?"));
  EXPECT_THAT(said, HasSubstr("job.yaml:3:29: unknown key 'devise', did you mean 'device'?"));
  EXPECT_THAT(said, HasSubstr("job.yaml:3:15: model.path: no such file"));
  EXPECT_THAT(said, HasSubstr("job.yaml:4:28: dataset.inputs must name at least one"));
  EXPECT_THAT(said, HasSubstr("job.yaml:5:13: batch_size must be from 1 to 1048576, not 0"));
  EXPECT_THAT(said, HasSubstr("job.yaml:6:25: outputs.label.post cannot be 'armgax', did you mean 'argmax'?"));
  EXPECT_THAT(said, HasSubstr("job.yaml:7:30: metrics.accuracy.output names no output of this job: 'lable', did you "
                              "mean 'label'?"));
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 6);
  EXPECT_EQ(said.rfind("job.yaml:2:1", 0), 0u);
}

TEST_F(Load, SaysWhichKindsThereAre) {
  EXPECT_EQ(errors("job: shuffle\nport: 3\n"),
            "job.yaml:1:6: job kind 'shuffle' is not available in this version; kinds: infer, train, serve, sweep");
  EXPECT_THAT(errors(with("job: infer", "job: infre")), HasSubstr("did you mean 'infer'?"));
}

TEST_F(Load, FloodsNobody) {
  std::string text = minimal_job;
  for (int i = 0; i < 5000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const std::string said = errors(text);
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 100);
  EXPECT_THAT(said, HasSubstr("from here on, 4900 more problems"));
}

}  // namespace
}  // namespace shardmill::job
