#include "job/crash_point.hpp"
#include "job/disk_fault.hpp"
#include "job/error.hpp"
#include "job/sections.hpp"

namespace shardmill::job {
namespace {

void read_fault(const Node& node, const Path& path, Context& context, Faults& faults) {
  MapReader reader(node, path, context);
  const auto read_one = [&](const char* key, void (*check)(const std::string&), std::vector<std::string>& into) {
    std::string text;
    if (!reader.read(key, text)) return;
    try {
      check(text);
      into.push_back(text);
    } catch (const UsageError& error) {
      report(context, *node.find(key), path.key(key), std::string("is wrong: ") + error.what());
    }
  };
  read_one("crash_at", check_crash_points, faults.crash_at);
  read_one("disk", check_disk_faults, faults.disk);
  reader.finish();
  if (reader.has("crash_at") == reader.has("disk")) report(context, node, path, "needs one of crash_at and disk");
}

}  // namespace

void read_faults(const Node& node, const Path& path, Context& context, Faults& faults) {
  MapReader reader(node, path, context);
  if (const Node* inject = reader.find("inject", Need::required)) {
    const Path list = path.key("inject");
    if (expect_list(context, *inject, list)) {
      for (std::size_t i = 0; i < inject->items.size(); ++i) {
        read_fault(inject->items[i], list.item(i), context, faults);
      }
    }
  }
  if (const Node* node_of = reader.find("expect")) {
    MapReader expected(*node_of, path.key("expect"), context);
    expected.read("outcome", faults.outcome);
    expected.read("faults", faults.faults, Range{0, 1 << 30});
    expected.read("recovered", faults.recovered, Range{0, 1 << 30});
    expected.finish();
  }
  reader.finish();
}

}  // namespace shardmill::job
