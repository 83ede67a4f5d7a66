"""Ranks of a server without requests work through an infer job: to its results, bit for bit, and in nobody's way."""
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import struct
import time

import h5py
import numpy as np
import torch

from harness import PROGRAM, SOURCE, descendants, journal_lines, kill_all, needs_ulfm, ranks_of, start, wait_for_commits
from serving import DIGITS_SERVE, Load, ServingTest, Slow, digits, expected_digits, steps_that_take

RECORDS = 6000
MANY = 200_000  # not done at once, however late the test is


class NoZero(torch.nn.Module):
    def forward(self, x):
        if bool((x == 0).any()):
            raise RuntimeError("a record is zero")
        return x.sum(-1)


def committed(run):
    return sum(line.startswith("committed ") for line in journal_lines(run)) if (run / "journal").exists() else 0


def kill_all_if_alive(process):
    if process.poll() is None:
        kill_all(process)


@contextlib.contextmanager
def closed(gates):
    """The gates' first bytes, held by this process: the idle job computes nothing meanwhile."""
    with contextlib.ExitStack() as files:
        for gate in gates:
            file = files.enter_context(open(gate, "r+b"))
            deadline = time.monotonic() + 60
            while True:  # who enters holds it for a moment
                try:
                    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
        yield


class ServingIdleTest(ServingTest):
    def serve_with(self, idle, *words, job=DIGITS_SERVE, **more):
        lines = [line for line in job.read_text().splitlines() if not line.startswith("idle_job:")]
        path = self.folder / "with-idle.yaml"
        path.write_text("\n".join(lines + [f"idle_job: {idle}", f"project: {SOURCE}"]) + "\n")
        return self.serve(path, *words, **more)

    @staticmethod
    def state(server):
        return next((re.search('"(.*)"', name)[1] for name, value in server.metrics().items()
                     if name.startswith("shardmill_idle_job{") and value == 1), "")

    def wait_for_state(self, server, state, seconds=120):
        server.wait_until(lambda: self.state(server) == state, f"the idle job to be {state}", seconds)

    @staticmethod
    def gates(server):
        return [path for path in (server.folder / "idle/gates").rglob("*") if path.is_file()]

    def status(self, run):
        return json.loads(self.shardmill("status", run, "--json").stdout)

    def test_without_requests_the_job_is_done_as_by_run(self):
        job = self.many_digits(RECORDS)
        alone = self.run_job("alone", job, "-n", 2)
        server = self.serve_with(job, ranks=2, spares=1)
        self.wait_for_state(server, "done")
        metrics = server.metrics()
        self.assertEqual((metrics["shardmill_idle_job_records"], metrics["shardmill_idle_job_records_done"]), (RECORDS, RECORDS))
        server.wait_until(lambda: any(f"idle job: done, {RECORDS:,} of {RECORDS:,} records" in line for line in server.lines), "its word")
        self.assertIn("idle job", self.shardmill("status", server.folder).stdout)
        idle = server.folder / "idle"
        self.assertEqual(self.status(idle)["outcome"], "done")
        self.assert_same_results(idle, alone)
        self.assert_verifies(idle)
        # Its end is not the server's.
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        self.assertEqual(server.stop(), (0, ""))
        self.assertEqual(self.gates(server), [])
        outcome = self.shardmill("resume", idle)
        self.assertEqual((outcome.code, "is done already" in outcome.stdout), (0, True))

    def test_requests_are_answered_and_the_job_ends(self):
        job = self.many_digits(RECORDS)
        alone = self.run_job("alone", job, "-n", 1)
        server = self.serve_with(job, ranks=2)
        load = Load(server, clients=1)
        self.wait_for_state(server, "done")
        load.wait_for(50)
        load.end()
        self.assertEqual((load.wrong[:3], load.failed[:3]), ([], []))
        self.assert_same_results(server.folder / "idle", alone)
        self.assertEqual(server.stop(), (0, ""))

    @needs_ulfm
    def test_ranks_of_both_are_killed(self):
        job = self.many_digits(MANY)
        alone = self.run_job("alone", job, "-n", 2)
        server = self.serve_with(job, ranks=2, spares=1)
        load = Load(server, clients=1)
        idle = server.folder / "idle"
        for deaths, rank in ((1, 1), (2, 0)):  # the second one is its coordinator
            wait_for_commits(idle, committed(idle) + 2)
            with closed(self.gates(server)):  # it cannot end before it is hit
                self.assertNotEqual(self.state(server), "done")
                os.kill(ranks_of(server.process, idle)[rank], signal.SIGKILL)
                # What a coordinator has not journalled when it dies itself, nobody counts.
                server.wait_until(lambda n=deaths: self.status(idle)["faults"]["total"] == n, "the death to be noticed")
        os.kill(server.pids()[1], signal.SIGKILL)
        self.wait_for_state(server, "done")
        load.wait_for(load.answered + 20)
        load.end()
        self.assertEqual((load.wrong[:3], load.failed[:3]), ([], []))
        server.wait_until(lambda: server.ranks()["dead"] == 1, "the figures, which are of a moment ago")
        faults = self.status(idle)["faults"]
        self.assertEqual((faults["total"], faults["recovered"]), (2, 2))
        self.assert_same_results(idle, alone)
        self.assert_verifies(idle)
        self.assertEqual(server.stop(), (0, ""))

    @needs_ulfm
    def test_a_rank_dies_in_the_middle_of_a_batch_of_the_job(self):
        job = self.many_digits(RECORDS)
        alone = self.run_job("alone", job, "-n", 2)
        # A point that only ranks of the idle job pass.
        server = self.serve_with(job, ranks=2, env={"SHARDMILL_CRASH_AT": "before-write:1:3"})
        self.wait_for_state(server, "done")
        self.assertEqual(self.status(server.folder / "idle")["faults"]["total"], 1)
        self.assertEqual(server.ranks()["dead"], 0)
        self.assert_same_results(server.folder / "idle", alone)

    def test_a_stopped_server_leaves_a_run_to_be_resumed(self):
        job = self.many_digits(MANY)
        alone = self.run_job("alone", job, "-n", 2)
        for goes_on in (self.resume_the_run, self.resume_the_server):
            with self.subTest(goes_on.__name__):
                server = self.serve_with(job, ranks=2)
                idle = server.folder / "idle"
                wait_for_commits(idle, 2)
                with closed(self.gates(server)):  # it cannot end before the server is stopped
                    self.assertEqual(server.stop(), (0, ""))
                self.assertLess(committed(idle), MANY // 64)
                self.assertEqual(self.status(idle)["outcome"], "preempted")
                goes_on(server.folder)
                self.assertEqual(self.status(idle)["outcome"], "done")
                self.assert_same_results(idle, alone)
                self.assert_verifies(idle)

    def resume_the_run(self, folder):
        self.assertEqual(self.shardmill("resume", folder / "idle", "-n", 3).code, 0)

    def resume_the_server(self, folder):
        process = start(PROGRAM, "resume", folder, cwd=self.folder)
        self.addCleanup(kill_all_if_alive, process)
        deadline = time.monotonic() + 120
        while process.poll() is None and self.status(folder / "idle")["outcome"] != "done" and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)

    def test_the_job_waits_while_a_rank_computes_a_request(self):
        serve = self.write_job(self.save(Slow()), "[{name: x, dtype: float32, shape: [64]}]", "{y: {}}", serve="{timeout: 5m}")
        server = self.serve_with(self.many_digits(400_000), job=serve, ranks=1)
        idle = server.folder / "idle"
        wait_for_commits(idle, 1)
        steps = steps_that_take(4, lambda n: self.assertEqual(server.predict([float(n)] * 64)[0], 200))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            request = pool.submit(server.predict, [float(steps)] * 64)
            server.wait_until(lambda: server.ranks()["busy"] == 1, "the request to be computed")
            # The batch at hand ends, and what is computed is written.
            counts = [committed(idle)]
            while not request.done():
                time.sleep(0.1)
                counts.append(committed(idle))
            self.assertEqual(request.result()[0], 200)
        # It came to a halt, and goes on now.
        self.assertGreater(len(counts), 10)
        self.assertEqual(counts[len(counts) // 2], counts[-2])
        wait_for_commits(idle, counts[-1] + 1)
        self.assertEqual(server.stop(), (0, ""))

    def test_a_batch_without_end_holds_up_no_request_for_ever(self):
        server = self.serve_with(self.many_digits(400_000), "--set", "fault_tolerance.batch_timeout=4s", "--set",
                                 "resources.ranks=1", "--set", "fault_tolerance.spares=0", ranks=1)
        wait_for_commits(server.folder / "idle", 1)
        # Its rank stops with the gate in its hands, maybe, and whoever ends stopped ranks is stopped as well.
        launcher = next(pid for pid in descendants(server.process.pid)
                        if b"resume" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
        stopped = [launcher, *descendants(launcher)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            labels = expected_digits(digits()[:1])[0].tolist()
            for _ in range(3):
                status, answer = server.predict(digits()[:1].tolist())
                self.assertEqual((status, answer["outputs"]["label"]), (200, labels))
            self.assertEqual(server.ranks()["dead"], 0)
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def test_a_job_that_fails_leaves_the_server_serving(self):
        data = self.folder / "zeros.h5"
        with h5py.File(data, "w") as file:
            file["x"] = np.zeros((8, 4), np.float32)
        job = self.folder / "fails.yaml"
        job.write_text(f"job: infer\nname: fails\nmodel: {{path: {self.save(NoZero())}}}\n"
                       f"dataset: {{path: {data}, inputs: [x]}}\nbatch_size: 2\noutputs: {{y: {{}}}}\n"
                       "fault_tolerance: {on_bad_record: fail}\n")
        server = self.serve_with(job, ranks=2)
        server.wait_until(lambda: any(re.match("idle job: failed.*a record is zero", line) for line in server.lines),
                          "the server to say that the job has failed")
        self.wait_for_state(server, "failed")
        self.wait_for_state(server, "failed")
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        self.assertEqual(server.stop(), (0, ""))

    def test_a_full_disk_ends_the_job_and_not_the_server(self):
        # Only the idle job reserves space.
        server = self.serve_with(self.many_digits(RECORDS), ranks=2, env={"SHARDMILL_DISK_FAULT": "reserve:0:1:ENOSPC"})
        self.wait_for_state(server, "failed")
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)

    def test_what_is_no_idle_job_is_told_before_anything_starts(self):
        other = self.folder / "other.yaml"
        path = self.folder / "serve.yaml"
        path.write_text(f"{DIGITS_SERVE.read_text()}\nidle_job: {other}\nproject: {SOURCE}\n")
        for job, place, expected in (
                ("digits-train", "serve.yaml", "idle_job: .*other.yaml is a job of kind train; it must be one of kind infer"),
                ("digits-infer", "other.yaml", "unknown key 'batchsize'.*'batch_size'")):
            content = (SOURCE / f"jobs/{job}.yaml").read_text().replace("\nbatch_size", "\nbatchsize")
            other.write_text(f"{content}\nproject: {SOURCE}\n")
            for command in (["validate", path], ["run", path, "--run-dir", self.folder / "refused"]):
                outcome = self.shardmill(*command)
                self.assertEqual(outcome.code, 2, outcome.stderr)
                self.assertRegex(outcome.stderr, rf"(?m)^\S*{place}:\d+:\d+: {expected}")
            self.assertFalse((self.folder / "refused").exists())

    def test_an_mpirun_of_ones_own_is_refused(self):
        path = self.folder / "serve.yaml"
        path.write_text(f"{DIGITS_SERVE.read_text()}\nidle_job: jobs/digits-infer.yaml\nproject: {SOURCE}\n")
        outcome = self.by_hand(2, "run", path, "--run-dir", self.folder / "refused")
        self.assertEqual(outcome.code, 2, outcome.stderr)
        self.assertIn("idle_job needs `shardmill run`", outcome.stderr)

    def test_the_example_of_the_page(self):
        section = (SOURCE / "docs/serving.md").read_text().split("## Work for ranks without requests")[1].split("\n## ")[0]
        path = self.folder / "animals.yaml"
        path.write_text(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1] + f"project: {SOURCE}\n")
        server = self.serve(path, ranks=2)
        self.wait_for_state(server, "done")
        self.assert_same_results(server.folder / "idle", self.run_job("alone", SOURCE / "jobs/digits-infer.yaml", "-n", 2))
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
