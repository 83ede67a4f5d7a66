"""Every crash point, on a worker and on the coordinator, by SIGKILL and by SIGSTOP: the results are those of the run in
which nothing happened."""
import os
import re
import unittest

from harness import SOURCE, ShardmillTest

POINTS = re.findall(r'^      "([a-z-]+)",', (SOURCE / "src/job/crash_point.cpp").read_text(), re.MULTILINE)


def matrix(case):
    """Runs `case` for every crash point as a subtest."""
    def test(self):
        self.assertGreaterEqual(len(POINTS), 14)
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        for point in POINTS:
            with self.subTest(point=point):
                run = case(self, job, point)
                self.assert_same_results(expected, run)
                self.assert_verifies(run)
    return test


def disturbed(self, job, point, rank, signal):
    """nth 2, so that something is done already; points that are passed once only are hit the first time."""
    once = {"before-results", "during-results", "after-results", "before-done", "after-done", "during-replay", "during-failover"}
    nth = 1 if point in once else 2
    # Replaying needs something to replay, and a failover somebody to fail: the coordinator dies first.
    first = "mid-batch:0:2," if point in ("during-replay", "during-failover") else ""
    if first and rank == 0:
        rank = 1  # by then the coordinator
    name = f"{point}-{rank}-{signal}"
    return self.run_job(name, job, "-n", "3", "-q", "--set", "fault_tolerance.rank_timeout=1s",
                        env={"SHARDMILL_CRASH_AT": f"{first}{point}:{rank}:{nth}:{signal}"})


class ChaosTest(ShardmillTest):
    def test_worker_sigkill(self):
        matrix(lambda self, job, point: disturbed(self, job, point, 2, "SIGKILL"))(self)

    def test_worker_sigstop(self):
        matrix(lambda self, job, point: disturbed(self, job, point, 2, "SIGSTOP"))(self)

    def test_coordinator_sigkill(self):
        matrix(lambda self, job, point: disturbed(self, job, point, 0, "SIGKILL"))(self)

    def test_coordinator_sigstop(self):
        matrix(lambda self, job, point: disturbed(self, job, point, 0, "SIGSTOP"))(self)

    def test_all_but_one_die(self):
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        run = self.run_job("run", job, "-n", 4, env={"SHARDMILL_CRASH_AT": "mid-batch:0:2,mid-batch:1:3,mid-batch:3:4"})
        self.assert_same_results(expected, run)
        self.assert_verifies(run)

    def test_a_spare_steps_in(self):
        job = self.many_digits(20_000)
        expected = self.run_job("expected", job, "-n", 1)
        outcome = self.shardmill("run", job, "-n", 2, "--set", "fault_tolerance.spares=1", "--run-dir", self.folder / "run",
                                 env={"SHARDMILL_CRASH_AT": "mid-batch:1:5"})
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("spare rank 2 steps in", outcome.stdout)
        self.assert_same_results(expected, self.folder / "run")


if __name__ == "__main__":
    unittest.main()
