#include <sstream>

#include "job/names.hpp"
#include "job/resolved_parts.hpp"
#include "job/scalar.hpp"

namespace shardmill::job {
namespace {

void write_served(std::ostream& out, const ServedModel& served) {
  write_model(out, served.model);
  out << "inputs:\n";
  for (const ServeInput& input : served.inputs) {
    out << "    - name: " << quoted(input.name) << "\n      dtype: " << name_of(input.dtype)
        << "\n      shape: " << list(input.shape) << "\n";
    write_transforms(out, input.transforms);
  }
  write_outputs(out, served.outputs);
}

void write_batching(std::ostream& out, const ServedModel& served) {
  out << "max_batch_size: " << served.max_batch_size << "\nmax_queue_delay: " << to_text(served.max_queue_delay)
      << "\n";
}

// Each line further to the right.
std::string indented(const std::string& text, const std::string& margin) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) out += margin + line + "\n";
  return out;
}

}  // namespace

void write_serve(std::ostream& out, const Serve& serve) {
  const bool alone = serve.models.size() == 1 && serve.models[0].key.empty();
  if (alone) write_served(out, serve.models[0]);
  if (serve.idle_job) out << "idle_job: " << quoted(serve.idle_job->string()) << "\n";
  out << "serve:\n  host: " << quoted(serve.host) << "\n  port: " << serve.port << "\n  max_queue: " << serve.max_queue
      << "\n  timeout: " << to_text(serve.timeout) << "\n  max_body: " << serve.max_body
      << "\n  max_connections: " << serve.max_connections << "\n  idle_timeout: " << to_text(serve.idle_timeout)
      << "\n  read_timeout: " << to_text(serve.read_timeout) << "\n  drain_timeout: " << to_text(serve.drain_timeout)
      << "\n";
  if (serve.tls) {
    out << "  tls:\n    certificate: " << quoted(serve.tls->certificate.string())
        << "\n    key: " << quoted(serve.tls->key.string()) << "\n";
  }
  if (serve.tokens_file) out << "  auth:\n    tokens_file: " << quoted(serve.tokens_file->string()) << "\n";
  if (alone) {
    std::ostringstream batching;
    batching << std::boolalpha;
    write_batching(batching, serve.models[0]);
    out << indented(batching.str(), "  ");
    return;
  }
  out << "  models:\n";
  for (const ServedModel& served : serve.models) {
    out << "    - name: " << quoted(served.name) << "\n";
    std::ostringstream rest;
    rest << std::boolalpha;
    write_served(rest, served);
    write_batching(rest, served);
    if (served.ranks) rest << "ranks: " << *served.ranks << "\n";
    out << indented(rest.str(), "      ");
  }
}

}  // namespace shardmill::job
