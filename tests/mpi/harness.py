"""Starts the program as a user would, and compares what it leaves behind."""
import functools
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
sys.path.append(str(SOURCE / "tests"))
from process_tree import descendants  # noqa: E402, F401
PROGRAM = pathlib.Path(os.environ.get("SHARDMILL_PROGRAM", SOURCE / "build/release/src/cli/shardmill"))
DIGITS = SOURCE / "jobs/digits-infer.yaml"


def start(*words, cwd, env=None):
    """The program in a process group of its own, its output in pipes."""
    return subprocess.Popen([str(word) for word in words], cwd=cwd, env={**os.environ, **(env or {})}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


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


def ranks_of(process, run=None):
    """pid by rank of the run that the program has started, or of that in the folder `run`, where it starts several."""
    found = {}
    for pid in descendants(process.pid):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if not words[0].endswith(b"shardmill-rank") or run and os.fsencode(run) not in words:
                continue
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        for item in environment:
            if item.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(item.split(b"=")[1])] = pid
    return found


# An mpirun before each of whose ranks some bash is run, which may end the rank or take its place.
MPIRUN_WRAPPER = """#!/bin/bash
args=("$@")
for i in "${{!args[@]}}"; do
  [[ ${{args[i]}} == */shardmill-rank ]] && break
done
exec {mpirun} "${{args[@]:0:i}}" bash -c '
  {before}
  exec "$@"' rank "${{args[@]:i}}"
"""


class Outcome:
    def __init__(self, code, stdout, stderr, seconds):
        self.code, self.stdout, self.stderr, self.seconds = code, stdout, stderr, seconds


class ShardmillTest(unittest.TestCase):
    patience = 60  # seconds that a command may take
    rank_timeout = "2s"  # of the jobs that are written here

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardmill-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def shardmill(self, *words, env=None, timeout=None, program=PROGRAM, cwd=None):
        """Runs a command to its end; a hang is a failure that leaves nothing behind."""
        began = time.monotonic()
        words = program if isinstance(program, list) else [program, *words]
        process = start(*words, cwd=cwd or self.folder, env=env)
        try:
            stdout, stderr = process.communicate(timeout=timeout or self.patience)
        except subprocess.TimeoutExpired:
            kill_all(process)
            self.fail(f"hung for {timeout or self.patience} s: {' '.join(map(str, words))}")
        return Outcome(process.returncode, stdout, stderr, time.monotonic() - began)

    def run_job(self, name, job, *words, code=0, env=None, timeout=None):
        """`run` into self.folder/name; its run folder."""
        outcome = self.shardmill("run", job, "--run-dir", self.folder / name, *words, env=env, timeout=timeout)
        self.assertEqual(outcome.code, code, f"{outcome.stdout}\n{outcome.stderr}")
        return self.folder / name

    def assert_same_results(self, first, second):
        """Every output, record_status and the shards' checksums, bit for bit."""
        self.assertEqual(differences(first, second), [])

    def assert_verifies(self, run):
        outcome = self.shardmill("verify", run)
        self.assertEqual(outcome.code, 0, outcome.stderr)

    def wrapped_mpirun(self, name, before):
        """The environment with an mpirun that runs this bash, without a single quote in it, before each rank."""
        wrapper = self.folder / name
        wrapper.write_text(MPIRUN_WRAPPER.format(mpirun=self.mpirun(), before=before))
        wrapper.chmod(0o755)
        return {"SHARDMILL_MPIRUN": str(wrapper)}

    def mpirun(self):
        """The one that the program starts."""
        return doctor()["mpirun"]

    def by_hand(self, ranks, *words, program=PROGRAM, **options):
        """The ranks of a run, under an mpirun of one's own."""
        mpirun = [self.mpirun(), *(["--with-ft", "ulfm"] if has_ulfm() else []),
                  *(["--oversubscribe"] if doctor()["MPI"].startswith("Open MPI") else []), "-np", ranks, program, *words]
        env = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl": "^ofi"}
        env.update(options.pop("env", {}))
        for _ in range(5):
            outcome = self.shardmill(program=[str(word) for word in mpirun], env=env, **options)
            if outcome.code != 213:  # Open MPI's now and then ends before any rank is there
                break
        return outcome

    def many_digits(self, records, **settings):
        """A job over the digits repeated to `records`, for runs long enough to be disturbed."""
        return write_many_digits(self.folder, records, self.rank_timeout, **settings)


