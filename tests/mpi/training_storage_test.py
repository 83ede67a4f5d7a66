"""Storage faults while a model is trained: one sentence, exit code 1, and a resume that comes to the same bits."""
import unittest

from training import TrainingTest

# The evaluation at step 10 makes a checkpoint beside those of every 6 steps, the first of which is given up for it.
FAULTS = ("open:0:1:ENOSPC:journal", "write:0:3:ENOSPC:journal", "sync:0:3:EIO:journal", "make-folder:0:1:ENOSPC:checkpoints",
          "open:0:1:ENOSPC:checkpoint", "write:0:3:ENOSPC:checkpoint", "sync:0:2:EIO:checkpoint", "rename:0:2:ENOSPC:checkpoint",
          "sync-folder:0:2:EIO:checkpoints", "rename:0:1:EIO:best", "rename:0:2:ENOSPC:last", "remove:0:1:EIO:checkpoint")


class TrainingStorageTest(TrainingTest):
    def test_every_fault_is_told_and_resumed_from(self):
        job = self.train_job("mlp", checkpoints="{every_steps: 6, keep: 1}")
        expected = self.run_job("expected", job, "-n", 1, "-q")
        for number, fault in enumerate(FAULTS):
            with self.subTest(fault=fault):
                run = self.folder / f"run-{number}"
                outcome = self.shardmill("run", job, "-n", 2, "-q", "--run-dir", run, env={"SHARDMILL_DISK_FAULT": fault})
                self.assertEqual(outcome.code, 1, outcome.stderr)
                said = [line for line in outcome.stderr.splitlines() if line.strip()]
                self.assertEqual(len(said), 1, outcome.stderr)
                self.assertIn(str(run), said[0])  # the file
                self.assertRegex(said[0], "free some space there, then resume|have it checked before you resume")
                outcome = self.shardmill("resume", run, "-q")
                self.assertEqual((outcome.code, outcome.stderr), (0, ""))
                self.assert_same_state(expected, run)
                self.assert_verifies(run)

    def test_short_writes_are_completed(self):
        job = self.train_job("mlp")
        expected = self.run_job("expected", job, "-n", 1, "-q")
        run = self.run_job("run", job, "-n", 2, "-q",
                           env={"SHARDMILL_DISK_FAULT": "write:0:2:short:journal,write:0:1:short:checkpoint,write:0:4:short:checkpoint"})
        self.assert_same_state(expected, run)
        self.assert_verifies(run)


if __name__ == "__main__":
    unittest.main()
