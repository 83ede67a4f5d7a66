# NCCL::nccl: the very libnccl that LibTorch loads, if it comes as a wheel beside it, since two versions in one process clash.
file(GLOB _nccl_hints ${LibTorch_DIR_ROOT}/../nvidia/nccl)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${_nccl_hints} $ENV{NCCL_ROOT} /usr/local/cuda PATH_SUFFIXES include)
find_library(NCCL_LIBRARY NAMES libnccl.so.2 nccl NAMES_PER_DIR HINTS ${_nccl_hints} $ENV{NCCL_ROOT} /usr/local/cuda PATH_SUFFIXES lib lib64)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "set NCCL_ROOT, or build with SHARDMILL_CUDA=OFF")
if(NCCL_FOUND AND NOT TARGET NCCL::nccl)
  add_library(NCCL::nccl INTERFACE IMPORTED)
  target_include_directories(NCCL::nccl SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
  target_link_libraries(NCCL::nccl INTERFACE ${NCCL_LIBRARY})
endif()
