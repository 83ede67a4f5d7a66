#include "infer/lease_messages.hpp"

#include <variant>
#include <vector>

namespace shardmill::infer {
namespace {

std::vector<coordinator::BadRow> to_rows(const std::vector<comm::BadRecord>& records) {
  std::vector<coordinator::BadRow> rows;
  for (const comm::BadRecord& record : records) rows.push_back({record.row, record.message});
  return rows;
}

struct ToEvent {
  int from;
  std::optional<coordinator::Event> operator()(const comm::Hello&) const { return coordinator::RankJoined{from}; }
  std::optional<coordinator::Event> operator()(const comm::Ready& m) const {
    return coordinator::RankReady{from, m.slots};
  }
  std::optional<coordinator::Event> operator()(const comm::Alive&) const { return coordinator::Heartbeat{from}; }
  std::optional<coordinator::Event> operator()(const comm::Progress& m) const {
    return coordinator::Progressed{from, m.shard, m.attempt, m.durable, m.computed, to_rows(m.bad)};
  }
  std::optional<coordinator::Event> operator()(const comm::Asked& m) const {
    return coordinator::BatchAsked{from, m.shard, m.attempt, m.row};
  }
  std::optional<coordinator::Event> operator()(const comm::Finished& m) const {
    return coordinator::ShardFinished{from, m.shard, m.attempt, m.checksum, m.seconds, to_rows(m.bad)};
  }
  std::optional<coordinator::Event> operator()(const comm::Failed& m) const {
    return coordinator::ShardFailed{from, m.shard, m.attempt, m.message};
  }
  std::optional<coordinator::Event> operator()(const comm::Returned& m) const {
    return coordinator::ShardReturned{from, m.shard, m.attempt};
  }
  std::optional<coordinator::Event> operator()(const comm::GiveUp& m) const {
    return coordinator::RunFailed{m.message, static_cast<ExitCode>(m.exit_code), m.storage != 0};
  }
  template <typename ForRanks>
  std::optional<coordinator::Event> operator()(const ForRanks&) const {
    return std::nullopt;
  }
};

}  // namespace

std::optional<coordinator::Event> to_event(int from, const comm::Message& message) {
  return std::visit(ToEvent{from}, message);
}

comm::Lease to_message(const coordinator::Grant& grant) {
  comm::Lease lease;
  lease.shard = grant.shard;
  lease.attempt = grant.attempt;
  lease.first_row = grant.first_row;
  lease.careful = grant.careful ? 1 : 0;
  lease.again = grant.again ? 1 : 0;
  for (const coordinator::BadRow& row : grant.skip) lease.skip.push_back({row.row, row.message});
  return lease;
}

}  // namespace shardmill::infer
