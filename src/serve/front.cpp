#include "serve/front.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>

#include <signal.h>
#include <sys/resource.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include "comm/rank_process.hpp"
#include "job/clock.hpp"
#include "job/error.hpp"
#include "report/log.hpp"
#include "report/summary.hpp"
#include "serve/pace.hpp"
#include "serve/record.hpp"
#include "serve/reload_signal.hpp"
#include "serve/tls.hpp"
#include "serve/tokens.hpp"
#include "store/versions.hpp"

namespace shardmill::serve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds attentive_to_ranks{500};  // for the answers of fast models
constexpr std::chrono::microseconds busy_nap{200};            // while a rank computes
constexpr std::chrono::microseconds idle_nap{2000};           // a request ends it at once
constexpr rlim_t spare_files = 200;                           // beside connections
constexpr double publish_every = 0.02;
constexpr double figures_every = 1;  // for `shardmill status`
constexpr double pause_seconds = 1;  // a front that was stopped so long itself judges nobody
constexpr double last_words = 2;     // seconds, for answers that say that it is over

store::RunFolder run_folder(const RankOptions& options) {
  if (options.fresh) store::create_run(store::posix_disk(), options.run_dir, options.job.resolved_yaml);
  return store::open_run(options.run_dir);
}

DispatchPolicy policy(const job::Job& job) {
  DispatchPolicy policy;
  for (const job::ServedModel& served : job.serve.models)
    policy.models.push_back({served.max_batch_size, served.max_queue_delay});
  policy.recent_first = job.serve.idle_job.has_value();
  policy.max_attempts = job.fault_tolerance.max_attempts;
  policy.batch_timeout = batch_timeout(job);
  return policy;
}

// A connection is an open file, and the usual limit of 1,024 is far below what the operating system would grant.
void allow_files(std::int64_t connections) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < static_cast<rlim_t>(connections) + spare_files)
    report::log_info("this process may open " + std::to_string(files.rlim_cur) +
                     " files, fewer than serve.max_connections wants; raise the hard limit (ulimit -Hn)");
}

HttpOptions http_options(const job::Serve& serve) {
  return {serve.host,
          serve.port,
          static_cast<std::size_t>(serve.max_body),
          static_cast<std::size_t>(serve.max_connections),
          serve.idle_timeout,
          serve.read_timeout,
          serve.tls ? make_tls_context(*serve.tls) : nullptr};
}

std::string versions() {
  return "shardmill " SHARDMILL_VERSION ", LibTorch " TORCH_VERSION ", " + comm::mpi_info().library;
}

}  // namespace

Front::Front(comm::World& world, comm::ControlChannel& channel, const RankOptions& options)
    : world_(world),
      channel_(channel),
      options_(options),
      job_(options.job),
      folder_(run_folder(options)),
      journal_(std::make_unique<store::Journal>(store::posix_disk(), folder_.journal())),
      server_(http_options(job_.serve),
              {[this](HttpRequest request, const Respond& respond) { service_.handle(std::move(request), respond); },
               [this](const HttpRequest& request) { return service_.admit(request); },
               [this](int status) { service_.count(status); }}),
      board_(job_.serve.models.size(), static_cast<std::size_t>(job_.serve.max_queue)),
      dispatcher_(policy(job_)),
      service_(job_, board_, [this] { return now(); }),
      keeper_(job_, world.size() - 1, links()) {
  if (job_.serve.tokens_file)
    service_.set_tokens(std::make_shared<const Tokens>(Tokens::read(*job_.serve.tokens_file)));
  service_.connections = [this] { return server_.connections(); };
  for (int rank = 1; rank < world.size(); ++rank) peers_[rank] = {};
  report::open_log(folder_.log(0));
  report::log_info("the front, pid " + std::to_string(::getpid()) + " on " + world.host() + "; " + versions());
  allow_files(job_.serve.max_connections);
}

double Front::now() const { return seconds_since(started_); }

