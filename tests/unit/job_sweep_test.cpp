// Sweeps: what they may hold, and the trials that come of them.
#include <cmath>

#include <gmock/gmock.h>

#include "job/expand_sweep.hpp"
#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* const train_job = R"(job: train
name: digits
model: {zoo: cnn, options: {classes: 10}}
dataset: {path: data/d.h5, inputs: [images], target: labels, split: {validation: 0.2}}
training:
  loss: cross_entropy
  optimizer: {type: adamw, learning_rate: 0.1, beta1: 0.8}
  global_batch_size: 64
  epochs: 3
evaluation: {metrics: [accuracy]}
resources: {threads_per_rank: 2}
)";

const char* const grid_job = R"(job: sweep
name: digits-sweep
trial: train.yaml
search: grid
parameters:
  training.optimizer.learning_rate: [0.1, 0.2, 0.3]
  training.optimizer: [{type: sgd, learning_rate: 1}, {type: adamw, learning_rate: 2}]
objective: accuracy
)";

class SweepJob : public JobTest {
 protected:
  void SetUp() override {
    JobTest::SetUp();
    write("train.yaml", train_job);
  }
  static std::string changed(const std::string& line, const std::string& replacement, std::string text = grid_job) {
    return text.replace(text.find(line), line.size(), replacement);
  }
  static std::string random_job(const std::string& parameters, int trials = 200, int seed = 1) {
    return "job: sweep\nname: digits\ntrial: train.yaml\nsearch: {method: random, trials: " + std::to_string(trials) +
           ", seed: " + std::to_string(seed) + "}\nparameters: " + parameters + "\nobjective: accuracy\n";
  }
  static std::vector<std::string> values(const Job& job, std::size_t parameter = 0) {
    std::vector<std::string> all;
    for (const Trial& trial : job.sweep.trials) all.push_back(trial.values.at(parameter));
    return all;
  }
};

TEST_F(SweepJob, GridTriesEveryCombinationTheLastKeyFastest) {
  const Job job =
      load(changed("  training.optimizer: [{type: sgd, learning_rate: 1}, {type: adamw, learning_rate: 2}]\n",
                   "  training.epochs: [1, 2]\n"));
  EXPECT_EQ(job.kind, Kind::sweep);
  EXPECT_EQ(job.sweep.objective, EvaluationMetric::accuracy);
  EXPECT_THAT(job.sweep.keys, ElementsAre("training.optimizer.learning_rate", "training.epochs"));
  EXPECT_THAT(values(job, 0), ElementsAre("0.1", "0.1", "0.2", "0.2", "0.3", "0.3"));
  EXPECT_THAT(values(job, 1), ElementsAre("1", "2", "1", "2", "1", "2"));
  const Job& trial = *job.sweep.trials[3].job;
  EXPECT_EQ(trial.kind, Kind::train);
  EXPECT_EQ(trial.name, "digits");
  EXPECT_EQ(trial.train.optimizer.learning_rate, 0.2);
  EXPECT_EQ(trial.train.epochs, 2);
  EXPECT_EQ(trial.train.evaluation.best, EvaluationMetric::accuracy);
  EXPECT_EQ(trial.project, folder_);
  EXPECT_EQ(job.project, folder_);
}

// A value may be a whole section, and nothing of the section that it replaces stays.
TEST_F(SweepJob, ValuesMayBeMappings) {
  const Job job = load(changed("  training.optimizer.learning_rate: [0.1, 0.2, 0.3]\n", ""));
  ASSERT_EQ(job.sweep.trials.size(), 2U);
  EXPECT_EQ(values(job)[0], "{type: sgd, learning_rate: 1}");
  EXPECT_EQ(job.sweep.trials[0].job->train.optimizer.type, OptimizerType::sgd);
  EXPECT_EQ(job.sweep.trials[1].job->train.optimizer.beta1, 0.9);
}

TEST_F(SweepJob, ATrialIsTheJobThatSetMakes) {
  const Job job =
      load(changed("  training.optimizer: [{type: sgd, learning_rate: 1}, {type: adamw, learning_rate: 2}]\n",
                   "  training.seed: [4]\n"));
  const Job by_hand =
      load_job("train.yaml",
               {{}, {"training.optimizer.learning_rate=0.3", "training.seed=4", "evaluation.best=accuracy"}, {}, {}});
  EXPECT_EQ(*job.sweep.trials[2].job, by_hand);
  EXPECT_EQ(job.sweep.trials[2].job->resolved_yaml, by_hand.resolved_yaml);
}

