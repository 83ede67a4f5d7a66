#include "job/environment.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "job/load.hpp"
#include "job/text.hpp"
#include "job/utf8.hpp"

namespace shardmill::job {
namespace {

bool is_variable_name(std::string_view name) {
  const auto is_word = [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || c == '_'); };
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
         std::all_of(name.begin(), name.end(), is_word);
}

class Expander {
 public:
  explicit Expander(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  void expand(Node& node) {
    if (node.is_scalar() && node.text.find('$') != std::string::npos) {
      auto text = expanded(node);
      node.reported = !text;
      if (text) node.text = std::move(*text);
    }
    for (Node& item : node.items) expand(item);
  }

 private:
  std::optional<std::string> fail(const Node& node, const std::string& message) {
    diagnostics_.add(node.location(), message);
    return std::nullopt;
  }

  std::optional<std::string> expanded(const Node& node) {
    std::string out;
    std::string_view rest = node.text;
    while (!rest.empty()) {
      const std::size_t dollar = rest.find('$');
      out += rest.substr(0, dollar);
      if (dollar == std::string_view::npos) break;
      rest.remove_prefix(dollar);
      if (rest.substr(0, 2) == "${") {
        const std::size_t end = rest.find('}');
        if (end == std::string_view::npos) return fail(node, "${ without its } in " + quote(node.text));
        const auto value = lookup(node, rest.substr(2, end - 2));
        if (!value) return std::nullopt;
        out += *value;
        rest.remove_prefix(end + 1);
      } else {
        out += '$';
        rest.remove_prefix(rest.substr(0, 2) == "$$" ? 2 : 1);
      }
      // The environment is not bounded by the size of the job file.
      if (out.size() > left_) return fail(node, "the environment's values make this job too long");
    }
    left_ -= std::min(left_, out.size());
    return out;
  }

  // `inside`: what stands between the braces.
  std::optional<std::string> lookup(const Node& node, std::string_view inside) {
    const std::size_t colon = inside.find(":-");
    const std::string name(inside.substr(0, colon));
    if (!is_variable_name(name)) {
      return fail(node, quote("${" + std::string(inside) + "}") +
                            " is not a variable; write ${NAME}, ${NAME:-default}, or $$ for a dollar sign");
    }
    const char* value = std::getenv(name.c_str());
    if (colon != std::string_view::npos) {
      if (inside.find("${") != std::string_view::npos) {
        return fail(node, "the default of ${" + name + "} holds a variable itself, which is not supported");
      }
      if (value == nullptr || *value == '\0') return std::string(inside.substr(colon + 2));
    }
    if (value == nullptr) {
      return fail(
          node, "the environment variable " + name + " is not set; set it, or give a default: ${" + name + ":-value}");
    }
    if (find_bad_text(value)) return fail(node, "the environment variable " + name + " holds bytes that are not text");
    return std::string(value);
  }

  Diagnostics& diagnostics_;
  std::size_t left_ = max_job_bytes;
};

}  // namespace

void expand_environment(Node& root, Diagnostics& diagnostics) { Expander(diagnostics).expand(root); }

}  // namespace shardmill::job
