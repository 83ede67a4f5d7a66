"""A server as a user starts it, and requests to it over the network."""
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import h5py
import torch

from harness import PROGRAM, SOURCE, ShardmillTest, descendants, ranks_of, start

DIGITS_SERVE = SOURCE / "jobs/digits-serve.yaml"


class Slow(torch.nn.Module):
    """Takes its time, as many steps as its first number says: enough to have requests wait."""

    def forward(self, x):
        y = x
        for _ in range(int(x[0, 0].item())):
            y = torch.tanh(y @ torch.eye(x.size(1)))
        return x.sum(-1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`shardmill run` of a serve job, ready to be asked."""

    def __init__(self, folder, job, *words, env=None, tls=None, token=None):
        self.port = free_port()
        self.tls, self.token = tls, token  # an ssl.SSLContext, if the server has TLS; what ask() sends
        self.folder = folder
        self.process = start(PROGRAM, "run", job, "--run-dir", folder, "--set", f"serve.port={self.port}", *words,
                             cwd=folder.parent, env=env)
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def wait_until(self, condition, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"the server has ended while waited for {what}: {self.process.stderr.read()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {seconds} s for {what}: {self.lines}")
            time.sleep(0.02)

    def wait_ready(self, ranks=None, spares=None, seconds=60):
        def there():
            try:
                if self.get("/v2/health/ready")[0] != 200:
                    return False
                states = self.ranks()
                busy = states["busy"] + states["idle"]
                return (ranks is None or busy == ranks) and (spares is None or states["spare"] == spares)
            except OSError:
                return False
        self.wait_until(there, "readiness", seconds)
        return self

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("localhost", self.port, timeout=200, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=200)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, bytes)"""
        own = connection or self.connect()
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        own.request(method, path, body, headers or {})
        reply = own.getresponse()
        content = reply.read()
        if connection is None:
            own.close()
        return reply.status, reply.headers, content

    def get(self, path):
        status, _, content = self.ask("GET", path)
        return status, content.decode()

    def predict(self, inputs, connection=None, headers=None):
        """(status, the answer as JSON)"""
        status, _, content = self.ask("POST", "/predict", json.dumps({"inputs": inputs}), headers, connection)
        return status, json.loads(content)

    def metrics(self):
        """name with labels -> value"""
        lines = [line.rpartition(" ") for line in self.get("/metrics")[1].splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def ranks(self):
        found = self.metrics()
        return {state: int(found[f'shardmill_ranks{{state="{state}"}}']) for state in ("loading", "idle", "busy", "spare", "dead")}

    def pids(self):
        """pid by rank, the living."""
        return ranks_of(self.process, self.folder)

    def stop(self, signal_number=signal.SIGTERM, timeout=40):
        """(exit code, standard error)"""
        self.process.send_signal(signal_number)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired as hang:
            raise AssertionError(f"did not stop: {self.lines}") from hang
        self.reader.join(10)
        return self.process.returncode, self.process.stderr.read()


class ServingTest(ShardmillTest):
    def serve(self, job=DIGITS_SERVE, *words, env=None, ready=True, ranks=None, spares=None, seconds=60, **more):
        server = Server(self.folder / f"run-{time.monotonic_ns()}", job, *words, env=env, **more)
        self.addCleanup(self.end, server)
        return server.wait_ready(ranks, spares, seconds) if ready else server

    @staticmethod
    def end(server):
        if server.process.poll() is None:
            kill_all_quietly(server)
        server.process.stdout.close()
        server.process.stderr.close()

    def write_job(self, model, inputs, outputs, **sections):
        lines = {"job": "serve", "name": "test", "model": f"{{path: {model}}}", "inputs": inputs, "outputs": outputs,
                 "fault_tolerance": "{rank_timeout: 5s}", "resources": "{ranks: 1}", **sections}
        path = self.folder / "serve.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        return path

    def save(self, module, name="model.pt"):
        path = self.folder / name
        torch.jit.script(module.eval()).save(str(path))
        return path


def steps_that_take(seconds, ask):
    """How many steps a slow model must do for a request to take so long here; ask(steps) must answer."""
    steps, took = 1000, 0.0
    while took < seconds:
        steps *= 2
        began = time.monotonic()
        ask(steps)
        took = time.monotonic() - began
    return steps


def kill_all_quietly(server):
    # communicate() of the harness would fight with the thread that reads.
    for pid in [server.process.pid, *descendants(server.process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    server.process.wait(20)
    server.reader.join(10)


def digits():
    with h5py.File(SOURCE / "data/digits.h5") as file:
        return file["images"][()]


def expected_digits(images):
    """Labels and probabilities by PyTorch itself."""
    with torch.inference_mode():
        model = torch.jit.load(str(SOURCE / "data/digits_cnn.pt")).eval()
        logits = model(torch.from_numpy(images).float() * 0.0625)
        return logits.argmax(-1).numpy(), torch.softmax(logits, -1).numpy()


class Load:
    """Clients that ask without a pause, each on a connection of its own, and compare every answer."""

    def __init__(self, server, clients):
        self.server = server
        self.images = digits()
        self.labels, self.probabilities = expected_digits(self.images)
        self.stop = threading.Event()
        self.answered, self.wrong, self.failed, self.times = 0, [], [], []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, client):
        with contextlib.closing(self.server.connect()) as connection:
            self.ask(client, connection)

    def ask(self, client, connection):
        index = client * 97
        while not self.stop.is_set():
            index = (index + 1) % len(self.images)
            count = index % 3 + 1
            rows = [(index + i) % len(self.images) for i in range(count)]
            began = time.monotonic()
            try:
                status, answer = self.server.predict(self.images[rows].tolist(), connection)
            except (OSError, http.client.HTTPException) as error:
                if self.stop.is_set():
                    return
                with self.lock:
                    self.failed.append(repr(error))
                return
            took = time.monotonic() - began
            with self.lock:
                if status != 200:
                    self.failed.append((status, answer))
                    continue
                self.answered += 1
                self.times.append(took)
                if answer["outputs"]["label"] != self.labels[rows].tolist():
                    self.wrong.append((rows, answer))
                for got, want in zip(answer["outputs"]["probabilities"], self.probabilities[rows]):
                    if max(abs(a - b) for a, b in zip(got, want)) > 1e-6:
                        self.wrong.append((rows, got))

    def wait_for(self, answers, seconds=120):
        """Until there are so many, or something has gone wrong, on however slow a machine."""
        deadline = time.monotonic() + seconds
        while self.answered < answers and not self.failed and time.monotonic() < deadline:
            time.sleep(0.05)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

