"""New models, certificates and tokens take over while a server serves; broken ones do not."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import threading
import time

import torch

from serving import DIGITS_SERVE, Load, ServingTest
from serving_security_test import TOKEN, SecurityTest


class Version(torch.nn.Module):
    """Says which one it is, and what it was given."""

    def __init__(self, number, width=1):
        super().__init__()
        self.number = torch.nn.Parameter(torch.tensor(float(number)))
        self.weights = torch.nn.Parameter(torch.zeros(1_000_000))  # some weight in memory
        self.width = width

    def forward(self, x):
        return {"version": (x[:, :1] * 0 + self.number + self.weights[0]).expand(-1, self.width), "x": x}


class Askers:
    """Clients without a pause; each answer must be of one version, and right."""

    def __init__(self, server, clients=6):
        self.server, self.stop, self.failed, self.seen, self.lock = server, threading.Event(), [], [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        with contextlib.closing(self.server.connect()) as connection:
            number = 0
            while not self.stop.is_set():
                number += 1
                rows = [[float(client), float(number)]] * (number % 3 + 1)
                try:
                    status, answer = self.server.predict(rows, connection)
                except (OSError, http.client.HTTPException) as error:
                    status, answer = 0, repr(error)
                with self.lock:
                    versions = set() if status != 200 else {row[0] for row in answer["outputs"]["version"]}
                    if len(versions) != 1 or answer["outputs"]["x"] != rows:
                        self.failed.append((status, answer))
                        return
                    self.seen.append(versions.pop())

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


class ReloadTest(ServingTest):
    def put(self, module):
        """Another model in the place of the one that is served, at once."""
        path = self.folder / "model.pt"
        torch.jit.script(module.eval()).save(str(path) + ".new")
        os.rename(str(path) + ".new", path)
        return path

    def serve_version(self, *words, ranks=2, **more):
        job = self.write_job(self.put(Version(1)), "[{name: x, dtype: float32, shape: [2]}]", "{version: {from: version}, x: {from: x}}",
                             resources=f"{{ranks: {ranks}}}", **more)
        return self.serve(job, *words, ranks=ranks)

    @staticmethod
    def reload(server, body=""):
        status, _, content = server.ask("POST", "/admin/reload", body)
        return status, json.loads(content)

    def version(self, server):
        status, answer = server.predict([[0.0, 0.0]])
        self.assertEqual(status, 200, answer)
        return answer["outputs"]["version"][0][0]

    @staticmethod
    def memory(pid):
        return int(re.search(r"VmRSS:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1])

    def test_new_models_take_over_under_load(self):
        server = self.serve_version(fault_tolerance="{rank_timeout: 5s, spares: 1}")
        askers = Askers(server)
        time.sleep(0.5)
        for number in (2, 3):
            self.put(Version(number))
            self.assertEqual(self.reload(server), (200, {"reloaded": ["test"]}))
            self.assertEqual(self.version(server), number)  # everywhere, from the answer on
            self.assertEqual(self.version(server), number)
        # SIGHUP does the same.
        self.put(Version(4))
        server.process.send_signal(signal.SIGHUP)
        server.wait_until(lambda: self.version(server) == 4, "version 4")
        time.sleep(0.3)
        askers.end()
        self.assertEqual(askers.failed[:3], [])
        self.assertEqual(set(askers.seen), {1, 2, 3, 4})
        self.assertEqual(server.metrics()['shardmill_model_loads_total{model="test"}'], 4)
        # Old versions do not stay in memory.
        before = {rank: self.memory(pid) for rank, pid in server.pids().items()}
        for number in range(5, 17):
            self.put(Version(number))
            self.assertEqual(self.reload(server)[0], 200)
        for rank, pid in server.pids().items():
            self.assertLess(self.memory(pid), before[rank] + 40_000, f"rank {rank}")
        self.assertEqual(server.ranks()["dead"], 0)
        self.assertEqual(server.stop()[0], 0)

    def test_a_broken_model_does_not_take_over(self):
        server = self.serve_version()
        askers = Askers(server)
        path = self.folder / "model.pt"
        good = path.read_bytes()
        self.put(Version(2, width=2))
        status, answer = self.reload(server)
        self.assertEqual(status, 409, answer)
        self.assertIn("the new model 'test' does not take over, the old one serves on: it has other outputs", answer["error"])
        path.write_bytes(good[:len(good) // 2])
        status, answer = self.reload(server)
        self.assertEqual(status, 409, answer)
        self.assertRegex(answer["error"], "the old one serves on: model .*model.pt")
        path.unlink()
        status, answer = self.reload(server)
        self.assertEqual(status, 409, answer)
        server.wait_until(lambda: sum("the old one serves on" in line for line in server.lines) == 3, "three remarks")
        self.assertEqual(self.version(server), 1)
        askers.end()
        self.assertEqual((askers.failed[:3], set(askers.seen)), ([], {1}))
        self.put(Version(3))
        self.assertEqual(self.reload(server)[0], 200)
        self.assertEqual(self.version(server), 3)
        for body, status in [('{"model": "other"}', 404), ('{"model": 1}', 400), ("[]", 400), ("{", 400), ("{}", 200),
                             ('{"model": "test"}', 200)]:
            self.assertEqual(self.reload(server, body)[0], status, body)
        self.assertEqual(server.ask("GET", "/admin/reload")[0], 405)

    def test_a_rank_dies_while_models_are_loaded(self):
        server = self.serve_version(fault_tolerance="{rank_timeout: 5s, spares: 4}")
        askers = Askers(server)
        for number in (2, 3, 4):
            self.put(Version(number))
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                reload = pool.submit(self.reload, server)
                time.sleep(0.03 * number)
                os.kill(min((rank, pid) for rank, pid in server.pids().items() if rank != 0)[1], signal.SIGKILL)
                status, answer = reload.result()
            self.assertEqual(status, 200, answer)
            self.assertEqual(self.version(server), number)
        askers.end()
        self.assertEqual(askers.failed[:3], [])
        server.wait_until(lambda: server.ranks()["dead"] == 3, "the figures, which are of a moment ago")

    def test_by_the_protocol(self):
        import tritonclient.http as triton
        server = self.serve_version()
        self.put(Version(2))
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        self.assertEqual([(m["name"], m["state"]) for m in client.get_model_repository_index()], [("test", "READY")])
        client.load_model("test")
        self.assertEqual(self.version(server), 2)
        with self.assertRaisesRegex(triton.InferenceServerException, "there is no model"):
            client.load_model("other")
        client.close()


class RenewalTest(SecurityTest):
    def test_certificates_and_tokens_are_read_again(self):
        tokens = self.folder / "tokens"
        tokens.write_text(TOKEN + "\n")
        server = self.secure("--set", f"serve.auth={{tokens_file: {tokens}}}", token=TOKEN)
        load = Load(server, clients=4)
        old_file = self.folder / "old.pem"
        self.pem.rename(old_file)
        self.certificate()
        self.assertEqual(server.ask("GET", "/v2")[0], 200)  # not before it is told
        self.assertEqual(server.ask("POST", "/admin/reload", "")[0], 200)
        with self.assertRaises(ssl.SSLCertVerificationError):
            server.ask("GET", "/v2")
        new = ssl.create_default_context(cafile=self.pem)
        server.tls = new
        self.assertEqual(server.ask("GET", "/v2")[0], 200)
        load.end()
        self.assertEqual((load.wrong, load.failed), ([], []))  # on connections that were there
        tokens.write_text("nobody\n")
        status, _, content = server.ask("POST", "/admin/reload", "")
        self.assertEqual(status, 409)
        self.assertIn("line 1 of", json.loads(content)["error"])
        self.assertEqual(server.ask("GET", "/v2")[0], 200)
        tokens.write_text("another-token-0123456789\n")
        self.assertEqual(server.ask("POST", "/admin/reload", "")[0], 200)
        self.assertEqual(server.ask("GET", "/v2")[0], 401)
        self.assertEqual(server.ask("POST", "/admin/reload", "")[0], 401)
        server.token = "another-token-0123456789"
        self.assertEqual(server.ask("GET", "/v2")[0], 200)
