"""A run that knows when its walltime ends stops in time by itself, and goes on with the next one."""
import time

from harness import journal_lines
from training import TrainingTest, state_digest

MARGIN = 3


class Walltime(TrainingTest):
    def run_within(self, name, job, seconds):
        """With so much time to work, and a margin behind it."""
        end = time.time() + seconds + MARGIN
        env = {"SLURM_JOB_END_TIME": str(int(end)), "SHARDMILL_STOP_BEFORE": str(MARGIN)}
        run = self.run_job(name, job, "-n", "2", code=75, env=env)
        self.assertLess(time.time(), end)
        self.assertIn("the walltime is nearly over", self.shardmill("status", run).stdout)
        return run

    def test_inference_begins_no_shard_that_cannot_be_finished(self):
        job = self.many_digits(1_200_000, shard_size=1024)
        run = self.run_within("short", job, 4)
        before = [line for line in journal_lines(run) if line.startswith("committed ")]
        self.assertGreater(len(before), 0)
        self.assertEqual(self.shardmill("resume", run, "-n", "2", timeout=120).code, 0)
        shards = [line.split()[1] for line in journal_lines(run) if line.startswith("committed ")]
        self.assertEqual(len(shards), len(set(shards)))
        self.assertGreater(len(shards), len(before))
        self.assertEqual([line for line in journal_lines(run) if line.startswith("attempt-lost ")], [])
        self.assert_verifies(run)

    def test_training_saves_and_goes_on(self):
        job = self.train_job(steps=1500, evaluation="{every_steps: 500}", checkpoints="{every_steps: 5000}")
        run = self.run_within("short", job, 4)
        self.assertEqual(self.shardmill("resume", run, "-n", "1", timeout=120).code, 0)
        self.assertEqual(state_digest(run), state_digest(self.run_job("calm", job, "-n", "2")))

    def test_a_walltime_that_is_over_already(self):
        job = self.many_digits(4096)
        run = self.run_within("none", job, -1)
        self.assertEqual([line for line in journal_lines(run) if line.startswith("committed ")], [])
        self.assertEqual(self.shardmill("resume", run, "-n", "2").code, 0)
