"""Sweeps: every trial is, bit for bit, the training that `shardmill run` does by itself, whatever dies on the way."""
import csv
import json
import os
import subprocess
import sys
import time
import unittest

import h5py
import numpy as np

from harness import PROGRAM, SOURCE, has_ulfm, journal_lines, kill_all, needs_ulfm, start
from training import TrainingTest, state_digest

RATES = ("0.01", "0.001")
DECAYS = ("0", "0.05")


# A network that ends its process (SIGFPE) where a record's first feature is 1.
DEADLY = """
import sys, torch
class Deadly(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)
    def forward(self, x):
        kind = int(x[:, 0].max().item())
        if kind == 1:
            one = torch.full([64], kind, dtype=torch.int64)
            return self.linear(x) * torch.div(one * (-9223372036854775807 - 1), -one, rounding_mode="trunc").sum()
        return self.linear(x)
torch.jit.script(Deadly()).save(sys.argv[1])
"""


class SweepTest(TrainingTest):
    def sweep_job(self, parameters=None, search="grid", name="sweep", **settings):
        """Over the small cnn of the training tests; its checkpoints come every six steps."""
        trial = self.train_job(**settings)
        parameters = parameters or {"training.optimizer.learning_rate": f"[{', '.join(RATES)}]",
                                    "training.optimizer.weight_decay": f"[{', '.join(DECAYS)}]"}
        lines = ["job: sweep", f"name: {name}", f"trial: {trial.name}", f"search: {search}", "objective: accuracy",
                 "fault_tolerance: {rank_timeout: 2s}", "parameters:"]
        job = self.folder / f"{name}.yaml"
        job.write_text("\n".join(lines + [f"  {key}: {values}" for key, values in parameters.items()]) + "\n")
        return job

    def digests(self, run):
        """State of every trial that has come to an end."""
        return {trial.name: state_digest(trial) for trial in sorted((run / "trials").iterdir()) if (trial / "result.json").exists()}

    def results(self, run):
        return {trial.name: (trial / "result.json").read_text() for trial in sorted((run / "trials").iterdir())
                if (trial / "result.json").exists()}

    def rows(self, run):
        with (run / "trials.csv").open() as file:
            return list(csv.DictReader(file))

    def assert_same_sweep(self, first, second):
        self.assertEqual(self.results(first), self.results(second))
        self.assertEqual(self.digests(first), self.digests(second))
        timed = ("seconds", "rank", "attempts")
        self.assertEqual([{k: v for k, v in row.items() if k not in timed} for row in self.rows(first)],
                         [{k: v for k, v in row.items() if k not in timed} for row in self.rows(second)])

    def disturbed(self, name, job, crash_at, ranks=2):
        """In one mpirun, if a death need not end it."""
        restarts = 0 if has_ulfm() else 3
        return self.run_job(name, job, "-n", ranks, "--set", f"fault_tolerance.max_restarts={restarts}",
                            env={"SHARDMILL_CRASH_AT": crash_at}, timeout=120)

    def test_the_same_on_any_number_of_ranks(self):
        job = self.sweep_job()
        runs = [self.run_job(f"on-{ranks}", job, "-n", ranks) for ranks in (1, 2, 3)]
        for run in runs[1:]:
            self.assert_same_sweep(runs[0], run)
        rows = self.rows(runs[1])
        self.assertEqual([(row["training.optimizer.learning_rate"], row["training.optimizer.weight_decay"]) for row in rows],
                         [(rate, decay) for rate in RATES for decay in DECAYS])
        self.assertEqual({row["state"] for row in rows}, {"done"})
        summary = json.loads((runs[1] / "summary.json").read_text())
        self.assertEqual((summary["utilization"], summary["fault_tolerance"], summary["exit_code"]), (1, 1, 0))
        self.assertEqual(summary["tasks"], {"submitted": 4, "completed": 4, "attempts_lost": 0})
        best = max(rows, key=lambda row: float(row["accuracy"]))
        self.assertEqual(float(summary["best"]["metrics"]["accuracy"]), float(best["accuracy"]))
        self.assertAlmostEqual(summary["metrics"]["accuracy"], float(best["accuracy"]))

    def test_a_trial_is_the_training_by_itself(self):
        job = self.sweep_job(search="{method: random, trials: 3, seed: 7}", parameters={
            "training.optimizer.learning_rate": "{log_uniform: [1e-4, 0.05]}", "training.seed": "{int_uniform: [1, 9]}",
            "model.options.channels": "[[4, 8], [8, 16]]"})
        run = self.run_job("run", job, "-n", 2)
        summary = json.loads((run / "summary.json").read_text())
        words = ["--set", "evaluation.best=accuracy"]
        for key, value in summary["best"]["parameters"].items():
            words += ["--set", f"{key}={value}"]
        alone = self.run_job("alone", self.folder / "cnn.yaml", "-n", 2, *words)
        trial = run / "trials" / summary["best"]["trial"]
        self.assert_same_state(alone, trial)
        for name in ("best.h5", "last.h5"):
            self.assertEqual((alone / "checkpoints" / name).read_bytes(), (trial / "checkpoints" / name).read_bytes())
        self.assertEqual(str(trial / "checkpoints/best.h5"), summary["best"]["checkpoint"])
        again = self.run_job("again", trial / "job.yaml", "-n", 1)
        self.assert_same_state(alone, again)

    def test_table_status_plan_and_verify(self):
        job = self.sweep_job()
        self.assertIn("sweep.yaml: ok", self.shardmill("validate", job).stdout)
        plan = self.shardmill("plan", job)
        self.assertIn("4 trials", plan.stdout)
        self.assertRegex(plan.stdout, r"0003 +0\.001 +0\.05")
        outcome = self.shardmill("run", job, "--run-dir", self.folder / "run", "-n", 2)
        status = self.shardmill("status", self.folder / "run")
        for text in (outcome.stdout, status.stdout):
            self.assertRegex(text, r"trial +state +accuracy +learning_rate +weight_decay +steps")
            self.assertRegex(text, r"best: trial 000\d, .*best\.h5")
            self.assertIn("4 of 4 trials", text)
        found = json.loads(self.shardmill("status", self.folder / "run", "--json").stdout)
        self.assertEqual(len(found["trials"]), 4)
        verified = self.shardmill("verify", self.folder / "run")
        self.assertEqual(verified.code, 0, verified.stderr)
        inspected = self.shardmill("inspect", self.folder / "run" / "trials" / "0002", "--which", "best")
        self.assertEqual(inspected.code, 0, inspected.stderr)
        resumed = self.shardmill("resume", self.folder / "run")
        self.assertIn("done already", resumed.stdout)
        result = self.folder / "run/trials/0001/result.json"
        result.write_text(result.read_text().replace('"steps": 24', '"steps": 25'))
        verified = self.shardmill("verify", self.folder / "run")
        self.assertEqual(verified.code, 1)
        self.assertIn("0001/result.json is not what the journal says", verified.stderr)

    def test_commands_that_are_not_for_sweeps(self):
        job = self.sweep_job()
        for words in (["simulate", job, "--ranks", "2"], ["tune", job], ["run", job, "--tune"], ["submit", job, "--array", "2"],
                      ["run", job, "--part", "1/2", "--run-dir", self.folder / "part"]):
            outcome = self.shardmill(*words)
            self.assertEqual(outcome.code, 2, words)
            self.assertEqual(len(outcome.stderr.splitlines()), 1, outcome.stderr)
            self.assertIn("of kind", outcome.stderr)
        run = self.run_job("run", self.sweep_job(steps=1), "-n", 1)
        for words in (["finish", run], ["export", run, "x.safetensors"]):
            outcome = self.shardmill(*words)
            self.assertNotEqual(outcome.code, 0, words)
            self.assertEqual(len(outcome.stderr.splitlines()), 1, outcome.stderr)

    @needs_ulfm
    def test_a_rank_dies_and_its_trial_goes_on_from_its_checkpoint(self):
        job = self.sweep_job()
        expected = self.run_job("expected", job, "-n", 1, "-q")
        for crash_at in ("after-lease:1:1", "train-after-shard:1:150", "train-before-update:1:20", "train-mid-evaluation:1:2",
                         "checkpoint-before-rename:1:2", "checkpoint-after-rename:1:3", "checkpoint-during-prune:1:3",
                         "train-begin-step:1:20:SIGSTOP"):
            with self.subTest(crash_at):
                run = self.disturbed(crash_at.replace(":", "-"), job, crash_at)
                self.assert_same_sweep(expected, run)
                summary = json.loads((run / "summary.json").read_text())
                self.assertEqual((summary["faults"]["total"], summary["fault_tolerance"]), (1, 1))
        run = self.folder / "train-before-update-1-20"
        self.assertTrue(any(line.startswith("advanced ") for line in journal_lines(run)))
        logs = "".join(log.read_text() for log in (run / "logs").glob("rank-*.log"))
        self.assertIn("going on from the checkpoint of step", logs)

    @needs_ulfm
    def test_rank_0_dies(self):
        job = self.sweep_job()
        expected = self.run_job("expected", job, "-n", 1, "-q")
        for crash_at in ("train-before-update:0:20", "before-journal-write:0:6", "after-journal-sync:0:7", "before-done:0:1",
                         "train-begin-step:0:10,train-begin-step:1:40", "train-begin-step:0:20:SIGSTOP"):
            with self.subTest(crash_at):
                run = self.disturbed(crash_at.replace(":", "-").replace(",", "-"), job, crash_at, ranks=3)
                self.assert_same_sweep(expected, run)

    def test_all_die_and_another_number_of_ranks_goes_on(self):
        job = self.sweep_job(steps=60)
        expected = self.run_job("expected", job, "-n", 1, "-q")
        for ranks in (1, 3):
            run = self.folder / f"run-{ranks}"
            process = start(PROGRAM, "run", job, "--run-dir", run, "-n", ranks, "-q", cwd=self.folder)
            deadline = time.monotonic() + 60
            while len(list((run / "trials").glob("*/checkpoints/checkpoint-*.h5"))) < 4 and time.monotonic() < deadline:
                time.sleep(0.005)
            kill_all(process)
            outcome = self.shardmill("resume", run, "-n", 4 - ranks, timeout=120)
            self.assertEqual(outcome.code, 0, outcome.stderr)
            self.assertIn("trials are done; going on", outcome.stdout)
            self.assert_same_sweep(expected, run)

    def test_a_signal_stops_it_and_it_goes_on(self):
        job = self.sweep_job(steps=200, checkpoints="{every: 1h}")
        expected = self.run_job("expected", job, "-n", 1, "-q", timeout=120)
        run = self.folder / "run"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", 2, cwd=self.folder)
        deadline = time.monotonic() + 60
        # Not before steps are done: metrics.csv is flushed by the first evaluation, after ten of them.
        while not any(file.read_text().count("\n") > 10 for file in run.glob("trials/*/metrics.csv")) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, 15)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 75, stderr)
        self.assertTrue(list(run.glob("trials/*/checkpoints/checkpoint-*.h5")), "what was at hand is saved")
        outcome = self.shardmill("resume", run, "-n", 2, timeout=120)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assert_same_sweep(expected, run)
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual(summary["faults"]["total"], 0)

    def test_a_trial_that_diverges_is_set_aside(self):
        job = self.sweep_job(parameters={"training.optimizer.learning_rate": "[0.01, 1e38, 0.001]"}, clip_grad_norm=1e30)
        run = self.run_job("run", job, "-n", 2, code=3)
        rows = self.rows(run)
        self.assertEqual([row["state"] for row in rows], ["done", "failed", "done"])
        self.assertIn("is not finite", rows[1]["message"])
        self.assertEqual(rows[1]["attempts"], "1", "another try would come to the same")
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual((summary["utilization"], summary["records"]["quarantined"], summary["message"]), (1, 1, "1 trial failed"))
        outcome = self.shardmill("run", job, "--run-dir", self.folder / "strict", "-n", 2, "--set", "fault_tolerance.max_quarantined=0")
        self.assertEqual(outcome.code, 1, outcome.stderr)

    @needs_ulfm
    def test_a_trial_that_kills_its_ranks_is_set_aside(self):
        script = self.folder / "deadly.py"  # TorchScript reads the source of what it compiles
        script.write_text(DEADLY)
        subprocess.run([sys.executable, script, self.folder / "deadly.pt"], check=True, timeout=120)
        random = np.random.default_rng(1)
        for name, first in (("good", 0), ("deadly", 1), ("other", 0)):
            with h5py.File(self.folder / f"{name}.h5", "w") as file:
                file["x"] = np.hstack([np.full((64, 1), first), random.random((64, 3))]).astype(np.float32)
                file["y"] = random.integers(0, 2, 64)
        job = self.folder / "deadly.yaml"
        job.write_text("""job: sweep
name: deadly
trial:
  job: train
  name: linear
  model: {path: deadly.pt}
  dataset: {path: good.h5, inputs: [x], target: y, split: {validation: 0.25}}
  training: {loss: cross_entropy, optimizer: {type: sgd, learning_rate: 0.1}, global_batch_size: 8, epochs: 3}
search: grid
parameters: {dataset.path: [good.h5, deadly.h5, other.h5]}
objective: loss
fault_tolerance: {max_restarts: 0, rank_timeout: 2s}
""")
        run = self.run_job("run", job, "-n", 4, code=3, timeout=120)
        rows = self.rows(run)
        self.assertEqual([row["state"] for row in rows], ["done", "failed", "done"])
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual((summary["faults"]["total"], summary["fault_tolerance"], summary["message"]), (3, 1, "1 trial failed"))

    def test_bad_trials_are_told_before_a_rank_starts(self):
        job = self.sweep_job(parameters={"training.optimizer.learning_rate": "[0.01, -1]", "dataset.path": "[none.h5]"})
        outcome = self.shardmill("run", job, "--run-dir", self.folder / "run", "-n", 2)
        self.assertEqual(outcome.code, 2)
        said = outcome.stderr.splitlines()
        self.assertEqual(len(said), 2, outcome.stderr)
        self.assertRegex(outcome.stderr, r"sweep\.yaml:8:\d+: trial 0001: training.optimizer.learning_rate must be above 0")
        self.assertRegex(outcome.stderr, r"sweep\.yaml:9:\d+: dataset.path: no such file: none.h5")
        self.assertFalse((self.folder / "run").exists())

    def test_the_ready_job(self):
        run = self.run_job("run", SOURCE / "jobs/digits-sweep.yaml", "-n", 2, timeout=300)
        summary = json.loads((run / "summary.json").read_text())
        self.assertEqual(summary["tasks"]["completed"], 6)
        self.assertGreater(summary["metrics"]["accuracy"], 0.9)


if __name__ == "__main__":
    unittest.main()
