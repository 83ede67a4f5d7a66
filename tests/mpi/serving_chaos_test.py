"""Ranks of a server die; its clients see time, and nothing else."""
import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import torch

from harness import SOURCE
from serving import DIGITS_SERVE, Load, ServingTest, digits


class ServingChaosTest(ServingTest):
    # The long one: SHARDMILL_SOAK_SECONDS=60 SHARDMILL_SOAK_PAUSE=2
    def test_a_rank_killed_every_second_under_load(self):
        pause = float(os.environ.get("SHARDMILL_SOAK_PAUSE", 1))
        deaths = int(float(os.environ.get("SHARDMILL_SOAK_SECONDS", 9)) / pause)
        server = self.serve(DIGITS_SERVE, "--set", f"fault_tolerance.spares={deaths}", "--set", "resources.ranks=2", ranks=2,
                            spares=deaths, seconds=60 + 10 * deaths)
        load = Load(server, clients=16)
        killed = 0
        for _ in range(deaths):
            time.sleep(pause)
            working = {rank: pid for rank, pid in server.pids().items() if rank != 0}
            rank = min(working)  # the first that live work, the last are spares
            os.kill(working[rank], signal.SIGKILL)
            killed += 1
        server.wait_until(lambda: server.metrics()["shardmill_rank_deaths_total"] == killed, "the deaths to be noticed")
        load.wait_for(load.answered + 100)
        load.end()
        server.wait_until(lambda: server.metrics()["shardmill_utilization"] == 1, "the figures, which are of a moment ago")
        self.assertEqual((load.wrong[:3], load.failed[:3]), ([], []))
        self.assertGreater(load.answered, 100)
        metrics = server.metrics()
        self.assertEqual(metrics["shardmill_rank_deaths_total"], killed)
        self.assertEqual(metrics["shardmill_fault_tolerance"], 1)
        self.assertEqual(metrics["shardmill_utilization"], 1)
        self.assertEqual(server.ranks()["dead"], killed)
        load.times.sort()
        retried = metrics['shardmill_requests_retried_total{model="digits-serve"}']
        print(f"{load.answered} requests, {killed} deaths, {retried:.0f} retried; "
              f"p50 {load.times[len(load.times) // 2] * 1e3:.1f} ms, p99 {load.times[len(load.times) * 99 // 100] * 1e3:.1f} ms, "
              f"longest {load.times[-1] * 1e3:.1f} ms")
        code, errors = server.stop()
        self.assertEqual((code, errors), (0, ""))

    def test_a_stopped_rank_is_replaced(self):
        server = self.serve(DIGITS_SERVE, "--set", "fault_tolerance.rank_timeout=1s", ranks=2, spares=1)
        load = Load(server, clients=8)
        time.sleep(0.5)
        os.kill(server.pids()[1], signal.SIGSTOP)
        server.wait_until(lambda: server.ranks()["dead"] == 1, "the stopped rank to be given up")
        load.wait_for(load.answered + 100)
        load.end()
        self.assertEqual((load.wrong[:3], load.failed[:3]), ([], []))

    def test_a_batch_that_hangs_is_taken_away(self):
        class Hang(torch.nn.Module):
            def forward(self, x):
                while bool((x[:, 0] < 0).any()):
                    x = x * 1.0
                return x.sum(-1)
        job = self.write_job(self.save(Hang()), "[{name: x, dtype: float32, shape: [2]}]", "{y: {}}",
                             fault_tolerance="{batch_timeout: 1s, max_attempts: 2, spares: 2}", resources="{ranks: 1}")
        server = self.serve(job, ranks=1, spares=2)
        status, answer = server.predict([[-1.0, 0.0]])
        self.assertEqual(status, 500, answer)
        self.assertIn("died on this request 2 times", answer["error"])
        self.assertEqual(server.predict([[1.0, 2.0]]), (200, {"outputs": {"y": [3.0]}}))

    def test_only_the_request_that_kills_fails(self):
        model = self.folder / "deadly.pt"
        subprocess.run([sys.executable, SOURCE / "tests/mpi/deadly_model.py", model], check=True, timeout=60)
        job = self.write_job(model, "[{name: x, dtype: float32, shape: [2]}]", "{y: {}}",
                             serve="{max_queue_delay: 200ms}",
                             fault_tolerance="{max_attempts: 2, spares: 4}", resources="{ranks: 1}")
        server = self.serve(job, ranks=1, spares=4)
        for kind in (1.0, 2.0):  # SIGFPE, SIGSEGV
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                good = [pool.submit(server.predict, [[-i, 2.0]]) for i in range(10)]
                bad = pool.submit(server.predict, [[kind, 0.0]])
                self.assertEqual([result.result() for result in good],
                                 [(200, {"outputs": {"y": [[-2.0 * i + 1, 5.0]]}}) for i in range(10)])
            self.assertEqual(bad.result()[0], 500, bad.result())
            self.assertIn("died on this request", bad.result()[1]["error"])
        server.wait_until(lambda: server.ranks()["dead"] == 4, "the figures, which are of a moment ago")

    def test_when_no_rank_is_left_the_server_starts_again(self):
        server = self.serve(DIGITS_SERVE, ranks=2, spares=1)
        for rank, pid in server.pids().items():
            if rank != 0:
                os.kill(pid, signal.SIGKILL)
        server.wait_until(lambda: sum("ready at" in line for line in server.lines) == 2, "a second start")
        server.wait_ready(ranks=2)
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        self.assertEqual(server.stop()[0], 0)

    def test_when_the_front_dies_the_server_starts_again(self):
        server = self.serve(DIGITS_SERVE, ranks=2, spares=1)
        os.kill(server.pids()[0], signal.SIGKILL)
        server.wait_until(lambda: sum("ready at" in line for line in server.lines) == 2, "a second start")
        server.wait_ready(ranks=2)
        self.assertEqual(server.predict(digits()[0].tolist())[0], 200)
        self.assertEqual(server.stop()[0], 0)
