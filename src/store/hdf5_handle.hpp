// RAII for HDF5 identifiers, and HDF5's error stack as one sentence. Shared by store (writes) and dataset (reads).
#pragma once

#include <string>
#include <utility>

#include <hdf5.h>

namespace shardmill::store {

// Owns one identifier. `close` is the function that its kind is closed with.
class Hdf5Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, Close close_function) : id_(id), close_(close_function) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, -1);
      close_ = other.close_;
    }
    return *this;
  }
  ~Hdf5Handle() { reset(); }

  void reset() noexcept {
    if (id_ >= 0) close_(id_);
    id_ = -1;
  }
  // Closes now and tells whether that worked: for files, closing can fail to write.
  bool close() noexcept { return id_ < 0 || close_(std::exchange(id_, -1)) >= 0; }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

// Switches off HDF5's own printing to stderr, for the calling thread. Idempotent.
void quiet_hdf5();

// The innermost message of HDF5's current error stack ("unable to open file", "filter returned failure"), or "" if
// none. Call right after the call that failed.
std::string hdf5_error();

}  // namespace shardmill::store
