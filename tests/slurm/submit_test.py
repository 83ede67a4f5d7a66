"""submit, status, cancel and --after, on a real Slurm."""
import json
import re

from harness_slurm import DIGITS, SOURCE, SlurmTest, entries, wait_for, wait_for_entries

RECORDS = 160_000


class Submit(SlurmTest):
    def submit(self, job, name, *words, code=0):
        """(Slurm's number, run folder)"""
        outcome = self.shardmill("submit", job, "--run-dir", self.folder / name, *words)
        self.assertEqual(outcome.code, code, outcome.stdout + outcome.stderr)
        if code != 0:
            return outcome.stderr
        said = re.fullmatch(r"\S+: Slurm job (\d+), run folder (\S+)\n", outcome.stdout)
        self.assertTrue(said, outcome.stdout)
        self.assertEqual(said[2], str(self.folder / name))
        return said[1], self.folder / name

    def slurm_status(self, run):
        outcome = self.shardmill("status", run, "--json")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        return json.loads(outcome.stdout)["slurm"]

    def test_from_the_queue_to_the_results(self):
        calm = self.on_a_workstation(DIGITS, 1)
        number, run = self.submit(DIGITS, "cluster", "--set", "slurm.nodes=2", "--set", "slurm.ranks_per_node=2")
        self.completed(number, run)
        self.assert_same_results(calm, run)
        self.assertEqual(entries(run, "started")[0]["ranks"], "4")
        self.assertEqual(self.slurm_status(run)["state"], "COMPLETED")
        self.assertIn(f"Slurm job {number}: COMPLETED", self.shardmill("status", run).stdout)
        again = self.shardmill("submit", DIGITS, "--run-dir", run)
        self.assertEqual((again.code, again.stdout), (0, f"{run} is done already\n"))

    def test_what_slurm_refuses_leaves_nothing_behind(self):
        said = self.submit(DIGITS, "cluster", "--set", "slurm.partition=nowhere", code=2)
        self.assertIn("sbatch refused the job", said)
        self.assertIn("invalid partition", said)
        self.assertFalse((self.folder / "cluster").exists())

    def test_cancelled_and_submitted_again(self):
        job = self.many_digits(RECORDS, shard_size=1024)
        calm = self.on_a_workstation(job, 2)
        number, run = self.submit(job, "cluster", "--set", "slurm.nodes=2")
        wait_for_entries(run, "committed", 5)
        self.assertEqual(self.slurm_status(run)["state"], "RUNNING")
        self.assertIn("is in the queue already", self.submit(job, "cluster", code=2))
        cancelled = self.shardmill("cancel", run)
        self.assertEqual(cancelled.code, 0, cancelled.stderr)
        self.assertIn(f"Slurm job {number} has stopped", cancelled.stdout)
        state = self.cluster.job(number)
        self.assertEqual((state["JobState"], state["ExitCode"], state["Restarts"]), ("FAILED", "75:0", "0"))
        self.assertEqual([entry["outcome"] for entry in entries(run, "ended")], ["75"])
        self.assertIn("nothing to cancel", self.shardmill("cancel", run).stdout)
        again, _ = self.submit(job, "cluster", "--set", "slurm.nodes=1", "--set", "slurm.ranks_per_node=3")
        self.assertNotEqual(again, number)
        self.completed(again, run)
        self.assert_same_results(calm, run)
        self.assertEqual(entries(run, "attempt-lost"), [])

    def test_it_queues_itself_again_no_more_often_than_it_may(self):
        job = self.many_digits(RECORDS, shard_size=1024)
        number, run = self.submit(job, "cluster", "--set", "slurm.max_requeues=0")
        wait_for_entries(run, "committed", 5)
        self.cluster.run("scancel", "--signal=USR1", "--batch", number)
        state = self.cluster.wait_state(number, "FAILED", "COMPLETED")
        self.assertEqual((state["JobState"], state["ExitCode"], state["Restarts"]), ("FAILED", "75:0", "0"))
        self.assertIn("queued again 0 times already", self.said(run))

    def test_one_after_the_other(self):
        job = self.many_digits(RECORDS, shard_size=1024)
        first, before = self.submit(job, "first")
        second, run = self.submit(DIGITS, "second", "--after", before)
        self.assertEqual(self.slurm_status(run)["state"], "PENDING")
        self.assertEqual(self.slurm_status(run)["reason"], "Dependency")
        ended = self.cluster.job(self.completed(first, before)["JobId"])["EndTime"]
        state = self.completed(second, run)
        self.assertGreaterEqual(state["StartTime"], ended)
        third, run = self.submit(DIGITS, "third", "--after", before)  # it is done: nothing to wait for
        self.completed(third, run)

    def test_the_model_that_a_training_run_is_to_make(self):
        shape = "dataset.transforms=[{cast: float32}, {scale: 0.0625}, {reshape: [1, 8, 8]}]"
        for node in ("n1", "n2", "n3"):
            self.cluster.set_node(node, "drain")
        first, before = self.submit(SOURCE / "jobs/digits-train.yaml", "first", "--set", "training.epochs=1")
        model = before / "checkpoints/best.h5"
        words = ("--set", shape, "--after", before)
        for path, why in ((before / "checkpoints/other.h5", "name best.h5 or last.h5"), (before / "best.h5", "will not make it"),
                          (self.folder / "elsewhere/best.h5", "no such file")):
            self.assertIn(why, self.submit(DIGITS, "no", "--set", f"model.path={path}", *words, code=2))
        self.assertIn("no such file", self.submit(DIGITS, "no", "--set", f"model.path={model}", "--set", shape, code=2))
        self.assertIn("leave out model.format",
                      self.submit(DIGITS, "no", "--set", f"model={{path: {model}, format: torchscript}}", *words, code=2))
        self.assertIn("pictures", self.submit(DIGITS, "no", "--set", f"model.path={model}", "--set",
                                              "dataset.inputs=[pictures]", "--after", before, code=2))
        self.assertFalse((self.folder / "no").exists())
        second, run = self.submit(DIGITS, "second", "--set", f"model.path={model}", *words)
        self.assertEqual(self.slurm_status(run)["state"], "PENDING")
        for node in ("n1", "n2", "n3"):
            self.cluster.set_node(node, "resume")
        self.completed(first, before)
        self.completed(second, run)
        by_hand = self.run_job("by-hand", DIGITS, "-n", "1", "--set", f"model.path={model}", "--set", shape)
        self.assert_same_results(by_hand, run)

    def test_out_of_the_queue_and_never_after_what_is_not_queued(self):
        for node in ("n1", "n2", "n3"):
            self.cluster.set_node(node, "drain")
        number, run = self.submit(DIGITS, "first")
        wait_for(lambda: self.cluster.job(number).get("JobState") == "PENDING", 10, "the job in the queue")
        cancelled = self.shardmill("cancel", run)
        self.assertIn("is taken out of the queue", cancelled.stdout)
        self.assertEqual(self.cluster.job(number)["JobState"], "CANCELLED")
        self.assertIn("not queued either", self.submit(DIGITS, "second", "--after", run, code=2))
        self.assertFalse((self.folder / "second").exists())
