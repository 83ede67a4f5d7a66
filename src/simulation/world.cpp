#include "simulation/world.hpp"

#include <algorithm>
#include <utility>

#include "coordinator/entry.hpp"

namespace shardmill::simulation {

using namespace coordinator;

namespace {
constexpr Seconds longest_run = 1e6;  // of virtual time
constexpr std::int64_t most_steps = 20'000'000;
constexpr int most_incarnations = 400;
}  // namespace

Outcome simulate(const Scenario& scenario) { return World(scenario).run(); }

World::World(const Scenario& scenario)
    : scenario_(scenario),
      random_(scenario.seed),
      storage_(scenario.plan.records),
      watch_(scenario_, storage_),
      durable_(scenario_.plan, scenario_.policy.batch_size) {}

Outcome World::run() {
  schedule_faults();
  start_ranks();
  start_coordinator(false);
  while (!over_ && !queue_.empty()) {
    if (now_ > longest_run || ++steps_ > most_steps || incarnation_ > most_incarnations) {
      watch_.violation("it does not end");
      break;
    }
    // The queue gives only const access to its top, which is about to go.
    const std::function<void()> what = std::move(const_cast<Happening&>(queue_.top()).what);
    now_ = queue_.top().at;
    queue_.pop();
    what();
  }
  if (!over_ && queue_.empty()) watch_.violation("nothing happens any more, and it has not ended");
  outcome_.violations = watch_.violations();
  outcome_.seconds = now_;
  outcome_.steps = steps_;
  return outcome_;
}

void World::at(Seconds when, std::function<void()> what) { queue_.push({when, order_++, std::move(what)}); }
void World::after(Seconds delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }

void World::write(std::int64_t record, Content content) {
  if (!storage_.write(record, content))
    watch_.violation("record " + std::to_string(record) + " is written differently");
}

// ---- What may happen
// --------------------------------------------------------------------------------------------------

void World::schedule(int how_many, const std::function<void()>& what) {
  for (int i = 0; i < how_many; ++i) after(random_.between(0.0, scenario_.horizon), what);
}

// Somebody (or this rank) is on a record alone, or was and the journal does not know better.
bool World::someone_is_careful(std::optional<Rank> rank) const {
  const auto any = [rank](const Ledger& ledger) {
    return std::any_of(ledger.begun().begin(), ledger.begun().end(),
                       [rank](const auto& begun) { return begun.second.alone && (!rank || begun.first == *rank); });
  };
  return any(durable_) || (coordinator_ && any(coordinator_->ledger()));
}

// Not one that is on a record alone: its death would rightly be that record's fault. If one death ends all, none of
// all.
SimulatedRank* World::some_rank() {
  if (links_.empty()) return nullptr;
  SimulatedRank& rank = *links_[static_cast<std::size_t>(random_.below(std::ssize(links_)))].rank;
  if ((!scenario_.survives_deaths || !coordinator_) && someone_is_careful()) return nullptr;
  return rank.alive() && !rank.careful() && !someone_is_careful(rank.number()) ? &rank : nullptr;
}

void World::schedule_faults() {
  const Seconds timeout = scenario_.policy.rank_timeout;
  schedule(scenario_.deaths, [this] {
    if (SimulatedRank* rank = some_rank()) rank->die();
  });
  schedule(scenario_.hangs, [this, timeout] {
    if (SimulatedRank* rank = some_rank())
      rank->hang(random_.chance(0.5) ? longest_run : random_.between(0.0, 3 * timeout));
  });
  schedule(scenario_.pauses, [this] {
    if (SimulatedRank* rank = some_rank()) rank->pause(random_.between(0.0, 20.0));
  });
  schedule(scenario_.failed_reads, [this] {
    if (SimulatedRank* rank = some_rank()) rank->fail_next_read();
  });
  schedule(scenario_.stops, [this] {
    hear(StopAsked{"asked to", random_.chance(0.5) ? 0 : random_.between(0.0, 10.0)});
  });
  schedule(scenario_.coordinator_deaths, [this] { doomed_ = true; });
  schedule(scenario_.coordinator_pauses, [this, timeout] {
    paused_until_ = std::max(paused_until_, now_ + random_.between(0.5 * timeout, 2 * timeout));
  });
}

// ---- Ranks and messages
// -----------------------------------------------------------------------------------------------

void World::start_ranks() {
  ++mpirun_;
  links_.clear();
  // A run goes on with as many ranks as there happen to be.
  const std::int64_t ranks =
      mpirun_ == 1 ? scenario_.ranks : random_.between(std::int64_t{scenario_.ranks + 1} / 2, scenario_.ranks);
  const double seconds_per_row = scenario_.batch_seconds / static_cast<double>(scenario_.policy.batch_size);
  for (Rank number = 0; number < ranks; ++number) {
    const double slowness = random_.chance(scenario_.slow_share) ? scenario_.slowness : random_.between(0.5, 1.0);
    links_.push_back({std::make_shared<SimulatedRank>(*this, number, seconds_per_row * slowness), now_, now_});
  }
  alive_ = static_cast<int>(ranks);
  for (std::size_t i = 0; i < links_.size(); ++i) links_[i].rank->begin();
}

World::Link* World::link_of(const SimulatedRank& rank) {
  const auto number = static_cast<std::size_t>(rank.number());
  return number < links_.size() && links_[number].rank.get() == &rank ? &links_[number] : nullptr;
}

void World::send(SimulatedRank& rank, Event event) {
  Link* found = link_of(rank);
  if (found == nullptr) return;
  Link& link = *found;
  link.last_up = std::max(link.last_up, now_ + random_.between(0.0, scenario_.message_delay));
  at(link.last_up, [this, mpirun = mpirun_, event = std::move(event)] {
    if (mpirun == mpirun_) hear(event);
  });
}

void World::send_down(Rank rank, const std::function<void(SimulatedRank&)>& what) {
  Link& link = links_[static_cast<std::size_t>(rank)];
  link.last_down = std::max(link.last_down, now_ + random_.between(0.0, scenario_.message_delay));
  at(link.last_down, [to = link.rank, what] {
    if (to->alive()) what(*to);
  });
}

void World::rank_died(SimulatedRank& rank) {
  if (link_of(rank) == nullptr) return;
  send(rank, RankDied{rank.number(), "died"});
  --alive_;
  if (coordinator_ && (rank.number() == home_ || !scenario_.survives_deaths)) {
    coordinator_dies();
    return;
  }
  if (alive_ > 0) return;
  after(1.0, [this, mpirun = mpirun_] {
    if (mpirun == mpirun_ && !over_) coordinator_dies();  // the mpirun ends
  });
}

// ---- The coordinator
// --------------------------------------------------------------------------------------------------

Ledger World::replayed() const {
  Ledger ledger(scenario_.plan, scenario_.policy.batch_size);
  for (const std::string& line : journal_) ledger.apply(decode(line));
  return ledger;
}

void World::start_coordinator(bool outlived) {
  ++incarnation_;
  doomed_ = false;
  paused_until_ = 0;
  unheard_.clear();
  std::vector<Rank> alive;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].rank->alive()) alive.push_back(static_cast<Rank>(i));
  }
  home_ = alive.front();
  watch_.new_incarnation();
  coordinator_ = std::make_unique<Coordinator>(replayed(), scenario_.policy);
  after(scenario_.tick, [this, incarnation = incarnation_] { tick(incarnation); });
  carry_out(coordinator_->start(alive, 0, now_, outlived));
}

