#include <gtest/gtest.h>

#include "dataset/hdf5_dataset.hpp"
#include "dataset/hdf5_file.hpp"
#include "dataset/hdf5_storage.hpp"
#include "dataset_files.hpp"

namespace shardmill::dataset {
namespace {

using namespace test;

TEST(DatasetChunkCache, HoldsTwoRowsOfChunks) {
  EXPECT_EQ(chunk_cache({100, 10, 10}, {10, 5, 10}, 4).bytes, 2U * 2 * 2000);
  EXPECT_EQ(chunk_cache({100, 11}, {10, 5}, 1).bytes, 2U * 3 * 50);
  EXPECT_EQ(chunk_cache({100}, {7}, 8).bytes, 2U * 56);
}

TEST(DatasetChunkCache, IsBoundedButHoldsAChunk) {
  const std::int64_t mib = 1 << 20;
  EXPECT_EQ(chunk_cache({10, 1000 * mib}, {1, mib}, 1).bytes, max_cache_bytes);
  EXPECT_EQ(chunk_cache({1000, mib}, {300, mib}, 1).bytes, static_cast<std::size_t>(300 * mib));
  EXPECT_GE(chunk_cache({1'000'000, 1'000'000}, {1, 1}, 1).slots, 521U);
  EXPECT_LE(chunk_cache({1'000'000, 1'000'000}, {1, 1}, 1).slots, std::size_t{1} << 21);
  EXPECT_GE(chunk_cache({0, 4}, {1, 4}, 4).bytes, 16U);
}

int filter_calls = 0;
std::size_t count_calls(unsigned, std::size_t, const unsigned[], std::size_t bytes, std::size_t*, void**) {
  ++filter_calls;
  return bytes;
}

TEST(DatasetChunkCache, ReadsEachChunkOnceInOrder) {
  const H5Z_class2_t counter = {H5Z_CLASS_T_VERS, 400, 1, 1, "counter", nullptr, nullptr, count_calls};
  ASSERT_GE(H5Zregister(&counter), 0);
  const TempFolder folder;
  const auto path = folder / "x.h5";
  // 2 MiB a row of chunks: more than the default cache of HDF5, which would read the chunks again for every batch.
  write(create_file(path).get(), "x", {64, 65536}, H5T_NATIVE_INT, H5T_NATIVE_INT, counting<int>(64 * 65536),
        [](hid_t creation) {
          chunked({8, 16384})(creation);
          H5Pset_filter(creation, 400, 0, 0, nullptr);
        });
  const auto file = open_hdf5(path);
  const Hdf5Dataset dataset(file.get(), path, "x");
  std::vector<int> rows(3 * 65536);
  filter_calls = 0;
  for (int first = 0; first + 3 <= 64; first += 3) {
    dataset.read(first, 3, rows.data());
    ASSERT_EQ(rows.back(), (first + 3) * 65536 - 1);
  }
  EXPECT_EQ(filter_calls, 8 * 4);
  H5Zunregister(400);
}

}  // namespace
}  // namespace shardmill::dataset
