#include "serve/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include "job/error.hpp"

namespace shardmill::serve {
namespace {

Outcome error(int status, std::string message) { return {status, std::move(message), {}}; }

}  // namespace

Dispatcher::Dispatcher(DispatchPolicy policy) : policy_(std::move(policy)), queues_(policy_.models.size()) {
  figures_.models.resize(policy_.models.size());
}

void Dispatcher::set_outputs(std::size_t model, std::vector<std::size_t> row_bytes) {
  queues_[model].output_bytes = std::move(row_bytes);
}

void Dispatcher::submit(Request request) {
  Queue& queue = queues_[request.model];
  ++figures_.models[request.model].submitted;
  queue.rows += request.rows;
  queue.entries.push_back({std::move(request), 0, false, {}});
}

void Dispatcher::set_rank(int rank, std::set<std::size_t> models) {
  if (!ranks_.contains(rank)) idle_.push_back(rank);
  ranks_[rank] = std::move(models);
}

std::size_t Dispatcher::waiting(std::size_t model) const {
  return queues_[model].entries.size() + queues_[model].suspects.size();
}

bool Dispatcher::is_served(std::size_t model) const {
  return std::any_of(ranks_.begin(), ranks_.end(), [model](const auto& rank) { return rank.second.contains(model); });
}

void Dispatcher::remove_rank(int rank, double now) {
  if (ranks_.erase(rank) == 0) return;
  std::erase(idle_, rank);
  const std::int64_t fault = figures_.faults++;
  const auto found = in_hand_.find(rank);
  if (found == in_hand_.end()) {
    ++figures_.recovered;
    return;
  }
  InHand hand = std::move(found->second);
  in_hand_.erase(found);
  const bool alone = hand.entries.size() == 1;
  open_faults_[fault] = 1;  // until all are looked at
  for (Entry& entry : hand.entries) {
    if (entry.done) continue;
    ++entry.deaths;
    ++figures_.models[hand.model].retried;
    if (alone && entry.deaths >= policy_.max_attempts) {
      finish(entry, error(500, "the model's process died on this request " + std::to_string(entry.deaths) +
                                   " times; it is not tried again"));
      continue;
    }
    ++open_faults_[fault];
    entry.faults.push_back(fault);
    queues_[hand.model].suspects.push_back(std::move(entry));
  }
  if (--open_faults_[fault] == 0) {
    open_faults_.erase(fault);
    ++figures_.recovered;
  }
  drop_late(hand.model, now);
}

// 503 and 504 say nothing about the request, so the faults behind it stay open for ever.
void Dispatcher::finish(Entry& entry, Outcome outcome) {
  if (outcome.status == 200) {
    ModelFigures& figures = figures_.models[entry.request.model];
    ++figures.completed;
    figures.records += entry.request.rows;
  }
  const bool judged = outcome.status != 503 && outcome.status != 504;
  for (const std::int64_t fault : entry.faults) {
    if (judged && --open_faults_[fault] == 0) {
      open_faults_.erase(fault);
      ++figures_.recovered;
    }
  }
  entry.done = true;
  entry.request.answer(std::move(outcome));
}

void Dispatcher::answered(int rank, std::int64_t batch, const std::string& outputs, const std::vector<BadRow>& bad) {
  const auto found = in_hand_.find(rank);
  if (found == in_hand_.end() || found->second.batch != batch) return;
  InHand hand = std::move(found->second);
  in_hand_.erase(found);
  policy_.recent_first ? idle_.push_front(rank) : idle_.push_back(rank);
  std::size_t expected = 0;
  const std::vector<std::size_t>& output_bytes = queues_[hand.model].output_bytes;
  for (const std::size_t bytes : output_bytes) expected += bytes * static_cast<std::size_t>(hand.rows);
  SHARDMILL_CHECK(outputs.size() == expected, "a rank answers with its outputs, whole");
  std::int64_t first = 0;
  for (Entry& entry : hand.entries) {
    const std::int64_t rows = entry.request.rows;
    const auto guilty = std::find_if(bad.begin(), bad.end(),
                                     [&](const BadRow& row) { return row.row >= first && row.row < first + rows; });
    if (entry.done) {
      // Answered already.
    } else if (guilty != bad.end()) {
      finish(entry, error(422, "record " + std::to_string(guilty->row - first) +
                                   " (counted from 0) cannot be computed: " + guilty->message));
    } else {
      Outcome outcome;
      std::size_t begin = 0;
      for (const std::size_t bytes : output_bytes) {
        outcome.outputs.push_back(
            outputs.substr(begin + bytes * static_cast<std::size_t>(first), bytes * static_cast<std::size_t>(rows)));
        begin += bytes * static_cast<std::size_t>(hand.rows);
      }
      finish(entry, std::move(outcome));
    }
    first += rows;
  }
}

void Dispatcher::drop_late(std::size_t model, double now) {
  Queue& queue = queues_[model];
  for (auto* entries : {&queue.entries, &queue.suspects}) {
    std::erase_if(*entries, [&](Entry& entry) {
      if (now < entry.request.deadline) return false;
      if (entries == &queue.entries) queue.rows -= entry.request.rows;
      finish(entry, error(504, "the request has waited for longer than its timeout"));
      return true;
    });
  }
}

std::optional<double> Dispatcher::next_since(std::size_t model, double now) const {
  const Queue& queue = queues_[model];
  if (!queue.suspects.empty()) return queue.suspects.front().request.arrived;
  if (queue.entries.empty()) return std::nullopt;
  const BatchPolicy& policy = policy_.models[model];
  const double arrived = queue.entries.front().request.arrived;
  if (queue.rows < policy.max_batch_size && now - arrived < policy.max_queue_delay) return std::nullopt;
  return arrived;
}

std::vector<Dispatcher::Entry> Dispatcher::take(std::size_t model) {
  Queue& queue = queues_[model];
  std::vector<Entry> entries;
  if (!queue.suspects.empty()) {
    entries.push_back(std::move(queue.suspects.front()));
    queue.suspects.pop_front();
    return entries;
  }
  std::int64_t rows = 0;
  while (!queue.entries.empty() && rows + queue.entries.front().request.rows <= policy_.models[model].max_batch_size) {
    rows += queue.entries.front().request.rows;
    entries.push_back(std::move(queue.entries.front()));
    queue.entries.pop_front();
  }
  queue.rows -= rows;
  return entries;
}

Assignment Dispatcher::assign(int rank, std::size_t model, std::vector<Entry> entries, double now) {
  Assignment assignment;
  assignment.rank = rank;
  assignment.model = model;
  assignment.batch = next_batch_++;
  std::size_t bytes = 0;
  for (const Entry& entry : entries) {
    assignment.rows += entry.request.rows;
    for (const std::string& input : entry.request.inputs) bytes += input.size();
  }
  assignment.bytes.reserve(bytes);
  for (std::size_t i = 0; i < entries.front().request.inputs.size(); ++i) {
    for (const Entry& entry : entries) assignment.bytes += entry.request.inputs[i];
  }
  ModelFigures& figures = figures_.models[model];
  ++figures.batches;
  figures.batched_records += assignment.rows;
  const auto& bounds = ModelFigures::batch_bounds;
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), assignment.rows);
  ++figures.batch_sizes[static_cast<std::size_t>(bound - bounds.begin())];
  in_hand_[rank] = {model, assignment.batch, assignment.rows, now, std::move(entries)};
  return assignment;
}

