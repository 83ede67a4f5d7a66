#include <gtest/gtest.h>

#include "model/archive.hpp"
#include "model/sniff.hpp"
#include "model_files.hpp"

namespace shardmill::model {
namespace {

using namespace test;

void put(std::string& bytes, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
}

// A zip archive of empty entries; `wide` with the 64-bit end records of archives over 4 GiB.
std::string zip(const std::vector<std::string>& names, bool wide = false) {
  std::string bytes, directory;
  for (const std::string& name : names) {
    put(directory, 0x02014b50, 4);
    directory += std::string(24, '\0');
    put(directory, name.size(), 2);
    directory += std::string(12, '\0');
    put(directory, bytes.size(), 4);
    directory += name;
    put(bytes, 0x04034b50, 4);
    bytes += std::string(22, '\0');
    put(bytes, name.size(), 2);
    put(bytes, 0, 2);
    bytes += name;
  }
  const std::uint64_t at = bytes.size();
  bytes += directory;
  if (wide) {
    const std::uint64_t wide_at = bytes.size();
    put(bytes, 0x06064b50, 4);
    bytes += std::string(36, '\0');
    put(bytes, directory.size(), 8);
    put(bytes, at, 8);
    put(bytes, 0x07064b50, 4);
    put(bytes, 0, 4);
    put(bytes, wide_at, 8);
    put(bytes, 1, 4);
  }
  put(bytes, 0x06054b50, 4);
  bytes += std::string(8, '\0');
  put(bytes, wide ? 0xffffffff : directory.size(), 4);
  put(bytes, wide ? 0xffffffff : at, 4);
  put(bytes, 0, 2);
  return bytes;
}

const std::vector<std::string> torchscript = {"m/data.pkl", "m/code/__torch__.py", "m/constants.pkl", "m/version"};
const std::vector<std::string> exported = {"m/data/weights/weight_0", "m/models/model.json", "m/version"};
const std::vector<std::string> compiled = {"m/data/aotinductor/model/abc.wrapper.so", "m/version"};
const std::vector<std::string> state_dict = {"m/data.pkl", "m/data/0", "m/version"};

class ModelSniff : public testing::Test {
 protected:
  std::string found(job::ModelFormat format) {
    job::Job job;
    job.model.path = path_;
    job.model.format = format;
    job.locations["model.path"] = {"job.yaml", 4, 9};
    job::Diagnostics diagnostics;
    check(job, diagnostics);
    if (diagnostics.empty()) return "";
    EXPECT_EQ(diagnostics.found().size(), 1U);
    EXPECT_EQ(diagnostics.found()[0].where, (job::Location{"job.yaml", 4, 9}));
    return diagnostics.found()[0].message;
  }
  void expect_said(job::ModelFormat format, const std::string& part) {
    const std::string message = found(format);
    EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
  }
  void save(const std::string& bytes) { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }

  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "m.pt";
};

using job::ModelFormat;

TEST_F(ModelSniff, EachFormatIsKnown) {
  save(zip(torchscript));
  EXPECT_EQ(found(ModelFormat::torchscript), "");
  save(zip(exported));
  EXPECT_EQ(found(ModelFormat::exported), "");
  save(zip(compiled));
  EXPECT_EQ(found(ModelFormat::compiled), "");
  save(zip(torchscript, true));
  EXPECT_EQ(found(ModelFormat::torchscript), "");
}

TEST_F(ModelSniff, SuggestsTheFormatThatItIs) {
  save(zip(exported));
  expect_said(ModelFormat::torchscript,
              "is an exported program (torch.export.save), not TorchScript; set model.format: exported");
  save(zip(compiled));
  expect_said(ModelFormat::exported, "set model.format: compiled");
  save(zip(torchscript));
  expect_said(ModelFormat::exported, "set model.format: torchscript");
}

TEST_F(ModelSniff, WeightsAreNoProgram) {
  save(zip(state_dict));
  expect_said(
      ModelFormat::torchscript,
      "is a saved state_dict or pickled module, not TorchScript; export it with torch.jit.script(model).save(...)");
  save("\x80\x02\x8a\nl\xfc\x9c");
  expect_said(ModelFormat::torchscript, "was saved by torch.save in its old form");
  save(zip({"serialized_exported_program.json", "version"}));
  expect_said(ModelFormat::exported, "was exported by an older PyTorch");
}

TEST_F(ModelSniff, OtherFiles) {
  save("");
  expect_said(ModelFormat::torchscript, "is empty");
  save("name: job\n");
  expect_said(ModelFormat::torchscript, "is not a model");
  save("version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  expect_said(ModelFormat::torchscript, "git lfs pull");
  save("\x89HDF\r\n\x1a\n");
  expect_said(ModelFormat::torchscript, "is an HDF5 file");
  save(zip({"x/readme.txt"}));
  expect_said(ModelFormat::torchscript, "is a zip archive, but not TorchScript");
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  expect_said(ModelFormat::torchscript, "cannot be read");
}

TEST_F(ModelSniff, AFileThatIsNotThereIsForTheJobToMiss) {
  std::filesystem::remove(path_);  // load_job says so, unless the job before this one makes the file
  EXPECT_EQ(found(ModelFormat::torchscript), "");
}

TEST_F(ModelSniff, CutOffAnywhere) {
  for (const bool wide : {false, true}) {
    const std::string whole = zip(torchscript, wide);
    for (std::size_t bytes = 4; bytes < whole.size(); ++bytes) {
      save(whole.substr(0, bytes));
      ASSERT_EQ(read_archive(path_).state, ArchiveState::truncated) << bytes;
    }
    save(whole);
    EXPECT_EQ(read_archive(path_).state, ArchiveState::whole);
  }
  save(zip(torchscript).substr(0, 60));
  expect_said(ModelFormat::torchscript, "is truncated");
}

TEST_F(ModelSniff, AnyByteMayBeWrong) {
  for (const bool wide : {false, true}) {
    const std::string whole = zip(torchscript, wide);
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const char byte : {'\0', '\x7f', '\xff'}) {
        std::string bytes = whole;
        bytes[i] = byte;
        save(bytes);
        read_archive(path_);
      }
  }
}

TEST_F(ModelSniff, NamesOfPrograms) {
  save(zip({"m/models/b.json", "m/models/a.json", "m/models/deep/c.json", "m/models/.json", "m/models/d.txt"}));
  EXPECT_EQ(read_archive(path_).between("models/", ".json"), (std::vector<std::string>{"b", "a"}));
  save(zip({"m/data/aotinductor/net/x.so", "m/data/aotinductor/net/y.cpp"}));
  EXPECT_EQ(read_archive(path_).between("data/aotinductor/", "/"), (std::vector<std::string>{"net"}));
}

}  // namespace
}  // namespace shardmill::model
