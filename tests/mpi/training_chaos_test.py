"""Training with deaths: the weights are, bit for bit, those of the run in which nobody died."""
import json
import os
import random
import re
import time
import unittest

from harness import PROGRAM, SOURCE, kill_all, start
from training import TrainingTest

POINTS = [point for point in re.findall(r'^      "([a-z-]+)",', (SOURCE / "src/job/crash_point.cpp").read_text(), re.MULTILINE)
          if point.startswith(("checkpoint-", "train-"))]
IN_PARTS = ("train-before-agreement", "train-before-sharing")  # with optimizer_sharding only


class TrainingChaosTest(TrainingTest):
    def disturbed(self, name, job, crash_at, ranks=3, spares=0):
        """In one mpirun: nothing is started again."""
        words = ["-n", ranks, "-q", "--set", "fault_tolerance.rank_timeout=1s", "--set", "fault_tolerance.max_restarts=0"]
        if spares:
            words += ["--set", f"fault_tolerance.spares={spares}"]
        return self.run_job(name, job, *words, env={"SHARDMILL_CRASH_AT": crash_at}, timeout=90)

    def assert_outlived(self, expected, job, deaths, **ranks):
        """deaths: name -> crash points."""
        for name, crash_at in deaths.items():
            with self.subTest(name):
                self.assert_same_state(expected, self.disturbed(name, job, crash_at, **ranks))

    def matrix(self, rank, signal, points=tuple(point for point in POINTS if point not in IN_PARTS), **settings):
        job = self.train_job(**settings)
        expected = self.run_job(f"expected-{rank}", job, "-n", 1, "-q")
        self.assertGreaterEqual(len(POINTS), 16)
        for point in points:
            if rank != 0 and point.startswith(("checkpoint-", "train-before-deal")):
                continue  # those are the coordinator's
            first_state = point in ("train-before-state", "train-after-state")
            if rank == 0 and first_state:
                continue  # with the only one that has a state yet, the run is started again: not in one mpirun
            nth = 1 if first_state else 2
            crash_at = f"{point}:{rank}:{nth}:{signal}"
            if point == "train-before-deal":
                crash_at = f"train-after-shard:2:5,{crash_at}"  # or there is no second deal
            with self.subTest(point=point):
                run = self.disturbed(f"{point}-{rank}-{signal}", job, crash_at, ranks=4 if "," in crash_at else 3)
                self.assert_same_state(expected, run)
                summary = json.loads((run / "summary.json").read_text())
                self.assertEqual(summary["fault_tolerance"], 1)
                self.assertEqual(summary["faults"]["total"], crash_at.count(",") + 1)

    def test_worker_sigkill(self):
        self.matrix(2, "SIGKILL")

    def test_worker_sigstop(self):
        self.matrix(2, "SIGSTOP")

    def test_coordinator_sigkill(self):
        self.matrix(0, "SIGKILL")

    def test_coordinator_sigstop(self):
        self.matrix(0, "SIGSTOP")

    def test_in_parts_worker_sigkill(self):
        self.matrix(1, "SIGKILL", [point for point in POINTS if point.startswith("train-")], **self.in_parts())

    def test_in_parts_coordinator_sigkill(self):
        self.matrix(0, "SIGKILL", [point for point in POINTS if point.startswith("train-")], **self.in_parts())

    def test_in_parts_sigstop(self):
        for rank in (0, 2):
            self.matrix(rank, "SIGSTOP", [*IN_PARTS, "train-before-update"], **self.in_parts())

    @staticmethod
    def in_parts():
        return {"network": "mlp", "optimizer_sharding": "true"}

    def test_in_parts_several_die(self):
        job = self.train_job(**self.in_parts())
        expected = self.run_job("expected", job, "-n", 1, "-q")
        self.assert_outlived(expected, job, {
                "two-that-are-no-neighbours": "train-before-sharing:1:7,train-before-sharing:3:7",
                "one-after-the-other": "train-before-update:0:3,train-after-shard:1:20,train-before-sharing:2:12",
        }, ranks=5)
        self.assert_outlived(expected, job, {"a-spare-joins": "train-before-sharing:1:5,train-after-state:5:1"}, ranks=5, spares=2)

    def test_in_parts_two_neighbours_take_a_part_with_them(self):
        """Then it goes on from the checkpoint: started again by itself, with the same bits."""
        job = self.train_job(**self.in_parts())
        expected = self.run_job("expected", job, "-n", 1, "-q")
        run = self.run_job("run", job, "-n", 4, env={"SHARDMILL_CRASH_AT": "train-before-sharing:1:10,train-before-sharing:2:10"})
        self.assert_same_state(expected, run)
        self.assertEqual((run / "journal").read_text().count('"entry":"started"'), 2)

    def test_two_at_once_and_all_but_one(self):
        job = self.train_job()
        expected = self.run_job("expected", job, "-n", 1, "-q")
        self.assert_outlived(expected, job, {
                "two": "train-after-shard:1:7,train-after-shard:2:7",
                "with-rank-0": "train-mid-exchange:0:5,train-mid-exchange:2:5",
                "one-after-the-other": "train-before-update:0:3,train-after-shard:1:20,train-before-exchange:2:12",
        }, ranks=4)

    def test_spares_step_in(self):
        job = self.train_job()
        expected = self.run_job("expected", job, "-n", 1, "-q")
        self.assert_outlived(expected, job, {
                "joins": "train-after-shard:1:9",
                "dies-while-it-gets-its-state": "train-after-shard:1:9,train-before-state:3:1",
                "its-source-dies": "train-after-shard:1:9,train-before-state:0:2",
                "dies-with-its-state": "train-after-shard:1:9,train-after-state:3:1",
        }, ranks=3, spares=2)

    def test_everything_dies_and_another_number_of_ranks_goes_on(self):
        job = self.train_job(steps=60)
        expected = self.run_job("expected", job, "-n", 1, "-q")
        dice = random.Random(3)
        for trial in range(4):
            run = self.folder / f"run-{trial}"
            process = start(PROGRAM, "run", job, "--run-dir", run, "-n", 1 + trial, "-q", cwd=self.folder)
            deadline = time.monotonic() + 60
            while not list((run / "checkpoints").glob("checkpoint-*.h5")) and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(dice.random() * 0.3)
            kill_all(process)
            outcome = self.shardmill("resume", run, "-n", 4 - trial, "-q", timeout=90)
            self.assertEqual(outcome.code, 0, outcome.stderr)
            self.assert_same_state(expected, run)

    def test_a_damaged_checkpoint_is_passed_over(self):
        job = self.train_job(steps=60)
        expected = self.run_job("expected", job, "-n", 1, "-q")
        run = self.folder / "run"
        outcome = self.shardmill("run", job, "--run-dir", run, "-n", 2, "-q", "--set", "fault_tolerance.max_restarts=0",
                                 env={"SHARDMILL_CRASH_AT": "train-begin-step:*:40"})
        self.assertEqual(outcome.code, 1)
        files = sorted((run / "checkpoints").glob("checkpoint-*.h5"))
        self.assertGreaterEqual(len(files), 2)
        damaged = bytearray(files[-1].read_bytes())
        damaged[len(damaged) // 2] ^= 1
        files[-1].write_bytes(damaged)
        outcome = self.shardmill("resume", run, "-n", 2, timeout=90)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn(files[-1].name, outcome.stdout, "it says so")
        self.assert_same_state(expected, run)

    def test_a_signal_stops_it_and_it_goes_on(self):
        job = self.train_job(steps=400)
        expected = self.run_job("expected", job, "-n", 1, "-q")
        run = self.folder / "run"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", 2, "-q", cwd=self.folder)
        deadline = time.monotonic() + 60
        while not list((run / "checkpoints").glob("checkpoint-*.h5")) and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(process.pid, 15)
        stdout, stderr = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 75, stderr)
        outcome = self.shardmill("resume", run, "-n", 3, "-q", timeout=90)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assert_same_state(expected, run)


if __name__ == "__main__":
    unittest.main()
