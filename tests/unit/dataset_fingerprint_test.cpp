#include <chrono>

#include <gtest/gtest.h>

#include "dataset/fingerprint.hpp"
#include "dataset_files.hpp"

namespace shardmill::dataset {
namespace {

using namespace test;

TEST(DatasetFingerprint, Sha256OfFiles) {
  const TempFolder folder;
  std::ofstream(folder / "empty").close();
  EXPECT_EQ(sha256_file(folder / "empty"), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  std::ofstream(folder / "abc") << "abc";
  EXPECT_EQ(sha256_file(folder / "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  std::ofstream(folder / "long") << std::string(3'000'000, 'a');
  std::ofstream(folder / "longer") << std::string(3'000'001, 'a');
  EXPECT_NE(sha256_file(folder / "long"), sha256_file(folder / "longer"));
  EXPECT_NE(data_error([&] { sha256_file(folder / "missing"); }), "");
}

TEST(DatasetFingerprint, ChangesWithWhatMatters) {
  const TempFolder folder;
  const auto path = folder / "x.h5";
  {
    const auto file = create_file(path);
    write(file.get(), "x", {500'000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(500'000));
    write(file.get(), "y", {500'000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(500'000));
  }
  const auto time = std::filesystem::last_write_time(path);
  const auto before = fingerprint(dataset_of(path, {"x"}));
  EXPECT_EQ(before.records, 500'000);
  EXPECT_EQ(before.file_bytes, std::filesystem::file_size(path));
  EXPECT_EQ(before.digest.size(), 64U);
  EXPECT_EQ(fingerprint(dataset_of(path, {"x"})), before);
  EXPECT_NE(fingerprint(dataset_of(path, {"y"})).digest, before.digest);

  auto part = dataset_of(path, {"x"});
  part.range = {{0, 10}};
  EXPECT_EQ(fingerprint(part).records, 10);
  EXPECT_NE(fingerprint(part).digest, before.digest);

  std::filesystem::last_write_time(path, time + std::chrono::seconds(1));
  EXPECT_NE(fingerprint(dataset_of(path, {"x"})).digest, before.digest);
  std::filesystem::last_write_time(path, time);
  EXPECT_EQ(fingerprint(dataset_of(path, {"x"})), before);

  // The last byte is in the sample.
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('\x55');
  file.close();
  std::filesystem::last_write_time(path, time);
  EXPECT_NE(fingerprint(dataset_of(path, {"x"})).digest, before.digest);
}

TEST(DatasetFingerprint, OfASmallFileSeesEveryByte) {
  const TempFolder folder;
  const auto path = folder / "x.h5";
  write(create_file(path).get(), "x", {3000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(3000));
  const auto time = std::filesystem::last_write_time(path);
  const auto before = fingerprint(dataset_of(path, {"x"}));
  for (const int at : {5000, 9000, 12000}) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.put('\x55');
    file.close();
    std::filesystem::last_write_time(path, time);
    EXPECT_NE(fingerprint(dataset_of(path, {"x"})).digest, before.digest) << at;
  }
}

}  // namespace
}  // namespace shardmill::dataset