TEST_F(SweepJob, ResolvedItReadsBackAnywhere) {
  const std::string draws = random_job(
      "{training.optimizer.learning_rate: {log_uniform: [1e-4, 0.1]}, model.options.channels: [[8, 16], [4]]}", 5);
  for (const std::string& text : {std::string(grid_job), draws}) {
    const Job job = load(text);
    write("elsewhere/resolved.yaml", job.resolved_yaml);
    std::filesystem::current_path("/");
    const Job again = load_job(folder_ / "elsewhere/resolved.yaml");
    std::filesystem::current_path(folder_);
    EXPECT_EQ(again, job);
    EXPECT_EQ(again.resolved_yaml, job.resolved_yaml);
    ASSERT_EQ(again.sweep.trials.size(), job.sweep.trials.size());
    for (std::size_t i = 0; i < job.sweep.trials.size(); ++i)
      EXPECT_EQ(again.sweep.trials[i].job->resolved_yaml, job.sweep.trials[i].job->resolved_yaml);
  }
}

TEST_F(SweepJob, TheTrainJobMayStandInTheFileAndBeOverridden) {
  std::string text = grid_job;
  const Job by_path = load(text);
  std::string inside;
  std::istringstream lines(train_job);
  for (std::string line; std::getline(lines, line);) inside += "  " + line + "\n";
  EXPECT_EQ(load(changed("trial: train.yaml\n", "trial:\n" + inside)), by_path);
  EXPECT_EQ(load(text, {{}, {"trial.training.seed=9"}, {}, {}}).sweep.trials[0].job->train.seed, 9U);
  EXPECT_EQ(load(text, {{}, {"trial=train.yaml"}, {}, {}}), by_path);
  EXPECT_EQ(load(text, {{}, {"parameters={training.epochs: [7]}"}, {}, {}}).sweep.trials[0].job->train.epochs, 7);
}

TEST_F(SweepJob, ThreadsAreTheTrainJobsUnlessTheSweepSaysOtherwise) {
  EXPECT_EQ(load(grid_job).resources.threads_per_rank, 2);
  const Job job = load(std::string(grid_job) + "resources: {threads_per_rank: 3}\n");
  EXPECT_EQ(job.resources.threads_per_rank, 3);
  EXPECT_EQ(job.sweep.trials[0].job->resources.threads_per_rank, 3);
}

TEST_F(SweepJob, AProfileIsForBothOfThem) {
  write("p.yaml", "model: {device: cpu}\nfault_tolerance: {rank_timeout: 3s}\nslurm: {nodes: 2}\n");
  const Job job = load(grid_job, {"p.yaml", {}, {}, {}});
  EXPECT_EQ(job.sweep.trials[0].job->model.device, Device::cpu);
  EXPECT_EQ(job.fault_tolerance.rank_timeout, 3);
  EXPECT_EQ(job.slurm.nodes, 2);
}

TEST_F(SweepJob, DrawsDependOnSeedAndNumberAlone) {
  const std::string parameters =
      "{training.optimizer.learning_rate: {log_uniform: [1e-4, 0.1]}, training.seed: [1, 2, 3]}";
  const Job job = load(random_job(parameters));
  EXPECT_EQ(values(load(random_job(parameters)), 0), values(job, 0));
  const auto fewer = values(load(random_job(parameters, 20)), 0);
  const auto all = values(job, 0);
  EXPECT_EQ(fewer, std::vector<std::string>(all.begin(), all.begin() + 20))
      << "more trials leave the first as they are";
  EXPECT_NE(values(load(random_job(parameters, 200, 2)), 0), values(job, 0));
  // These values are what a seed means: another version of shardmill must draw them too.
  EXPECT_THAT(values(load(random_job(parameters, 3)), 0), ElementsAre("0.00346531", "0.00059558", "0.0832206"));
}

TEST_F(SweepJob, DrawsFillTheirRange) {
  const Job job =
      load(random_job("{training.optimizer.learning_rate: {log_uniform: [1e-4, 0.1]}, "
                      "training.optimizer.weight_decay: {uniform: [0.5, 2]}, "
                      "training.epochs: {int_uniform: [2, 4]}, training.seed: [7, 8]}",
                      1000));
  std::map<std::int64_t, int> epochs;
  std::map<std::uint64_t, int> seeds;
  int low_rates = 0;
  double sum = 0;
  for (const Trial& trial : job.sweep.trials) {
    const Train& train = trial.job->train;
    EXPECT_GE(train.optimizer.learning_rate, 1e-4);
    EXPECT_LE(train.optimizer.learning_rate, 0.1);
    low_rates += train.optimizer.learning_rate < 1e-3 ? 1 : 0;
    EXPECT_GE(train.optimizer.weight_decay, 0.5);
    EXPECT_LE(train.optimizer.weight_decay, 2);
    sum += train.optimizer.weight_decay;
    ++epochs[*train.epochs];
    ++seeds[train.seed];
  }
  EXPECT_NEAR(low_rates, 333, 60) << "a third of the orders of magnitude";
  EXPECT_NEAR(sum / 1000, 1.25, 0.06);
  ASSERT_EQ(epochs.size(), 3U);
  for (const auto& [value, count] : epochs) EXPECT_NEAR(count, 333, 60) << value;
  ASSERT_EQ(seeds.size(), 2U);
  EXPECT_NEAR(seeds[7], 500, 70);
}

