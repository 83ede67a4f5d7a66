"""Job arrays: independent jobs for the parts of one run, and one behind them that brings the parts together."""
import json
import re

from harness_slurm import DIGITS, SOURCE, SlurmTest, entries, wait_for, wait_for_entries

RECORDS = 160_000


class Arrays(SlurmTest):

    def submit(self, job, name, *words):
        """(Slurm's number of the array, of the job behind it, run folder)"""
        outcome = self.shardmill("submit", job, "--run-dir", self.folder / name, *words)
        self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
        said = re.search(r"Slurm array (\d+) for (\d+) of 3 parts, then job (\d+)", outcome.stdout)
        self.assertTrue(said, outcome.stdout)
        return said[1], said[3], self.folder / name

    def part(self, run, index):
        return run / f"parts/{index}-of-3"

    def status(self, run):
        outcome = self.shardmill("status", run, "--json")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        return json.loads(outcome.stdout)

    def test_an_array_gives_one_result(self):
        job = self.many_digits(60_000)
        calm = self.on_a_workstation(job, 2)
        array, finish, run = self.submit(job, "cluster", "--array", "3", "--set", "slurm.ranks_per_node=2")
        self.assertEqual(self.status(run)["slurm"]["job"], finish)
        self.assertEqual([part["slurm"]["job"] for part in self.status(run)["parts"]], [f"{array}_{k}" for k in (1, 2, 3)])
        self.completed(finish, run)
        self.assert_same_results(calm, run)
        self.assert_verifies(run)
        status = self.status(run)
        self.assertEqual((status["outcome"], status["ranks"]["started"]), ("done", 6))
        self.assertEqual([part["outcome"] for part in status["parts"]], ["done"] * 3)
        self.assertEqual({part["slurm"]["state"] for part in status["parts"]}, {"COMPLETED"})
        again = self.shardmill("submit", job, "--run-dir", run, "--array", "3")
        self.assertEqual((again.code, again.stdout), (0, f"{run} is done already\n"))

    def test_ready_scripts_and_a_part_that_is_queued_again(self):
        job = self.many_digits(RECORDS, shard_size=1024)
        calm = self.on_a_workstation(job, 2)
        array, run = self.sbatch("cluster", job, options=("--array=1-3", "--nodes=1"))
        finish = self.cluster.run("sbatch", "--parsable", f"--dependency=afterany:{array}", f"--output={self.folder}/finish.out",
                                  SOURCE / "slurm/shardmill-finish.sbatch", run, cwd=self.folder)
        wait_for_entries(self.part(run, 2), "committed", 3)
        self.cluster.run("scancel", "--signal=USR1", "--batch", f"{array}_2")
        self.completed(finish, run)
        self.assertEqual([entry["outcome"] for entry in entries(self.part(run, 2), "ended")], ["75", "0"])
        self.assertEqual([len(entries(self.part(run, k), "started")) for k in (1, 2, 3)], [1, 2, 1])
        self.assert_same_results(calm, run)

    def test_a_part_that_is_missing_is_named_and_submitted_again_alone(self):
        job = self.many_digits(60_000)
        calm = self.on_a_workstation(job, 2)
        for node in ("n1", "n2", "n3"):
            self.cluster.set_node(node, "drain")
        array, finish, run = self.submit(job, "cluster", "--array", "3")
        self.cluster.run("scancel", f"{array}_2")
        for node in ("n1", "n2", "n3"):
            self.cluster.set_node(node, "resume")
        self.assertEqual(self.cluster.wait_state(finish, "FAILED", "COMPLETED")["ExitCode"], "1:0")
        said = (run / f"slurm/{finish}.out").read_text()
        self.assertIn("part 2/3 has not begun", said)
        self.assertNotIn("part 1/3", said)
        outcome = self.shardmill("submit", job, "--run-dir", run)
        self.assertRegex(outcome.stdout, r"for 1 of 3 parts")
        self.completed(re.search(r"then job (\d+)", outcome.stdout)[1], run)
        self.assert_same_results(calm, run)

    def test_cancelled_as_a_whole(self):
        job = self.many_digits(RECORDS, shard_size=1024)
        array, finish, run = self.submit(job, "cluster", "--array", "3")
        for k in (1, 2, 3):
            wait_for_entries(self.part(run, k), "committed", 1)
        refused = self.shardmill("submit", job, "--run-dir", run)
        self.assertEqual((refused.code, "is in the queue already" in refused.stderr), (2, True))
        cancelled = self.shardmill("cancel", run)
        self.assertEqual(cancelled.code, 0, cancelled.stderr)
        self.assertIn(f"Slurm job {finish} is taken out of the queue", cancelled.stdout)
        for k in (1, 2, 3):
            self.assertIn(f"Slurm job {array}_{k} has stopped", cancelled.stdout)
            self.assertEqual([entry["outcome"] for entry in entries(self.part(run, k), "ended")], ["75"])
        wait_for(lambda: self.cluster.job(finish).get("JobState") == "CANCELLED", 10, "the last job is cancelled")
        self.assertIn("nothing to cancel", self.shardmill("cancel", run).stdout)
        self.assertFalse((run / "journal").exists())
