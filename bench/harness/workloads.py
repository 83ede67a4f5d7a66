"""What is measured: the workloads, each a job file and what it is bound by."""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    data: str  # folder of the data folder, which workloads may share
    settings: tuple = ()  # --set of shardmill
    limit_options: tuple = ()  # of the bare loop
    passes: int = 1  # of the bare loop: over what is in memory, so that the loop takes seconds
    peers: tuple = ()
    cold: bool = False  # the dataset is dropped from the page cache before each run
    reference: str = ""  # the workload whose eager results are to be met; itself if empty
    tolerance: float = 1e-5  # largest difference from eager results
    relative: float = 0  # if not 0, instead: the relative difference in the Euclidean norm

    @property
    def job(self):
        return BENCH / "workloads" / f"{self.data}.yaml"

    def spec(self, folder):
        return json.loads((folder / self.data / "spec.json").read_text())


WORKLOADS = {w.name: w for w in (
    Workload("image", "ResNet-18 over 2,048 images, float32", "image", peers=("plain", "mpi4py", "mpi4py-tuned", "dataloader", "ray")),
    # The processor has to have instructions for it, or LibTorch emulates them.
    Workload("image-bfloat16", "ResNet-18 over 2,048 images, bfloat16", "image", settings=("model.precision=bfloat16",),
             peers=("mpi4py-tuned",), reference="image", relative=1e-2),
    Workload("rows", "A million rows of 64 numbers through a small network", "rows", passes=10,
             peers=("plain", "mpi4py", "dataloader-few-threads", "ray")),
    Workload("rows-large", "Four million of these rows, for the memory", "rows-large", passes=2, peers=("mpi4py",)),
    Workload("text", "MiniLM over 4,000 sentences of unequal length", "text", peers=("plain", "mpi4py", "mpi4py-as-stored", "sorted"),
             limit_options=("--by-length", "attention_mask")),
    Workload("wide", "Records of 4 MiB, from the disk", "wide", peers=("plain", "mpi4py"), cold=True),
    Workload("wide-cached", "Records of 4 MiB, from the page cache", "wide", peers=("plain", "mpi4py"), reference="wide"),
    Workload("tiny", "100,000 shards of ten rows", "tiny", peers=("plain",)),
)}


def make(names, folder, quick):
    """Makes what is not there yet."""
    wanted = sorted({WORKLOADS[name].data for name in names})
    command = [sys.executable, BENCH / "workloads/make.py", folder, *wanted, *(["--quick"] if quick else [])]
    subprocess.run(command, check=True)


def fits_here(workload):
    """Whether this processor can do it."""
    if "model.precision=bfloat16" not in workload.settings:
        return True
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def drop_from_page_cache(path):
    """Its pages are written and forgotten, so that the next read comes from the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
