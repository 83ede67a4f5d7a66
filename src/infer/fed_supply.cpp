#include "infer/fed_supply.hpp"

#include <algorithm>
#include <deque>

#include "job/error.hpp"
#include "job/load.hpp"
#include "store/private_file.hpp"

namespace shardmill::infer {
namespace {

constexpr std::int64_t piece_bytes = std::int64_t{4} << 20;
constexpr std::size_t pieces_asked_ahead = 2;

void fetch_model(FeedLine& line, std::int64_t bytes, store::PrivateFile& file) {
  struct Piece {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::int64_t id = 0;
  };
  std::deque<Piece> asked;
  for (std::int64_t first = 0; first < bytes || !asked.empty();) {
    if (first < bytes && asked.size() < pieces_asked_ahead) {
      const std::int64_t count = std::min(piece_bytes, bytes - first);
      asked.push_back({first, count, line.ask(comm::Fetch{0, comm::Fetch::model, 0, first, count})});
      first += count;
      continue;
    }
    const Piece piece = asked.front();
    asked.pop_front();
    const comm::Served served = line.wait(piece.id);
    if (!served.error.empty()) throw ModelError(served.error);
    if (std::ssize(served.bytes) != piece.count) throw ModelError("the model's file has become shorter meanwhile");
    file.write_at(static_cast<std::uint64_t>(piece.first), served.bytes.data(), served.bytes.size());
  }
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
  return text;
}

}  // namespace

job::Job job_of(const comm::Provision& provision) {
  store::PrivateFile file;
  file.write_at(0, provision.job.data(), provision.job.size());
  job::LoadOptions options;
  options.later = "/";  // no file that it names need be here
  return job::load_job(file.path(), options);
}

comm::TensorShape shape_of(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
  return {name, std::string(name_of(dtype)), shape};
}

FedSupply::FedSupply(const job::Job& job, FeedLine& line, const comm::Provision& provision)
    : job_(job), line_(line), model_bytes_(provision.model_bytes) {
  std::vector<dataset::Field> fields;
  for (const comm::TensorShape& input : provision.inputs) {
    fields.push_back({input.name, *dtype_from_name(input.dtype), input.shape});
  }
  source_ = std::make_shared<FedSource>(line, provision.records, std::move(fields), job.batch_size);
}

std::unique_ptr<model::Model> FedSupply::load_model(at::Device device) {
  store::PrivateFile file;
  fetch_model(line_, model_bytes_, file);
  job::Model spec = job_.model;
  spec.path = file.path();
  try {
    return model::load_model(spec, device);
  } catch (const ModelError& error) {
    throw ModelError(replaced(error.what(), spec.path.string(), job_.model.path.string()));
  }
}

}  // namespace shardmill::infer