void World::tick(int incarnation) {
  if (incarnation != incarnation_ || !coordinator_) return;
  if (now_ < paused_until_) {
    at(paused_until_, [this, incarnation] { tick(incarnation); });
    return;
  }
  watch_.figures(coordinator_->figures(now_));
  after(scenario_.tick, [this, incarnation] { tick(incarnation); });
  hear(Tick{});
}

void World::hear(const Event& event) {
  if (!coordinator_) return;
  if (now_ < paused_until_) {
    unheard_.push_back(event);
    if (unheard_.size() == 1) at(paused_until_, [this, incarnation = incarnation_] { catch_up(incarnation); });
    return;
  }
  if (const auto* returned = std::get_if<ShardReturned>(&event)) watch_.returned(*returned);
  carry_out(coordinator_->on(event, now_));
  if (coordinator_ && coordinator_->deserted()) coordinator_dies();  // nobody is left to work
}

void World::catch_up(int incarnation) {
  if (incarnation != incarnation_) return;
  if (now_ < paused_until_) {
    at(paused_until_, [this, incarnation] { catch_up(incarnation); });
    return;
  }
  for (const Event& event : std::exchange(unheard_, {})) hear(event);
}

void World::carry_out(const Actions& actions) {
  const std::int64_t dies_before = doomed_ && !someone_is_careful() ? random_.below(std::ssize(actions) + 1) : -1;
  for (std::int64_t i = 0; i <= std::ssize(actions); ++i) {
    if (i == dies_before) {
      coordinator_dies();
      return;
    }
    if (i == std::ssize(actions)) break;
    const Action& action = actions[static_cast<std::size_t>(i)];
    if (!std::holds_alternative<Record>(action)) sync_journal();
    std::visit([this](const auto& a) { carry_out(a); }, action);
    if (!coordinator_) return;  // it has ended
  }
  // What nothing waits for may be synced later.
  if (random_.chance(0.5)) sync_journal();
}

