"""The commands that look: validate, plan, status, verify, doctor; and options of run."""
import json
import time
import unittest

import h5py
import numpy as np

from harness import DIGITS, PROGRAM, SOURCE, ShardmillTest, kill_all, needs_ulfm, start


class CommandsTest(ShardmillTest):
    def test_validate(self):
        outcome = self.shardmill("validate", DIGITS)
        self.assertEqual((outcome.code, outcome.stderr), (0, ""))
        self.assertIn("ok", outcome.stdout)
        shown = self.shardmill("validate", DIGITS, "--show", "--set", "batch_size=7")
        self.assertIn("batch_size: 7", shown.stdout)

    def test_plan_tells_what_run_does(self):
        plan = self.shardmill("plan", DIGITS)
        self.assertEqual(plan.code, 0, plan.stderr)
        self.assertIn("1,797", plan.stdout)
        self.assertIn("29 of 64 records, 29 batches", plan.stdout)
        self.assertIn("probabilities: 1,797 x 10 float32", plan.stdout)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_simulate(self):
        words = ("simulate", DIGITS, "-n", 64, "--mtbf", "6h", "--seconds-per-record", 0.5, "--records", 1_000_000,
                 "--set", "shard_size=512")
        table = self.shardmill(*words)
        self.assertEqual((table.code, table.stderr), (0, ""))
        for part in ("no failures", "makespan", "busy share", "deaths of ranks", "records again", "max_restarts"):
            self.assertIn(part, table.stdout)
        self.assertNotIn("try --set shard_size", table.stdout)
        self.assertIn("try --set shard_size=960", self.shardmill(*words[:-2]).stdout)
        self.assertEqual(list(self.folder.iterdir()), [])
        said = json.loads(self.shardmill(*words, "--json").stdout)
        self.assertEqual((said["records"], said["ranks"], said["runs"]), (1_000_000, 64, 20))
        self.assertAlmostEqual(said["no_failures"]["makespan_seconds"], 10 + 500_000 / 64, delta=300)
        self.assertGreater(said["deaths"]["median"], 0)
        self.assertGreater(said["makespan_seconds"]["median"], said["no_failures"]["makespan_seconds"])
        self.assertEqual(json.loads(self.shardmill(*words, "--json").stdout), said)
        other = json.loads(self.shardmill(*words, "--json", "--seed", 2).stdout)
        # Not the makespan, which may be the same number of rounds.
        self.assertNotEqual({**other, "seed": 1}, {**said, "seed": 1})

    def test_simulate_like_an_earlier_run(self):
        run = self.run_job("run", DIGITS, "-n", 2)
        said = self.shardmill("simulate", DIGITS, "-n", 4, "--mtbf", "1h", "--like", run, "--json")
        self.assertEqual(said.code, 0, said.stderr)
        load = json.loads((run / "summary.json").read_text())["load"]
        cost = json.loads(said.stdout)["seconds_per_record"]
        self.assertLessEqual(cost, 2 / load * 1.01)  # two ranks, all of their time
        self.assertGreater(cost, 0.2 / load)

    def test_simulate_says_what_is_wrong(self):
        cost = ("--seconds-per-record", 1)
        for words, said in (((*cost,), "--mtbf"), (("--mtbf", "6h"), "what a record costs"),
                            (("--mtbf", "6h", *cost, "--like", "runs/x"), "give one of them"),
                            (("--mtbf", "6 fortnights", *cost), "unit"), (("--mtbf", "0s", *cost), "more than 0"),
                            (("--node-mtbf", "9d", *cost), "--ranks-per-node"),
                            (("--mtbf", "6h", "--seconds-per-record", 100), "shard_timeout"),
                            (("--mtbf", "6h", *cost, "--hangs", 2), "range")):
            with self.subTest(words=words):
                outcome = self.shardmill("simulate", DIGITS, "-n", 4, *words)
                self.assertEqual(outcome.code, 2, outcome.stdout)
                self.assertRegex(outcome.stderr, said)
                self.assertEqual(outcome.stderr.count("\n"), 1)
        outcome = self.shardmill("simulate", DIGITS, "-n", 20_000, "--mtbf", "6h", *cost)
        self.assertEqual(outcome.code, 2)

    def test_simulate_without_headway(self):
        outcome = self.shardmill("simulate", DIGITS, "-n", 8, "--mtbf", "100ms", "--seconds-per-record", 1)
        self.assertEqual(outcome.code, 1)
        self.assertIn("no headway", outcome.stderr)

    def test_default_run_folder(self):
        outcome = self.shardmill("run", DIGITS, "-n", 2)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        runs = list((self.folder / "runs").iterdir())
        self.assertEqual(len(runs), 1)
        self.assertTrue(runs[0].name.startswith("digits-"))
        for name in ("job.yaml", "journal", "results.h5", "summary.json", "logs/rank-0.log", "logs/rank-1.log"):
            self.assertTrue((runs[0] / name).exists(), name)
        for part in ("utilization", "load", "fault tolerance", "accuracy"):
            self.assertIn(part, outcome.stdout)

    def test_quiet_says_nothing(self):
        outcome = self.shardmill("run", DIGITS, "-n", 2, "--quiet", "--run-dir", self.folder / "quiet")
        self.assertEqual((outcome.code, outcome.stdout, outcome.stderr), (0, "", ""))

    def test_output_elsewhere(self):
        there = self.folder / "there.h5"
        run = self.run_job("run", DIGITS, "--set", f"output={there}", "-n", 2)
        with h5py.File(there) as results:
            self.assertEqual(results["label"].shape, (1797,))
        self.assertFalse((run / "results.h5").exists())
        self.assert_verifies(run)

    def test_record_range_and_outputs(self):
        whole = self.run_job("whole", DIGITS, "-n", 2, "--set", "batch_size=50", "--set", "shard_size=100")
        part = self.run_job("part", DIGITS, "-n", 2, "--set", "batch_size=50", "--set", "shard_size=100", "--set",
                            "dataset.range={first: 300, last: 700}", "--set", "metrics=", "--set", "outputs={best: {post: top_k, k: 3, dtype: int32}}")
        with h5py.File(whole / "results.h5") as a, h5py.File(part / "results.h5") as b:
            self.assertEqual(list(b), ["best", "shardmill"])
            self.assertEqual((b["best"].shape, b["best"].dtype), ((400, 3), np.int32))
            self.assertTrue(np.array_equal(a["label"][300:700], b["best"][:, 0]))

    def test_status_and_verify_while_it_runs(self):
        run = self.folder / "run"
        process = start(PROGRAM, "run", self.many_digits(800_000), "--run-dir", run, "-n", 2, cwd=self.folder)
        try:
            deadline = time.monotonic() + 30
            state = {}
            while time.monotonic() < deadline and not 0 < state.get("tasks", {}).get("completed", 0):
                status = self.shardmill("status", run, "--json")
                state = json.loads(status.stdout) if status.code == 0 else {}
            self.assertEqual(state["outcome"], "running")
            self.assertLess(state["utilization"], 1.0)
            self.assert_verifies(run)
            again = self.shardmill("resume", run)
            self.assertEqual(again.code, 2)
            self.assertIn("is running", again.stderr)
        finally:
            stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, stdout + stderr)
        self.assertEqual(json.loads(self.shardmill("status", run, "--json").stdout)["outcome"], "done")
        self.assertIn("done already", self.shardmill("resume", run).stdout)

    def test_status_of_a_run_that_was_cut_off(self):
        run = self.folder / "run"
        process = start(PROGRAM, "run", self.many_digits(60_000), "--run-dir", run, "-n", 2, cwd=self.folder)
        while not (run / "results.h5").exists():
            time.sleep(0.01)
        kill_all(process)
        time.sleep(0.5)  # for the last of its processes to give up the journal's lock
        self.assertEqual(json.loads(self.shardmill("status", run, "--json").stdout)["outcome"], "was cut off")

    def test_verify_finds_a_flipped_bit(self):
        run = self.run_job("run", DIGITS, "-n", 2)
        with h5py.File(run / "results.h5") as results:
            offset = results["label"].id.get_offset()
        with (run / "results.h5").open("r+b") as file:
            file.seek(offset + 8 * 1000)
            file.write(b"\x07\x07")
        outcome = self.shardmill("verify", run)
        self.assertEqual(outcome.code, 1)
        self.assertIn("shard 15 (records 960 to 1023)", outcome.stderr)

    def test_resume_refuses_another_dataset(self):
        job = self.many_digits(60_000)
        run = self.folder / "run"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", 2, cwd=self.folder)
        while not (run / "results.h5").exists():
            time.sleep(0.01)
        kill_all(process)
        time.sleep(0.5)
        with h5py.File(self.folder / "digits-60000.h5", "r+") as file:
            file["images"][0] = 1
        outcome = self.shardmill("resume", run)
        self.assertEqual(outcome.code, 1)
        self.assertIn("is not the one that", outcome.stderr)

    def test_a_bad_record_is_quarantined(self):
        path = self.folder / "nan.h5"
        with h5py.File(SOURCE / "data/digits.h5") as source, h5py.File(path, "w") as target:
            images = source["images"][()].astype(np.float32)
            images[700, 3, 3] = np.nan
            target["images"] = images
        words = ("--set", f"dataset.path={path}", "--set", "metrics=", "--set", "fault_tolerance.finite=true")
        run = self.run_job("run", DIGITS, "-n", 2, *words, code=3)
        with h5py.File(run / "results.h5") as results:
            self.assertEqual(np.flatnonzero(results["shardmill/record_status"][()] == 2).tolist(), [700])
            self.assertEqual(results["shardmill/quarantined"][0], 1)
            self.assertEqual(results["shardmill/quarantine"][0]["record"], 700)
            self.assertIn(b"NaN", results["shardmill/quarantine"][0]["message"])
        self.assert_verifies(run)
        outcome = self.shardmill("run", DIGITS, *words, "--set", "fault_tolerance.on_bad_record=fail")
        self.assertEqual(outcome.code, 1)
        self.assertIn("record 700 is bad", outcome.stderr)

    def test_doctor(self):
        outcome = self.shardmill("doctor")
        self.assertEqual(outcome.code, 0, outcome.stdout)
        for part in ("MPI", "LibTorch", "GPUs", "NCCL", "HDF5", "cores", "Slurm", "limits"):
            self.assertRegex(outcome.stdout, rf"(?m)^(ok  |note|BAD )  {part}")

    @needs_ulfm
    def test_demo(self):
        outcome = self.shardmill("demo")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("rank 1 died", outcome.stdout)
        self.assertIn("1 of 1 faults recovered", outcome.stdout)
        accuracy = float(outcome.stdout.split("accuracy")[1].split()[0])
        self.assertGreaterEqual(accuracy, 0.97)


if __name__ == "__main__":
    unittest.main()
