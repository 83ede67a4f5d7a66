// A log file a rank. Before open_log, and where it cannot be opened, lines go nowhere: a log is never worth a failure.
//
// spdlog stays inside log.cpp: LibTorch brings headers of another fmt, and no file can include both.
#pragma once

#include <filesystem>
#include <string>

namespace shardmill::report {

// Not while other threads log.
void open_log(const std::filesystem::path& file);
// Thread-safe.
void log_info(const std::string& line);

}  // namespace shardmill::report
