// The sections of a server's job.
#include <gmock/gmock.h>

#include "job/error.hpp"
#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::HasSubstr;

const char* const small_job = R"(job: serve
name: digits
model: {path: data/m.pt}
inputs: [{name: images, dtype: uint8, shape: [8, 8]}]
outputs: {label: {post: argmax}}
)";

const char* const full_job = R"(job: serve
name: digits
model: {path: data/m.pt, device: cpu, pad_batches: true}
inputs:
  - {name: images, dtype: uint8, shape: [8, 8], transforms: [{cast: float32}, {scale: 0.5}]}
  - {name: weight, dtype: float64, shape: []}
outputs: {label: {post: argmax}, probabilities: {post: softmax, dtype: float16}}
idle_job: data/idle.yaml
serve:
  host: 0.0.0.0
  port: 0
  tls: {certificate: data/c.pem, key: data/c.key}
  auth: {tokens_file: data/tokens}
  max_batch_size: 32
  max_queue_delay: 2ms
  max_queue: 100
  timeout: 5s
  max_body: 65536
  max_connections: 50
  idle_timeout: 10s
  read_timeout: 3s
  drain_timeout: 1m
fault_tolerance: {max_attempts: 2, rank_timeout: 1s, batch_timeout: 4s, finite: true, max_restarts: 9, spares: 3}
resources: {ranks: 4, threads_per_rank: 2}
)";

const char* const two_models = R"(job: serve
name: both
serve:
  max_batch_size: 16
  max_queue_delay: 3ms
  models:
    - name: digits
      model: {path: data/m.pt}
      inputs: [{name: images, dtype: uint8, shape: [8, 8], transforms: [{cast: float32}]}]
      outputs: {label: {post: argmax}}
      ranks: 2
    - name: other
      model: {path: data/m.pt, device: cpu}
      inputs: [{name: x, dtype: float32, shape: []}, {name: y, dtype: int64, shape: [3]}]
      outputs: {y: {}, z: {from: "1"}}
      max_batch_size: 4
      max_queue_delay: 0
fault_tolerance: {spares: 1}
resources: {ranks: 3}
)";

class ServeJob : public JobTest {
 protected:
  void SetUp() override {
    JobTest::SetUp();
    for (const char* file : {"data/c.pem", "data/c.key", "data/tokens", "data/idle.yaml"})
      write(file, "looked at later");
  }
};

TEST_F(ServeJob, ReadsEveryKey) {
  const Job job = load(full_job);
  EXPECT_EQ(job.kind, Kind::serve);
  const Serve& serve = job.serve;
  ASSERT_EQ(serve.models.size(), 1u);
  const ServedModel& served = serve.models[0];
  EXPECT_EQ(served.name, "digits");
  EXPECT_EQ(served.model.path, folder_ / "data/m.pt");
  EXPECT_TRUE(served.model.pad_batches);
  ASSERT_EQ(served.inputs.size(), 2u);
  EXPECT_EQ(served.inputs[0], (ServeInput{"images", DType::uint8, {8, 8}, {Cast{DType::float32}, Scale{0.5}}}));
  EXPECT_EQ(served.inputs[1], (ServeInput{"weight", DType::float64, {}, {}}));
  EXPECT_EQ(serve.host, "0.0.0.0");
  EXPECT_EQ(serve.port, 0);
  EXPECT_EQ(served.max_batch_size, 32);
  EXPECT_EQ(served.max_queue_delay, 0.002);
  EXPECT_EQ(serve.max_queue, 100);
  EXPECT_EQ(serve.timeout, 5);
  EXPECT_EQ(serve.max_body, 65536);
  EXPECT_EQ(serve.max_connections, 50);
  EXPECT_EQ(serve.idle_timeout, 10);
  EXPECT_EQ(serve.read_timeout, 3);
  EXPECT_EQ(serve.drain_timeout, 60);
  EXPECT_EQ(job.fault_tolerance.max_attempts, 2);
  EXPECT_EQ(job.fault_tolerance.batch_timeout, 4);
  EXPECT_TRUE(job.fault_tolerance.finite);
  EXPECT_EQ(job.fault_tolerance.spares, 3);
  EXPECT_EQ(job.resources, (Resources{4, 2}));
  EXPECT_EQ(served.outputs.size(), 2u);
  EXPECT_EQ(serve.tls, (Tls{folder_ / "data/c.pem", folder_ / "data/c.key"}));
  EXPECT_EQ(serve.tokens_file, folder_ / "data/tokens");
  EXPECT_EQ(serve.idle_job, folder_ / "data/idle.yaml");
}

