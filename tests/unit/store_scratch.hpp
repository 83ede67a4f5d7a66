// A folder that goes with the test, and a disk on which the n-th call fails.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "job/error.hpp"
#include "store/disk.hpp"
#include "temp_folder.hpp"

namespace shardmill::store {

class Scratch : public test::TempFolder {
 public:
  Scratch() = default;
  ~Scratch() {
    if (mounted_) ::umount(path().c_str());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  // A small file system of its own; false where one may not mount.
  bool make_small(const std::string& size) {
    mounted_ = ::mount("tmpfs", path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    return mounted_;
  }

 private:
  bool mounted_ = false;
};

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void spit(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// What a StoreError says; "" if none is thrown.
template <typename Function>
std::string refusal_of(Function function) {
  try {
    function();
  } catch (const StoreError& error) {
    return error.what();
  }
  return {};
}

// Counts the calls that change something, and fails the n-th (from 1) and all behind it, as a full or dying disk does.
// A write that fails has written half.
class FaultyDisk : public Disk {
 public:
  explicit FaultyDisk(int fails_at, std::string why = "No space left on device")
      : fails_at_(fails_at), why_(std::move(why)) {}

  int calls() const { return calls_; }
  void call(const std::string& doing) {
    if (++calls_ >= fails_at_) throw StoreError("cannot " + doing + ": " + why_);
  }

  std::unique_ptr<File> open(const std::filesystem::path& path, Open how) override {
    if (how == Open::create) call("create " + path.string());
    return std::make_unique<FaultyFile>(*this, posix_disk().open(path, how));
  }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    call("rename " + from.string());
    posix_disk().rename(from, to);
  }
  bool link(const std::filesystem::path& from, const std::filesystem::path& to) override {
    call("rename " + from.string());
    return posix_disk().link(from, to);
  }
  void remove(const std::filesystem::path& path) override {
    call("remove " + path.string());
    posix_disk().remove(path);
  }
  void make_folders(const std::filesystem::path& path) override {
    call("create the folder " + path.string());
    posix_disk().make_folders(path);
  }
  void sync_folder(const std::filesystem::path& folder) override {
    call("sync the folder " + folder.string());
    posix_disk().sync_folder(folder);
  }

 private:
  class FaultyFile : public File {
   public:
    FaultyFile(FaultyDisk& disk, std::unique_ptr<File> file) : disk_(disk), file_(std::move(file)) {}
    void write_at(std::uint64_t offset, const void* data, std::size_t size) override {
      try {
        disk_.call("write");
      } catch (const StoreError&) {
        file_->write_at(offset, data, size / 2);
        throw;
      }
      file_->write_at(offset, data, size);
    }
    void read_at(std::uint64_t offset, void* data, std::size_t size) override { file_->read_at(offset, data, size); }
    void sync() override {
      disk_.call("sync");
      file_->sync();
    }
    void truncate(std::uint64_t size) override {
      disk_.call("set the size");
      file_->truncate(size);
    }
    void reserve(std::uint64_t size) override {
      disk_.call("reserve");
      file_->reserve(size);
    }
    std::uint64_t size() override { return file_->size(); }
    bool try_lock() override { return file_->try_lock(); }

   private:
    FaultyDisk& disk_;
    std::unique_ptr<File> file_;
  };

  int fails_at_;
  std::string why_;
  int calls_ = 0;
};

}  // namespace shardmill::store
