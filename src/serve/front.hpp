// Rank 0 of a server: takes requests over HTTP, gives them to the ranks as batches, and watches over the ranks.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/control_channel.hpp"
#include "comm/world.hpp"
#include "serve/board.hpp"
#include "serve/dispatcher.hpp"
#include "serve/http_server.hpp"
#include "serve/model_keeper.hpp"
#include "serve/pace.hpp"
#include "serve/rank.hpp"
#include "serve/record.hpp"
#include "serve/service.hpp"
#include "store/journal.hpp"
#include "store/run_folder.hpp"

namespace shardmill::serve {

// Of one thread, which does MPI and HTTP in turns: handed over to another one, each request cost two more switches.
class Front {
 public:
  // Listens. Throws StoreError.
  Front(comm::World& world, comm::ControlChannel& channel, const RankOptions& options);

  // Until it is asked to stop, or cannot go on. Throws RankLost if no rank is left.
  ExitCode live();
  // Sends everybody home, with what is to be their exit code.
  void dismiss(ExitCode code);
  // The last words: journal and summary.
  void conclude(ExitCode outcome);
  void kill_rank(int rank);
  bool is_gone(int rank) const;

 private:
  struct Peer {
    std::int64_t pid = 0;  // 0: it has not said so yet
    std::string host;
    double heard = 0;
  };

  double now() const;
  bool is_rung();
  Look turn(std::chrono::microseconds nap);
  ModelKeeper::Links links();
  void announce(std::size_t model);
  void on(int from, const comm::Answered& answered);
  void deliver(const comm::Received& received);
  void lose(int rank, const std::string& why);
  void give_up(int rank, const std::string& why);
  void reload(ReloadWish wish);
  void watch();
  void watch_stop();
  void publish(bool at_once);
  void look_at_idle_job();
  Conditions conditions() const;
  report::Summary summary() const;
  LiveFigures live_figures() const;
  bool is_dead(int rank) const { return keeper_.fleet().state(rank) == Fleet::State::dead; }
  void say(const std::string& line) const;

  comm::World& world_;
  comm::ControlChannel& channel_;
  const RankOptions& options_;
  const job::Job& job_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  store::RunFolder folder_;
  std::unique_ptr<store::Journal> journal_;
  HttpServer server_;  // before those who hold requests: their connections end before it
  Board board_;
  Dispatcher dispatcher_;
  Service service_;
  std::map<int, Peer> peers_;
  ModelKeeper keeper_;
  std::string message_;
  double last_sign_ = 0;
  double last_look_ = 0;
  double last_publish_ = -1;
  double last_figures_ = 0;
  std::string address_;
  std::optional<IdleState> idle_;
  std::optional<double> drain_until_;
  bool cut_off_ = false;
  std::optional<ExitCode> end_;
};

}  // namespace shardmill::serve
