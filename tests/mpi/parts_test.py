"""A run in parts, by hand: independent runs fill one results.h5, and `finish` checks that all is there."""
import json
import shutil

import h5py

from harness import DIGITS, PROGRAM, ShardmillTest, has_ulfm, journal_lines, kill_all, start, wait_for_commits


class Parts(ShardmillTest):
    def part(self, run, part, job, *words, code=0, env=None):
        outcome = self.shardmill("run", job, "--run-dir", run, "--part", part, *words, env=env)
        self.assertEqual(outcome.code, code, outcome.stdout + outcome.stderr)
        return outcome

    def finish(self, run, code=0):
        outcome = self.shardmill("finish", run)
        self.assertEqual(outcome.code, code, outcome.stdout + outcome.stderr)
        return outcome

    def status(self, run):
        outcome = self.shardmill("status", run, "--json")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        return json.loads(outcome.stdout)

    def test_three_parts_are_one_run(self):
        whole = self.run_job("whole", DIGITS, "-n", "2")
        run = self.folder / "parts"
        self.part(run, "3/3", DIGITS, "-n", "1")
        self.part(run, "1/3", DIGITS, "-n", "2")
        status = self.status(run)
        self.assertEqual([part["outcome"] for part in status["parts"]], ["done", "has not begun", "done"])
        self.assertEqual(status["outcome"], "not complete")
        missing = self.finish(run, code=1).stderr
        self.assertIn("part 2/3 has not begun", missing)
        self.assertIn(f"`shardmill resume {run} --part 2/3` computes it", missing)
        self.assertFalse((run / "journal").exists())
        self.assertEqual(self.shardmill("resume", run, "--part", "2/3", "-n", "1").code, 0)
        self.assertIn("`shardmill finish` is next", self.status(run)["outcome"])
        self.finish(run)
        self.assert_same_results(whole, run)
        self.assert_verifies(run)
        done, before = self.status(run), self.status(whole)
        for figure in ("tasks", "records", "faults", "utilization", "fault_tolerance"):
            self.assertEqual(done[figure], before[figure], figure)
        parts = [self.status(run / f"parts/{k}-of-3") for k in (1, 2, 3)]
        for figure in (("tasks", "submitted"), ("tasks", "completed"), ("records", "total"), ("records", "done")):
            self.assertEqual(sum(part[figure[0]][figure[1]] for part in parts), done[figure[0]][figure[1]], figure)
        self.assertAlmostEqual(done["load"] * done["total_time_seconds"], 1797, delta=0.01)
        summary, expected = (json.loads((folder / "summary.json").read_text()) for folder in (run, whole))
        self.assertEqual(summary["outcome"], "done")
        self.assertEqual(summary["metrics"], expected["metrics"])
        self.finish(run)  # again: nothing to do, and nothing to break
        self.assertIn("is done already", self.shardmill("resume", run).stdout)

    def test_parts_at_the_same_time_one_killed_and_resumed(self):
        job = self.many_digits(60_000)
        whole = self.run_job("whole", job, "-n", "2")
        run = self.folder / "parts"
        processes = [start(PROGRAM, "run", job, "--run-dir", run, "--part", f"{k}/3", "-n", "1", cwd=self.folder)
                     for k in (1, 2, 3)]
        second = run / "parts/2-of-3"
        wait_for_commits(second, 1)
        kill_all(processes[1])
        for process in (processes[0], processes[2]):
            stdout, stderr = process.communicate(timeout=90)
            self.assertEqual(process.returncode, 0, stdout + stderr)
        lacks = self.finish(run, code=1).stderr
        self.assertRegex(lacks, r"part 2/3 lacks \d+ shards of \d+")
        self.assertNotIn("part 1/3", lacks)
        committed = [line for line in journal_lines(second) if line.startswith("committed ")]
        self.assertEqual(self.shardmill("verify", run).code, 0)
        self.assertEqual(self.shardmill("resume", second, "-n", "3").code, 0)
        after = [line for line in journal_lines(second) if line.startswith("committed ")]
        self.assertEqual(after[:len(committed)], committed)
        self.finish(run)
        self.assert_same_results(whole, run)
        self.assert_verifies(run)
        self.assertEqual(self.status(run)["faults"]["total"], 1)
        self.assertEqual(self.status(run)["fault_tolerance"], 1)

    def test_resume_of_the_whole_computes_what_is_missing(self):
        job = self.many_digits(20_000)
        whole = self.run_job("whole", job, "-n", "2")
        run = self.folder / "parts"
        self.part(run, "2/4", job, "-n", "2", env={"SHARDMILL_CRASH_AT": "mid-batch:1:3:SIGKILL"})
        outcome = self.shardmill("resume", run, "-n", "2")
        self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
        self.assert_same_results(whole, run)
        if has_ulfm():
            self.assertEqual(self.status(run)["faults"]["total"], 1)

    def test_under_an_mpirun_of_ones_own(self):
        whole = self.run_job("whole", DIGITS, "-n", "2")
        run = self.folder / "parts"
        for k in (1, 2):
            outcome = self.by_hand(2, "run", DIGITS, "--run-dir", run, "--part", f"{k}/2")
            self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
        self.finish(run)
        self.assert_same_results(whole, run)

    def test_quarantined_records_of_all_parts_are_in_one_list(self):
        data = self.folder / "bad.h5"
        with h5py.File(DIGITS.parents[1] / "data/digits.h5") as source, h5py.File(data, "w") as target:
            images = source["images"][()].astype("float32")
            for record in (3, 700, 1700):
                images[record] = float("nan")
            target["images"] = images
        job = self.folder / "bad.yaml"
        job.write_text(f"job: infer\nname: bad\nmodel: {{path: {DIGITS.parents[1]}/data/digits_cnn.pt}}\n"
                       f"dataset: {{path: {data}, inputs: [images], transforms: [{{scale: 0.0625}}]}}\n"
                       "batch_size: 16\nshard_size: 64\noutputs: {probabilities: {post: softmax}}\n"
                       "fault_tolerance: {finite: true}\n")
        whole = self.run_job("whole", job, "-n", "1", code=3)
        run = self.folder / "parts"
        for k in (1, 2, 3):
            self.part(run, f"{k}/3", job, "-n", "1", code=3)
        self.finish(run, code=3)
        self.assert_same_results(whole, run)
        for folder in (whole, run):
            with h5py.File(folder / "results.h5") as results:
                count = results["shardmill/quarantined"][0]
                self.assertEqual(sorted(results["shardmill/quarantine"]["record"][:count]), [3, 700, 1700])
        self.assert_verifies(run)

    def test_what_does_not_belong_together_is_refused(self):
        run = self.folder / "parts"
        self.part(run, "1/2", DIGITS, "-n", "1")
        self.assertIn("holds a run already", self.part(run, "1/2", DIGITS, code=1).stderr)
        self.assertIn("in 2 parts, not in 3", self.part(run, "1/3", DIGITS, code=1).stderr)
        self.assertIn("another job", self.part(run, "2/2", DIGITS, "--set", "batch_size=32", code=1).stderr)
        self.assertIn("too few for 40 parts", self.part(self.folder / "new", "1/40", DIGITS, code=2).stderr)
        self.assertFalse((self.folder / "new").exists())
        self.assertIn("--part takes one part", self.part(run, "3/2", DIGITS, code=2).stderr)
        nowhere = self.shardmill("run", DIGITS, "--part", "1/2")
        self.assertEqual((nowhere.code, "--part needs --run-dir" in nowhere.stderr), (2, True))
        by_key = self.shardmill("run", DIGITS, "--set", "part=1/2", "--run-dir", self.folder / "new")
        self.assertEqual((by_key.code, "use --part 1/2" in by_key.stderr), (2, True))
        single = self.run_job("single", DIGITS, "-n", "1")
        self.assertIn("not a run in parts", self.finish(single, code=2).stderr)
        self.assertIn("not one in parts", self.part(single, "1/2", DIGITS, code=1).stderr)
        self.assertEqual(self.shardmill("verify", single).code, 0)

    def test_rows_that_were_changed_are_found_before_anything_is_called_done(self):
        run = self.folder / "parts"
        for k in (1, 2):
            self.part(run, f"{k}/2", DIGITS, "-n", "1")
        with h5py.File(run / "results.h5", "r+") as results:
            results["label"][1500] += 1
        self.assertIn("do not have the checksum", self.finish(run, code=1).stderr)
        self.assertFalse((run / "journal").exists())
        shutil.rmtree(run / "parts/2-of-2")
        self.assertEqual(self.shardmill("resume", run, "--part", "2/2", "-n", "1").code, 0)
        self.finish(run)
        self.assert_verifies(run)
