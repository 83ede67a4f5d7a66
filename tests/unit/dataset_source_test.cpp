#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "dataset/hdf5_dataset.hpp"
#include "dataset/hdf5_file.hpp"
#include "dataset/record_source.hpp"
#include "dataset_files.hpp"

namespace shardmill::dataset {
namespace {

using namespace test;

template <class T>
std::vector<T> read_all(RecordSource& source, std::size_t field = 0) {
  std::vector<T> values(static_cast<std::size_t>(source.records() * source.fields()[field].elements()));
  source.read(field, 0, source.records(), values.data());
  return values;
}

struct Layout {
  const char* name;
  Creation setup;
  bool direct;
};

class DatasetLayouts : public testing::TestWithParam<Layout> {};

TEST_P(DatasetLayouts, ReadAnyRangeOfRecords) {
  const TempFolder folder;
  const auto path = folder / "x.h5";
  const auto values = counting<float>(37 * 6);
  write(create_file(path).get(), "x", {37, 2, 3}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values, GetParam().setup);
  const auto source = open_source(dataset_of(path, {"x"}));
  EXPECT_EQ(source->records(), 37);
  EXPECT_EQ(source->fields()[0].shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(source->fields()[0].bytes(), 24U);
  for (const auto& [first, count] :
       std::vector<std::pair<int, int>>{{0, 37}, {0, 1}, {36, 1}, {5, 11}, {37, 0}, {30, 7}}) {
    std::vector<float> got(static_cast<std::size_t>(count) * 6 + 1, -1);
    source->read(0, first, count, got.data());
    EXPECT_EQ(got.back(), -1) << "wrote too far";
    got.pop_back();
    EXPECT_EQ(got, std::vector<float>(values.begin() + first * 6, values.begin() + (first + count) * 6));
  }
  const auto file = open_hdf5(path);
  EXPECT_EQ(Hdf5Dataset(file.get(), path, "x").is_direct(), GetParam().direct);
}

INSTANTIATE_TEST_SUITE_P(
    All, DatasetLayouts,
    testing::Values(Layout{"contiguous", {}, true}, Layout{"chunked", chunked({4, 2, 3}), false},
                    Layout{"chunks_across", chunked({10, 1, 2}), false}, Layout{"gzip", chunked({5, 2, 2}, 6), false},
                    Layout{"shuffled_and_checked",
                           [](hid_t creation) {
                             chunked({8, 2, 3})(creation);
                             H5Pset_shuffle(creation);
                             H5Pset_deflate(creation, 1);
                             H5Pset_fletcher32(creation);
                           },
                           false},
                    Layout{"compact", [](hid_t creation) { H5Pset_layout(creation, H5D_COMPACT); }, false}),
    [](const auto& layout) { return std::string(layout.param.name); });

template <class T>
void expect_type(hid_t file_type, hid_t memory_type, DType dtype, const std::vector<T>& values) {
  SCOPED_TRACE(std::string(name_of(dtype)));
  const TempFolder folder;
  write(create_file(folder / "x.h5").get(), "x", {values.size()}, file_type, memory_type, values);
  const auto source = open_source(dataset_of(folder / "x.h5", {"x"}));
  ASSERT_EQ(source->fields()[0].dtype, dtype);
  EXPECT_TRUE(source->fields()[0].shape.empty());
  EXPECT_EQ(read_all<T>(*source), values);
}

TEST(DatasetTypes, IntegersOfEveryWidthAndByteOrder) {
  expect_type<std::uint8_t>(H5T_STD_U8LE, H5T_NATIVE_UINT8, DType::uint8, {0, 1, 255});
  expect_type<std::int8_t>(H5T_STD_I8BE, H5T_NATIVE_INT8, DType::int8, {-128, 0, 127});
  expect_type<std::uint16_t>(H5T_STD_U16BE, H5T_NATIVE_UINT16, DType::uint16, {0, 1, 65535});
  expect_type<std::int16_t>(H5T_STD_I16LE, H5T_NATIVE_INT16, DType::int16, {-32768, 1, 32767});
  expect_type<std::uint32_t>(H5T_STD_U32LE, H5T_NATIVE_UINT32, DType::uint32, {0, 4'000'000'000U});
  expect_type<std::int32_t>(H5T_STD_I32BE, H5T_NATIVE_INT32, DType::int32, {-2'000'000'000, 7});
  expect_type<std::uint64_t>(H5T_STD_U64BE, H5T_NATIVE_UINT64, DType::uint64, {0, ~std::uint64_t{0}});
  expect_type<std::int64_t>(H5T_STD_I64LE, H5T_NATIVE_INT64, DType::int64, {INT64_MIN, INT64_MAX});
}

TEST(DatasetTypes, IntegersOfOddWidth) {
  const store::Hdf5Handle three(H5Tcopy(H5T_STD_I32LE), H5Tclose);
  H5Tset_precision(three.get(), 24);
  H5Tset_size(three.get(), 3);
  expect_type<std::int32_t>(three.get(), H5T_NATIVE_INT32, DType::int32, {-8'388'608, 0, 8'388'607});
}

TEST(DatasetTypes, Floats) {
  expect_type<float>(H5T_IEEE_F32BE, H5T_NATIVE_FLOAT, DType::float32, {-1.5F, 0, 3e38F});
  expect_type<double>(H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, DType::float64, {-1.5, 1e300});
  expect_type<double>(H5T_IEEE_F64BE, H5T_NATIVE_DOUBLE, DType::float64, {-1.5, 1e300});
}

// A 16-bit float as h5py describes it to HDF5.
store::Hdf5Handle half(H5T_order_t order) {
  store::Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  H5Tset_order(type.get(), order);
  return type;
}

TEST(DatasetTypes, HalvesKeepTheirBits) {
  for (const auto order : {H5T_ORDER_LE, H5T_ORDER_BE}) {
    const TempFolder folder;
    const auto path = folder / "x.h5";
    write<float>(create_file(path).get(), "x", {4}, half(order).get(), H5T_NATIVE_FLOAT, {1, -2, 0.1F, 65504});
    const auto source = open_source(dataset_of(path, {"x"}));
    EXPECT_EQ(source->fields()[0].dtype, DType::float16);
    EXPECT_EQ(read_all<std::uint16_t>(*source), (std::vector<std::uint16_t>{0x3c00, 0xc000, 0x2e66, 0x7bff}));
    EXPECT_FLOAT_EQ(static_cast<float>(read_column(dataset_of(path, {"x"}), "x")[2]), 0.099975586F);
    EXPECT_EQ(Hdf5Dataset(open_hdf5(path).get(), path, "x").is_direct(), order == H5T_ORDER_LE);
  }
}

TEST(DatasetTypes, BrainFloats) {
  const TempFolder folder;
  const store::Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.get(), 15, 7, 8, 0, 7);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 127);
  write<float>(create_file(folder / "x.h5").get(), "x", {2}, type.get(), H5T_NATIVE_FLOAT, {1, -2});
  const auto source = open_source(dataset_of(folder / "x.h5", {"x"}));
  EXPECT_EQ(source->fields()[0].dtype, DType::bfloat16);
  EXPECT_EQ(read_all<std::uint16_t>(*source), (std::vector<std::uint16_t>{0x3f80, 0xc000}));
}

store::Hdf5Handle enumeration(const std::vector<const char*>& names) {
  store::Hdf5Handle type(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose);
  signed char value = 0;
  for (const char* name : names) {
    H5Tenum_insert(type.get(), name, &value);
    ++value;
  }
  return type;
}

TEST(DatasetTypes, BooleansAndOtherEnums) {
  for (const Creation& setup : {Creation{}, chunked({2})}) {
    const TempFolder folder;
    const auto path = folder / "x.h5";
    {
      const auto file = create_file(path);
      const auto boolean = enumeration({"FALSE", "TRUE"});
      const auto colour = enumeration({"RED", "GREEN", "BLUE"});
      write<signed char>(file.get(), "b", {3}, boolean.get(), boolean.get(), {1, 0, 1}, setup);
      write<signed char>(file.get(), "c", {3}, colour.get(), colour.get(), {2, 0, 1}, setup);
    }
    const auto source = open_source(dataset_of(path, {"b", "c"}));
    EXPECT_EQ(source->fields()[0].dtype, DType::boolean);
    EXPECT_EQ(source->fields()[1].dtype, DType::int8);
    EXPECT_EQ(read_all<std::uint8_t>(*source, 0), (std::vector<std::uint8_t>{1, 0, 1}));
    EXPECT_EQ(read_all<std::int8_t>(*source, 1), (std::vector<std::int8_t>{2, 0, 1}));
    EXPECT_EQ(read_column(dataset_of(path, {"b"}), "b"), (std::vector<double>{1, 0, 1}));
    EXPECT_EQ(read_column(dataset_of(path, {"b"}), "c"), (std::vector<double>{2, 0, 1}));
  }
}

TEST(DatasetTypes, ABooleanByteThatIsNeitherBecomesTrue) {
  const TempFolder folder;
  const auto boolean = enumeration({"FALSE", "TRUE"});
  write<signed char>(create_file(folder / "x.h5").get(), "b", {2}, boolean.get(), boolean.get(), {7, 0});
  EXPECT_EQ(read_all<std::uint8_t>(*open_source(dataset_of(folder / "x.h5", {"b"}))),
            (std::vector<std::uint8_t>{1, 0}));
}

TEST(DatasetSource, SeveralInputsInGroupsAndARange) {
  const TempFolder folder;
  const auto path = folder / "x.h5";
  {
    const auto file = create_file(path, 1024);
    write(file.get(), "train/images", {10, 4}, H5T_STD_U8LE, H5T_NATIVE_UINT8, counting<std::uint8_t>(40));
    write(file.get(), "train/ids", {10}, H5T_STD_I64LE, H5T_NATIVE_INT64, counting<std::int64_t>(10), chunked({3}, 1));
  }
  auto dataset = dataset_of(path, {"train/images", "/train/ids"});
  dataset.range = {{4, 9}};
  const auto source = open_source(dataset);
  EXPECT_EQ(source->records(), 5);
  EXPECT_EQ(read_all<std::int64_t>(*source, 1), (std::vector<std::int64_t>{4, 5, 6, 7, 8}));
  EXPECT_EQ(read_all<std::uint8_t>(*source)[0], 16);
  EXPECT_EQ(read_column(dataset, "train/ids"), (std::vector<double>{4, 5, 6, 7, 8}));
  std::uint8_t out[4];
  EXPECT_THROW(source->read(0, 5, 1, out), CheckFailure);
  EXPECT_THROW(source->read(0, -1, 1, out), CheckFailure);
  EXPECT_THROW(source->read(2, 0, 1, out), CheckFailure);
}

TEST(DatasetSource, NoRecordsAndEmptyRecords) {
  const TempFolder folder;
  {
    const auto file = create_file(folder / "x.h5");
    write<float>(file.get(), "none", {0, 3}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {});
    write<float>(file.get(), "empty", {4, 0}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {});
    write<float>(file.get(), "never_written", {4}, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, {});
  }
  const auto none = open_source(dataset_of(folder / "x.h5", {"none"}));
  EXPECT_EQ(none->records(), 0);
  none->read(0, 0, 0, nullptr);
  const auto empty = open_source(dataset_of(folder / "x.h5", {"empty"}));
  EXPECT_EQ(empty->fields()[0].bytes(), 0U);
  empty->read(0, 1, 3, nullptr);
  EXPECT_EQ(read_all<float>(*open_source(dataset_of(folder / "x.h5", {"never_written"}))), std::vector<float>(4, 0));
}

TEST(DatasetSource, AnExternalLinkReadsTheOtherFile) {
  const TempFolder folder;
  write(create_file(folder / "other.h5").get(), "x", {3}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, counting<float>(3));
  {
    const auto file = create_file(folder / "x.h5");
    write<float>(file.get(), "y", {3}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT, {9, 9, 9});
    H5Lcreate_external("other.h5", "/x", file.get(), "x", H5P_DEFAULT, H5P_DEFAULT);
  }
  EXPECT_EQ(read_all<float>(*open_source(dataset_of(folder / "x.h5", {"x"}))), (std::vector<float>{0, 1, 2}));
}

TEST(DatasetSource, ThreadsEachWithTheirOwn) {
  const TempFolder folder;
  const auto path = folder / "x.h5";
  write(create_file(path).get(), "x", {1000}, H5T_NATIVE_INT, H5T_NATIVE_INT, counting<int>(1000), chunked({64}, 1));
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] { right += read_all<int>(*open_source(dataset_of(path, {"x"}))) == counting<int>(1000); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 4);
}

}  // namespace
}  // namespace shardmill::dataset
