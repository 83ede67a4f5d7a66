// The editors' schema and the ready profiles know the keys that the loader knows.
#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include "job/names.hpp"
#include "job/schema.hpp"
#include "job_fixture.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;

const fs::path configs = fs::path(SHARDMILL_SOURCE_DIR) / "configs";

// Collects the key patterns of a JSON Schema, in the notation of known_keys().
void add_schema_keys(const YAML::Node& root, const YAML::Node& schema, const std::string& path,
                     std::set<std::string>& keys) {
  if (!schema.IsMap()) return;
  if (const YAML::Node ref = schema["$ref"]) {
    const std::string name = ref.as<std::string>();
    add_schema_keys(root, root["$defs"][name.substr(name.rfind('/') + 1)], path, keys);
  }
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const auto& property : schema["properties"]) {
    const std::string key = prefix + property.first.as<std::string>();
    keys.insert(key);
    add_schema_keys(root, property.second, key, keys);
  }
  if (const YAML::Node entry = schema["additionalProperties"]) add_schema_keys(root, entry, prefix + "*", keys);
  if (const YAML::Node items = schema["items"]) add_schema_keys(root, items, path + "[]", keys);
  for (const auto& choice : schema["anyOf"]) add_schema_keys(root, choice, path, keys);
}

TEST(Schema, HasTheKeysOfTheLoader) {
  const YAML::Node schema = YAML::LoadFile(configs / "shardmill.schema.json");
  std::set<std::string> keys;
  add_schema_keys(schema, schema, "", keys);
  EXPECT_EQ(keys, known_keys());
}

TEST(Schema, HasTheWordsOfTheLoader) {
  const YAML::Node schema = YAML::LoadFile(configs / "shardmill.schema.json");
  const auto words = [](const YAML::Node& key) { return key["anyOf"][0]["enum"].as<std::vector<std::string>>(); };
  const YAML::Node keys = schema["properties"];
  EXPECT_EQ(keys["job"]["enum"].as<std::vector<std::string>>(), all_names<Kind>());
  EXPECT_EQ(words(keys["model"]["properties"]["format"]), all_names<ModelFormat>());
  EXPECT_EQ(words(keys["model"]["properties"]["device"]), all_names<Device>());
  EXPECT_EQ(words(keys["model"]["properties"]["precision"]), all_names<Precision>());
  EXPECT_EQ(words(keys["data_path"]), all_names<DataPath>());
  const YAML::Node output = keys["outputs"]["additionalProperties"]["anyOf"][0]["properties"];
  EXPECT_EQ(words(output["post"]), all_names<Post>());
  const YAML::Node metric = keys["metrics"]["anyOf"][0]["additionalProperties"]["properties"];
  EXPECT_EQ(words(metric["type"]), all_names<MetricType>());
  const YAML::Node fault_tolerance = keys["fault_tolerance"]["anyOf"][0]["properties"];
  EXPECT_EQ(words(fault_tolerance["on_bad_record"]), all_names<OnBadRecord>());
  EXPECT_EQ(words(schema["$defs"]["dtype"]), dtype_names());
}

TEST(Schema, KnownKeysAreWrittenAsPatterns) {
  const std::set<std::string> keys = known_keys();
  for (const char* key : {"batch_size", "dataset.inputs[].name", "dataset.transforms[].normalize.std", "outputs.*.post",
                          "metrics.*.mask", "fault_tolerance.rank_timeout"}) {
    EXPECT_THAT(keys, Contains(key));
  }
}

class Profiles : public JobTest {};

TEST_F(Profiles, LoadUnderAJob) {
  for (const char* name : {"workstation", "slurm-cpu", "slurm-gpu"}) {
    SCOPED_TRACE(name);
    const Job job = load(minimal_job, {name, {}, configs});
    EXPECT_EQ(job.batch_size, 64);
    EXPECT_EQ(job.where("fault_tolerance.rank_timeout").file, (configs / name).string() + ".yaml");
  }
  EXPECT_EQ(load(minimal_job, {"slurm-gpu", {}, configs}).model.device, Device::cuda);
}

}  // namespace
}  // namespace shardmill::job
