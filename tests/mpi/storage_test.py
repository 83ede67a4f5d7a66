"""Storage faults where the program writes what must survive: one sentence, exit code 1, and a resume that loses nothing."""
import re
import unittest

import h5py
import numpy as np

from harness import SOURCE, ShardmillTest, journal_lines

OPS = re.findall(r'^      "([a-z-]+)",', (SOURCE / "src/job/disk_fault.cpp").read_text(), re.MULTILINE)
# The nth of 3 on the journal is that of the first commits: the plan and the start come before.
FAULTS = [fault.format(error) for error in ("ENOSPC", "EIO") for fault in (
    "write:0:1:{}:journal", "write:0:3:{}:journal", "sync:0:1:{}:journal", "sync:0:4:{}:journal", "open:0:1:{}:journal",
    "sync-folder:0:1:{}", "open:0:1:{}:results", "reserve:0:1:{}:results", "rename:0:1:{}:results",
    "read:0:1:{}:results", "write:0:2:{}:results", "sync:0:2:{}:results", "write:1:2:{}:results", "sync:1:1:{}:results",
    "open:1:1:{}:results")]


class StorageTest(ShardmillTest):
    def test_every_fault_is_told_and_resumed_from(self):
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        for number, fault in enumerate(FAULTS):
            with self.subTest(fault=fault):
                run = self.folder / f"run-{number}"
                outcome = self.shardmill("run", job, "-n", 2, "-q", "--run-dir", run, env={"SHARDMILL_DISK_FAULT": fault})
                self.assertEqual(outcome.code, 1, outcome.stderr)
                self.assertLess(outcome.seconds, 30)
                said = [line for line in outcome.stderr.splitlines() if line.strip()]
                self.assertEqual(len(said), 1, outcome.stderr)
                self.assertIn(str(run), said[0])  # the file
                self.assertRegex(said[0], "free some space there, then resume|have it checked before you resume")
                if (run / "results.h5").exists():
                    with h5py.File(run / "results.h5") as results:
                        self.assertEqual(results["label"].shape, (3000,))
                before = [line.split()[1] for line in journal_lines(run) if line.startswith("committed ")] \
                    if (run / "journal").exists() else []
                outcome = self.shardmill("resume", run)
                self.assertEqual(outcome.code, 0, outcome.stderr)
                after = [line.split()[1] for line in journal_lines(run) if line.startswith("committed ")]
                self.assertEqual(after[:len(before)], before)
                self.assertEqual(len(after), len(set(after)), "a shard was committed twice")
                self.assert_same_results(expected, run)
                self.assert_verifies(run)

    def test_a_fault_counts_and_is_recovered_from(self):
        job = self.many_digits(3000)
        for fault in ("write:1:2:EIO:results", "sync:0:4:EIO:journal", "reserve:0:1:ENOSPC:results"):
            run = self.folder / fault.replace(":", "-")
            self.shardmill("run", job, "-n", 2, "-q", "--run-dir", run, env={"SHARDMILL_DISK_FAULT": fault})
            outcome = self.shardmill("resume", run)
            self.assertIn("1 of 1 faults recovered", outcome.stdout, fault)

    def test_short_writes_are_completed(self):
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        for number, fault in enumerate(("write:*:1:short", "write:0:3:short:journal", "write:1:2:short:results")):
            run = self.run_job(f"run-{number}", job, "-n", 2, env={"SHARDMILL_DISK_FAULT": fault})
            self.assert_same_results(expected, run)

    def test_a_summary_that_cannot_be_written(self):
        job = self.many_digits(3000)
        run = self.folder / "run"
        outcome = self.shardmill("run", job, "-n", 2, "--run-dir", run, env={"SHARDMILL_DISK_FAULT": "rename:0:1:EIO:summary"})
        self.assertEqual(outcome.code, 1)
        self.assertIn("its summary is incomplete", outcome.stderr)
        self.assertEqual(self.shardmill("resume", run).code, 0)
        self.assertTrue((run / "summary.json").exists())

    def test_bad_values_are_told_before_a_rank_starts(self):
        for value in ("write", "write:0:1", "writ:0:1:EIO", "write:0:0:EIO", "write:x:1:EIO", "write:0:1:ENOENT",
                      "sync:0:1:short", "write:0:1:EIO:a:b"):
            outcome = self.shardmill("run", self.many_digits(3000), "--run-dir", self.folder / "run",
                                     env={"SHARDMILL_DISK_FAULT": value})
            self.assertEqual(outcome.code, 2, value)
            self.assertIn("SHARDMILL_DISK_FAULT: ", outcome.stderr)
            self.assertFalse((self.folder / "run").exists())

    def test_resume_refuses_bad_values_too(self):
        run = self.run_job("run", self.many_digits(3000), "-n", 1)
        for variable in ("SHARDMILL_CRASH_AT", "SHARDMILL_DISK_FAULT"):
            outcome = self.shardmill("resume", run, env={variable: "nonsense"})
            self.assertEqual(outcome.code, 2)
            self.assertIn(variable, outcome.stderr)

    def test_all_operations_are_documented(self):
        text = (SOURCE / "docs/recovery.md").read_text()
        self.assertGreaterEqual(len(OPS), 10)
        for op in OPS:
            self.assertIn(f"| `{op}` |", text)


