// Tells files apart by what is in them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace shardmill::serve {

// SHA-256 in hexadecimal digits. Throws ModelError if the file cannot be read.
std::string file_digest(const std::filesystem::path& file);

// Calls `load`, and again if the file has been replaced meanwhile, so that what is loaded last is what the digest,
// which is returned, tells of. What `load` throws counts only if the file stays as it is. Throws ModelError if the file
// cannot be read, or changes time after time.
std::string load_unchanged(const std::filesystem::path& file, const std::function<void()>& load);

}  // namespace shardmill::serve