def write_many_digits(folder, records, rank_timeout="2s", **settings):
    dataset = folder / f"digits-{records}.h5"
    if not dataset.exists():
        with h5py.File(SOURCE / "data/digits.h5") as source, h5py.File(dataset, "w") as target:
            images = np.resize(source["images"][()], (records, 8, 8))
            # Not the same record again and again: a mixed-up row must show.
            images[:, 0, 0] = np.arange(records) % 17
            images[:, 7, 7] = np.arange(records) // 17 % 17
            target["images"] = images
    job = folder / f"many-{records}.yaml"
    lines = ["job: infer", "name: many", f"model: {{path: {SOURCE}/data/digits_cnn.pt}}",
             f"dataset: {{path: {dataset}, inputs: [images], transforms: [{{cast: float32}}, {{scale: 0.0625}}]}}",
             "outputs: {probabilities: {post: softmax}, label: {post: argmax}}",
             f"fault_tolerance: {{rank_timeout: {rank_timeout}}}"]
    settings = {"batch_size": 16, "shard_size": 64, **settings}
    job.write_text("\n".join(lines + [f"{key}: {value}" for key, value in settings.items()]) + "\n")
    return job


def differences(first, second):
    """What differs between the results of two runs: outputs, record_status, the shards' ranges and checksums."""
    found = []
    with h5py.File(first / "results.h5") as a, h5py.File(second / "results.h5") as b:
        outputs = [name for name in a if name != "shardmill"]
        if outputs != [name for name in b if name != "shardmill"]:
            return ["the names of the outputs"]
        for name in (*outputs, "shardmill/record_status"):
            if a[name].dtype != b[name].dtype or a[name][()].tobytes() != b[name][()].tobytes():
                found.append(name)
        for column in ("first", "count", "checksum"):
            if not np.array_equal(a["shardmill/shards"][column], b["shardmill/shards"][column]):
                found.append(f"shardmill/shards, {column}")
    return found


def journal_lines(run):
    """Payloads of a run's journal, without their checksums."""
    return [line[17:] for line in (run / "journal").read_text().splitlines()]


@functools.cache
def doctor():
    """What the program says of the machine, by its first words."""
    done = subprocess.run([PROGRAM, "doctor"], capture_output=True, text=True, timeout=60, check=False)
    return dict(line[6:].split(maxsplit=1) for line in done.stdout.splitlines() if len(line[6:].split(maxsplit=1)) == 2)


def has_ulfm():
    """Without it a rank's death ends the mpirun, and the run is resumed."""
    return "with fault tolerance" in doctor()["MPI"]


def needs_ulfm(test):
    @functools.wraps(test)
    def checked(self):
        if not has_ulfm():
            self.skipTest("this MPI has no fault tolerance: a death ends the mpirun")
        test(self)
    return checked


def wait_for(condition, seconds, what):
    """The first true value of the condition."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} s")


def why_no_namespaces():
    """Why nothing can have a mount namespace of its own here, in which files are hidden from it; or None."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        return "needs mount namespaces (unshare -m), which this user or container may not make"
    return None


def wait_for_commits(run, count, seconds=60):
    """Until the run's journal tells of so many shards."""
    journal = run / "journal"
    wait_for(lambda: journal.exists() and sum(" committed " in line for line in journal.read_text().splitlines()) >= count,
             seconds, f"{count} shards of {run}")


def interop(script, *words):
    """A check from tests/interop; (exit code, what it said)."""
    done = subprocess.run([sys.executable, SOURCE / "tests/interop" / script, *map(str, words)], capture_output=True,
                          text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr
