// Types and ranges of single values.
#include <gmock/gmock.h>

#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

using ::testing::HasSubstr;

class Values : public JobTest {
 protected:
  std::string batch_size(const std::string& value) { return errors(with("batch_size: 64", "batch_size: " + value)); }
  std::string timeout(const std::string& value) {
    return errors(with("", "fault_tolerance: {shard_timeout: " + value + "}"));
  }
  std::string transform(const std::string& value) {
    return errors(with("  inputs: [images]", "  inputs: [images]\n  transforms: [" + value + "]"));
  }
  std::string output(const std::string& value) { return errors(with("{post: argmax}", value)); }
};

TEST_F(Values, WholeNumbersAreStrict) {
  EXPECT_EQ(batch_size("1"), "");
  EXPECT_EQ(batch_size("+64"), "");
  EXPECT_EQ(batch_size("1048576"), "");
  EXPECT_THAT(batch_size("1048577"), HasSubstr("must be from 1 to 1048576, not 1048577"));
  EXPECT_THAT(batch_size("-5"), HasSubstr("must be from 1 to 1048576, not -5"));
  for (const char* bad : {"64.5", "64.0", "1e3", "0x40", "1_000", "64 records", "yes", ".inf", "+-3", "٣"}) {
    EXPECT_THAT(batch_size(bad), HasSubstr("batch_size must be a whole number, not '" + std::string(bad) + "'"));
  }
  EXPECT_THAT(batch_size("'64'"),
              HasSubstr("must be a whole number, not the string '64'; write it without the quotes"));
  EXPECT_THAT(batch_size("!!str 64"), HasSubstr("must be a whole number, not the string '64'"));
  EXPECT_THAT(batch_size("!!int 64"), HasSubstr("tags are not supported"));
  EXPECT_THAT(batch_size("99999999999999999999"), HasSubstr("too large for a 64-bit number"));
  EXPECT_THAT(batch_size("-99999999999999999999"), HasSubstr("too large for a 64-bit number"));
  EXPECT_THAT(batch_size("[64]"), HasSubstr("must be a whole number, not a list"));
  EXPECT_THAT(batch_size("{a: 1}"), HasSubstr("must be a whole number, not a mapping"));
  EXPECT_EQ(batch_size("~"), "job.yaml:7:1: batch_size has no value; it must be a whole number");
  EXPECT_EQ(batch_size(""), "job.yaml:7:1: batch_size has no value; it must be a whole number");
}

TEST_F(Values, NumbersOrAuto) {
  for (const char* good : {"auto", "1", "7", "9223372036854775807"}) {
    EXPECT_EQ(errors(with("", std::string("shard_size: ") + good)), "") << good;
  }
  EXPECT_THAT(errors(with("", "shard_size: 0")), HasSubstr("shard_size must be at least 1, not 0"));
  EXPECT_THAT(errors(with("", "shard_size: atuo")), HasSubstr("must be a whole number or auto, not 'atuo'"));
  EXPECT_THAT(errors(with("", "resources: {ranks: 1.5}")), HasSubstr("must be a whole number or auto, not '1.5'"));
  EXPECT_THAT(errors(with("", "resources: {ranks: 1048577}")), HasSubstr("from 1 to 1048576"));
  EXPECT_THAT(errors(with("", "resources: {threads_per_rank: auto}")), HasSubstr("must be a whole number, not 'auto'"));
}

TEST_F(Values, TimesHaveUnits) {
  const auto seconds = [&](const std::string& value) {
    return load(with("", "fault_tolerance: {shard_timeout: " + value + "}")).fault_tolerance.shard_timeout;
  };
  EXPECT_EQ(seconds("90"), 90);
  EXPECT_EQ(seconds("1.5"), 1.5);
  EXPECT_EQ(seconds("500ms"), 0.5);
  EXPECT_EQ(seconds("10s"), 10);
  EXPECT_EQ(seconds("'5m'"), 300);
  EXPECT_EQ(seconds("2h"), 7200);
  for (const char* bad : {"5 m", "5min", "m", "'10'", ".inf", "nan", "infs", "1d", "10s5", "[1]"}) {
    EXPECT_THAT(timeout(bad), HasSubstr("shard_timeout must be a time such as 500ms")) << bad;
  }
  for (const char* bad : {"0", "-1s", "9000h"}) EXPECT_THAT(timeout(bad), HasSubstr("must be more than 0")) << bad;
}

