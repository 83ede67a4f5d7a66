"""Batch jobs on a real Slurm of three nodes: the same bits as on a workstation, whatever happens to them."""
import json
import os
import shutil
import signal
import time

from harness_slurm import DIGITS, SOURCE, SlurmTest, entries, wait_for_entries
from training import state_digest

RECORDS = 160_000  # enough for the four ranks to be disturbed on the way


class Undisturbed(SlurmTest):
    def test_two_nodes_give_what_the_workstation_gives(self):
        calm = self.on_a_workstation(DIGITS, 1)
        number, run = self.sbatch("cluster", DIGITS)
        job = self.completed(number, run)
        self.assertEqual((job["NumNodes"], job["Restarts"], job["ExitCode"]), ("2", "0", "0:0"))
        self.assertIn("digits: 4 ranks on 2 nodes", self.said(run))
        self.assertEqual(entries(run, "started")[0]["ranks"], "4")
        self.assert_same_results(calm, run)
        self.assert_verifies(run)

    def test_the_script_for_gpus_asks_for_them_and_starts_a_rank_for_each(self):
        calm = self.on_a_workstation(DIGITS, 1)
        # The nodes say that they have GPUs, and have none; the ranks find cores.
        number, run = self.sbatch("cluster", DIGITS, options=("--cpus-per-task=1",), script="shardmill-gpu.sbatch")
        job = self.completed(number, run)
        self.assertEqual((job["NumNodes"], job["TresPerNode"], job["Restarts"]), ("2", "gres:gpu:4", "0"))
        self.assertIn("digits: 8 ranks on 2 nodes", self.said(run))
        self.assert_same_results(calm, run)

    def test_training_gives_the_workstations_weights(self):
        job = self.train_job()
        calm = self.on_a_workstation(job, 1)
        number, run = self.sbatch("cluster", job)
        self.completed(number, run)
        self.assertEqual(state_digest(run), state_digest(calm))


class Disturbed(SlurmTest):
    """A long enough run on two nodes, with something happening to it."""

    def begin(self, *, env=None, options=()):
        job = self.many_digits(RECORDS, shard_size=1024)
        self.calm = self.on_a_workstation(job, 2)
        number, run = self.sbatch("cluster", job, env=env, options=options)
        return number, run

    def assert_whole(self, run):
        self.assert_same_results(self.calm, run)
        shards = [entry["shard"] for entry in entries(run, "committed")]
        self.assertEqual(len(shards), len(set(shards)), "a shard was computed twice")

    def test_a_killed_rank_is_outlived(self):
        number, run = self.begin(env={"SHARDMILL_CRASH_AT": "mid-batch:3:20"})
        job = self.completed(number, run)
        self.assertEqual(job["Restarts"], "0")
        self.assertEqual(len(entries(run, "rank-gone")), 1)
        self.assertEqual(len(entries(run, "started")), 1)
        self.assert_whole(run)

    def test_a_killed_mpirun_is_started_again_in_the_allocation(self):
        number, run = self.begin()
        wait_for_entries(run, "committed", 5)
        rank = int((run / "logs/rank-0.pid").read_text().split()[0])
        os.kill(parent_of(rank), signal.SIGKILL)
        job = self.completed(number, run)
        self.assertEqual(job["Restarts"], "0")
        self.assertEqual(len(entries(run, "started")), 2)
        self.assert_whole(run)

    def test_a_signal_queues_it_again(self):
        number, run = self.begin()
        wait_for_entries(run, "committed", 5)
        self.cluster.run("scancel", "--signal=USR1", "--batch", number)
        wait_for_entries(run, "ended", 1)
        self.assertEqual(entries(run, "ended")[0]["outcome"], "75")
        done_before = len(entries(run, "committed"))
        job = self.completed(number, run)
        self.assertEqual(job["Restarts"], "1")
        self.assertEqual([entry["outcome"] for entry in entries(run, "ended")], ["75", "0"])
        self.assertEqual({entry["attempts"] for entry in entries(run, "committed")}, {"1"})
        self.assertEqual(entries(run, "attempt-lost"), [])
        self.assertGreater(len(entries(run, "committed")), done_before)
        self.assert_whole(run)

    def test_a_more_urgent_job_comes_between(self):
        number, run = self.begin()
        wait_for_entries(run, "committed", 5)
        urgent = self.cluster.run("sbatch", "--parsable", "--partition=urgent", "--nodes=3", "--exclusive",
                                  "--output=/dev/null", "--wrap=sleep 1", cwd=self.folder)
        wait_for_entries(run, "ended", 1)
        ends = self.cluster.wait_state(urgent, "COMPLETED")["EndTime"]
        job = self.completed(number, run)
        self.assertEqual(job["Restarts"], "1")
        self.assertGreaterEqual(job["StartTime"], ends)
        self.assertEqual([entry["outcome"] for entry in entries(run, "ended")], ["75", "0"])
        self.assertEqual(entries(run, "attempt-lost"), [])
        self.assert_whole(run)

    def test_a_lost_node_is_replaced(self):
        number, run = self.begin()
        wait_for_entries(run, "committed", 5)
        self.cluster.set_node("n2", "down")
        job = self.completed(number, run)
        self.assertEqual(job["Restarts"], "1")
        self.assert_whole(run)

    def test_with_no_kill_it_goes_on_without_the_lost_node(self):
        number, run = self.begin(options=["--no-kill"])
        wait_for_entries(run, "committed", 5)
        self.cluster.set_node("n2", "down")
        job = self.completed(number, run)
        self.assertEqual(job["Restarts"], "0")
        self.assertEqual([entry["ranks"] for entry in entries(run, "started")], ["4", "2"])
        self.assert_whole(run)

    def test_a_walltime_that_is_too_short_for_the_whole(self):
        # On a fast machine it is more work than on a slow one: about twice what fits before the stop.
        began = time.monotonic()
        self.run_job("probe", self.many_digits(RECORDS, shard_size=1024), "-n", "2")
        speed = RECORDS / (time.monotonic() - began)
        job = self.many_digits(int(speed * 16), shard_size=1024)
        outcome = self.shardmill("submit", job, "--run-dir", self.folder / "cluster", "--set", "slurm.nodes=2",
                                 "--set", "slurm.time=61s", "--set", "slurm.stop_before=52s",
                                 "--set", "slurm.extra=['--signal=B:USR1@1']")
        self.assertEqual(outcome.code, 0, outcome.stderr)
        number, run = (self.folder / "cluster/slurm/job").read_text().strip(), self.folder / "cluster"
        state = self.completed(number, run)
        ends = entries(run, "ended")
        self.assertGreaterEqual(len(ends), 2)
        self.assertEqual(int(state["Restarts"]), len(ends) - 1)
        self.assertEqual({entry["message"] for entry in ends[:-1]}, {"the walltime is nearly over"})
        self.assertEqual(ends[-1]["outcome"], "0")
        self.assertEqual(entries(run, "attempt-lost"), [])
        self.calm = self.on_a_workstation(job, 2)
        self.assert_whole(run)


