// The sections of a server's job.
#include <algorithm>

#include "job/sections.hpp"

namespace shardmill::job {
namespace {

void read_tls(const Node& node, const Path& path, Context& context, std::optional<Tls>& into) {
  MapReader reader(node, path, context);
  std::string certificate;
  std::string key;
  reader.require("certificate", certificate);
  reader.require("key", key);
  reader.finish();
  into = Tls{certificate, key};
}

void read_auth(const Node& node, const Path& path, Context& context,
               std::optional<std::filesystem::path>& tokens_file) {
  MapReader reader(node, path, context);
  std::string file;
  reader.require("tokens_file", file);
  reader.finish();
  tokens_file = file;
}

void read_server(MapReader& reader, Serve& serve) {
  Context& context = reader.context();
  reader.read("host", serve.host);
  reader.read("port", serve.port, Range{0, 65'535});
  if (const Node* node = reader.find("tls")) read_tls(*node, reader.path("tls"), context, serve.tls);
  if (const Node* node = reader.find("auth")) read_auth(*node, reader.path("auth"), context, serve.tokens_file);
  reader.read("max_queue", serve.max_queue, Range{1, 1'000'000});
  reader.read_time("timeout", serve.timeout);
  reader.read("max_body", serve.max_body, Range{1024, std::int64_t{1} << 30});
  reader.read("max_connections", serve.max_connections, Range{1, 1'000'000});
  reader.read_time("idle_timeout", serve.idle_timeout);
  reader.read_time("read_timeout", serve.read_timeout);
  reader.read_time("drain_timeout", serve.drain_timeout);
}

void read_listed(const Node& node, const Path& path, Context& context, ServedModel& served) {
  MapReader reader(node, path, context);
  if (reader.require("name", served.name)) check_name(served.name, path.key("name").exact, node.find("name"), context);
  read_served_model(reader, served);
  read_batching(reader, served);
  reader.read("ranks", served.ranks, Range{1, 1 << 20});
  reader.finish();
  const Node* key = node.is_map() ? node.find("max_batch_size") : nullptr;
  check_batch_bytes(key, path.key("max_batch_size"), node.location(), context, served);
}

// `base` has what an item may leave out.
void read_models(const Node& node, const Path& path, Context& context, const ServedModel& base, Serve& serve) {
  if (!expect_list(context, node, path)) return;
  if (node.items.empty()) report(context, node, path, "must name at least one model");
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    ServedModel served = base;
    const Path item = path.item(i);
    served.key = item.exact + ".";
    read_listed(node.items[i], item, context, served);
    const bool taken = std::any_of(serve.models.begin(), serve.models.end(),
                                   [&](const ServedModel& other) { return other.name == served.name; });
    if (taken && !served.name.empty())
      report(context, node.items[i], item, "has the name of another model: " + quote(served.name));
    serve.models.push_back(std::move(served));
  }
}

void read_alone(MapReader& job, const Node* section, const Path& path, ServedModel served, Serve& serve) {
  read_served_model(job, served);
  const Node* key = section != nullptr && section->is_map() ? section->find("max_batch_size") : nullptr;
  check_batch_bytes(key, path.key("max_batch_size"), section != nullptr ? section->location() : job.location(),
                    job.context(), served);
  serve.models.push_back(std::move(served));
}

}  // namespace

void read_serve(MapReader& job, const std::string& name, Serve& serve) {
  Context& context = job.context();
  std::string idle_job;
  if (job.read("idle_job", idle_job)) serve.idle_job = idle_job;
  ServedModel served;
  const Node* section = job.find("serve");
  const Path path = job.path("serve");
  const Node* models = nullptr;
  if (section != nullptr) {
    MapReader reader(*section, path, context);
    read_server(reader, serve);
    read_batching(reader, served);
    models = reader.find("models");
    reader.finish();
  }
  if (models == nullptr) {
    served.name = name;
    return read_alone(job, section, path, std::move(served), serve);
  }
  for (const char* key : {"model", "inputs", "outputs"}) {
    if (const Node* node = job.find(key))
      report(context, *node, job.path(key),
             "and serve.models do not go together; write it into an item of serve.models");
  }
  read_models(*models, path.key("models"), context, served, serve);
}

void check_serve_ranks(const Node* ranks, const Path& path, Context& context, const Serve& serve,
                       const Resources& resources) {
  if (ranks == nullptr || !resources.ranks) return;
  const int needed = ranks_needed(serve);
  const bool all_own =
      std::all_of(serve.models.begin(), serve.models.end(), [](const ServedModel& m) { return m.ranks; });
  if (*resources.ranks < needed || (all_own && *resources.ranks > needed))
    report(context, *ranks, path,
           "is " + std::to_string(*resources.ranks) + ", but the ranks of the models come to " +
               std::to_string(needed) + (all_own ? "" : " with one for those that share"));
}

void read_serve_fault_tolerance(const Node& node, const Path& path, Context& context, FaultTolerance& fault_tolerance) {
  MapReader reader(node, path, context);
  reader.read("max_attempts", fault_tolerance.max_attempts, Range{1, 1000});
  reader.read_time("rank_timeout", fault_tolerance.rank_timeout);
  if (double seconds = 0; reader.read_time("batch_timeout", seconds)) fault_tolerance.batch_timeout = seconds;
  reader.read("finite", fault_tolerance.finite);
  reader.read("max_restarts", fault_tolerance.max_restarts, Range{0, 1000});
  reader.read("spares", fault_tolerance.spares, Range{0, 1000});
  reader.finish();
}

}  // namespace shardmill::job