TEST_F(SweepJob, ProblemsOfTrialsAreToldWithTheirNumberAndPlace) {
  const std::string one =
      errors(changed("[0.1, 0.2, 0.3]", "[0.1, -1, 0.3]",
                     changed("  training.optimizer: [{type: sgd, learning_rate: 1}, {type: adamw, learning_rate: 2}]\n",
                             "  training.seed: [1, 2]\n")));
  EXPECT_EQ(one, "job.yaml:6:43: trials 0002, 0003: training.optimizer.learning_rate must be above 0");
  write("train.yaml", changed("zoo: cnn", "zoo: cnm", train_job));
  const std::string all = errors(grid_job);
  EXPECT_THAT(all, HasSubstr("train.yaml:3:14: model.zoo cannot be 'cnm'")) << "once, and of no trial";
  EXPECT_EQ(all.find('\n'), std::string::npos);
}

TEST_F(SweepJob, RefusesWhatIsNoSweep) {
  const auto says = [this](const std::string& text, const std::string& sentence) {
    const std::string said = errors(text);
    EXPECT_THAT(said, HasSubstr(sentence));
    EXPECT_EQ(said.find('\n'), std::string::npos) << said;
  };
  says(changed("trial: train.yaml", "trial: none.yaml"), "job.yaml:3:8: trial: no such file: none.yaml");
  says(changed("trial: train.yaml", "trial: [1]"), "trial must be the path of a train job, or the job itself");
  says(changed("search: grid", "search: random"), "search needs a number of trials");
  says(changed("search: grid", "search: {method: random}"), "missing key 'trials' in 'search'");
  says(changed("search: grid", "search: {method: grid, trials: 3}"), "search.trials does not belong to method: grid");
  says(changed("[0.1, 0.2, 0.3]", "{uniform: [0, 1]}"), "a grid tries every value of a list");
  says(changed("[0.1, 0.2, 0.3]", "0.1"), "must be a list of values or a distribution, not '0.1'");
  says(changed("[0.1, 0.2, 0.3]", "[]"), "must list at least one value");
  says(changed("training.optimizer.learning_rate", "resources.threads_per_rank"), "belongs to the sweep as a whole");
  says(changed("training.optimizer.learning_rate", "evaluation.best"), "is what `objective` says");
  says(changed("objective: accuracy", "objective: top_5"), "objective must be loss or one of evaluation.metrics");
  says(changed("objective: accuracy\n", ""), "missing key 'objective'");
  says(random_job("{training.seed: {uniform: [2, 1]}}"), "the first below the second");
  says(random_job("{training.optimizer.learning_rate: {log_uniform: [0, 1]}}"), "must be above 0");
  says(random_job("{training.optimizer.learning_rate: {uniform: [0, 1], log_uniform: [1, 2]}}"),
       "needs one of uniform");
  says(random_job("{training.optimizer.learning_rate: {normal: [0, 1]}}"), "unknown key 'normal'");
  std::string many;
  for (int i = 0; i < 101; ++i) many += (i > 0 ? ", " : "") + std::to_string(i + 1);
  says(changed("[0.1, 0.2, 0.3]", "[" + many + "]",
               changed("training.optimizer: [{type: sgd, learning_rate: 1}, {type: adamw, learning_rate: 2}]",
                       "training.seed: [" + many + "]")),
       "the grid has more than 10000 trials");
  write("train.yaml", changed(", split: {validation: 0.2}", "", train_job));
  says(grid_job, "a sweep compares its trials by validation records: set dataset.split");
}

TEST(TrialName, HasFourDigitsOrMore) {
  EXPECT_EQ(trial_name(0), "0000");
  EXPECT_EQ(trial_name(12), "0012");
  EXPECT_EQ(trial_name(123456), "123456");
}

}  // namespace
}  // namespace shardmill::job