void Front::say(const std::string& line) const {
  report::log_info(line);
  if (!options_.print_summary) return;
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

ModelKeeper::Links Front::links() {
  ModelKeeper::Links links;
  links.send = [this](int rank, const comm::Message& message) { channel_.send(rank, message); };
  links.put_to_work = [this](const Fleet::Duty& duty) {
    dispatcher_.set_rank(duty.rank, duty.models);
    if (duty.steps_in) say("spare rank " + std::to_string(duty.rank) + " steps in");
  };
  links.known = [this](std::size_t model) { announce(model); };
  links.give_up = [this](int rank, const std::string& why) { give_up(rank, why); };
  links.say = [this](const std::string& line) { say(line); };
  return links;
}

ExitCode Front::live() {
  comm::Welcome welcome;
  welcome.run_dir = folder_.path.string();
  for (const auto& [rank, peer] : peers_) channel_.send(rank, welcome);
  keeper_.begin();
  publish(true);
  server_.start();
  if (const int descriptor = world_.bell().descriptor(); descriptor >= 0) server_.watch(descriptor);
  nap_precisely();
  const bool may_spin = cores_for_spinning(world_.size());
  Pace pace(attentive_to_ranks, is_rung());
  while (!end_) {
    const bool waits = dispatcher_.in_flight() > 0;
    const auto nap = pace.next(Clock::now(), may_spin && waits, waits ? busy_nap : idle_nap);
    pace.note(turn(nap), Clock::now());
  }
  return *end_;
}

// By all ranks.
bool Front::is_rung() {
  for (const auto& [rank, peer] : peers_) {
    if (!world_.bell().reaches(rank)) return false;
  }
  return true;
}

Look Front::turn(std::chrono::microseconds nap) {
  const bool announced = server_.run(nap) && world_.bell().take();
  Board::Arrivals arrivals = board_.take();
  bool worked = !arrivals.empty();
  for (Request& request : arrivals.requests) dispatcher_.submit(std::move(request));
  for (ReloadWish& wish : arrivals.wishes) reload(std::move(wish));
  for (const comm::Received& received : channel_.poll()) {
    worked = true;
    deliver(received);
  }
  for (const int rank : world_.newly_dead()) {
    worked = true;
    lose(rank, "its process has ended");
  }
  watch();
  if (reload_was_asked()) reload({std::nullopt, [](const ReloadOutcome&) {}});
  keeper_.step(now());
  if (keeper_.failure()) {
    message_ = *keeper_.failure();
    end_ = ExitCode::bad_job;
  }
  for (Assignment& assignment : dispatcher_.step(now())) {
    worked = true;
    const auto model = static_cast<std::int32_t>(assignment.model);
    channel_.send(assignment.rank, comm::Forward{model, keeper_.version(assignment.model), assignment.batch,
                                                 assignment.rows, std::move(assignment.bytes)});
  }
  publish(false);
  watch_stop();
  return look_of(worked, announced || channel_.moving());
}

void Front::deliver(const comm::Received& received) {
  const auto found = peers_.find(received.from);
  if (found == peers_.end() || is_dead(received.from)) return;  // fenced
  found->second.heard = now();
  if (const auto* hello = std::get_if<comm::Hello>(&received.message)) {
    found->second.pid = hello->pid;
    found->second.host = hello->host;
  } else if (const auto* loaded = std::get_if<comm::Loaded>(&received.message)) {
    keeper_.on(received.from, *loaded);
    publish(true);
  } else if (const auto* failed = std::get_if<comm::LoadFailed>(&received.message)) {
    report::log_info("rank " + std::to_string(received.from) + " cannot load a model: " + failed->message);
    keeper_.on(received.from, *failed);
  } else if (const auto* ended = std::get_if<comm::GiveUp>(&received.message)) {
    give_up(received.from, ended->message);
  } else if (const auto* answered = std::get_if<comm::Answered>(&received.message)) {
    on(received.from, *answered);
  }
}

// A rank has run the model for the first time.
void Front::announce(std::size_t model) {
  std::vector<std::size_t> bytes;
  for (const TensorSpec& output : keeper_.spec(model)->outputs) bytes.push_back(output.bytes());
  dispatcher_.set_outputs(model, std::move(bytes));
  for (std::size_t other = 0; other < job_.serve.models.size(); ++other) {
    if (!keeper_.spec(other)) return;
  }
  const std::string host =
      job_.serve.host.find(':') == std::string::npos ? job_.serve.host : "[" + job_.serve.host + "]";
  address_ = (job_.serve.tls ? "https://" : "http://") + host + ":" + std::to_string(server_.port());
  journal_->append({ready_entry(std::time(nullptr), address_)});
  say(job_.name + ": ready at " + address_ + " on " + keeper_.device());
}

void Front::on(int from, const comm::Answered& answered) {
  std::vector<BadRow> bad;
  for (const comm::BadRecord& row : answered.bad) bad.push_back({row.row, row.message});
  dispatcher_.answered(from, answered.batch, answered.bytes, bad);
}

void Front::give_up(int rank, const std::string& why) {
  kill_rank(rank);
  lose(rank, why);
}

void Front::lose(int rank, const std::string& why) {
  if (!peers_.contains(rank) || is_dead(rank)) return;
  say("rank " + std::to_string(rank) + " is lost (" + why + "); its requests go to the others");
  dispatcher_.remove_rank(rank, now());
  keeper_.lose(rank);
  publish(true);
  if (keeper_.fleet().count(Fleet::State::dead) < static_cast<int>(peers_.size())) return;
  dispatcher_.fail_all(503, "every rank has died; the server starts again");
  server_.drain();
  const double deadline = now() + last_words;
  while (server_.connections() > 0 && now() < deadline) server_.run(busy_nap);
  throw RankLost("every rank has died; the server starts again");
}

// What the job names beside models, then the models: each by itself, so that one that is broken keeps none of the
// others.
void Front::reload(ReloadWish wish) {
  std::vector<std::string> problems;
  if (!wish.model) {
    try {
      if (job_.serve.tls) server_.set_tls(make_tls_context(*job_.serve.tls));
    } catch (const Error& error) {
      problems.emplace_back(error.what());
    }
    try {
      if (job_.serve.tokens_file)
        service_.set_tokens(std::make_shared<const Tokens>(Tokens::read(*job_.serve.tokens_file)));
    } catch (const Error& error) {
      problems.emplace_back(error.what());
    }
  }
  for (const std::string& problem : problems) say("the old one stays: " + problem);
  keeper_.reload({wish.model, [problems, done = std::move(wish.done)](ReloadOutcome outcome) {
                    outcome.problems.insert(outcome.problems.begin(), problems.begin(), problems.end());
                    done(outcome);
                  }});
}

void Front::kill_rank(int rank) {
  const auto found = peers_.find(rank);
  if (found == peers_.end() || found->second.pid == 0 || found->second.host != world_.host()) return;
  ::kill(static_cast<pid_t>(found->second.pid), SIGKILL);
}

bool Front::is_gone(int rank) const { return peers_.contains(rank) && is_dead(rank); }

void Front::watch() {
  const double time = now();
  const double timeout = job_.fault_tolerance.rank_timeout;
  if (time - last_look_ > pause_seconds) {
    for (auto& [rank, peer] : peers_) peer.heard = time;
  }
  last_look_ = time;
  if (time - last_sign_ > timeout / 5) {
    last_sign_ = time;
    for (const auto& [rank, peer] : peers_) {
      if (!is_dead(rank)) channel_.send(rank, comm::Alive{});
    }
  }
  std::vector<std::pair<int, std::string>> lost;
  for (const auto& [rank, peer] : peers_) {
    if (!is_dead(rank) && peer.pid != 0 && time - peer.heard > timeout)
      lost.emplace_back(rank, "it was silent for longer than rank_timeout");
  }
  for (const int rank : dispatcher_.overdue(time)) lost.emplace_back(rank, "its batch took longer than batch_timeout");
  for (const auto& [rank, why] : lost) {
    kill_rank(rank);
    lose(rank, why);
  }
}

// Asked to stop: nothing new is taken, what is in is finished.
void Front::watch_stop() {
  if (comm::caught_signal() != 0 && !drain_until_) {
    say(job_.name + ": stopping; requests that are in are finished");
    drain_until_ = now() + job_.serve.drain_timeout;
    publish(true);
    server_.drain();
  }
  if (!drain_until_) return;
  const bool late = now() > *drain_until_;
  if (server_.connections() == 0 || (late && cut_off_)) {
    message_ = "stopped by request";
    end_ = ExitCode::done;
  } else if (late) {
    cut_off_ = true;
    drain_until_ = now() + last_words;
    dispatcher_.fail_all(503, "the server is stopped");
  }
}

Conditions Front::conditions() const {
  Conditions conditions;
  for (std::size_t model = 0; model < job_.serve.models.size(); ++model)
    conditions.models.push_back({keeper_.spec(model), dispatcher_.is_served(model), keeper_.times_loaded(model)});
  conditions.figures = dispatcher_.figures();
  conditions.draining = drain_until_.has_value();
  conditions.idle = idle_;
  const Fleet& fleet = keeper_.fleet();
  conditions.ranks.loading = fleet.count(Fleet::State::loading);
  conditions.ranks.spare = fleet.count(Fleet::State::spare);
  conditions.ranks.dead = fleet.count(Fleet::State::dead);
  conditions.ranks.busy = static_cast<int>(dispatcher_.in_flight());
  conditions.ranks.idle = fleet.count(Fleet::State::working) - conditions.ranks.busy;
  return conditions;
}

void Front::publish(bool at_once) {
  board_.publish(dispatcher_);
  if (!at_once && now() - last_publish_ < publish_every) return;
  last_publish_ = now();
  board_.publish(conditions());
  if (address_.empty() || now() - last_figures_ < figures_every) return;
  last_figures_ = now();
  look_at_idle_job();
  write_figures(folder_, summary(), live_figures());
}

// Its launcher tells; here it is told on.
void Front::look_at_idle_job() {
  if (!job_.serve.idle_job) return;
  const std::string before = idle_ ? idle_->state : "";
  if (const auto told = read_idle_state(folder_)) idle_ = told;
  if (idle_ && idle_->state != before) say("idle job: " + to_text(*idle_));
}

void Front::dismiss(ExitCode code) {
  for (const auto& [rank, peer] : peers_) channel_.send(rank, comm::End{to_int(code)});
}

report::Summary Front::summary() const {
  const DispatchFigures& figures = dispatcher_.figures();
  report::Summary summary;
  summary.name = job_.name;
  summary.run_dir = folder_.path.string();
  summary.tasks_submitted = figures.sum(&ModelFigures::submitted);
  summary.tasks_completed = figures.sum(&ModelFigures::completed);
  summary.utilization = utilization(figures);
  summary.records = summary.records_done = figures.sum(&ModelFigures::records);
  summary.total_time = now();
  summary.load = summary.total_time > 0 ? static_cast<double>(summary.records) / summary.total_time : 0;
  summary.faults = figures.faults;
  summary.faults_recovered = figures.recovered;
  summary.fault_tolerance = fault_tolerance(figures);
  summary.ranks = static_cast<int>(peers_.size());
  summary.ranks_alive = summary.ranks - keeper_.fleet().count(Fleet::State::dead);
  summary.device = keeper_.device();
  summary.versions = versions();
  return summary;
}

LiveFigures Front::live_figures() const {
  LiveFigures live;
  live.address = address_;
  live.idle = idle_;
  const RankCounts ranks = conditions().ranks;
  live.ranks = {ranks.loading, ranks.idle, ranks.busy, ranks.spare, ranks.dead};
  live.connections = static_cast<std::int64_t>(server_.connections());
  for (std::size_t model = 0; model < job_.serve.models.size(); ++model) {
    const ModelFigures& figures = dispatcher_.figures().models[model];
    live.models.push_back({job_.serve.models[model].name, figures.submitted, figures.completed, figures.records,
                           static_cast<std::int64_t>(dispatcher_.waiting(model))});
  }
  return live;
}

void Front::conclude(ExitCode outcome) {
  report::Summary summary = this->summary();
  summary.outcome = outcome;
  summary.message = message_;
  store::write_file(store::posix_disk(), folder_.summary(), report::to_json(summary));
  journal_->append({ended_entry(summary)});
  if (outcome != ExitCode::done) {
    comm::print_error(message_);
    return;
  }
  say(job_.name + ": stopped; " + report::with_commas(summary.tasks_completed) + " of " +
      report::with_commas(summary.tasks_submitted) + " requests answered by the model, " +
      report::with_commas(summary.faults_recovered) + " of " + report::with_commas(summary.faults) +
      " deaths recovered from");
}

}  // namespace shardmill::serve
