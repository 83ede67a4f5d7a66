#include "infer/rows.hpp"

namespace shardmill::infer {
namespace {

class FileRows : public Rows {
 public:
  explicit FileRows(const std::filesystem::path& path) : results_(store::posix_disk(), path, store::Open::write) {}

  const store::ResultsLayout& layout() const override { return results_.layout(); }
  void write(const comm::Lease&, std::size_t output, std::int64_t first, std::int64_t count,
             const void* rows) override {
    results_.write_rows(output, first, count, rows);
  }
  void read(std::size_t output, std::int64_t first, std::int64_t count, void* rows) override {
    results_.read_rows(output, first, count, rows);
  }
  void sync() override { results_.sync(); }

 private:
  store::Results results_;
};

}  // namespace

std::unique_ptr<Rows> open_rows(const std::filesystem::path& results) { return std::make_unique<FileRows>(results); }

}  // namespace shardmill::infer
