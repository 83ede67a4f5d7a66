"""How each contender is started, and what it says of itself: {records, loop_seconds, records_per_second} and its results."""
import dataclasses
import json
import os
import pathlib
import shutil
import sys

import h5py
import numpy as np

import processes
from workloads import BENCH, ROOT

CORES = len(os.sched_getaffinity(0))
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl": "^ofi",
       "HDF5_USE_FILE_LOCKING": "BEST_EFFORT"}


@dataclasses.dataclass
class Bench:
    """Where things are."""
    data: pathlib.Path  # of the workloads
    scratch: pathlib.Path  # for what a run leaves
    program: pathlib.Path  # shardmill
    limit: pathlib.Path | None  # bench_bare_loop
    parts: pathlib.Path | None  # bench_parts
    settings: tuple = ()  # more --set for shardmill
    timeout: float = 600

    @property
    def records(self):
        return self.scratch / "records"


@dataclasses.dataclass
class Measured:
    execution: processes.Execution
    report: dict
    results: np.ndarray | None


def shardmill(workload, bench, watch_memory):
    run = fresh(bench, workload, "shardmill")
    command = [bench.program, "run", workload.job, "--run-dir", run, "-q"]
    for setting in (*workload.settings, *bench.settings):
        command += ["--set", setting]
    execution = start(command, {"SHARDMILL_BENCH_DATA": str(bench.data)}, workload, bench, "shardmill", watch_memory)
    summary = json.loads((run / "summary.json").read_text())
    if summary["outcome"] != "done" or summary["faults"]["total"]:
        raise processes.Failed(f"{run}: {summary['outcome']}, {summary['faults']['total']} faults")
    report = {"records": summary["records"]["done"], "loop_seconds": summary["total_time_seconds"],
              "records_per_second": summary["load"], "tasks": summary["tasks"]["completed"],
              "busy_share": summary["busy_share"]}
    with h5py.File(run / "results.h5") as file:
        results = file["result"][()]
    shutil.rmtree(run)
    return Measured(execution, report, results)


def limit(workload, bench, watch_memory):
    command = [bench.limit, workload.job, "--processes", CORES, "--passes", workload.passes, *workload.limit_options]
    for setting in workload.settings:
        command += ["--set", setting]
    return reported(command, {"SHARDMILL_BENCH_DATA": str(bench.data)}, workload, bench, "limit", watch_memory)


def disk_read(workload, bench, watch_memory):
    """The dataset's file, read by as many processes as there are cores and dropped: the limit where reading is."""
    spec = workload.spec(bench.data)
    command = [sys.executable, BENCH / "limit/disk.py", "read", spec["dataset"], "--processes", CORES]
    measured = reported(command, {}, workload, bench, "raw read", watch_memory)
    measured.report |= {"records": spec["records"], "records_per_second": spec["records"] / measured.report["loop_seconds"]}
    return measured


# Freed memory stays with the process, as PyTorch's tuning guide has it done by other means; see bench/limit/bare_loop.cpp.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_TOP_PAD_": "67108864"}


def peer(script, *words, ranks=0, more_environment=None):
    def measure(workload, bench, watch_memory):
        out = fresh(bench, workload, script) / "results.npy"
        out.parent.mkdir()
        command = [sys.executable, BENCH / "peers" / f"{script}.py", "--spec", bench.data / workload.data / "spec.json", "--out", out, *words]
        if "model.precision=bfloat16" in workload.settings:
            command += ["--precision", "bfloat16"]
        environment = {"PYTHONDONTWRITEBYTECODE": "1", **(more_environment or {})}
        if ranks:
            mpirun = pathlib.Path(os.environ["SHARDMILL_VENV"]) / "bin/mpirun"
            command = [mpirun, "-np", ranks, "--oversubscribe", "--bind-to", "core", *command]
            environment |= {**MPI, "OMP_NUM_THREADS": "1"}
        measured = reported(command, environment, workload, bench, script, watch_memory)
        measured.results = np.load(out)
        shutil.rmtree(out.parent)
        return measured
    return measure


CONTENDERS = {
    "shardmill": shardmill,
    "limit": limit,
    "raw read": disk_read,
    "plain": peer("plain"),
    "mpi4py": peer("mpi4py_static", ranks=CORES),
    "mpi4py-tuned": peer("mpi4py_static", "--tuned", ranks=CORES, more_environment=KEEP_MEMORY),
    "mpi4py-as-stored": peer("mpi4py_static", "--as-stored", ranks=CORES),
    "sorted": peer("mpi4py_static", "--by-length", ranks=CORES),
    "dataloader": peer("dataloader"),
    "dataloader-few-threads": peer("dataloader", "--few-threads"),
    "ray": peer("ray_data"),
}

TITLES = {
    "shardmill": "shardmill",
    "limit": "the limit: a bare LibTorch loop, batches in memory",
    "raw read": "the limit: the file read and dropped",
    "plain": "plain PyTorch loop over h5py, eager",
    "mpi4py": "mpi4py, static split, frozen TorchScript",
    "mpi4py-tuned": "mpi4py, the model by optimize_for_inference",
    "mpi4py-as-stored": "mpi4py, batches padded as they are stored",
    "sorted": "mpi4py, the whole file sorted by length",
    "dataloader": "DataLoader with workers, frozen TorchScript",
    "dataloader-few-threads": "DataLoader with workers, one thread for the frozen TorchScript",
    "ray": "Ray Data, map_batches",
}


def fresh(bench, workload, name):
    folder = bench.scratch / f"{workload.name}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def start(command, environment, workload, bench, name, watch_memory):
    logs = bench.scratch / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return processes.run(command, {"PWD": str(ROOT), **environment}, bench.timeout, watch_memory, logs / f"{workload.name}-{name}.log")


def reported(command, environment, workload, bench, name, watch_memory):
    execution = start(command, environment, workload, bench, name, watch_memory)
    lines = [line for line in execution.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise processes.Failed(f"{name} said nothing of what it did")
    return Measured(execution, json.loads(lines[-1]), None)
