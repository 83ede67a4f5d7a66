"""Runs a command to its end: how long it took, and the memory of all processes that it started."""
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests"))
from process_tree import descendants  # noqa: E402


class Failed(Exception):
    """A contender did not do its work."""


@dataclasses.dataclass
class Execution:
    seconds: float  # from the command to its exit
    stdout: str
    pss_sum: int = 0  # bytes: the highest sum over all processes at one moment
    pss_heaviest: int = 0  # bytes: the highest of any single process
    private_heaviest: int = 0  # bytes, of that kind: what a process alone has


MPIRUN_NOT_STARTED = 213  # Open MPI's own now and then ends so before any rank is there


def run(command, environment, timeout, watch_memory=False, log=None, tries=5):
    """Raises Failed with the last lines of what the command said."""
    environment = {**os.environ, **environment}
    words = [str(word) for word in command]
    began = time.monotonic()
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    memory = Memory() if watch_memory else None
    stdout = stderr = ""
    while True:
        try:
            stdout, stderr = process.communicate(timeout=0.05 if memory else timeout)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() - began > timeout:
                kill_all(process.pid)
                process.communicate()
                raise Failed(f"no end after {timeout} s: {' '.join(words)}") from None
            memory.sample(process.pid)
    seconds = time.monotonic() - began
    if log:
        log.write_text(f"$ {' '.join(words)}\n{stdout}\n{stderr}")
    if process.returncode == MPIRUN_NOT_STARTED and tries > 1:
        return run(command, environment, timeout, watch_memory, log, tries - 1)
    if process.returncode != 0:
        raise Failed(f"exit code {process.returncode}: {' '.join(words)}\n" + "\n".join((stdout + stderr).splitlines()[-15:]))
    execution = Execution(seconds, stdout)
    if memory:
        execution.pss_sum, execution.pss_heaviest, execution.private_heaviest = memory.sum, memory.heaviest, memory.private
    return execution


def kill_all(pid):
    """The process and all below it, whatever groups they have made."""
    for each in [pid, *descendants(pid)]:
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Memory:
    """The highest proportional set size: pages that processes share count in equal parts for each."""

    def __init__(self):
        self.sum = self.heaviest = self.private = 0

    def sample(self, pid):
        total = 0
        for each in [pid, *descendants(pid)]:
            sizes = rollup(each)
            total += sizes.get("Pss", 0)
            self.heaviest = max(self.heaviest, sizes.get("Pss", 0))
            self.private = max(self.private, sizes.get("Private_Clean", 0) + sizes.get("Private_Dirty", 0))
        self.sum = max(self.sum, total)


def rollup(pid):
    """Bytes by name, from /proc; {} for one that has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}
