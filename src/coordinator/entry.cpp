#include "coordinator/entry.hpp"

#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "job/error.hpp"

namespace shardmill::coordinator {
namespace {

bool is_plain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
         c == '_' || c == '/' || c == '\'' || c == '(' || c == ')';
}

std::string escape(std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += hex[byte >> 4];
      out += hex[byte & 15];
    }
  }
  return out;
}

[[noreturn]] void refuse(std::string_view line) {
  throw StoreError("the journal holds a line that this version cannot read: " + std::string(line.substr(0, 120)));
}

class Writer {
 public:
  explicit Writer(std::string_view word) : line_(word) {}
  Writer& put(std::string_view key, std::string_view text) {
    line_ += ' ';
    line_ += key;
    line_ += '=';
    line_ += escape(text);
    return *this;
  }
  Writer& put(std::string_view key, std::int64_t value) { return put(key, std::string_view(std::to_string(value))); }
  Writer& put(std::string_view key, int value) { return put(key, static_cast<std::int64_t>(value)); }
  Writer& put_hex(std::string_view key, std::uint64_t value) {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
    return put(key, std::string_view(text));
  }
  Writer& put(std::string_view key, double value) {
    // The shortest text that reads back as the same number: a replayed ledger equals the one that wrote it.
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    line_.append(1, ' ').append(key).append(1, '=').append(text, end);
    return *this;
  }
  Writer& put(std::string_view key, const std::vector<BadRow>& rows) {
    if (rows.empty()) return *this;
    line_ += ' ';
    line_ += key;
    line_ += '=';
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i > 0) line_ += ',';
      line_ += std::to_string(rows[i].row) + ':' + escape(rows[i].message);
    }
    return *this;
  }
  std::string take() { return std::move(line_); }

 private:
  std::string line_;
};

class Reader {
 public:
  explicit Reader(std::string_view line) : line_(line) {
    std::size_t at = line.find(' ');
    word_ = line.substr(0, at);
    while (at != std::string_view::npos) {
      const std::size_t begin = at + 1;
      at = line.find(' ', begin);
      const std::string_view pair = line.substr(begin, at == std::string_view::npos ? at : at - begin);
      const std::size_t equals = pair.find('=');
      if (equals == std::string_view::npos) refuse(line_);
      values_.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
  }
  std::string_view word() const { return word_; }
  std::string text(const char* key) const { return unescape(raw(key)); }
  std::string text_or(const char* key, const char* otherwise) const { return find(key) ? text(key) : otherwise; }
  std::int64_t integer(const char* key) const { return number<std::int64_t>(raw(key)); }
  int small(const char* key) const { return number<int>(raw(key)); }
  int small_or(const char* key, int otherwise) const { return find(key) ? small(key) : otherwise; }
  double real_or(const char* key, double otherwise) const { return find(key) ? real(key) : otherwise; }
  double real(const char* key) const { return number<double>(raw(key)); }
  std::uint64_t hex(const char* key) const {
    const std::string_view digits = raw(key);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc() || end != digits.data() + digits.size()) refuse(line_);
    return value;
  }
  std::vector<BadRow> rows(const char* key) const {
    std::vector<BadRow> rows;
    const auto found = find(key);
    if (!found) return rows;
    std::string_view rest = *found;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      const std::string_view item = rest.substr(0, comma);
      const std::size_t colon = item.find(':');
      if (colon == std::string_view::npos) refuse(line_);
      rows.push_back({number<std::int64_t>(item.substr(0, colon)), unescape(item.substr(colon + 1))});
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    return rows;
  }

 private:
  std::string_view raw(const char* key) const {
    const auto found = find(key);
    if (!found) refuse(line_);
    return *found;
  }
  // A handful of pairs: faster than a map, and a long journal is read at every resume.
  std::optional<std::string_view> find(std::string_view key) const {
    for (const auto& [name, value] : values_) {
      if (name == key) return value;
    }
    return std::nullopt;
  }
  template <typename T>
  T number(std::string_view digits) const {
    T value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) refuse(line_);
    return value;
  }
  std::string unescape(std::string_view text) const {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '%') {
        out += text[i];
        continue;
      }
      unsigned value = 0;
      if (i + 2 >= text.size()) refuse(line_);
      const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      if (error != std::errc() || end != text.data() + i + 3) refuse(line_);
      out += static_cast<char>(value);
      i += 2;
    }
    return out;
  }

  std::string_view line_;
  std::string_view word_;
  std::vector<std::pair<std::string_view, std::string_view>> values_;
};

