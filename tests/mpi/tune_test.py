"""shardmill tune and run --tune: which setting is the fastest, chosen only if its results are equal."""
import re
import unittest

import h5py
import numpy as np
import torch

from harness import DIGITS, SOURCE, ShardmillTest

ROW = re.compile(r"^ +([\d,]+) +(\d+) +(\d+) +([\d,]+|-)(.*)$", re.MULTILINE)


class OfItsBatch(torch.nn.Module):
    def forward(self, x):
        return x - x.mean(0, keepdim=True)


class TuneTest(ShardmillTest):
    def test_it_tries_settings_and_says_which_is_the_fastest(self):
        outcome = self.shardmill("tune", DIGITS, "--seconds", "0.02", timeout=300)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        rows = [(int(row[0].replace(",", "")), int(row[1]), row[3], row[4]) for row in ROW.findall(outcome.stdout)]
        self.assertGreaterEqual(len(rows), 5)
        self.assertEqual(rows[0][:2], (64, 1))
        self.assertIn("as in the job", rows[0][3])
        fastest = [row for row in rows if "fastest" in row[3]]
        self.assertEqual(len(fastest), 1)
        self.assertEqual(max(int(row[2].replace(",", "")) for row in rows), int(fastest[0][2].replace(",", "")))

    def test_a_setting_with_other_results_is_not_chosen(self):
        # A record's result depends on the others in its batch: no batch size but the job's gives the job's results.
        torch.jit.trace(OfItsBatch(), torch.zeros(16, 4)).save(self.folder / "mean.pt")
        with h5py.File(self.folder / "x.h5", "w") as file:
            file["x"] = np.random.default_rng(0).normal(size=(512, 4)).astype(np.float32)
        job = self.folder / "mean.yaml"
        job.write_text("job: infer\nname: mean\nmodel: {path: mean.pt}\ndataset: {path: x.h5, inputs: [x]}\n"
                       "batch_size: 16\noutputs: {y: {}}\nresources: {ranks: 1}\n")
        outcome = self.shardmill("tune", job, "--seconds", "0.01", timeout=200)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        rows = ROW.findall(outcome.stdout)
        self.assertEqual(["other results" in row[4] for row in rows], [False] + [True] * 4, outcome.stdout)
        self.assertIn("The job is as fast as any of these.", outcome.stdout)

    def test_a_tuned_run_keeps_its_setting(self):
        calm = self.run_job("calm", DIGITS, "-n", "1")
        for name, tune in (("flag", ["--tune"]), ("key", ["--set", "tune=true"])):
            with self.subTest(name):
                self.assert_tuned(calm, self.folder / name, tune)

    def assert_tuned(self, calm, run, tune):
        outcome = self.shardmill("run", DIGITS, *tune, "--run-dir", run, timeout=300)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        setting = dict(re.findall(r"^tuned: (?:resources\.)?(\w+)=(\d+)$", outcome.stdout, re.MULTILINE))
        resolved = (run / "job.yaml").read_text()
        self.assertIn(f"batch_size: {setting['batch_size']}\n", resolved)
        self.assertIn(f"threads_per_rank: {setting['threads_per_rank']}\n", resolved)
        self.assertNotIn("tune:", resolved, "a resume does not look again")
        with h5py.File(calm / "results.h5") as a, h5py.File(run / "results.h5") as b:
            np.testing.assert_allclose(a["probabilities"][()], b["probabilities"][()], atol=1e-5)
        self.assert_verifies(run)

    def test_what_cannot_be_tuned(self):
        for words, expected in ((["tune", SOURCE / "jobs/digits-train.yaml"], "is for jobs of kind infer"),
                                (["tune", DIGITS, "--set", "dataset.transforms=[{reshape: [3]}]"],
                                 "the job cannot be run as it is")):
            outcome = self.shardmill(*words, timeout=120)
            self.assertEqual(outcome.code, 2, outcome.stdout)
            self.assertIn(expected, outcome.stderr)
        for words, where in ((["run", DIGITS, "--tune", "--part", "1/2", "--run-dir", self.folder / "p"], "with --part"),
                             (["run", DIGITS, "--set", "tune=true", "--part", "1/2", "--run-dir", self.folder / "p"], "with --part"),
                             (["submit", DIGITS, "--set", "tune=true", "--dry-run"], "by `submit`")):
            outcome = self.shardmill(*words)
            self.assertEqual(outcome.code, 2, outcome.stdout)
            self.assertIn("a run cannot be tuned " + where, outcome.stderr)
        idle = self.folder / "idle.yaml"
        idle.write_text(DIGITS.read_text() + "tune: true\nproject: " + str(SOURCE) + "\n")
        outcome = self.shardmill("validate", SOURCE / "jobs/digits-serve.yaml", "--set", f"idle_job={idle}")
        self.assertEqual(outcome.code, 2, outcome.stdout)
        self.assertIn("has `tune: true`, which is for `shardmill run`", outcome.stderr)
        for tune in (["--tune"], ["--set", "tune=true"]):
            outcome = self.by_hand(2, "run", DIGITS, *tune, "--run-dir", self.folder / "hand")
            self.assertEqual(outcome.code, 2, outcome.stdout)
            self.assertIn("a run cannot be tuned under an mpirun of your own", outcome.stderr)
            self.assertFalse((self.folder / "hand").exists())


if __name__ == "__main__":
    unittest.main()