void World::carry_out(const Record& record) { not_synced_.push_back(encode(record.entry)); }

void World::carry_out(const Grant& grant) {
  watch_.granted(grant);
  send_down(grant.rank, [grant](SimulatedRank& rank) { rank.take(grant); });
}

void World::carry_out(const Proceed& proceed) {
  send_down(proceed.rank, [proceed](SimulatedRank& rank) { rank.proceed(proceed); });
}

void World::carry_out(const Revoke& revoke) {
  // In a run that stops, the lease lives until it is given back; nothing is leased then that it could meet.
  watch_.revoked(revoke);
  send_down(revoke.rank, [revoke](SimulatedRank& rank) { rank.revoke(revoke); });
}

void World::carry_out(const Kill& kill) {
  const std::shared_ptr<SimulatedRank> rank = links_[static_cast<std::size_t>(kill.rank)].rank;
  if (!rank->was_faulty()) {
    watch_.violation("rank " + std::to_string(kill.rank) + " is killed though it is well: " + kill.reason);
  }
  if (kill.rank == home_) return;  // it will not end itself as long as it can lead others
  after(random_.between(0.0, 2 * scenario_.policy.rank_timeout), [this, rank, incarnation = incarnation_] {
    // A new coordinator may have found it alive and well, and on a record alone.
    if (incarnation == incarnation_ || !rank->careful()) rank->die();
  });
}

void World::carry_out(const Finish& finish) {
  outcome_.exit_code = finish.outcome;
  outcome_.figures = coordinator_->figures(now_);
  watch_.figures(outcome_.figures);
  if (!(replayed() == coordinator_->ledger())) watch_.violation("the journal, replayed, gives another ledger");
  const bool done = finish.outcome == ExitCode::done || finish.outcome == ExitCode::quarantined;
  const bool gave_up = finish.outcome == ExitCode::failed && scenario_.policy.fail_on_bad_record &&
                       finish.message.find("on_bad_record") != std::string::npos;
  if (done) {
    watch_.finished(outcome_.figures);
    const ExitCode wanted = scenario_.poison.empty() ? ExitCode::done : ExitCode::quarantined;
    if (finish.outcome != wanted) watch_.violation("it ended with another exit code than it should");
  }
  if (gave_up && scenario_.poison.empty()) watch_.violation("there is no bad record, but the run failed of one");
  over_ = done || gave_up;
  coordinator_.reset();
  if (!over_) start_again();
}

void World::sync_journal() {
  for (std::string& line : not_synced_) {
    watch_.durable(decode(line));
    durable_.apply(decode(line));
    journal_.push_back(std::move(line));
  }
  not_synced_.clear();
}

void World::coordinator_dies() {
  const bool careful = someone_is_careful();
  coordinator_.reset();
  links_[static_cast<std::size_t>(home_)].rank->die();
  const bool takes_over = alive_ > 0 && scenario_.survives_deaths && (careful || random_.chance(0.5));
  const bool machine_too = !takes_over && random_.chance(0.3);
  // What was written but not synced may be there or not; the end of it rather not.
  not_synced_.resize(machine_too ? 0 : static_cast<std::size_t>(random_.below(std::ssize(not_synced_) + 1)));
  sync_journal();
  if (machine_too) storage_.lose_what_is_not_synced();
  if (!takes_over) {
    start_again();
    return;
  }
  after(random_.between(0.0, 5.0), [this, mpirun = mpirun_] {
    if (mpirun != mpirun_) return;
    if (alive_ == 0) {
      start_again();
      return;
    }
    start_coordinator(true);
    for (std::size_t i = 0; i < links_.size(); ++i) {
      const Rank number = static_cast<Rank>(i);
      if (links_[i].rank->alive()) {
        send_down(number, [](SimulatedRank& rank) { rank.meet_new_coordinator(); });
      }
    }
  });
}

void World::end_processes() {
  ++mpirun_;  // nothing of it arrives any more, and nobody misses it
  for (const Link& link : std::exchange(links_, {})) link.rank->die();
}

void World::start_again() {
  end_processes();
  after(random_.between(0.0, 10.0), [this] {
    start_ranks();
    start_coordinator(false);
  });
}

}  // namespace shardmill::simulation
