# LibTorch as imported targets, without nvcc: find_package(Torch) of a CUDA build enables the CUDA language, which we do
# not need since we compile no kernels.
#
#   LibTorch::headers   for compiling; only programs that are to load LibTorch link the next
#   LibTorch::cpu    ATen, TorchScript, nativert, AOTInductor on the CPU
#   LibTorch::cuda   the same with CUDA (only if SHARDMILL_WITH_CUDA)
#
# Looks in Torch_ROOT / LibTorch_ROOT (a LibTorch archive or torch's folder in site-packages), then in SHARDMILL_VENV.
file(GLOB _torch_in_venv ${SHARDMILL_VENV}/lib/python3*/site-packages/torch)
find_path(LibTorch_DIR_ROOT NAMES include/ATen/ATen.h
  HINTS ${LibTorch_ROOT} $ENV{LibTorch_ROOT} ${Torch_ROOT} $ENV{Torch_ROOT} ${_torch_in_venv} NO_CACHE)
if(LibTorch_DIR_ROOT)
  set(_lib ${LibTorch_DIR_ROOT}/lib)
  find_library(LibTorch_CPU torch_cpu HINTS ${_lib} NO_DEFAULT_PATH)
  find_library(LibTorch_C10 c10 HINTS ${_lib} NO_DEFAULT_PATH)
  find_library(LibTorch_CUDA torch_cuda HINTS ${_lib} NO_DEFAULT_PATH)
  find_library(LibTorch_C10_CUDA c10_cuda HINTS ${_lib} NO_DEFAULT_PATH)
  file(STRINGS ${LibTorch_DIR_ROOT}/include/torch/headeronly/version.h _v REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" LibTorch_VERSION "${_v}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LibTorch_DIR_ROOT LibTorch_CPU LibTorch_C10
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "set Torch_ROOT to a LibTorch folder, or SHARDMILL_VENV to a Python environment with torch")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::headers INTERFACE IMPORTED)
  target_include_directories(LibTorch::headers SYSTEM INTERFACE
    ${LibTorch_DIR_ROOT}/include ${LibTorch_DIR_ROOT}/include/torch/csrc/api/include)
  add_library(LibTorch::cpu INTERFACE IMPORTED)
  target_link_libraries(LibTorch::cpu INTERFACE LibTorch::headers ${LibTorch_CPU} ${LibTorch_C10})
  # What libtorch_cpu itself needs (a CUDA build's cupti, cudart) lies in folders that its own RUNPATH names.
  target_link_options(LibTorch::cpu INTERFACE "LINKER:--allow-shlib-undefined")
endif()

if(NOT SHARDMILL_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "SHARDMILL_CUDA is '${SHARDMILL_CUDA}'; it takes AUTO, ON or OFF")
endif()
set(SHARDMILL_WITH_CUDA OFF)
if(SHARDMILL_CUDA STREQUAL "ON" OR (SHARDMILL_CUDA STREQUAL "AUTO" AND LibTorch_CUDA AND EXISTS /proc/driver/nvidia/version))
  set(SHARDMILL_WITH_CUDA ON)
endif()
if(SHARDMILL_WITH_CUDA AND NOT TARGET LibTorch::cuda)
  if(NOT LibTorch_CUDA)
    message(FATAL_ERROR "SHARDMILL_CUDA is ON, but ${LibTorch_DIR_ROOT} is a LibTorch without CUDA")
  endif()
  # Headers and libcudart of the toolkit, or of the wheels that torch itself depends on.
  file(GLOB _cuda_hints ${LibTorch_DIR_ROOT}/../nvidia/cu* ${LibTorch_DIR_ROOT}/../nvidia/cuda_runtime)
  find_path(CUDA_RUNTIME_INCLUDE_DIR cuda_runtime_api.h HINTS ${_cuda_hints} $ENV{CUDA_HOME} /usr/local/cuda PATH_SUFFIXES include REQUIRED)
  find_library(CUDA_RUNTIME_LIBRARY NAMES cudart libcudart.so.13 libcudart.so.12 NAMES_PER_DIR
    HINTS ${_cuda_hints} $ENV{CUDA_HOME} /usr/local/cuda PATH_SUFFIXES lib lib64 REQUIRED)
  add_library(LibTorch::cuda INTERFACE IMPORTED)
  target_include_directories(LibTorch::cuda SYSTEM INTERFACE ${CUDA_RUNTIME_INCLUDE_DIR})
  # torch_cuda registers itself when it is loaded, and nothing names a symbol of it.
  target_link_libraries(LibTorch::cuda INTERFACE LibTorch::cpu
    "-Wl,--no-as-needed" ${LibTorch_CUDA} "-Wl,--as-needed" ${LibTorch_C10_CUDA} ${CUDA_RUNTIME_LIBRARY})
endif()
# What a program that runs models links.
if(SHARDMILL_WITH_CUDA)
  set(SHARDMILL_TORCH LibTorch::cuda)
else()
  set(SHARDMILL_TORCH LibTorch::cpu)
endif()
message(STATUS "LibTorch ${LibTorch_VERSION}; GPU support: ${SHARDMILL_WITH_CUDA}")