std::string write(const Opened& e) {
  Writer line("opened");
  line.put("version", e.version).put("records", e.plan.records).put("shard_size", e.plan.shard_size);
  if (e.plan.part.of > 1) line.put("part", std::string_view(to_text(e.plan.part)));
  return line.put("job", e.job_digest).put("dataset", e.dataset_digest).put("model", e.model_digest).take();
}
std::string write(const Started& e) {
  return Writer("started")
      .put("incarnation", e.incarnation)
      .put("ranks", e.ranks)
      .put("unix", e.unix_seconds)
      .put("slots", e.slots)
      .take();
}
std::string write(const Ahead& e) { return Writer("ahead").put("slots", e.slots).take(); }
std::string write(const Committed& e) {
  return Writer("committed")
      .put("shard", e.shard)
      .put("attempts", e.attempts)
      .put("rank", e.rank)
      .put_hex("checksum", e.checksum)
      .put("seconds", e.seconds)
      .put("elapsed", e.elapsed)
      .put("bad", e.bad)
      .take();
}
std::string write(const Advanced& e) {
  return Writer("advanced").put("shard", e.shard).put("durable", e.durable).put("bad", e.bad).take();
}
std::string write(const AttemptLost& e) {
  return Writer("attempt-lost")
      .put("shard", e.shard)
      .put("rank", e.rank)
      .put("at", e.at)
      .put("skip", e.skip ? 1 : 0)
      .put("reason", e.reason)
      .take();
}
std::string write(const Begun& e) {
  return Writer("begun")
      .put("rank", e.rank)
      .put("shard", e.shard)
      .put("row", e.row)
      .put("alone", e.alone ? 1 : 0)
      .take();
}
std::string write(const Suspected& e) { return Writer("suspected").put("shard", e.shard).take(); }
std::string write(const RankGone& e) {
  return Writer("rank-gone").put("rank", e.rank).put("elapsed", e.elapsed).put("reason", e.reason).take();
}
std::string write(const Ended& e) {
  return Writer("ended")
      .put("outcome", to_int(e.outcome))
      .put("elapsed", e.elapsed)
      .put("message", e.message)
      .put("storage", e.storage ? 1 : 0)
      .take();
}

std::string write(const Gathered& e) {
  return Writer("gathered").put("parts", e.parts).put("ranks", e.ranks).put("elapsed", e.elapsed).take();
}

}  // namespace

std::string encode(const Entry& entry) {
  return std::visit([](const auto& e) { return write(e); }, entry);
}

Entry decode(std::string_view line) {
  const Reader in(line);
  if (in.word() == "opened") {
    if (in.small("version") != 1) refuse(line);
    const auto part = job::parse_part(in.text_or("part", "1/1"));
    if (!part) refuse(line);
    Opened opened{1,
                  {in.integer("records"), in.integer("shard_size"), *part},
                  in.text("job"),
                  in.text("dataset"),
                  in.text("model")};
    if (opened.plan.records < 0 || opened.plan.shard_size < 1) refuse(line);
    return opened;
  }
  if (in.word() == "started") {
    return Started{in.small("incarnation"), in.small("ranks"), in.integer("unix"), in.small_or("slots", 3)};
  }
  if (in.word() == "ahead") return Ahead{in.small("slots")};
  if (in.word() == "committed") {
    return Committed{in.integer("shard"), in.small("attempts"), in.small("rank"),        in.hex("checksum"),
                     in.real("seconds"),  in.rows("bad"),       in.real_or("elapsed", 0)};
  }
  if (in.word() == "advanced") return Advanced{in.integer("shard"), in.integer("durable"), in.rows("bad")};
  if (in.word() == "attempt-lost") {
    return AttemptLost{in.integer("shard"), in.small("rank"), in.integer("at"), in.small("skip") != 0,
                       in.text("reason")};
  }
  if (in.word() == "begun") {
    return Begun{in.small("rank"), in.integer("shard"), in.integer("row"), in.small("alone") != 0};
  }
  if (in.word() == "suspected") return Suspected{in.integer("shard")};
  if (in.word() == "rank-gone") return RankGone{in.small("rank"), in.real("elapsed"), in.text("reason")};
  if (in.word() == "ended") {
    const auto outcome = static_cast<ExitCode>(in.small("outcome"));
    switch (outcome) {
      case ExitCode::done:
      case ExitCode::failed:
      case ExitCode::bad_job:
      case ExitCode::quarantined:
      case ExitCode::preempted:
        return Ended{outcome, in.real("elapsed"), in.text("message"), in.small_or("storage", 0) != 0};
    }
    refuse(line);
  }
  if (in.word() == "gathered") return Gathered{in.small("parts"), in.small("ranks"), in.real("elapsed")};
  refuse(line);
}

}  // namespace shardmill::coordinator