TEST_F(Values, BooleansAreTrueOrFalse) {
  const auto pad = [&](const std::string& v) {
    return errors(with("data/m.pt}", "data/m.pt, pad_batches: " + v + "}"));
  };
  EXPECT_EQ(pad("true"), "");
  EXPECT_EQ(pad("False"), "");
  for (const char* bad : {"yes", "1", "'true'", "truee"}) {
    EXPECT_THAT(pad(bad), HasSubstr("model.pad_batches must be true or false")) << bad;
  }
}

TEST_F(Values, TransformsAreChecked) {
  EXPECT_EQ(transform("{scale: 1e-3}, {scale: +.5}, {scale: -2}, {reshape: []}"), "");
  EXPECT_THAT(transform("{scale: .nan}"), HasSubstr("dataset.transforms[0].scale must be a finite number"));
  EXPECT_THAT(transform("{scale: -.Inf}"), HasSubstr("must be a finite number"));
  EXPECT_THAT(transform("{scale: 1e999}"), HasSubstr("outside the range"));
  EXPECT_THAT(transform("{scale: 1x}"), HasSubstr("must be a number, not '1x'"));
  EXPECT_THAT(transform("{scale: '1'}"), HasSubstr("must be a number, not the string '1'"));
  EXPECT_THAT(transform("{cast: float23}"), HasSubstr("did you mean 'float32'?"));
  EXPECT_THAT(transform("{normalize: {mean: [1, 2], std: 1}}"), HasSubstr("has 2 values for mean and 1 for std"));
  EXPECT_THAT(transform("{normalize: {mean: 1, std: 0.0}}"), HasSubstr("normalize.std must not be 0"));
  EXPECT_THAT(transform("{normalize: {mean: 1}}"), HasSubstr("missing key 'std' in 'dataset.transforms[0].normalize'"));
  EXPECT_THAT(transform("{normalize: {mean: [], std: []}}"), HasSubstr("must hold at least one number"));
  EXPECT_THAT(transform("{normalize: {mean: [1, a], std: [1, 1]}}"), HasSubstr("normalize.mean[1] must be a number"));
  EXPECT_THAT(transform("{reshape: [-1, -1]}"), HasSubstr("may hold -1 once"));
  EXPECT_THAT(transform("{reshape: [0]}"), HasSubstr("sizes of at least 1"));
  EXPECT_THAT(transform("{reshape: [-2]}"), HasSubstr("reshape[0] must be at least -1, not -2"));
  EXPECT_THAT(transform("{reshape: 8}"), HasSubstr("must be a list, not '8'"));
  for (const char* bad : {"[0, 2]", "[0, 0]", "[]", "[1]"}) {
    EXPECT_THAT(transform(std::string("{permute: ") + bad + "}"), HasSubstr("must hold each axis")) << bad;
  }
  EXPECT_THAT(transform("{cast: uint8, scale: 2}"), HasSubstr("dataset.transforms[0] must be one transform"));
  EXPECT_THAT(transform("{}"), HasSubstr("must be one transform"));
  EXPECT_THAT(transform("cast"), HasSubstr("dataset.transforms[0] must be a mapping, not 'cast'"));
  EXPECT_THAT(transform("{crop: 2}"),
              HasSubstr("unknown key 'crop'; known keys: cast, scale, normalize, reshape, per"));
}

