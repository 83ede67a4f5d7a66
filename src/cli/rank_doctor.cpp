// shardmill doctor: each part of the machine that a run depends on, and what to do about it.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/commands.hpp"
#include "cli/places.hpp"
#include "comm/nccl_info.hpp"
#include "comm/world.hpp"
#include "infer/rank.hpp"
#include "job/error.hpp"
#include "model/info.hpp"
#include "report/summary.hpp"
#include "store/versions.hpp"

namespace shardmill::cli {
namespace {

enum class Verdict { good, note, bad };

class Doctor {
 public:
  void say(Verdict verdict, const std::string& what, const std::string& text) {
    const char* mark = verdict == Verdict::good ? "ok  " : verdict == Verdict::note ? "note" : "BAD ";
    std::printf("%s  %-9s %s\n", mark, what.c_str(), text.c_str());
    if (verdict == Verdict::bad) ++bad_;
  }
  ExitCode result() const { return bad_ == 0 ? ExitCode::done : ExitCode::failed; }

 private:
  int bad_ = 0;
};

void check_mpi(Doctor& doctor) {
  const comm::MpiInfo info = comm::mpi_info();
  if (info.built_with_ulfm) {
    doctor.say(Verdict::good, "MPI", info.library + ", with fault tolerance (ULFM): a dead rank does not end the run");
  } else {
    doctor.say(Verdict::note, "MPI",
               info.library +
                   ", without fault tolerance: a dead rank ends the mpirun, and the run is "
                   "started again from its journal; Open MPI 5.0.11 or newer goes on at once");
  }
  try {
    doctor.say(Verdict::good, "mpirun", mpirun().string());
  } catch (const Error& error) {
    doctor.say(Verdict::bad, "mpirun", error.what());
  }
}

void check_gpus(Doctor& doctor) {
  const model::TorchInfo torch = model::torch_info();
  doctor.say(Verdict::good, "LibTorch",
             torch.version + (torch.built_with_cuda ? ", with CUDA in this build" : ", CPU only in this build"));
  if (torch.gpus > 0) {
    doctor.say(Verdict::good, "GPUs", std::to_string(torch.gpus));
  } else if (std::filesystem::exists("/proc/driver/nvidia/version") && !torch.built_with_cuda) {
    doctor.say(Verdict::note, "GPUs",
               "this machine has an NVIDIA driver, but this build is for CPUs: configure with -DSHARDMILL_CUDA=ON");
  } else {
    doctor.say(Verdict::note, "GPUs", "none: ranks run on CPU cores");
  }
  const comm::NcclInfo nccl = comm::nccl_info();
  if (!nccl.built_in) {
    doctor.say(Verdict::note, "NCCL", "not in this build (it is for GPUs)");
  } else if (nccl.loaded_version != nccl.compiled_version) {
    doctor.say(Verdict::bad, "NCCL",
               "compiled against " + nccl.compiled_version + " but " + nccl.loaded_version +
                   " is loaded; put LibTorch's own libnccl.so.2 first in LD_LIBRARY_PATH");
  } else {
    doctor.say(Verdict::good, "NCCL", nccl.loaded_version + ", the one that LibTorch loads");
  }
}

void check_machine(Doctor& doctor) {
  doctor.say(Verdict::good, "HDF5", store::hdf5_version() + ", serial");
  cpu_set_t set;
  const int usable = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  doctor.say(Verdict::good, "cores",
             std::to_string(usable) + " usable of " + std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)));
  struct rlimit files {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 1024) {
    doctor.say(Verdict::bad, "limits",
               "only " + std::to_string(files.rlim_cur) + " open files a process; raise it (ulimit -n 4096)");
  } else {
    doctor.say(Verdict::good, "limits", std::to_string(files.rlim_cur) + " open files a process");
  }
  struct statvfs shm {};
  if (::statvfs("/dev/shm", &shm) != 0) {
    doctor.say(Verdict::bad, "/dev/shm", "missing; MPI's shared-memory transport needs it");
  } else {
    const double free = static_cast<double>(shm.f_bavail) * static_cast<double>(shm.f_frsize);
    const bool enough = free >= 64.0 * 1024 * 1024;
    doctor.say(
        enough ? Verdict::good : Verdict::bad, "/dev/shm",
        report::bytes_text(free) + " free" + (enough ? "" : "; MPI needs about 32 MiB a rank (docker: --shm-size=1g)"));
  }
  struct statvfs here {};
  if (::statvfs(".", &here) == 0) {
    const bool writable = ::access(".", W_OK) == 0;
    doctor.say(writable ? Verdict::good : Verdict::bad, "this disk",
               report::bytes_text(static_cast<double>(here.f_bavail) * static_cast<double>(here.f_frsize)) + " free" +
                   (writable ? "" : ", but this folder cannot be written to; name another with --run-dir"));
  }
  if (std::getenv("SLURM_JOB_ID") != nullptr) {
    doctor.say(Verdict::good, "Slurm", "inside job " + std::string(std::getenv("SLURM_JOB_ID")));
  } else if (std::system("command -v sbatch >/dev/null 2>&1") == 0) {
    doctor.say(Verdict::good, "Slurm", "sbatch is here");
  } else {
    doctor.say(Verdict::note, "Slurm", "not on this machine");
  }
}

}  // namespace

void add_rank_doctor(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("doctor", "Check this machine");
  command->callback([&action] {
    action = [] {
      Doctor doctor;
      check_mpi(doctor);
      check_gpus(doctor);
      check_machine(doctor);
      return doctor.result();
    };
  });
}

}  // namespace shardmill::cli
