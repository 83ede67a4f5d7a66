// Rows of a rank that does not see the results: the coordinator writes them.
#pragma once

#include <vector>

#include "infer/feed_line.hpp"
#include "infer/rows.hpp"

namespace shardmill::infer {

// Rows are gathered and sent when they are synced, or are many. No more are on their way than one message holds.
class FedRows : public Rows {
 public:
  // Throws StoreError if a row is too large to be sent.
  FedRows(FeedLine& line, store::ResultsLayout layout);

  const store::ResultsLayout& layout() const override { return layout_; }
  void write(const comm::Lease& lease, std::size_t output, std::int64_t first, std::int64_t count,
             const void* rows) override;
  void read(std::size_t output, std::int64_t first, std::int64_t count, void* rows) override;
  void sync() override { send(true); }

 private:
  void send(bool sync);

  FeedLine& line_;
  store::ResultsLayout layout_;
  std::vector<comm::RowBlock> blocks_;
  std::size_t bytes_ = 0;
};

}  // namespace shardmill::infer
