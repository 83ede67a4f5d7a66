// Records from HDF5 into a buffer, in batches one after the other; from the page cache, as the file was just written.
#include <benchmark/benchmark.h>

#include "dataset/record_source.hpp"
#include "dataset_files.hpp"

namespace {

namespace dataset = shardmill::dataset;
using dataset::test::Creation;

// The argument: records in a batch.
void read_batches(benchmark::State& state, dataset::RecordSource& source) {
  const std::int64_t batch = state.range(0);
  std::vector<char> buffer(dataset::record_bytes(source) * static_cast<std::size_t>(batch));
  std::int64_t first = 0;
  for (auto _ : state) {
    source.read(0, first, batch, buffer.data());
    benchmark::DoNotOptimize(buffer.data());
    first = first + 2 * batch > source.records() ? 0 : first + batch;
  }
  state.SetItemsProcessed(state.iterations() * batch);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(buffer.size()));
}

// 64 floats each.
void read_rows(benchmark::State& state, const Creation& creation) {
  constexpr hsize_t rows = 200'000;
  const shardmill::test::TempFolder folder;
  {
    const auto file = dataset::test::create_file(folder / "rows.h5");
    dataset::test::write(file.get(), "rows", {rows, 64}, H5T_NATIVE_FLOAT, H5T_NATIVE_FLOAT,
                         std::vector<float>(rows * 64, 1.5F), creation);
  }
  const auto source = dataset::open_source(dataset::test::dataset_of(folder / "rows.h5", {"rows"}));
  read_batches(state, *source);
}

void read_contiguous_rows(benchmark::State& state) { read_rows(state, {}); }
void read_chunked_rows(benchmark::State& state) { read_rows(state, dataset::test::chunked({4096, 64})); }
void read_compressed_rows(benchmark::State& state) { read_rows(state, dataset::test::chunked({4096, 64}, 1)); }

void read_images(benchmark::State& state) {
  constexpr hsize_t images = 256;
  constexpr hsize_t bytes = 3 * 224 * 224;
  const shardmill::test::TempFolder folder;
  {
    const auto file = dataset::test::create_file(folder / "images.h5");
    dataset::test::write(file.get(), "images", {images, 3, 224, 224}, H5T_NATIVE_UINT8, H5T_NATIVE_UINT8,
                         std::vector<unsigned char>(images * bytes, 7), dataset::test::chunked({64, 3, 224, 224}));
  }
  const auto source = dataset::open_source(dataset::test::dataset_of(folder / "images.h5", {"images"}));
  read_batches(state, *source);
}

BENCHMARK(read_contiguous_rows)->Arg(1024);
BENCHMARK(read_chunked_rows)->Arg(1024);
BENCHMARK(read_compressed_rows)->Arg(1024);
BENCHMARK(read_images)->Arg(32);

}  // namespace