TEST_F(Values, OutputsAreChecked) {
  EXPECT_EQ(output("{post: top_k_values, k: 5, dtype: float16}"), "");
  EXPECT_EQ(output("{post: argmax, dtype: uint8}"), "");
  EXPECT_THAT(output("{post: top_k}"), HasSubstr("job.yaml:9:3: outputs.label needs k"));
  EXPECT_THAT(output("{post: top_k, k: 0}"), HasSubstr("outputs.label.k must be from 1"));
  EXPECT_THAT(output("{k: 2}"), HasSubstr("outputs.label.k belongs to post: top_k or top_k_values only"));
  EXPECT_THAT(output("{post: argmax, dtype: float32}"), HasSubstr("must be an integer type, since argmax gives"));
  EXPECT_THAT(output("{post: top_k, k: 2, dtype: float16}"), HasSubstr("must be an integer type, since top_k gives"));
  EXPECT_THAT(output("{dtype: bfloat16}"),
              HasSubstr("outputs.label.dtype cannot be bfloat16, which HDF5 does not have"));
  EXPECT_THAT(output("{dtype: complex64}"), HasSubstr("outputs.label.dtype cannot be 'complex64'"));
  EXPECT_THAT(output("{from: ''}"), HasSubstr("outputs.label.from must not be empty"));
  EXPECT_THAT(output("argmax"), HasSubstr("outputs.label must be a mapping, not 'argmax'"));
  for (const char* bad : {"shardmill", "a/b", ".", "..", "''", "\"a\\0b\"", "\"a\\nb\""}) {
    EXPECT_THAT(errors(with("label: {", std::string(bad) + ": {")), HasSubstr("job.yaml:9:3: output name ")) << bad;
  }
  EXPECT_THAT(errors(with("outputs:\n  label: {post: argmax}", "outputs: {}")), HasSubstr("at least one output"));
  EXPECT_THAT(errors(with("outputs:\n  label: {post: argmax}", "outputs: [label]")), HasSubstr("a mapping of names"));
}

TEST_F(Values, MetricsAreChecked) {
  const auto metric = [&](const std::string& text) { return errors(with("", "metrics: {" + text + "}")); };
  EXPECT_EQ(metric("accuracy: {output: label, target: y}, m: {type: accuracy, output: label, target: y}"), "");
  EXPECT_THAT(metric("top1: {output: label, target: y}"),
              HasSubstr("metrics.top1 needs a type; it is one of: accuracy"));
  EXPECT_THAT(metric("acuracy: {output: label, target: y}"), HasSubstr("needs a type, did you mean 'accuracy'?"));
  EXPECT_THAT(metric("accuracy: {output: label}"), HasSubstr("missing key 'target' in 'metrics.accuracy'"));
  EXPECT_THAT(metric("accuracy: {output: x, target: y}"),
              HasSubstr("names no output of this job: 'x'; outputs: label"));
}

TEST_F(Values, NamesAndRanges) {
  for (const char* bad : {".x", "a b", "a/b", "é", "a\\nb"}) {
    EXPECT_THAT(errors(with("name: digits", "name: \"" + std::string(bad) + "\"")),
                HasSubstr("job.yaml:2:7: name must"));
  }
  EXPECT_NE(errors(with("name: digits", "name: " + std::string(65, 'x'))), "");
  EXPECT_EQ(errors(with("name: digits", "name: " + std::string(64, 'x'))), "");
  const auto range = [&](const std::string& r) { return errors(with("  inputs", "  range: {" + r + "}\n  inputs")); };
  EXPECT_EQ(range("first: 0, last: 1"), "");
  EXPECT_THAT(range("first: 5, last: 5"), HasSubstr("dataset.range holds no records: first is 5, last"));
  EXPECT_THAT(range("first: -1, last: 5"), HasSubstr("dataset.range.first must be at least 0, not -1"));
  EXPECT_THAT(range("last: 5"), HasSubstr("missing key 'first' in 'dataset.range'"));
  EXPECT_THAT(errors(with("data/m.pt}", "data/m.pt, format: exported, precision: float16}")),
              HasSubstr("can only be chosen for a torchscript model"));
}

TEST_F(Values, UnknownKeysGetHelp) {
  EXPECT_THAT(errors(with("", "batchsize: 3")), HasSubstr("unknown key 'batchsize', did you mean 'batch_size'?"));
  EXPECT_THAT(errors(with("", "shard-size: 3")), HasSubstr("unknown key 'shard-size', did you mean 'shard_size'?"));
  EXPECT_THAT(errors(with("", "max_attempts: 3")), HasSubstr("'max_attempts' here; it belongs into 'fault_tolerance'"));
  EXPECT_THAT(errors(with("", "path: 3")), HasSubstr("it belongs into 'dataset' or 'model'"));
  EXPECT_THAT(errors(with("", "'': 3")), HasSubstr("unknown key ''; known keys: job, name"));
  EXPECT_THAT(errors(with("", "batch_size: 3")), HasSubstr("10:1: duplicate key 'batch_size', first given in line 7"));
}

}  // namespace
}  // namespace shardmill::job
