// What is said of files that are broken, foreign or held by others.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include "dataset/record_source.hpp"
#include "dataset/superblock.hpp"
#include "dataset_files.hpp"

namespace shardmill::dataset {
namespace {

using namespace test;

class DatasetBroken : public testing::Test {
 protected:
  std::string error_of(const std::vector<std::string>& inputs) {
    return data_error([&] { open_source(dataset_of(path_, inputs)); });
  }
  void expect_said(const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << "in: " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "x.h5";
};

TEST_F(DatasetBroken, MissingFolderTextAndEmpty) {
  expect_said(error_of({"x"}), "No such file");
  std::ofstream(path_) << "id,label\n1,2\n";
  expect_said(error_of({"x"}), "is not an HDF5 file");
  std::ofstream(path_, std::ios::trunc).close();
  expect_said(error_of({"x"}), "is not an HDF5 file");
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  expect_said(error_of({"x"}), "is a folder");
}

TEST_F(DatasetBroken, CutOffAtEveryKindOfPlace) {
  write(create_file(path_).get(), "x", {1000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(1000));
  const auto whole = std::filesystem::file_size(path_);
  ASSERT_EQ(read_superblock(path_)->end, whole);
  for (const auto bytes : {whole - 1, whole / 2, std::uintmax_t{100}}) {
    std::filesystem::resize_file(path_, bytes);
    expect_said(error_of({"x"}), "is truncated: " + std::to_string(bytes) + " bytes of " + std::to_string(whole));
  }
  std::filesystem::resize_file(path_, 4);
  expect_said(error_of({"x"}), "is not an HDF5 file");
}

TEST_F(DatasetBroken, SuperblocksOfLaterVersions) {
  {
    const store::Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5Pset_libver_bounds(access.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    const store::Hdf5Handle file(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose);
    write(file.get(), "x", {1000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(1000));
  }
  EXPECT_EQ(read_superblock(path_)->end, std::filesystem::file_size(path_));
}

TEST_F(DatasetBroken, CutOffWhileItIsRead) {
  write(create_file(path_).get(), "x", {1000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(1000));
  const auto source = open_source(dataset_of(path_, {"x"}));
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 400);
  std::vector<float> out(1000);
  source->read(0, 0, 900, out.data());
  EXPECT_EQ(out[899], 899);
  expect_said(data_error([&] { source->read(0, 0, 1000, out.data()); }), "it ends in record 900 of dataset 'x'");
}

TEST_F(DatasetBroken, ADamagedChunk) {
  write(create_file(path_).get(), "x", {1000}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(1000),
        [](hid_t creation) {
          chunked({1000})(creation);
          H5Pset_fletcher32(creation);
        });
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(std::filesystem::file_size(path_), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const float needle[] = {500, 501};
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(needle), sizeof needle));
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at));
  file.put('\x7f');
  file.close();
  const auto source = open_source(dataset_of(path_, {"x"}));
  std::vector<float> out(1000);
  expect_said(data_error([&] { source->read(0, 10, 5, out.data()); }), "cannot read records 10 to 14 of dataset 'x'");
}

TEST_F(DatasetBroken, NamesTypesAndShapesThatDoNotFit) {
  {
    const auto file = create_file(path_);
    write(file.get(), "images", {4, 2, 2}, H5T_STD_U8LE, H5T_NATIVE_UINT8, counting<std::uint8_t>(16));
    write(file.get(), "meta/short", {3}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(3));
    const store::Hdf5Handle text(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(text.get(), 8);
    write(file.get(), "names", {1}, text.get(), text.get(), std::vector<char>(8, 'a'));
    const store::Hdf5Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
    const store::Hdf5Handle single(
        H5Dcreate2(file.get(), "single", H5T_NATIVE_INT, scalar.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Dclose);
  }
  const std::string has = "it has: images (4, 2, 2) uint8, meta/short (3,) float32";
  expect_said(error_of({"image"}), "has no dataset 'image'; " + has);
  expect_said(error_of({"meta"}), "has no dataset 'meta'; " + has);
  expect_said(error_of({"names"}), "does not hold numbers but string; " + has);
  expect_said(error_of({"single"}), "has no axis 0");
  expect_said(error_of({"images", "meta/short"}), "'meta/short' of");
  expect_said(error_of({"images", "meta/short"}), "has 3 records, but 'images' has 4");
  expect_said(error_of({}), "names no input");
  expect_said(data_error([&] { read_column(dataset_of(path_, {"images"}), "images"); }), "one number a record");
  auto dataset = dataset_of(path_, {"images"});
  dataset.range = {{2, 5}};
  expect_said(data_error([&] { open_source(dataset); }), "[2, 5) ends beyond the 4 records");
}

TEST_F(DatasetBroken, AFilterThatIsNotThere) {
  write<float>(create_file(path_).get(), "x", {8}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, {}, [](hid_t creation) {
    chunked({8})(creation);
    H5Pset_filter(creation, 32001, H5Z_FLAG_OPTIONAL, 0, nullptr);
  });
  expect_said(error_of({"x"}), "is compressed with filter 'blosc' (32001), which this HDF5 does not have");
}

TEST_F(DatasetBroken, LocksOfReadersAndWriters) {
  write(create_file(path_).get(), "x", {8}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(8));
  const int other = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(other, LOCK_SH | LOCK_NB), 0);
  EXPECT_EQ(error_of({"x"}), "");
  ASSERT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0);
  if (std::getenv("HDF5_USE_FILE_LOCKING") == nullptr)
    expect_said(error_of({"x"}), "is open for writing in another program");
  ::close(other);
}

}  // namespace
}  // namespace shardmill::dataset
