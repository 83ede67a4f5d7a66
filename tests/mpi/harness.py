"""Starts the program as a user would, and compares what it leaves behind."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("SHARDMILL_PROGRAM", SOURCE / "build/release/src/cli/shardmill"))
DIGITS = SOURCE / "jobs/digits-infer.yaml"


def start(*words, cwd, env=None):
    """The program in a process group of its own, its output in pipes."""
    return subprocess.Popen([str(word) for word in words], cwd=cwd, env={**os.environ, **(env or {})}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def descendants(pid):
    """All processes below pid, from /proc."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill_all(process):
    """SIGKILL for the program and everything it started."""
    pids = [process.pid, *descendants(process.pid)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.communicate()
    # A large process takes a moment to die, and holds its files and locks as long.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(alive(pid) for pid in pids):
        time.sleep(0.005)


def ranks_of(process):
    """pid by rank of the run that the program has started."""
    found = {}
    for pid in descendants(process.pid):
        try:
            if b"shardmill-rank" not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                continue
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for item in environment:
            if item.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(item.split(b"=")[1])] = pid
    return found


class Outcome:
    def __init__(self, code, stdout, stderr, seconds):
        self.code, self.stdout, self.stderr, self.seconds = code, stdout, stderr, seconds


class ShardmillTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardmill-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def shardmill(self, *words, env=None, timeout=60, program=PROGRAM, cwd=None):
        """Runs a command to its end; a hang is a failure that leaves nothing behind."""
        began = time.monotonic()
        words = program if isinstance(program, list) else [program, *words]
        process = start(*words, cwd=cwd or self.folder, env=env)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_all(process)
            self.fail(f"hung for {timeout} s: {' '.join(map(str, words))}")
        return Outcome(process.returncode, stdout, stderr, time.monotonic() - began)

    def run_job(self, name, job, *words, code=0, env=None, timeout=60):
        """`run` into self.folder/name; its run folder."""
        outcome = self.shardmill("run", job, "--run-dir", self.folder / name, *words, env=env, timeout=timeout)
        self.assertEqual(outcome.code, code, f"{outcome.stdout}\n{outcome.stderr}")
        return self.folder / name

    def assert_same_results(self, first, second):
        """Every output, record_status and the shards' checksums, bit for bit."""
        with h5py.File(first / "results.h5") as a, h5py.File(second / "results.h5") as b:
            outputs = [name for name in a if name != "shardmill"]
            self.assertEqual(outputs, [name for name in b if name != "shardmill"])
            for name in outputs:
                self.assertEqual(a[name].dtype, b[name].dtype, name)
                self.assertEqual(a[name][()].tobytes(), b[name][()].tobytes(), name)
            self.assertTrue(np.array_equal(a["shardmill/record_status"], b["shardmill/record_status"]))
            for column in ("first", "count", "checksum"):
                self.assertTrue(np.array_equal(a["shardmill/shards"][column], b["shardmill/shards"][column]), column)

    def assert_verifies(self, run):
        outcome = self.shardmill("verify", run)
        self.assertEqual(outcome.code, 0, outcome.stderr)

    def many_digits(self, records, **settings):
        """A job over the digits repeated to `records`, for runs long enough to be disturbed."""
        dataset = self.folder / f"digits-{records}.h5"
        if not dataset.exists():
            with h5py.File(SOURCE / "data/digits.h5") as source, h5py.File(dataset, "w") as target:
                images = np.resize(source["images"][()], (records, 8, 8))
                # Not the same record again and again: a mixed-up row must show.
                images[:, 0, 0] = np.arange(records) % 17
                images[:, 7, 7] = np.arange(records) // 17 % 17
                target["images"] = images
        job = self.folder / f"many-{records}.yaml"
        lines = ["job: infer", "name: many", f"model: {{path: {SOURCE}/data/digits_cnn.pt}}",
                 f"dataset: {{path: {dataset}, inputs: [images], transforms: [{{cast: float32}}, {{scale: 0.0625}}]}}",
                 "outputs: {probabilities: {post: softmax}, label: {post: argmax}}",
                 "fault_tolerance: {rank_timeout: 2s}"]
        settings = {"batch_size": 16, "shard_size": 64, **settings}
        job.write_text("\n".join(lines + [f"{key}: {value}" for key, value in settings.items()]) + "\n")
        return job


def journal_lines(run):
    """Payloads of a run's journal, without their checksums."""
    return [line[17:] for line in (run / "journal").read_text().splitlines()]


def interop(script, *words):
    """A check from tests/interop; (exit code, what it said)."""
    done = subprocess.run([sys.executable, SOURCE / "tests/interop" / script, *map(str, words)], capture_output=True,
                          text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr
