#include "report/log.hpp"

#include <memory>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

namespace shardmill::report {
namespace {

std::shared_ptr<spdlog::logger>& current() {
  static std::shared_ptr<spdlog::logger> logger;
  return logger;
}

}  // namespace

void open_log(const std::filesystem::path& file) {
  try {
    auto logger =
        std::make_shared<spdlog::logger>("rank", std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string()));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %v");
    logger->flush_on(spdlog::level::info);
    current() = std::move(logger);
  } catch (const spdlog::spdlog_ex&) {
    current().reset();
  }
}

void log_info(const std::string& line) {
  if (current()) current()->info("{}", line);
}

}  // namespace shardmill::report
