"""Servers as contenders: started, asked, ended."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, inputs):
    """(status, the answer as JSON)"""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/predict", json.dumps({"inputs": inputs}), {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


@contextlib.contextmanager
def running(words, port, inputs, environment=None):
    """A server that answers; ended when it is left."""
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=HERE,
                               env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask(port, inputs)[0] == 200:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{words} did not come up: {process.stderr.read().decode()}")
            time.sleep(0.05)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def flask(model, inputs):
    port = free_port()
    return running([sys.executable, HERE / "flask_server.py", model, port], port, inputs)


def fastapi(model, inputs):
    port = free_port()
    return running([sys.executable, "-m", "uvicorn", "fastapi_server:app", "--port", port, "--workers", 2, "--loop", "uvloop",
                    "--http", "httptools", "--log-level", "error", "--no-access-log"], port, inputs, {"MODEL": str(model)})


def shardmill(model, inputs, shape, folder, ranks=2, **serve):
    port = free_port()
    settings = {"port": port, **serve}
    job = folder / f"serve-{port}.yaml"
    job.write_text("job: serve\nname: bench\n"
                   f"model: {{path: {model}}}\n"
                   f"inputs: [{{name: x, dtype: float32, shape: {list(shape)}}}]\n"
                   "outputs: {y: {}}\n"
                   f"serve: {json.dumps(settings)}\n"
                   f"resources: {{ranks: {ranks}}}\n")
    return running([os.environ["SHARDMILL_PROGRAM"], "run", job, "--run-dir", folder / f"run-{port}", "-q"], port, inputs)
