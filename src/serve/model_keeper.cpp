#include "serve/model_keeper.hpp"

#include <algorithm>
#include <filesystem>

#include "job/error.hpp"
#include "serve/service.hpp"

namespace shardmill::serve {
namespace {

constexpr double longest_load = 600;  // seconds for a new version to be loaded everywhere

// The file that the path leads to now: a link may lead elsewhere when the next rank looks.
std::string present_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path found = std::filesystem::canonical(path, error);
  return error ? path.string() : found.string();
}

bool same_outputs(const ModelSpec& a, const ModelSpec& b) {
  return std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(),
                    [](const TensorSpec& x, const TensorSpec& y) {
                      return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape;
                    });
}

}  // namespace

ModelKeeper::ModelKeeper(const job::Job& job, int ranks, Links links)
    : job_(job),
      links_(std::move(links)),
      fleet_(places(job, ranks), job.serve.models.size(), ranks),
      served_(job.serve.models.size()) {
  for (std::size_t model = 0; model < served_.size(); ++model)
    served_[model].path = present_path(job.serve.models[model].model.path);
}

ModelSpec ModelKeeper::spec_of(std::size_t model, const std::vector<comm::TensorShape>& outputs) const {
  const job::ServedModel& served = job_.serve.models[model];
  ModelSpec spec{served.name, input_specs(served), {}, served.max_batch_size};
  for (const comm::TensorShape& output : outputs) {
    const auto dtype = dtype_from_name(output.dtype);
    SHARDMILL_CHECK(dtype.has_value(), "ranks name types as we do");
    spec.outputs.push_back({output.name, *dtype, output.shape});
  }
  return spec;
}

void ModelKeeper::order(int rank, std::size_t model, int version, const std::string& path) {
  pending_[{rank, model}] = version;
  links_.send(rank, comm::Load{static_cast<std::int32_t>(model), version, path});
}

void ModelKeeper::begin() {
  for (std::size_t model = 0; model < served_.size(); ++model) {
    for (const int rank : fleet_.holders(model)) order(rank, model, served_[model].version, served_[model].path);
  }
}

void ModelKeeper::settle() {
  const Fleet::Changes changes = fleet_.settle();
  for (const Fleet::Order& wanted : changes.orders) {
    links_.say("rank " + std::to_string(wanted.rank) + " takes over what no other rank is left for");
    for (const std::size_t model : wanted.models)
      order(wanted.rank, model, served_[model].version, served_[model].path);
  }
  for (const Fleet::Duty& duty : changes.duties) links_.put_to_work(duty);
}

void ModelKeeper::on(int from, const comm::Loaded& loaded) {
  const auto model = static_cast<std::size_t>(loaded.model);
  pending_.erase({from, model});
  const Served& served = served_[model];
  if (rollout_ && rollout_->model() == model && rollout_->version() == loaded.version) return on_rollout(from, loaded);
  if (loaded.version == served.version) return take_first(from, loaded);
  // Meanwhile there is another one.
  links_.send(from, comm::Unload{loaded.model, loaded.version});
  if (!fleet_.holds(from, model) && fleet_.wanted(from).contains(model))
    order(from, model, served.version, served.path);
}

// A rank that begins, with what is served.
void ModelKeeper::take_first(int from, const comm::Loaded& loaded) {
  const auto model = static_cast<std::size_t>(loaded.model);
  Served& served = served_[model];
  const ModelSpec spec = spec_of(model, loaded.outputs);
  if (!served.spec) {
    served.spec = std::make_shared<const ModelSpec>(spec);
    served.digest = loaded.digest;
    served.times_loaded = 1;
    device_ = loaded.device;
    links_.known(model);
  } else if (loaded.digest != served.digest) {
    // The file is another one than the others have loaded. They do so as well, then all are the same again.
    links_.send(from, comm::Unload{loaded.model, loaded.version});
    links_.say("the file of the model '" + spec.name + "' has changed; it is loaded again");
    return reload({model, [](const ReloadOutcome&) {}});
  } else if (!same_outputs(spec, *served.spec)) {
    return links_.give_up(from, "its model has other outputs than that of the first rank");
  }
  fleet_.loaded(from, model);
  settle();
}

