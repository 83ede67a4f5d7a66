#include "job/expand_sweep.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "job/load_tree.hpp"
#include "job/names.hpp"
#include "job/node_text.hpp"
#include "job/override.hpp"
#include "job/parse.hpp"
#include "job/philox.hpp"
#include "job/resolved.hpp"
#include "job/scalar.hpp"
#include "job/text.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t sweep_stream = 0x73776570;  // apart from the other uses of a seed
constexpr std::array<std::string_view, 3> shared_sections{"fault_tolerance", "resources", "slurm"};

bool is_sweep(const Node& root) {
  const Node* kind = root.find("job");
  return kind != nullptr && kind->is_scalar() && kind->text == name_of(Kind::sweep);
}

// Two numbers of 32 bits that belong to one parameter of one trial.
std::array<std::uint32_t, 4> draw(std::uint64_t seed, std::int64_t trial, std::size_t parameter) {
  return philox4x32({static_cast<std::uint32_t>(trial), static_cast<std::uint32_t>(parameter), 0, sweep_stream},
                    {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

double number_of(const Node& node) { return std::get<double>(parse_number(node)); }

// Six digits: nobody needs more, and they do not depend on the last bit of a machine's logarithm.
std::string rounded(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", value);
  return text.data();
}

std::string drawn_text(const Node& distribution, double share) {
  const Node& bounds = distribution.items.front();
  const double low = number_of(bounds.items[0]);
  const double high = number_of(bounds.items[1]);
  if (bounds.key == "uniform") return rounded(low + share * (high - low));
  if (bounds.key == "log_uniform") return rounded(std::exp(std::log(low) + share * (std::log(high) - std::log(low))));
  const double whole = std::min(std::floor(low + share * (high - low + 1)), high);
  return std::to_string(static_cast<std::int64_t>(whole));
}

// A parameter's value in a trial of a random search.
Node drawn(const Node& parameter, std::uint64_t seed, std::int64_t trial, std::size_t index) {
  const auto words = draw(seed, trial, index);
  const double share = words[0] * 0x1p-32 + words[1] * 0x1p-64;
  if (parameter.is_sequence()) {
    const auto count = static_cast<double>(parameter.items.size());
    return parameter.items[std::min(static_cast<std::size_t>(share * count), parameter.items.size() - 1)];
  }
  Node value;
  value.type = Node::Type::scalar;
  value.text = drawn_text(parameter, share);
  value.place = parameter.key_place;
  return value;
}

std::vector<std::vector<Node>> all_draws(const Sweep& sweep) {
  std::vector<std::vector<Node>> trials;
  for (std::int64_t trial = 0; trial < sweep.draws; ++trial) {
    std::vector<Node>& values = trials.emplace_back();
    for (std::size_t i = 0; i < sweep.parameters.items.size(); ++i)
      values.push_back(drawn(sweep.parameters.items[i], sweep.seed, trial, i));
  }
  return trials;
}

// None if there are too many.
std::optional<std::vector<std::vector<Node>>> grid(const Sweep& sweep) {
  std::vector<std::vector<Node>> trials{{}};
  for (const Node& parameter : sweep.parameters.items) {
    if (trials.size() * parameter.items.size() > static_cast<std::size_t>(most_trials)) return std::nullopt;
    std::vector<std::vector<Node>> longer;
    for (const std::vector<Node>& before : trials) {
      for (const Node& value : parameter.items) {
        longer.push_back(before);
        longer.back().push_back(value);
      }
    }
    trials = std::move(longer);
  }
  return trials;
}

Node scalar(const std::string& text, const Place& place) {
  Node node;
  node.type = Node::Type::scalar;
  node.text = text;
  node.place = place;
  return node;
}

// The same sentence about several trials is told once; about all of them, without naming any.
class Complaints {
 public:
  explicit Complaints(Location objective) : objective_(std::move(objective)) {}

  void add(std::size_t trial, const std::vector<Diagnostic>& found) {
    for (Diagnostic diagnostic : found) {
      // It has become the trials' evaluation.best, which the user has not written.
      if (diagnostic.where == objective_)
        diagnostic.message = "objective must be loss or one of evaluation.metrics of the train job";
      auto& trials = trials_[{diagnostic.where.to_string(), diagnostic.message}];
      if (trials.empty()) order_.push_back(diagnostic);
      if (trials.empty() || trials.back() != trial) trials.push_back(trial);
    }
  }
  void tell(std::size_t all, Diagnostics& diagnostics) const {
    for (const Diagnostic& diagnostic : order_) {
      const auto& trials = trials_.at({diagnostic.where.to_string(), diagnostic.message});
      diagnostics.add(diagnostic.where, (trials.size() == all ? "" : names(trials) + ": ") + diagnostic.message);
    }
  }

 private:
  static std::string names(const std::vector<std::size_t>& trials) {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < std::min<std::size_t>(trials.size(), 3); ++i)
      words.push_back(trial_name(static_cast<std::int64_t>(trials[i])));
    const std::string more = trials.size() > 3 ? " and " + std::to_string(trials.size() - 3) + " more" : "";
    return (trials.size() == 1 ? "trial " : "trials ") + join(words) + more;
  }

  const Location objective_;
  std::vector<Diagnostic> order_;
  std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> trials_;
};

// What of a sweep goes into every trial.
struct Shared {
  const Sweep& sweep;
  Place objective;              // where the sweep names it
  std::optional<Node> threads;  // resources.threads_per_rank, if the sweep has it
  fs::path file;
  fs::path later;
};

Job make_trial(const Shared& shared, const std::vector<Node>& values, Diagnostics& diagnostics) {
  Node tree = shared.sweep.trial;
  for (std::size_t i = 0; i < values.size(); ++i)
    put_value(tree, shared.sweep.keys[i], values[i], shared.sweep.parameters.items[i].key_place, diagnostics);
  const auto objective = std::string(name_of(shared.sweep.objective));
  put_value(tree, "evaluation.best", scalar(objective, shared.objective), shared.objective, diagnostics);
  if (shared.threads)
    put_value(tree, "resources.threads_per_rank", *shared.threads, shared.threads->place, diagnostics);
  Job job = read_tree(tree, shared.file, shared.later, diagnostics);
  if (diagnostics.empty() && job.train.split.validation <= 0 && !job.train.split.mask)
    diagnostics.add(job.where("dataset.split"), "a sweep compares its trials by validation records: set dataset.split");
  return job;
}

bool is_train_job(const Node& trial, Diagnostics& diagnostics) {
  const Node* kind = trial.find("job");
  if (kind == nullptr || !kind->is_scalar() || kind->text == name_of(Kind::train)) return true;  // told for each trial
  diagnostics.add(kind->location(), "a trial is a job of kind train, not " + quote(kind->text));
  return false;
}

}  // namespace

std::string trial_name(std::int64_t number) {
  std::string digits = std::to_string(number);
  return std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
}

void include_trial(Node& root, const fs::path& file, Diagnostics& diagnostics) {
  Node* trial = root.find("trial");
  if (!is_sweep(root) || trial == nullptr || !trial->is_scalar() || trial->text.find('$') != std::string::npos) return;
  const fs::path path = (file.parent_path() / trial->text).lexically_normal();
  std::error_code error;
  std::optional<Node> tree;
  if (!fs::is_regular_file(path, error)) {
    diagnostics.add(trial->location(), "trial: no such file: " + path.string());
  } else {
    tree = parse_yaml_file(path, path.string(), diagnostics);
  }
  if (!tree) {
    trial->reported = true;
    return;
  }
  tree->key = trial->key;
  tree->key_place = trial->key_place;
  *trial = std::move(*tree);
}

void merge_profile(Node& root, const Node& profile) {
  Node* trial = root.find("trial");
  if (!is_sweep(root) || trial == nullptr || !trial->is_map()) return merge_under(root, profile);
  for (const bool shared : {false, true}) {  // the sweep last: what it gains moves its entries
    Node part = profile;
    std::erase_if(part.items, [shared](const Node& item) {
      const bool is_shared =
          std::find(shared_sections.begin(), shared_sections.end(), item.key) != shared_sections.end();
      return is_shared != shared;
    });
    merge_under(shared ? root : *trial, part);
  }
}

void expand_trials(Job& job, const Node& root, const fs::path& file, const fs::path& later, Diagnostics& diagnostics) {
  Sweep& sweep = job.sweep;
  if (!is_train_job(sweep.trial, diagnostics)) return;
  const auto combinations = sweep.method == SearchMethod::random ? all_draws(sweep) : grid(sweep);
  if (!combinations) {
    diagnostics.add(job.where("parameters"), "parameters: the grid has more than " + std::to_string(most_trials) +
                                                 " trials; list fewer values, or draw: search: {method: random, ...}");
    return;
  }
  if (!job.project.empty() && sweep.trial.find("project") == nullptr) {
    const Place place = root.find("project")->place;
    put_value(sweep.trial, "project", scalar(job.project.string(), place), place, diagnostics);
  }
  std::error_code error;
  const fs::path own_file = sweep.trial.place.location().file;
  Shared shared{sweep, root.find("objective")->place, {}, fs::exists(own_file, error) ? own_file : file, later};
  if (const Node* resources = root.find("resources"); resources != nullptr && resources->find("threads_per_rank"))
    shared.threads = *resources->find("threads_per_rank");
  Complaints complaints(shared.objective.location());
  for (std::size_t number = 0; number < combinations->size(); ++number) {
    Diagnostics found;
    Job trial = make_trial(shared, (*combinations)[number], found);
    complaints.add(number, found.found());
    trial.resolved_yaml = found.empty() ? to_yaml(trial) : "";
    std::vector<std::string> values;
    for (const Node& value : (*combinations)[number])
      values.push_back(value.is_scalar() ? value.text : flow_text(value));
    sweep.trials.push_back({std::move(values), std::make_shared<const Job>(std::move(trial))});
  }
  complaints.tell(combinations->size(), diagnostics);
  const Job& first = *sweep.trials.front().job;
  if (job.project.empty()) job.project = first.project;
  if (sweep.trial.find("project") == nullptr)
    put_value(sweep.trial, "project", scalar(first.project.string(), sweep.trial.place), sweep.trial.place,
              diagnostics);
  if (!shared.threads) job.resources.threads_per_rank = first.resources.threads_per_rank;
}

}  // namespace shardmill::job
