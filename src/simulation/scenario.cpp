#include "simulation/scenario.hpp"

#include <algorithm>

#include "simulation/random.hpp"

namespace shardmill::simulation {

Scenario scenario_of(std::uint64_t seed, int most_ranks) {
  Random random(seed);
  Scenario s;
  s.seed = random.bits();
  s.ranks = static_cast<int>(random.between(std::int64_t{1}, most_ranks));
  s.slots = static_cast<int>(random.between(std::int64_t{1}, 3));
  s.policy.batch_size = random.between(std::int64_t{1}, 8);
  s.plan.shard_size = random.between(std::int64_t{1}, 24);
  s.plan.records = random.below(s.plan.shard_size * 5 * s.ranks + 1);
  s.policy.max_attempts = static_cast<int>(random.between(std::int64_t{1}, 4));
  s.policy.rank_timeout = random.between(2.0, 10.0);
  s.slow_share = random.chance(0.3) ? 0.3 : 0;
  s.slowness = random.between(2.0, 20.0);
  s.sync_seconds = random.between(0.0, 2.0);
  s.message_delay = random.between(0.0, s.policy.rank_timeout / 5);
  s.tick = random.between(0.05, s.policy.rank_timeout / 4);
  s.survives_deaths = random.chance(0.7);
  s.policy.shard_timeout = 3 * (s.slowness * s.batch_seconds + s.sync_seconds + s.message_delay);

  const double batches = static_cast<double>(s.plan.records) / static_cast<double>(s.policy.batch_size);
  s.horizon = std::max(1.0, 1.5 * batches * s.batch_seconds / s.ranks);
  auto some = [&random](double probability, std::int64_t most) {
    return random.chance(probability) ? static_cast<int>(random.between(std::int64_t{1}, most)) : 0;
  };
  s.deaths = some(0.5, std::max(s.ranks / 2, 1));
  s.hangs = some(0.4, std::max(s.ranks / 3, 1));
  s.pauses = some(0.3, 3);
  s.failed_reads = some(0.3, 3);
  s.stops = some(0.2, 2);
  s.coordinator_deaths = some(0.4, 3);
  s.coordinator_pauses = some(0.2, 2);
  if (s.plan.records > 0 && random.chance(0.4)) {
    for (int i = some(1, 4); i > 0; --i) {
      s.poison[random.below(s.plan.records)] = static_cast<Poison>(random.below(3));
    }
  }
  s.policy.fail_on_bad_record = random.chance(0.05);
  s.most_slots = random.chance(0.4) ? static_cast<int>(random.between(std::int64_t{4}, 32)) : s.slots;
  return s;
}

std::string Scenario::text() const {
  auto count = [](const char* what, std::int64_t value) {
    return value == 0 ? std::string() : ", " + std::to_string(value) + " " + what;
  };
  return std::to_string(plan.records) + " records in shards of " + std::to_string(plan.shard_size) +
         " and batches of " + std::to_string(policy.batch_size) + ", " + std::to_string(ranks) + " ranks with " +
         std::to_string(slots) + " to " + std::to_string(most_slots) + " slots, " +
         std::to_string(policy.max_attempts) + " attempts" + count("poison records", std::ssize(poison)) +
         count("deaths", deaths) + count("hangs", hangs) + count("pauses", pauses) +
         count("failed reads", failed_reads) + count("stops", stops) + count("coordinator deaths", coordinator_deaths) +
         count("coordinator pauses", coordinator_pauses) + (survives_deaths ? "" : ", the first death ends all") +
         (policy.fail_on_bad_record ? ", on_bad_record: fail" : "");
}

}  // namespace shardmill::simulation
