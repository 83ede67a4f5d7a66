"""data_path: ranks that do not see the run's files get records over MPI, and their rows are written by rank 0: the same
bits as by the files, whoever dies."""
import json
import shutil
import subprocess
import sys
import unittest

import h5py
import numpy as np

from chaos_test import POINTS, disturbed
from harness import SOURCE, ShardmillTest, has_ulfm, journal_lines, needs_ulfm, why_no_namespaces

# Some ranks are as on another node, in a mount namespace of their own where {setup} has been done.
ELSEWHERE = """if [[ " {ranks} " == *" $OMPI_COMM_WORLD_RANK "* ]]; then
    export OMPI_COMM_WORLD_LOCAL_RANK=0; exec unshare -m bash -c "{setup}; cd /; exec \\"\\$@\\"" rank "$@"
  fi"""


def summary(run):
    return json.loads((run / "summary.json").read_text())


class ScatterTest(ShardmillTest):
    """All ranks but rank 0 are fed, on one machine."""

    def test_any_number_of_ranks_gives_the_same_bits(self):
        job = self.many_digits(5000)
        direct = self.run_job("direct", job, "-n", 2)
        self.assertEqual(summary(direct)["ranks"]["over_mpi"], 0)
        for ranks in (1, 2, 3, 4):
            run = self.folder / f"scatter-{ranks}"
            outcome = self.shardmill("run", job, "-n", ranks, "--run-dir", run, "--set", "data_path=scatter")
            self.assertEqual(outcome.code, 0, outcome.stderr)
            self.assert_same_results(direct, run)
            self.assert_verifies(run)
            self.assertEqual(summary(run)["ranks"]["over_mpi"], ranks - 1)
            self.assertEqual("ranks do not use the files" in outcome.stdout, ranks > 1, outcome.stdout)
            # Nobody but rank 0 writes into the run's folder.
            self.assertEqual(sorted(path.name for path in (run / "logs").glob("rank-*.log")), ["rank-0.log"])
        ranks_at_work = {line.split(" rank=")[1].split()[0] for line in journal_lines(run) if line.startswith("committed ")}
        self.assertGreater(len(ranks_at_work), 1)

    def test_records_of_all_shapes(self):
        """Compressed and in chunks, several inputs, a range; shards that are short, long, and longer than all."""
        random = np.random.default_rng(3)
        with h5py.File(self.folder / "data.h5", "w") as file:
            file.create_dataset("tokens", data=random.integers(0, 99, (900, 40)), chunks=(7, 40), compression="gzip")
            file["mask"] = random.random((900, 40)).astype(np.float32)
        subprocess.run([sys.executable, SOURCE / "tests/mpi/length_model.py", self.folder / "padded.pt"], check=True, timeout=120)
        job = self.folder / "job.yaml"
        for shard_size in (3, 64, 5000):
            job.write_text("\n".join([
                "job: infer", "name: shapes", "model: {path: padded.pt}",
                "dataset: {path: data.h5, inputs: [tokens, mask], range: {first: 11, last: 887}}",
                "batch_size: 8", f"shard_size: {shard_size}", "outputs: {y: {}, again: {}}"]) + "\n")
            direct = self.run_job(f"direct-{shard_size}", job, "-n", 1)
            run = self.run_job(f"scatter-{shard_size}", job, "-n", 3, "--set", "data_path=scatter")
            self.assert_same_results(direct, run)

    def crash_points(self, points, rank, signal):
        job = self.many_digits(3000, data_path="scatter")
        expected = self.run_job("expected", job, "-n", 1)
        for point in points:
            with self.subTest(point=point):
                run = disturbed(self, job, point, rank, signal)
                self.assert_same_results(expected, run)
                self.assert_verifies(run)

    def test_a_fed_rank_is_killed_at_any_point(self):
        worker = POINTS[:POINTS.index("after-report") + 1]
        self.assertGreaterEqual(len(worker), 7)
        self.crash_points(worker, 2, "SIGKILL")

    def test_a_fed_rank_is_stopped(self):
        self.crash_points(["mid-batch", "after-read"], 2, "SIGSTOP")

    def test_rank_0_is_killed(self):
        """Nobody else sees the journal: the launcher starts the run again from it."""
        self.crash_points(["mid-batch", "after-write", "before-journal-sync", "after-results", "before-done"], 0, "SIGKILL")

    def test_rank_0_is_stopped(self):
        self.crash_points(["mid-batch"], 0, "SIGSTOP")

    def test_a_dead_run_is_resumed(self):
        job = self.many_digits(3000, data_path="scatter")
        expected = self.run_job("expected", job, "-n", 1)
        run = self.run_job("run", job, "-n", 3, "--set", "fault_tolerance.max_restarts=0", code=1,
                           env={"SHARDMILL_CRASH_AT": "mid-batch:0:4,mid-batch:1:4,mid-batch:2:4"})
        outcome = self.shardmill("resume", run, "-n", 2)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertEqual(summary(run)["ranks"]["over_mpi"], 1)
        self.assert_same_results(expected, run)
        self.assert_verifies(run)

    def test_records_that_cannot_be_read_or_computed(self):
        """A chunk that is damaged, and a NaN: the same records are in quarantine, with the same messages."""
        data = self.folder / "data.h5"
        with h5py.File(data, "w") as file:
            x = np.random.default_rng(1).random((600, 8, 8)).astype(np.float32)
            x[77] = np.nan
            images = file.create_dataset("images", data=x, chunks=(4, 8, 8), compression="gzip", shuffle=True)
            place = images.id.get_chunk_info(50)
        with open(data, "r+b") as file:
            file.seek(place.byte_offset)
            file.write(b"\xff" * place.size)
        job = self.folder / "job.yaml"
        job.write_text("\n".join([
            "job: infer", "name: bad", f"model: {{path: {SOURCE}/data/digits_cnn.pt}}",
            f"dataset: {{path: {data}, inputs: [images]}}", "batch_size: 16", "shard_size: 32",
            "outputs: {probabilities: {post: softmax}}", "fault_tolerance: {finite: true}"]) + "\n")
        direct = self.run_job("direct", job, "-n", 1, code=3)
        run = self.run_job("scatter", job, "-n", 3, "--set", "data_path=scatter", code=3)
        self.assert_same_results(direct, run)
        with h5py.File(direct / "results.h5") as a, h5py.File(run / "results.h5") as b:
            def quarantine(file):
                count = int(np.asarray(file["shardmill/quarantined"][()]).ravel()[0])
                return sorted((int(row["record"]), bytes(row["message"])) for row in file["shardmill/quarantine"][:count])
            self.assertEqual(quarantine(a), quarantine(b))
            self.assertEqual([record for record, _ in quarantine(b)], [77, 200, 201, 202, 203])

    def test_a_full_disk_of_rank_0_ends_the_run(self):
        job = self.many_digits(3000, data_path="scatter")
        outcome = self.shardmill("run", job, "-n", 3, "--run-dir", self.folder / "run",
                                 env={"SHARDMILL_DISK_FAULT": "write:0:2:ENOSPC:results"})
        self.assertEqual(outcome.code, 1, outcome.stderr)
        self.assertIn("No space left on device", outcome.stderr)
        self.assertEqual(self.shardmill("resume", self.folder / "run", "-n", 2).code, 0)
        self.assert_verifies(self.folder / "run")

    def test_under_an_mpirun_of_ones_own(self):
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        outcome = self.by_hand(3, "run", job, "--run-dir", self.folder / "run", "--set", "data_path=scatter")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assert_same_results(expected, self.folder / "run")


    def test_what_is_nowhere_ends_all_ranks(self):
        """Those that would be fed wait for rank 0, which cannot begin."""
        job = self.many_digits(300)
        job.write_text(job.read_text().replace("digits-300.h5", "missing.h5"))
        outcome = self.by_hand(3, "run", job, "--run-dir", self.folder / "run")
        self.assertEqual(outcome.code, 2, outcome.stderr)
        self.assertEqual(outcome.stderr.count("no such file"), 1, outcome.stderr)
        self.assertFalse((self.folder / "run").exists())


