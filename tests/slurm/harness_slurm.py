"""Runs as batch jobs on the test cluster, compared with those of a workstation."""
import hashlib
import json
import os
import pathlib
import shutil
import sys
from urllib.parse import unquote

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "mpi"))

from cluster import Cluster, why_not  # noqa: E402
from harness import DIGITS, PROGRAM, SOURCE, wait_for, why_no_namespaces  # noqa: E402, F401
from training import TrainingTest  # noqa: E402

# Undisturbed runs of this program, beside it: each test is a process of its own.
KEPT = PROGRAM.parent / "workstation-runs"


class SlurmTest(TrainingTest):
    rank_timeout = "60s"  # daemons and ranks of three nodes share this machine: one that has to wait is not lost
    patience = 180
    private_folders = False  # n2 and n3 do not see what is in self.folder

    def setUp(self):
        reason = why_not() or (why_no_namespaces() if self.private_folders else None)
        if reason:
            self.skipTest(reason)
        super().setUp()
        self.cluster = Cluster()
        self.addCleanup(self.cluster.stop)
        self.cluster.start(private=self.folder if self.private_folders else None)
        self.cluster.environment["SHARDMILL"] = str(PROGRAM)

    def on_a_workstation(self, job, ranks):
        """The run folder of the job's undisturbed run; tests that want the same one share it."""
        built = PROGRAM.with_name("shardmill-rank").stat().st_mtime_ns
        key = f"{built} {ranks} {job.read_text().replace(str(self.folder), '')}"
        kept = KEPT / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not kept.exists():
            part = kept.with_suffix(f".{os.getpid()}")
            shutil.copytree(self.run_job("calm", job, "-n", ranks, timeout=120), part)
            part.rename(kept)
        return kept

    def sbatch(self, name, *words, options=(), env=None, script="shardmill.sbatch"):
        """A ready script; (Slurm's number, run folder)."""
        run = self.folder / name
        self.cluster.environment.update({"RUN_DIR": str(run), **(env or {})})
        number = self.cluster.run("sbatch", "--parsable", f"--output={self.folder}/{name}.out", *options,
                                  SOURCE / "slurm" / script, *words, cwd=self.folder)
        for key in env or {}:
            del self.cluster.environment[key]
        return number, run

    def completed(self, number, run, seconds=300):
        """Waits for a job that ends as it should; what Slurm says about it."""
        try:
            job = self.cluster.wait_state(number, "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL",
                                          seconds=seconds)
            self.assertEqual(job["JobState"], "COMPLETED")
        except AssertionError as error:
            self.fail(f"{error}\n{self.said(run)}\n{self.cluster.log_end()}")
        return job

    def said(self, run):
        """All that the jobs of a run have written, for messages."""
        files = [self.folder / f"{run.name}.out", *run.glob("slurm/*.out"), *run.glob("logs/mpirun.log")]
        return "\n".join(file.read_text() for file in files if file.exists())

    def shardmill(self, *words, env=None, **options):
        return super().shardmill(*words, env={**self.slurm_environment(), **(env or {})}, **options)

    def slurm_environment(self):
        return {"SLURM_CONF": self.cluster.environment["SLURM_CONF"]} if hasattr(self, "cluster") else {}


def entries(run, kind):
    """The entries of that kind in a run's journal, as mappings; inference and training write them differently."""
    path = run / "journal"
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        payload = line[17:]
        if payload.startswith("{"):
            entry = json.loads(payload)
        else:
            word, *pairs = payload.split()
            entry = {"entry": word, **{key: unquote(value) for key, value in (pair.split("=", 1) for pair in pairs)}}
        if entry["entry"] == kind:
            found.append(entry)
    return found


def wait_for_entries(run, kind, count, seconds=120):
    def reached():
        try:
            return len(entries(run, kind)) >= count
        except ValueError:  # a last line that is being written
            return False
    wait_for(reached, seconds, f"{count} entries '{kind}' in the journal of {run}")
