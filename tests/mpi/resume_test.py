"""kill -9 of the whole run, all its processes, at random moments: resume loses nothing and repeats nothing."""
import os
import random
import time
import unittest

import h5py

from harness import PROGRAM, ShardmillTest, journal_lines, kill_all, start

MOMENTS = int(os.environ.get("SHARDMILL_KILLS", "20"))
SEED = int(os.environ.get("SHARDMILL_SEED", "20"))


def committed(run):
    """The shards that the journal says are committed, in order."""
    return [line.split()[1] for line in journal_lines(run) if line.startswith("committed ")]


class ResumeTest(ShardmillTest):
    def test_kill_everything_at_random_moments(self):
        job = self.many_digits(40_000)
        began = time.monotonic()
        expected = self.run_job("expected", job, "-n", 2)
        whole = time.monotonic() - began
        moments = random.Random(SEED)
        in_the_middle = 0
        for kill in range(MOMENTS):
            run = self.folder / f"killed-{kill}"
            process = start(PROGRAM, "run", job, "--run-dir", run, "-n", 2, cwd=self.folder)
            if kill % 2:  # however fast the machine: while shards are being computed
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline and not ((run / "journal").exists() and committed(run)):
                    time.sleep(0.005)
                time.sleep(moments.uniform(0, whole / 8))
            else:
                time.sleep(moments.uniform(0.1, whole))
            kill_all(process)
            with self.subTest(kill=kill, seed=SEED):
                if not (run / "job.yaml").exists():
                    continue  # killed before there was a run: nothing was promised
                if (run / "results.h5").exists():
                    with h5py.File(run / "results.h5") as results:
                        self.assertEqual(results["label"].shape, (40_000,))
                before = committed(run) if (run / "journal").exists() else []
                in_the_middle += 0 < len(before) < 625
                outcome = self.shardmill("resume", run, "-n", moments.choice([1, 2, 3, 4]))
                self.assertEqual(outcome.code, 0, outcome.stderr)
                after = committed(run)
                self.assertEqual(after[:len(before)], before)
                self.assertEqual(len(after), len(set(after)), "a shard was committed twice")
                self.assertEqual(len(after), 625)
                self.assert_same_results(expected, run)
                self.assert_verifies(run)
        self.assertGreater(in_the_middle, MOMENTS // 4, "too few kills came while shards were being computed")

    def test_mpirun_killed_is_started_again(self):
        job = self.many_digits(40_000)
        expected = self.run_job("expected", job, "-n", 2)
        for point in ("before-journal-write", "before-journal-sync", "after-journal-sync", "mid-batch", "before-results",
                      "during-results", "after-results", "before-done", "after-done"):
            run = self.run_job(f"rank0-{point}", job, "-n", 2, env={"SHARDMILL_CRASH_AT": f"{point}:0:1:SIGKILL"})
            self.assert_same_results(expected, run)
            self.assertEqual(len(committed(run)), 625, point)

    def test_a_stopped_run_resumes(self):
        job = self.many_digits(40_000)
        expected = self.run_job("expected", job, "-n", 2)
        run = self.folder / "stopped"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", 2, cwd=self.folder)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not ((run / "journal").exists() and len(committed(run)) > 20):
            time.sleep(0.02)
        process.terminate()
        stdout, stderr = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 75, stdout + stderr)
        done = len(committed(run))
        self.assertLess(done, 625)
        outcome = self.shardmill("resume", run)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assert_same_results(expected, run)
        # A stop is no fault.
        self.assertIn("0 of 0 faults", outcome.stdout)


if __name__ == "__main__":
    unittest.main()
