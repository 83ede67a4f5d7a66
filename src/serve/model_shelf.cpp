#include "serve/model_shelf.hpp"

#include <sstream>

#include "job/error.hpp"
#include "serve/file_digest.hpp"

namespace shardmill::serve {
namespace {

std::string device_text(const at::Device& device) {
  std::ostringstream text;
  text << device;
  return text.str();
}

}  // namespace

comm::Loaded ModelShelf::load(const comm::Load& order) {
  const job::ServedModel& served = job_.serve.models[static_cast<std::size_t>(order.model)];
  job::Model description = served.model;
  description.path = order.path;
  std::shared_ptr<Version> version;
  comm::Loaded loaded{order.model, order.version, "", "", {}};
  // A rank that is slow may still be loading the first version when the next one is put in its place.
  loaded.digest = load_unchanged(order.path, [&] {
    version = std::make_shared<Version>();
    version->model = model::load_model(description, model::choose_device(description.device, device_rank_));
    version->runner = std::make_unique<Runner>(served, job_.fault_tolerance.finite, *version->model);
    loaded.device = device_text(version->model->device());
    loaded.outputs = version->runner->probe();
  });
  const std::lock_guard lock(mutex_);
  versions_[{order.model, order.version}] = std::move(version);
  return loaded;
}

comm::Answered ModelShelf::run(const comm::Forward& forward) {
  std::shared_ptr<Version> version;
  {
    const std::lock_guard lock(mutex_);
    const auto found = versions_.find({forward.model, forward.version});
    SHARDMILL_CHECK(found != versions_.end(), "the front asks for what this rank holds");
    version = found->second;
  }
  return version->runner->run(forward);
}

void ModelShelf::drop(const comm::Unload& order) {
  std::shared_ptr<Version> dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto found = versions_.find({order.model, order.version});
  if (found == versions_.end()) return;
  dropped = std::move(found->second);
  versions_.erase(found);
}

}  // namespace shardmill::serve
