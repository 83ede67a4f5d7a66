// MPI's return codes as exceptions. Only comm includes this.
#pragma once

#include <string>

#include <mpi.h>

#include "job/error.hpp"

#if defined(OPEN_MPI)
#include <mpi-ext.h>
#endif
#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_HAVE_MPI_EXT_FTMPI
#define SHARDMILL_HAVE_ULFM 1
#else
#define SHARDMILL_HAVE_ULFM 0
#endif

namespace shardmill::comm {

inline bool is_process_failure(int code) {
#if SHARDMILL_HAVE_ULFM
  int error_class = MPI_SUCCESS;
  MPI_Error_class(code, &error_class);
  return error_class == MPIX_ERR_PROC_FAILED || error_class == MPIX_ERR_PROC_FAILED_PENDING ||
         error_class == MPIX_ERR_REVOKED;
#else
  static_cast<void>(code);
  return false;
#endif
}

inline void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw RankLost(std::string("MPI: ") + what + ": " + std::string(text, static_cast<std::size_t>(length)));
}

}  // namespace shardmill::comm
