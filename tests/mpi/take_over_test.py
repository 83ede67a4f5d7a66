"""A run whose journal is locked by a machine that is gone: what is said, and the way out."""
import fcntl
import os
import threading

from harness import PROGRAM, ShardmillTest, kill_all, start, wait_for_commits


class TakeOver(ShardmillTest):
    def cut_off_run(self, records=40_000):
        job = self.many_digits(records)
        run = self.folder / "run"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", "2", cwd=self.folder)
        wait_for_commits(run, 3)
        kill_all(process)
        return job, run

    def lock(self, run):
        """As a half-dead node holds it: open, locked, and silent."""
        held = open(run / "journal", "a")  # pylint: disable=consider-using-with
        self.addCleanup(held.close)
        fcntl.flock(held, fcntl.LOCK_EX)
        for rank in (0, 1):
            (run / f"logs/rank-{rank}.pid").write_text(f"4711 n{rank}\n")
        return held

    def test_it_goes_on_without_the_other_machine(self):
        job, run = self.cut_off_run()
        whole = self.run_job("whole", job, "-n", "2")
        held = self.lock(run)
        refused = self.shardmill("resume", run)
        self.assertEqual(refused.code, 2, refused.stderr)
        self.assertIn("is running on n0, n1;", refused.stderr)
        self.assertIn(f"`shardmill resume {run} --take-over`", refused.stderr)
        taken = self.shardmill("resume", run, "--take-over", "-n", "2")
        self.assertEqual(taken.code, 0, taken.stderr)
        held.write("what it appends now is nobody's\n")
        held.flush()
        self.assert_same_results(whole, run)
        self.assert_verifies(run)

    def test_not_from_a_run_that_is_at_work(self):
        _, run = self.cut_off_run()
        self.lock(run)
        ended = threading.Event()

        def write():
            while not ended.wait(0.2):
                with open(run / "logs/rank-1.log", "a") as log:
                    log.write("lease\n")
        writer = threading.Thread(target=write)
        writer.start()
        refused = self.shardmill("resume", run, "--take-over")
        ended.set()
        writer.join()
        self.assertEqual(refused.code, 2, refused.stderr)
        self.assertIn("is at work", refused.stderr)

    def test_not_from_a_process_of_this_machine(self):
        job = self.many_digits(400_000)
        run = self.folder / "run"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", "1", cwd=self.folder)
        try:
            wait_for_commits(run, 1)
            pid = (run / "logs/rank-0.pid").read_text().split()[0]
            self.assertIn(f"as process {pid} here", self.shardmill("resume", run).stderr)
            refused = self.shardmill("resume", run, "--take-over")
            self.assertEqual(refused.code, 2, refused.stderr)
            self.assertIn(f"end process {pid}", refused.stderr)
            os.kill(int(pid), 0)
        finally:
            kill_all(process)