TEST_F(ServeJob, FillsInDefaults) {
  const Job job = load(small_job);
  EXPECT_EQ(job.serve.host, "127.0.0.1");  // nobody else's business unless told so
  EXPECT_EQ(job.serve.models[0].max_queue_delay, 0);
  EXPECT_FALSE(job.serve.tls || job.serve.tokens_file || job.serve.idle_job);
  EXPECT_EQ(load(std::string(small_job) + "serve: {max_queue_delay: 0}\n").serve, job.serve);
}

TEST_F(ServeJob, ResolvedYamlReadsBackToAnEqualJob) {
  for (const char* text : {small_job, full_job, two_models}) {
    const Job job = load(text);
    const Job again = load_job(write("elsewhere/resolved.yaml", job.resolved_yaml));
    EXPECT_TRUE(job == again) << job.resolved_yaml;
    EXPECT_EQ(again.resolved_yaml, job.resolved_yaml);
  }
}

TEST_F(ServeJob, ReadsSeveralModels) {
  const Job job = load(two_models);
  ASSERT_EQ(job.serve.models.size(), 2u);
  const ServedModel& digits = job.serve.models[0];
  const ServedModel& other = job.serve.models[1];
  EXPECT_EQ(digits.name, "digits");
  EXPECT_EQ(digits.model.path, folder_ / "data/m.pt");
  EXPECT_EQ(digits.max_batch_size, 16);
  EXPECT_EQ(digits.max_queue_delay, 0.003);
  EXPECT_EQ(digits.ranks, 2);
  EXPECT_EQ(other.inputs.size(), 2u);
  EXPECT_EQ(other.outputs[1].from, "1");
  EXPECT_EQ(other.model.device, Device::cpu);
  EXPECT_EQ(other.max_batch_size, 4);
  EXPECT_EQ(other.max_queue_delay, 0);
  EXPECT_FALSE(other.ranks);
  EXPECT_EQ(ranks_needed(job.serve), 3);
}

TEST_F(ServeJob, SaysWhatDoesNotGoTogether) {
  EXPECT_THAT(errors("job: serve\nname: x\nserve: {models: []}\n"), HasSubstr("must name at least one model"));
  EXPECT_THAT(errors("job: serve\nname: x\nserve: {port: 1}\n"), HasSubstr("missing key 'model'"));
  std::string lost = two_models;
  lost.replace(lost.find("data/m.pt, device"), 9, "data/n.pt");
  EXPECT_THAT(errors(lost), HasSubstr("serve.models[1].model.path: no such file: data/n.pt"));
  // All have ranks of their own, and one would be left over.
  std::string own = two_models;
  own.replace(own.find("      max_batch_size: 4\n"), 24, "      ranks: 2\n");
  EXPECT_THAT(errors(own), HasSubstr("resources.ranks is 3, but the ranks of the models come to 4"));
  EXPECT_THAT(errors("job: serve\nname: x\nmodel: {path: data/m.pt}\ninputs: []\noutputs: {y: {}}\n"),
              HasSubstr("must name at least one input"));
  EXPECT_THAT(errors(std::string(small_job) + "fault_tolerance: {shard_timeout: 5s}\n"),
              HasSubstr("unknown key 'shard_timeout'"));
  EXPECT_THAT(errors(std::string(small_job) + "batch_size: 5\n"), HasSubstr("unknown key 'batch_size'"));
  EXPECT_THAT(errors(std::string(small_job) + "serve: {max_queue_delay: -1}\n"), HasSubstr("max_queue_delay"));
  // The section is left out, the records are large: the job as a whole is the place.
  EXPECT_THAT(errors("job: serve\nname: x\nmodel: {path: data/m.pt}\noutputs: {y: {}}\n"
                     "inputs: [{name: x, dtype: uint8, shape: [536870912]}]\n"),
              HasSubstr("serve.max_batch_size is 64, but only 2 records"));
}

}  // namespace
}  // namespace shardmill::job
