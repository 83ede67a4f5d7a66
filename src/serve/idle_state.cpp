#include "serve/idle_state.hpp"

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "report/summary.hpp"

namespace shardmill::serve {
namespace {

using Json = nlohmann::ordered_json;

std::filesystem::path file_of(const store::RunFolder& server) { return idle_run_of(server).path / "state.json"; }

}  // namespace

std::string to_text(const IdleState& idle) {
  std::string text = idle.state;
  if (idle.records > 0)
    text += ", " + report::with_commas(idle.records_done) + " of " + report::with_commas(idle.records) + " records";
  return idle.message.empty() ? text : text + " (" + idle.message + ")";
}

void to_json(Json& json, const IdleState& idle) {
  json = {
      {"state", idle.state}, {"records", idle.records}, {"records_done", idle.records_done}, {"message", idle.message}};
}

void from_json(const Json& json, IdleState& idle) {
  idle.state = json.value("state", "");
  idle.records = json.value("records", std::int64_t{0});
  idle.records_done = json.value("records_done", std::int64_t{0});
  idle.message = json.value("message", "");
}

store::RunFolder idle_run_of(const store::RunFolder& server) { return {server.path / "idle"}; }

void write_idle_state(const store::RunFolder& server, const IdleState& idle) {
  const Json json = idle;
  const std::filesystem::path file = file_of(server);
  const std::filesystem::path next = file.string() + ".new";
  if (std::ofstream out(next); !(out << json.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n")) return;
  std::error_code ignored;
  std::filesystem::rename(next, file, ignored);
}

std::optional<IdleState> read_idle_state(const store::RunFolder& server) {
  std::ifstream in(file_of(server));
  const Json json = Json::parse(in, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  return json.get<IdleState>();
}

void remove_idle_state(const store::RunFolder& server) {
  std::error_code ignored;
  std::filesystem::remove(file_of(server), ignored);
}

}  // namespace shardmill::serve
