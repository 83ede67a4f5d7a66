#include "cli/batch_script.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iterator>

#include "cli/places.hpp"
#include "job/error.hpp"

namespace shardmill::cli {
namespace {

std::string read_template(const char* name) {
  const std::filesystem::path path = share_dir() / "slurm" / name;
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file || text.empty()) throw StoreError("cannot read " + path.string() + "; install all of shardmill");
  return text;
}

// What stands between the lines that begin with ">>> mark" and "<<< mark".
void fill(std::string& text, const std::string& mark, const std::string& lines) {
  const std::size_t begin = text.find("# >>> " + mark);
  const std::size_t end = text.find("# <<< " + mark);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    throw StoreError("a script of slurm/ has no place marked '" + mark + "'; put it back as it was");
  const std::size_t first = text.find('\n', begin) + 1;
  text.replace(first, end - first, lines);
}

// For a shell: the word as it is, whatever is in it.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::int64_t whole(double seconds) { return static_cast<std::int64_t>(std::ceil(seconds)); }

// Slurm counts minutes; a limit is not made longer than what was asked for.
std::string minutes(double seconds) {
  return std::to_string(std::max<std::int64_t>(static_cast<std::int64_t>(seconds / 60), 1));
}

// Of #SBATCH lines.
class Options {
 public:
  void add(const std::string& option) { lines_ += "#SBATCH " + option + "\n"; }
  std::string take() { return std::move(lines_); }

 private:
  std::string lines_;
};

// Where it may run and for how long, whatever it is.
void add_place(Options& to, const job::Job& job) {
  const job::Slurm& slurm = job.slurm;
  to.add("--job-name=" + job.name);
  if (!slurm.partition.empty()) to.add("--partition=" + slurm.partition);
  if (!slurm.account.empty()) to.add("--account=" + slurm.account);
  if (!slurm.qos.empty()) to.add("--qos=" + slurm.qos);
  if (slurm.time) to.add("--time=" + minutes(*slurm.time));
}

void add_bookkeeping(Options& to, const std::filesystem::path& output) {
  to.add("--requeue");
  to.add("--open-mode=append");
  to.add("--output=\"" + output.string() + "\"");
}

// "1-3,7", of numbers in order.
std::string ranges(const std::vector<int>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[i]);
    if (last > i) text += "-" + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

std::string options(const job::Job& job, const std::filesystem::path& output, const std::optional<PartTasks>& parts) {
  const job::Slurm& slurm = job.slurm;
  Options to;
  add_place(to, job);
  to.add("--nodes=" + std::to_string(slurm.nodes));
  if (slurm.gpus_per_node > 0) to.add("--gpus-per-node=" + std::to_string(slurm.gpus_per_node));
  to.add("--ntasks-per-node=" + std::to_string(slurm.ranks_per_node.value_or(std::max(slurm.gpus_per_node, 1))));
  to.add("--cpus-per-task=" + std::to_string(job.resources.threads_per_rank));
  if (parts) to.add("--array=" + ranges(parts->indices));
  // Should the run not have stopped by itself. Slurm may be up to a minute early.
  to.add("--signal=B:USR1@" + std::to_string(whole(slurm.stop_before / 2)));
  add_bookkeeping(to, output);
  for (const std::string& option : slurm.extra) to.add(option);
  return to.take();
}

std::string setup(const job::Slurm& slurm, const std::filesystem::path& program) {
  std::string lines;
  for (const std::string& module : slurm.modules) lines += "module load " + module + "\n";
  for (const std::string& line : slurm.setup) lines += line + "\n";
  return lines + "program=" + quoted(program.string()) + "\n";
}

}  // namespace

std::string batch_script(const job::Job& job, const std::filesystem::path& program, const std::filesystem::path& output,
                         const std::optional<PartTasks>& parts) {
  std::string text = read_template("shardmill.sbatch");
  fill(text, "options", options(job, output, parts));
  std::string site = setup(job.slurm, program);
  site += "export SHARDMILL_STOP_BEFORE=" + std::to_string(whole(job.slurm.stop_before)) + "\n";
  site += "max_requeues=" + std::to_string(job.slurm.max_requeues) + "\n";
  if (parts) site += "PARTS=" + std::to_string(parts->of) + "\n";
  fill(text, "site", site);
  return text;
}

std::string finish_script(const job::Job& job, const std::filesystem::path& program,
                          const std::filesystem::path& output) {
  std::string text = read_template("shardmill-finish.sbatch");
  Options to;
  add_place(to, job);
  to.add("--nodes=1");
  to.add("--ntasks=1");
  add_bookkeeping(to, output);
  fill(text, "options", to.take());
  fill(text, "site", setup(job.slurm, program));
  return text;
}

}  // namespace shardmill::cli
