#include "job/parse.hpp"

#include <array>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "job/load.hpp"
#include "job/text.hpp"
#include "job/tree_builder.hpp"
#include "job/utf8.hpp"

namespace shardmill::job {
namespace {

namespace fs = std::filesystem;

// What the parser says, where a user would not know what to do about it.
std::string plain_words(const std::string& message) {
  namespace msg = YAML::ErrorMsg;
  static const std::array<std::pair<std::string_view, std::string_view>, 10> table{{
      {msg::END_OF_MAP, "this line is not indented like its neighbours, or lacks a ': '"},
      {msg::END_OF_MAP_FLOW, "a { without its }, or a value in it that needs quotes"},
      {msg::END_OF_SEQ, "this line is not indented like its neighbours, or lacks a '- '"},
      {msg::END_OF_SEQ_FLOW, "a [ without its ], or a value in it that needs quotes"},
      {msg::MAP_VALUE, "a ':' where no key can end; a value that holds ': ' needs quotes"},
      {msg::TAB_IN_INDENTATION, "a tab in the indentation; use spaces"},
      {msg::EOF_IN_SCALAR, "a quote that is not closed"},
      {msg::DOC_IN_SCALAR, "a quote that is not closed"},
      {msg::UNKNOWN_ANCHOR, "an alias without its anchor"},
      {msg::UNKNOWN_TOKEN, "a character that cannot begin a value here; quote the value"},
  }};
  for (const auto& [theirs, ours] : table) {
    if (message == theirs) return std::string(ours);
  }
  return message;
}

std::string line_of(std::string_view text, int line) {
  std::size_t begin = 0;
  for (int i = 0; i < line && begin != std::string_view::npos; ++i) {
    begin = text.find('\n', begin);
    if (begin != std::string_view::npos) ++begin;
  }
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find('\n', begin) - begin));
}

}  // namespace

std::optional<Node> parse_yaml(std::string_view text, const std::string& file_name, Diagnostics& diagnostics,
                               bool lines) {
  const auto place = [&](int line, int column) {
    return lines ? Location{file_name, line, column} : Location{file_name, 0, 0};
  };
  if (text.size() > max_job_bytes) {
    diagnostics.add(place(0, 0), "too long: at most " + std::to_string(max_job_bytes) + " bytes are read");
    return std::nullopt;
  }
  if (const auto bad = find_bad_text(text)) {
    diagnostics.add(place(bad->line, bad->column), bad->what);
    return std::nullopt;
  }
  TreeBuilder builder(std::make_shared<const std::string>(file_name), lines, diagnostics);
  try {
    // The end-of-document mark makes a quote that is still open an error; the parser itself would close it silently.
    std::istringstream stream{std::string(text) + (text.ends_with('\n') ? "...\n" : "\n...\n")};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    const int line = e.mark.is_null() ? 0 : e.mark.line;
    const int column = e.mark.is_null() ? 0 : e.mark.column;
    std::string message = "not readable as YAML: " + plain_words(e.msg);
    if (line_of(text, line).find("${") != std::string::npos) message += " (inside { } or [ ], quote \"${...}\")";
    diagnostics.add(place(line + 1, column + 1), message);
    return std::nullopt;
  }
  return builder.has_root() ? std::optional(builder.take_root()) : std::optional(Node{});
}

std::optional<Node> parse_yaml_file(const fs::path& file, const std::string& shown, Diagnostics& diagnostics) {
  const auto fail = [&](const std::string& message, int line = 0) {
    diagnostics.add({shown, line, line}, message);
    return std::nullopt;
  };
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status))
    return fail(error && status.type() == fs::file_type::none ? error.message() : "no such file");
  if (fs::is_directory(status)) return fail("is a folder, not a YAML file");
  if (!fs::is_regular_file(status)) return fail("is not a regular file");
  const auto bytes = fs::file_size(file, error);
  if (!error && bytes > max_job_bytes) {
    return fail("is " + std::to_string(bytes) + " bytes long; a job file has at most " + std::to_string(max_job_bytes));
  }
  // One byte more than allowed, since a file may grow, and those in /proc do not tell their size.
  std::ifstream stream(file, std::ios::binary);
  std::string content(max_job_bytes + 1, '\0');
  stream.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!stream.is_open() || stream.bad()) return fail("cannot be read; check its permissions");
  content.resize(static_cast<std::size_t>(stream.gcount()));
  auto root = parse_yaml(content, shown, diagnostics);
  if (!root) return std::nullopt;
  if (root->is_null()) return fail("holds nothing; a job begins with 'job: infer'", 1);
  if (!root->is_map()) return fail("must be a mapping of keys to values, not " + root->description(), 1);
  return root;
}

}  // namespace shardmill::job