class RehearsalTest(ShardmillTest):
    def rehearse(self, faults, code, *words):
        job = self.many_digits(3000)
        job.write_text(job.read_text() + f"faults: {faults}\n")
        outcome = self.shardmill("run", job, "-n", 3, "--run-dir", self.folder / "run", *words)
        self.assertEqual(outcome.code, code, outcome.stdout + outcome.stderr)
        return outcome

    def test_the_ready_job(self):
        outcome = self.shardmill("run", SOURCE / "jobs/digits-rehearsal.yaml", "--run-dir", self.folder / "run")
        self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
        self.assertRegex(outcome.stdout, r"rehearsal +as expected")

    def test_another_outcome_than_expected(self):
        outcome = self.rehearse('{inject: [{crash_at: "mid-batch:1:2"}], expect: {outcome: done, faults: 2}}', 1)
        self.assertIn("error: the rehearsal went not as expected: faults 1 instead of 2", outcome.stderr)
        self.assertRegex(outcome.stdout, r"rehearsal +not as expected")

    def test_a_failure_that_is_expected_and_a_resume_without_faults(self):
        self.rehearse('{inject: [{disk: "write:1:2:EIO:results"}], expect: {outcome: failed, faults: 1, recovered: 0}}', 0)
        outcome = self.shardmill("resume", self.folder / "run")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("1 of 1 faults recovered", outcome.stdout)

    def test_everything_dies_once(self):
        self.rehearse('{inject: [{crash_at: "mid-batch:*:3"}], expect: {outcome: done, recovered: 1}}', 0)


class LittleThingsTest(ShardmillTest):
    def test_a_run_that_did_not_begin_leaves_nothing(self):
        job = self.many_digits(3000)
        job.write_text(job.read_text().replace("label: {post: argmax}", "label: {from: nothing}"))
        outcome = self.shardmill("run", job, "-n", 2, "--run-dir", self.folder / "run")
        self.assertEqual(outcome.code, 2, outcome.stderr)
        self.assertFalse((self.folder / "run").exists())

    def test_max_quarantined_as_a_share(self):
        with h5py.File(self.folder / "x.h5", "w") as file:
            x = np.ones((400, 64), np.float32)
            x[:5] = np.nan
            file["images"] = x
        text = (f"job: infer\nname: share\nmodel: {{path: {SOURCE}/data/digits_cnn.pt}}\ndataset: {{path: {self.folder}/x.h5, "
                "inputs: [images], transforms: [{reshape: [8, 8]}]}\nbatch_size: 16\noutputs: {probabilities: {}}\n"
                "fault_tolerance: {finite: true, max_quarantined: SHARE}\n")
        for share, code in (("1.25%", 3), ("1%", 1), ("5", 3), ("0%", 1)):
            job = self.folder / "share.yaml"
            job.write_text(text.replace("SHARE", share))
            self.run_job(f"run-{share}", job, "-n", 2, code=code)

    def test_a_stopped_rank_that_nobody_missed_counts(self):
        outcome = self.shardmill("run", self.many_digits(3000), "-n", 3, "--run-dir", self.folder / "run", "--set",
                                 "fault_tolerance.rank_timeout=2s", env={"SHARDMILL_CRASH_AT": "mid-batch:2:9:SIGSTOP"})
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("1 of 1 faults recovered", outcome.stdout)
        self.assertIn("2 alive at the end", outcome.stdout)


if __name__ == "__main__":
    unittest.main()