void ModelKeeper::on_rollout(int from, const comm::Loaded& loaded) {
  const std::size_t model = rollout_->model();
  if (new_digest_.empty()) new_digest_ = loaded.digest;
  if (loaded.digest != new_digest_) rollout_->failed("its file has changed while it was loaded");
  if (!same_outputs(spec_of(model, loaded.outputs), *served_[model].spec))
    rollout_->failed("it has other outputs than the one that serves");
  for (const int rank : rollout_->loaded(from)) {
    if (!rollout_->has_failed()) order(rank, model, rollout_->version(), new_path_);
  }
  advance_rollout();
}

void ModelKeeper::on(int from, const comm::LoadFailed& failed) {
  const auto model = static_cast<std::size_t>(failed.model);
  pending_.erase({from, model});
  if (rollout_ && rollout_->model() == model && rollout_->version() == failed.version) {
    rollout_->failed(failed.message);
    advance_rollout();
  } else if (!served_[model].spec) {
    failure_ = failed.message;
  } else {
    links_.give_up(from, failed.message);
  }
}

void ModelKeeper::lose(int rank) {
  std::erase_if(pending_, [rank](const auto& load) { return load.first.first == rank; });
  fleet_.lose(rank);
  if (rollout_) {
    rollout_->lost(rank);
    advance_rollout();
  }
  settle();
}

void ModelKeeper::advance_rollout() {
  if (rollout_ && (rollout_->done() || rollout_->has_failed())) end_rollout();
}

void ModelKeeper::end_rollout() {
  const Rollout rollout = std::move(*rollout_);
  rollout_.reset();
  const std::size_t model = rollout.model();
  Served& served = served_[model];
  const std::string& name = job_.serve.models[model].name;
  ReloadOutcome& outcome = wishes_.front().outcome;
  const int unwanted = rollout.has_failed() ? rollout.version() : served.version;
  if (rollout.has_failed()) {
    const std::string problem = "the new model '" + name + "' does not take over, the old one serves on: " +
                                (rollout.failure().empty() ? "no rank is left that holds it" : rollout.failure());
    links_.say(problem);
    outcome.problems.push_back(problem);
  } else {
    served.version = rollout.version();
    served.path = new_path_;
    served.digest = new_digest_;
    ++served.times_loaded;
    for (const int rank : rollout.ready()) fleet_.loaded(rank, model);
    settle();
    links_.say("the model '" + name + "' has been loaded again from " + new_path_);
    outcome.reloaded.push_back(name);
  }
  // In order behind the batches that need it.
  for (const int rank : rollout.ready()) links_.send(rank, comm::Unload{static_cast<std::int32_t>(model), unwanted});
}

void ModelKeeper::begin_rollout(std::size_t model) {
  const std::vector<int> ranks = fleet_.holders(model);
  if (ranks.empty()) {
    wishes_.front().outcome.problems.push_back("no rank is left for the model '" + job_.serve.models[model].name + "'");
    return;
  }
  Served& served = served_[model];
  new_path_ = present_path(job_.serve.models[model].model.path);
  new_digest_.clear();
  rollout_began_ = now_;
  rollout_.emplace(model, ++served.newest, ranks);
  order(rollout_->first(), model, rollout_->version(), new_path_);
}

void ModelKeeper::step(double now) {
  now_ = now;
  if (rollout_ && now - rollout_began_ > longest_load) {
    rollout_->failed("it was not loaded within " + std::to_string(static_cast<int>(longest_load)) + " seconds");
    std::vector<int> stuck;
    for (const auto& [load, version] : pending_) stuck.push_back(load.first);
    advance_rollout();
    for (const int rank : stuck) links_.give_up(rank, "it hangs while it loads a model");
  }
  const bool all_known = std::all_of(served_.begin(), served_.end(), [](const Served& s) { return s.spec != nullptr; });
  if (rollout_ || !pending_.empty() || wishes_.empty() || !all_known) return;
  Wish& wish = wishes_.front();
  const std::size_t first = wish.wish.model.value_or(0);
  const std::size_t last = wish.wish.model ? first + 1 : served_.size();
  const std::size_t model = std::max(first, wish.next);
  if (model < last) {
    wish.next = model + 1;
    return begin_rollout(model);
  }
  const Wish done = std::move(wish);
  wishes_.pop_front();
  done.wish.done(done.outcome);
}

}  // namespace shardmill::serve
