"""Load: wrk for as fast as it goes, and clients of our own for a fixed rate."""
import asyncio
import gc
import pathlib
import re
import subprocess
import tempfile
import time

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def wrk(port, body, connections, seconds):
    """{rate, p50, p99 in ms, errors}; one thread of wrk."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "post.lua"
        script.write_text('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
                          f"wrk.body = [==[{body}]==]\n")
        said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s", "--latency", "-s", script,
                               f"http://127.0.0.1:{port}/predict"], capture_output=True, text=True, check=True).stdout
    percentiles = {name: float(value) * UNITS[unit] for name, value, unit in re.findall(r"^ +(50|99)% +([\d.]+)(us|ms|s)$", said, re.MULTILINE)}
    errors = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    errors += sum(int(n) for line in re.findall(r"Socket errors: (.*)", said) for n in re.findall(r"\d+", line))
    return {"rate": float(re.search(r"Requests/sec: +([\d.]+)", said)[1]), "p50": percentiles["50"], "p99": percentiles["99"],
            "errors": errors}


class Paced:
    """Requests at a fixed rate, whether or not the ones before are answered; each has a connection while it lasts."""

    def __init__(self, port, body):
        self.port = port
        self.request = (f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
        self.free, self.seen = [], []

    async def one(self):
        began = time.monotonic()
        reader, writer = self.free.pop() if self.free else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"[Cc]ontent-[Ll]ength: (\d+)", head)[1]))
        self.seen.append((int(head[9:12]), (time.monotonic() - began) * 1e3))
        self.free.append((reader, writer))

    async def run(self, rate, seconds):
        began, number, tasks = time.monotonic(), 0, []
        while (elapsed := time.monotonic() - began) < seconds:
            while number < elapsed * rate:
                tasks.append(asyncio.create_task(self.one()))
                number += 1
            await asyncio.sleep(0.001)
        await asyncio.gather(*tasks)
        for _, writer in self.free:
            writer.close()


def paced(port, body, rate, seconds):
    """{status: sorted milliseconds}"""
    load = Paced(port, body)
    # A collection takes 80 ms where PyTorch is loaded; the requests due meanwhile would all come at once.
    gc.disable()
    try:
        asyncio.run(load.run(rate, seconds))
    finally:
        gc.enable()
    return {status: sorted(ms for code, ms in load.seen if code == status) for status, _ in load.seen}
