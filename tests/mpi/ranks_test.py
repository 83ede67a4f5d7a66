"""The same bits whatever runs them: 1 to 4 ranks, mpirun by hand, a rank killed or stopped on the way."""
import json
import os
import pathlib
import subprocess
import unittest

import h5py

from harness import DIGITS, PROGRAM, SOURCE, ShardmillTest, has_ulfm, interop


class RanksTest(ShardmillTest):
    def test_one_to_four_ranks_give_the_same_bits(self):
        runs = [self.run_job(f"ranks-{n}", DIGITS, "-n", n) for n in (1, 2, 3, 4)]
        for other in runs[1:]:
            self.assert_same_results(runs[0], other)
        self.assert_verifies(runs[0])

    def test_results_equal_pytorch(self):
        for job, model in ((DIGITS, "digits_cnn.pt"), (SOURCE / "jobs/digits-infer-pt2.yaml", "digits_cnn.pt2")):
            run = self.run_job(f"run-{model}", job, "-n", 2)
            code, said = interop("check_results.py", run, "--dataset", SOURCE / "data/digits.h5", "--model",
                                 SOURCE / "data" / model, "--batch-size", 64, "--scale", 0.0625)
            self.assertEqual(code, 0, said)

    def test_accuracy_on_held_out_digits(self):
        run = self.run_job("run", DIGITS, "-n", 2)
        summary = json.loads((run / "summary.json").read_text())
        self.assertGreaterEqual(summary["metrics"]["accuracy"], 0.97)
        self.assertEqual(summary["utilization"], 1.0)
        self.assertEqual(summary["records"], {"total": 1797, "done": 1797, "quarantined": 0, "recomputed": 0})

    def test_mpirun_by_hand(self):
        expected = self.run_job("expected", DIGITS, "-n", 1)
        outcome = self.by_hand(3, "run", DIGITS, "--run-dir", self.folder / "by-hand")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("29 of 29 tasks", outcome.stdout)
        self.assert_same_results(expected, self.folder / "by-hand")

    def test_mpirun_by_hand_says_what_is_wrong_whoever_finds_it_first(self):
        """All ranks find it and leave, and mpirun ends those that have not left yet."""
        late = self.folder / "late.sh"
        late.write_text(f'#!/bin/sh\n[ "${{PMIX_RANK:-$PMI_RANK}}" = 0 ] && sleep 1\nexec "{PROGRAM}" "$@"\n')
        late.chmod(0o755)
        for words, expected in ((("--tune",), "a run cannot be tuned under an mpirun of your own"),
                                (("--set", "batch_size=none"), "batch_size must be a whole number")):
            outcome = self.by_hand(2, "run", DIGITS, *words, "--run-dir", self.folder / "late", program=late)
            self.assertEqual(outcome.code, 2, outcome.stderr)
            self.assertIn(expected, outcome.stderr)
            self.assertNotIn("rank 1", outcome.stderr)

    def test_a_killed_rank_changes_nothing(self):
        expected = self.run_job("expected", DIGITS, "-n", 1)
        for point in ("after-lease", "after-read", "mid-batch", "before-write", "after-write", "after-sync", "after-report"):
            run = self.run_job(f"killed-{point}", DIGITS, "-n", 3, env={"SHARDMILL_CRASH_AT": f"{point}:1:2:SIGKILL"})
            self.assert_same_results(expected, run)
            self.assert_verifies(run)
            summary = json.loads((run / "summary.json").read_text())
            self.assertEqual(summary["fault_tolerance"], 1.0, point)
            if has_ulfm():
                self.assertEqual((summary["faults"]["total"], summary["incarnations"]), (1, 1), point)
            else:  # the mpirun ends; where it takes its time, the others have done all by then, and nothing was set back
                self.assertLessEqual(summary["faults"]["total"], 1, point)
                self.assertGreaterEqual(summary["incarnations"], 2, point)

    def test_two_ranks_killed_at_once(self):
        expected = self.run_job("expected", DIGITS, "-n", 1)
        run = self.run_job("two", DIGITS, "-n", 4, env={"SHARDMILL_CRASH_AT": "mid-batch:1:1,mid-batch:3:1"})
        self.assert_same_results(expected, run)

    def test_a_stopped_rank_holds_up_nobody(self):
        expected = self.run_job("expected", DIGITS, "-n", 1)
        run = self.run_job("stopped", DIGITS, "-n", 3, "--set", "fault_tolerance.rank_timeout=1s",
                           env={"SHARDMILL_CRASH_AT": "mid-batch:2:2:SIGSTOP"})
        self.assert_same_results(expected, run)
        # Its shards are computed by others before it is given up: then it must not keep them from leaving, nor survive.
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    self.assertNotIn(str(run).encode(), pathlib.Path("/proc", entry, "cmdline").read_bytes())
                except OSError:
                    pass

    def test_a_stopped_rank_is_killed_when_it_holds_the_only_lease(self):
        # Batches of a slow shard: no duplicate is started before rank_timeout is over.
        job = self.many_digits(64, shard_size=32)
        expected = self.run_job("expected", job, "-n", 1)
        run = self.run_job("stopped", job, "-n", 2, "--set", "fault_tolerance.rank_timeout=1s",
                           env={"SHARDMILL_CRASH_AT": "mid-batch:1:1:SIGSTOP"})
        self.assert_same_results(expected, run)

    def test_embeddings(self):
        if not (SOURCE / "data/generated/minilm.pt").exists():
            made = subprocess.run([SOURCE / "data/make_minilm.sh"], capture_output=True, text=True, timeout=600, check=False)
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        # A thousand of the sentences: enough to compare, and seconds instead of a minute.
        run = self.run_job("embed", SOURCE / "jobs/embed-sentences.yaml", "-n", 2, "--set", "dataset.range={first: 0, last: 320}",
                           timeout=100)
        with h5py.File(run / "results.h5") as results:
            self.assertEqual(results["embedding"].shape, (320, 384))
        self.assert_verifies(run)


if __name__ == "__main__":
    unittest.main()
