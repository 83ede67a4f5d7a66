#include "train/ledger.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "job/error.hpp"

namespace shardmill::train {
namespace {

using Json = nlohmann::ordered_json;

// Messages may quote anything: invalid UTF-8 is replaced.
std::string line_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json timed(const char* name, std::int64_t step, double elapsed) {
  return {{"entry", name}, {"step", step}, {"elapsed", elapsed}};
}

}  // namespace

std::string to_line(const Opened& entry) {
  return line_of({{"entry", "opened"},
                  {"version", 1},
                  {"kind", "train"},
                  {"job", entry.job_digest},
                  {"dataset", entry.dataset_digest},
                  {"steps", entry.steps},
                  {"logical_shards", entry.logical_shards},
                  {"records", entry.records},
                  {"parameters", entry.parameters}});
}

std::string to_line(const Started& entry) {
  return line_of(
      {{"entry", "started"}, {"ranks", entry.ranks}, {"unix_seconds", entry.unix_seconds}, {"step", entry.step}});
}

std::string to_line(const SavedEntry& entry, double elapsed) {
  Json json = timed("saved", entry.step, elapsed);
  json["file"] = entry.file;
  json["checksum"] = entry.checksum;
  json["best"] = entry.is_best;
  return line_of(json);
}

std::string to_line(const EvaluatedEntry& entry, double elapsed) {
  Json json = timed("evaluated", entry.step, elapsed);
  json["metrics"] = Json::object();
  for (const auto& [name, value] : entry.metrics) {
    if (std::isfinite(value)) json["metrics"][name] = value;
  }
  return line_of(json);
}

std::string to_line(const RankGone& entry, double elapsed) {
  Json json = timed("rank_gone", entry.step, elapsed);
  json["rank"] = entry.rank;
  json["reason"] = entry.reason;
  return line_of(json);
}

std::string to_line(const Recovered& entry, double elapsed) {
  Json json = timed("recovered", entry.step, elapsed);
  json["detect"] = entry.detect;
  json["agree"] = entry.agree;
  json["rebuild"] = entry.rebuild;
  json["replay"] = entry.replay;
  return line_of(json);
}

std::string to_line(const EndedEntry& entry, double elapsed) {
  Json json = timed("ended", entry.step, elapsed);
  json["outcome"] = to_int(entry.outcome);
  json["message"] = entry.message;
  return line_of(json);
}

Ledger Ledger::replay(const std::vector<std::string>& lines) {
  Ledger ledger;
  for (const std::string& line : lines) ledger.apply(line);
  return ledger;
}

// The faults so far have cost time, and nothing else.
void Ledger::note_progress() { cut_off_recovered_ = cut_off_; }

void Ledger::apply(const std::string& line) {
  try {
    const Json json = Json::parse(line);
    const auto name = json.at("entry").get<std::string>();
    if (json.contains("elapsed")) elapsed_ = json.at("elapsed").get<double>();
    if (json.contains("step")) step_ = std::max(step_, json.at("step").get<std::int64_t>());
    if (name == "opened") {
      if (json.at("version") != 1 || json.at("kind") != "train")
        throw StoreError("the journal is of another kind of job, or of another version of shardmill");
      opened_ = Opened{json.at("job"),     json.at("dataset"),   json.at("steps"), json.at("logical_shards"),
                       json.at("records"), json.at("parameters")};
    } else if (name == "started") {
      if (started_ && !ended_) ++cut_off_;
      elapsed_before_ += std::exchange(elapsed_, 0);
      ended_.reset();
      started_ = Started{++incarnations_, json.at("ranks"), json.at("unix_seconds"), json.at("step")};
      // Later checkpoints were damaged, and what they held is computed again.
      step_ = started_->step;
      std::erase_if(saved_, [this](const SavedEntry& entry) { return entry.step > step_; });
    } else if (name == "saved") {
      saved_.push_back({json.at("step"), json.at("file"), json.at("checksum"), json.at("best")});
      note_progress();
    } else if (name == "evaluated") {
      evaluated_ = EvaluatedEntry{json.at("step"), {}};
      for (const auto& [metric, value] : json.at("metrics").items()) evaluated_->metrics.emplace_back(metric, value);
    } else if (name == "rank_gone") {
      ++gone_;
    } else if (name == "recovered") {
      gone_recovered_ = gone_;
      note_progress();
      const Recovered entry{json.at("step"), json.at("detect"), json.at("agree"), json.at("rebuild"),
                            json.at("replay")};
      if (!longest_ || seconds_of(entry) > seconds_of(*longest_)) longest_ = entry;
    } else if (name == "ended") {
      ended_ = EndedEntry{static_cast<ExitCode>(json.at("outcome").get<int>()), json.at("step"), json.at("message")};
      if (ended_->outcome == ExitCode::done) {
        gone_recovered_ = gone_;
        note_progress();
      }
    } else {
      throw StoreError("the journal has an entry '" + name + "' that this version of shardmill does not know");
    }
  } catch (const Json::exception&) {
    throw StoreError("the journal has a line that is no entry of a training run: " + line.substr(0, 80));
  }
}

double seconds_of(const Recovered& recovered) {
  return recovered.detect + recovered.agree + recovered.rebuild + recovered.replay;
}

}  // namespace shardmill::train