class PrivateFoldersTest(ShardmillTest):
    """Ranks in a mount namespace of their own do not see the folder, or see another one under its name."""

    def setUp(self):
        super().setUp()
        if reason := why_no_namespaces():
            self.skipTest(reason)
        if not has_ulfm():
            self.skipTest("the wrapper is for Open MPI 5")
        self.shared = self.folder / "shared"
        self.shared.mkdir()
        self.addCleanup(shutil.rmtree, self.shared, ignore_errors=True)

    def job(self, records=5000, **settings):
        job = self.many_digits(records, **settings)
        shutil.copy(SOURCE / "data/digits_cnn.pt", self.shared)
        data = self.folder / f"digits-{records}.h5"
        text = job.read_text().replace(f"{SOURCE}/data/digits_cnn.pt", f"{self.shared}/digits_cnn.pt")
        job.write_text(text.replace(str(data), f"{self.shared}/{data.name}"))
        if data.exists():
            data.rename(self.shared / data.name)
        return job

    def wrapped(self, *ranks, setup=None):
        """The environment that hides the shared folder from these ranks."""
        return self.wrapped_mpirun("mpirun", ELSEWHERE.format(ranks=" ".join(map(str, ranks)),
                                                              setup=setup or f"mount -t tmpfs none {self.shared}"))

    def run_apart(self, job, *ranks, name="shared/run", code=0, words=(), setup=None, env=None):
        outcome = self.shardmill("run", job, "-n", 3, "--run-dir", self.folder / name, *words,
                                 env={**self.wrapped(*ranks, setup=setup), **(env or {})})
        self.assertEqual(outcome.code, code, outcome.stdout + outcome.stderr)
        return outcome, self.folder / name

    def test_some_see_the_files_and_some_do_not(self):
        job = self.job()
        expected = self.run_job("expected", job, "-n", 1)
        outcome, run = self.run_apart(job, 2)
        self.assertIn("rank 2 on ", outcome.stdout)
        self.assertIn("is fed over MPI: it cannot read what the run needs", outcome.stdout)
        self.assertEqual(summary(run)["ranks"]["over_mpi"], 1)
        self.assert_same_results(expected, run)
        self.assert_verifies(run)

    def test_another_file_under_the_same_name_is_not_taken(self):
        """A rank that finds all it needs, but not what the coordinator sees."""
        job = self.job()
        expected = self.run_job("expected", job, "-n", 1)
        other = self.folder / "other"
        shutil.copytree(self.shared, other)
        data = next(other.glob("*.h5"))
        with h5py.File(data, "r+") as file:
            file["images"][:, 3, 3] = 0
        outcome, run = self.run_apart(job, 1, setup=f"mount --bind {data} {self.shared}/{data.name}")
        self.assertIn(f"it does not see the dataset {self.shared}/{data.name}", outcome.stdout)
        self.assert_same_results(expected, run)

    def test_another_run_folder_under_the_same_name_is_not_taken(self):
        job = self.job()
        expected = self.run_job("expected", job, "-n", 1)
        copy = f"cp -r {self.shared} {self.folder}/copy-$$; mount --bind {self.folder}/copy-$$ {self.shared}"
        outcome, run = self.run_apart(job, 1, setup=copy)
        self.assertIn("it does not see the run folder", outcome.stdout)
        self.assert_same_results(expected, run)

    @needs_ulfm
    def test_who_sees_the_journal_takes_over(self):
        job = self.job(records=20_000)
        expected = self.run_job("expected", job, "-n", 1)
        for hidden, next_rank in ((2, 1), (1, 2)):
            with self.subTest(hidden=hidden):
                outcome, run = self.run_apart(job, hidden, name=f"shared/run-{hidden}", env={"SHARDMILL_CRASH_AT": "mid-batch:0:9"})
                self.assertIn(f"rank {next_rank} takes over from the journal", outcome.stdout)
                self.assertNotIn("starting it again", outcome.stderr)
                self.assert_same_results(expected, run)
                self.assert_verifies(run)

    def test_shared_says_who_does_not_see_what(self):
        outcome, _ = self.run_apart(self.job(), 2, code=1, words=("--set", "data_path=shared"))
        self.assertIn("rank 2 on ", outcome.stderr)
        self.assertIn("cannot take part: it cannot read what the run needs", outcome.stderr)
        self.assertIn("and data_path is shared; put it on a file system that all nodes share", outcome.stderr)

    def test_shared_does_not_take_another_file_either(self):
        job = self.job()
        other = self.folder / "other.h5"
        shutil.copy(self.shared / "digits-5000.h5", other)
        with h5py.File(other, "r+") as file:
            file["images"][:, 3, 3] = 0
        outcome, _ = self.run_apart(job, 1, code=1, words=("--set", "data_path=shared"),
                                    setup=f"mount --bind {other} {self.shared}/digits-5000.h5")
        self.assertIn(f"cannot take part: it does not see the dataset {self.shared}/digits-5000.h5", outcome.stderr)

    def test_a_damaged_model_of_the_same_name_is_no_harm(self):
        job = self.job()
        expected = self.run_job("expected", job, "-n", 1)
        (self.folder / "other").write_bytes(b"another")
        outcome, run = self.run_apart(job, 1, setup=f"mount --bind {self.folder}/other {self.shared}/digits_cnn.pt")
        self.assertIn("it does not see the model", outcome.stdout)
        self.assert_same_results(expected, run)

    def test_training_says_that_it_needs_a_shared_file_system(self):
        job = self.folder / "train.yaml"
        shutil.copy(SOURCE / "data/digits.h5", self.shared)
        job.write_text((SOURCE / "jobs/digits-train.yaml").read_text().replace("data/digits.h5", f"{self.shared}/digits.h5"))
        outcome, _ = self.run_apart(job, 2, code=1)
        self.assertIn("this job needs a file system that all nodes share", outcome.stderr)


if __name__ == "__main__":
    unittest.main()
