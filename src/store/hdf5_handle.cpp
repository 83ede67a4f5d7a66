#include "store/hdf5_handle.hpp"

namespace shardmill::store {

void quiet_hdf5() {
  // The error stack, and whether it prints, is a thread's own in a thread-safe HDF5.
  thread_local const bool done = [] {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    return true;
  }();
  static_cast<void>(done);
}

std::string hdf5_error() {
  std::string innermost;
  auto visit = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    if (error->desc != nullptr && error->desc[0] != '\0') *static_cast<std::string*>(out) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, visit, &innermost);
  return innermost;
}

}  // namespace shardmill::store
