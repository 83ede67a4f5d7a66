"""Every crash point, on a worker and on the coordinator, by SIGKILL and by SIGSTOP: the results are those of the run in
which nothing happened."""
import json
import os
import pathlib
import re
import unittest
from signal import SIGCONT, SIGPIPE

from harness import PROGRAM, SOURCE, ShardmillTest, ranks_of, start, wait_for

POINTS = [point for point in re.findall(r'^      "([a-z-]+)",', (SOURCE / "src/job/crash_point.cpp").read_text(), re.MULTILINE)
          if not point.startswith(("checkpoint-", "train-"))]  # inference passes none of those


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

    def test_a_peer_that_dies_while_it_is_written_to_takes_nobody_with_it(self):
        """Between nodes a write to a rank that has just died raises SIGPIPE, now and then; here a rank is sent it."""
        job = self.many_digits(3000)
        run = self.folder / "run"
        process = start(PROGRAM, "run", job, "--run-dir", run, "-n", "2", "--set", "fault_tolerance.rank_timeout=60s",
                        cwd=self.folder, env={"SHARDMILL_CRASH_AT": "mid-batch:1:2:SIGSTOP"})
        pid = wait_for(lambda: ranks_of(process).get(1), 30, "rank 1")
        wait_for(lambda: "\nState:\tT" in pathlib.Path(f"/proc/{pid}/status").read_text(), 30, "rank 1 to stop")
        os.kill(pid, SIGPIPE)
        os.kill(pid, SIGCONT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        self.assertEqual(json.loads((run / "summary.json").read_text())["faults"]["total"], 0)

    def test_a_spare_steps_in(self):
        job = self.many_digits(20_000)
        expected = self.run_job("expected", job, "-n", 1)
        outcome = self.shardmill("run", job, "-n", 2, "--set", "fault_tolerance.spares=1", "--run-dir", self.folder / "run",
                                 env={"SHARDMILL_CRASH_AT": "mid-batch:1:5"})
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("spare rank 2 steps in", outcome.stdout)
        self.assert_same_results(expected, self.folder / "run")

    def test_a_spare_steps_in_for_the_coordinator(self):
        job = self.many_digits(20_000)
        expected = self.run_job("expected", job, "-n", 1)
        outcome = self.shardmill("run", job, "-n", 2, "--set", "fault_tolerance.spares=1", "--run-dir", self.folder / "run",
                                 env={"SHARDMILL_CRASH_AT": "mid-batch:0:5"})
        self.assertEqual(outcome.code, 0, outcome.stderr)
        self.assertIn("rank 1 takes over", outcome.stdout)
        self.assertIn("spare rank 2 steps in", outcome.stdout)
        self.assert_same_results(expected, self.folder / "run")

    def test_all_ranks_stopped_at_once(self):
        """Nobody is left to miss them but the launcher."""
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        outcome = self.shardmill("run", job, "-n", 2, "--run-dir", self.folder / "run", "--set", "fault_tolerance.rank_timeout=500ms",
                                 env={"SHARDMILL_CRASH_AT": "mid-batch:*:3:SIGSTOP"})
        self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
        self.assertIn("starting it again (1 of 3)", outcome.stderr)
        self.assertIn("is stopped, it is killed", (self.folder / "run/logs/mpirun.log").read_text())
        self.assert_same_results(expected, self.folder / "run")

    def test_a_rank_stopped_or_killed_while_mpi_starts(self):
        """The others wait in MPI_Init for ever: the launcher starts the mpirun again."""
        job = self.many_digits(3000)
        expected = self.run_job("expected", job, "-n", 1)
        for name in ("SIGKILL", "SIGSTOP"):
            with self.subTest(signal=name):
                run = self.folder / name
                # It stops or dies before MPI_Init, in which rank 0 then waits: mpirun puts this in front of the ranks.
                mark = self.folder / f"{name}.mark"
                environment = self.wrapped_mpirun(f"mpirun-{name}", f"if [[ $OMPI_COMM_WORLD_RANK == 1 && ! -e {mark} ]]; then touch {mark}; "
                                                  f"kill -{name.removeprefix('SIG')} $$; fi")
                outcome = self.shardmill("run", job, "-n", 2, "--run-dir", run, "--set", "fault_tolerance.rank_timeout=500ms",
                                         env=environment)
                self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
                self.assertIn("starting it again (1 of 3)", outcome.stderr)
                self.assert_same_results(expected, run)

    def test_an_mpirun_that_cannot_start_uses_up_no_restart(self):
        """Open MPI's own now and then ends with 213 before any rank is there."""
        job = self.many_digits(300)
        for times, told in ((1, 0), (3, 2)):  # once is no news
            with self.subTest(times=times):
                mark, wrapper, run = (self.folder / f"{name}-{times}" for name in ("mark", "mpirun", "run"))
                wrapper.write_text(f'#!/bin/sh\n[ $(cat {mark} 2>/dev/null | wc -l) = {times} ] || {{ echo >> {mark}; exit 213; }}\n'
                                   f'exec {self.mpirun()} "$@"\n')
                wrapper.chmod(0o755)
                outcome = self.shardmill("run", job, "-n", 2, "--run-dir", run, "--set", "fault_tolerance.max_restarts=0",
                                         env={"SHARDMILL_MPIRUN": str(wrapper)})
                self.assertEqual(outcome.code, 0, outcome.stdout + outcome.stderr)
                line = "shardmill: mpirun could not start; trying again\n"
                self.assertEqual(outcome.stderr, line * told)
                self.assertEqual((run / "logs/mpirun.log").read_text().count(line), times)


if __name__ == "__main__":
    unittest.main()