class PrivateFolders(SlurmTest):
    """No shared file system: the second node sees neither dataset, model nor run folder."""
    private_folders = True

    def begin(self, env=None):
        job = self.many_digits(50_000, shard_size=512)
        shutil.copy(SOURCE / "data/digits_cnn.pt", self.folder)
        job.write_text(job.read_text().replace(f"{SOURCE}/data/digits_cnn.pt", f"{self.folder}/digits_cnn.pt"))
        self.calm = self.on_a_workstation(job, 2)
        number, run = self.sbatch("cluster", job, env=env)
        self.assertEqual(self.completed(number, run)["Restarts"], "0")
        self.assert_same_results(self.calm, run)
        self.assert_verifies(run)
        return run, json.loads((run / "summary.json").read_text())

    def test_the_ranks_of_the_other_node_are_fed(self):
        run, summary = self.begin()
        self.assertEqual(summary["ranks"]["over_mpi"], 2)
        self.assertRegex(self.said(run), r"rank [23] on \S+ is fed over MPI")  # the first that is there
        self.assertGreater({entry["rank"] for entry in entries(run, "committed")}, {"0", "1"})

    def test_one_of_them_is_killed(self):
        run, _ = self.begin(env={"SHARDMILL_CRASH_AT": "mid-batch:3:9"})
        self.assertEqual(len(entries(run, "rank-gone")), 1)


class TrainingDisturbed(SlurmTest):
    def test_training_outlives_a_rank(self):
        job = self.train_job()
        calm = self.on_a_workstation(job, 1)
        number, run = self.sbatch("cluster", job, env={"SHARDMILL_CRASH_AT": "train-mid-exchange:3:9"})
        state = self.completed(number, run)
        self.assertEqual(state["Restarts"], "0")
        self.assertEqual([entry["rank"] for entry in entries(run, "rank_gone")], [3])
        self.assertEqual(len(entries(run, "started")), 1)
        self.assertEqual(state_digest(run), state_digest(calm))

    def test_training_goes_on_after_a_lost_node(self):
        job = self.train_job(steps=600, evaluation="{every_steps: 600}", checkpoints="{every_steps: 100}")
        calm = self.on_a_workstation(job, 1)
        number, run = self.sbatch("cluster", job)
        wait_for_entries(run, "saved", 2)
        self.cluster.set_node("n2", "down")
        state = self.completed(number, run)
        self.assertEqual(state["Restarts"], "1")
        self.assertGreaterEqual(entries(run, "started")[-1]["step"], 200)
        self.assertEqual(state_digest(run), state_digest(calm))

    def test_a_signal_saves_and_queues_again(self):
        job = self.train_job(steps=600, evaluation="{every_steps: 200}", checkpoints="{every_steps: 1000}")
        calm = self.on_a_workstation(job, 1)
        number, run = self.sbatch("cluster", job)
        wait_for_entries(run, "evaluated", 1)
        self.cluster.run("scancel", "--signal=USR1", "--batch", number)
        state = self.completed(number, run)
        self.assertEqual(state["Restarts"], "1")
        ends = entries(run, "ended")
        self.assertEqual([entry["outcome"] for entry in ends], [75, 0])
        # Saved where it stopped: no step is computed again.
        self.assertEqual(ends[0]["step"], entries(run, "started")[1]["step"])
        self.assertEqual(ends[0]["message"], "asked to stop by a signal")
        self.assertEqual(state_digest(run), state_digest(calm))


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])