std::vector<Assignment> Dispatcher::step(double now) {
  for (std::size_t model = 0; model < queues_.size(); ++model) drop_late(model, now);
  for (auto& [rank, hand] : in_hand_) {
    for (Entry& entry : hand.entries) {
      if (!entry.done && now >= entry.request.deadline)
        finish(entry, error(504, "the model has not answered within the request's timeout"));
    }
  }
  std::vector<Assignment> assignments;
  std::deque<int> still_idle;
  for (const int rank : std::exchange(idle_, {})) {
    // Of its models, the one whose next request has waited longest.
    std::optional<std::size_t> chosen;
    double longest = 0;
    for (const std::size_t model : ranks_[rank]) {
      const auto since = next_since(model, now);
      if (!since || (chosen && *since >= longest)) continue;
      chosen = model;
      longest = *since;
    }
    if (chosen) {
      assignments.push_back(assign(rank, *chosen, take(*chosen), now));
    } else {
      still_idle.push_back(rank);
    }
  }
  idle_ = std::move(still_idle);
  return assignments;
}

std::vector<int> Dispatcher::overdue(double now) const {
  std::vector<int> ranks;
  for (const auto& [rank, hand] : in_hand_) {
    if (now - hand.since > policy_.batch_timeout) ranks.push_back(rank);
  }
  return ranks;
}

void Dispatcher::fail_all(int status, const std::string& message) {
  for (Queue& queue : queues_) {
    for (auto* entries : {&queue.suspects, &queue.entries}) {
      for (Entry& entry : *entries) finish(entry, error(status, message));
      entries->clear();
    }
    queue.rows = 0;
  }
  for (auto& [rank, hand] : in_hand_) {
    for (Entry& entry : hand.entries) {
      if (!entry.done) finish(entry, error(status, message));
    }
  }
}

}  // namespace shardmill::serve
