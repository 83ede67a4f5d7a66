"""Runs the parts of the serving bench; prints a table each, and writes results.json if --out names it."""
import argparse
import json
import os
import pathlib
import statistics
import tempfile
import time

import torch

import load
import models
import servers


def percentile(ordered, share):
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


class Bench:
    def __init__(self, folder, seconds, rounds):
        self.folder, self.seconds, self.rounds = folder, seconds, rounds
        self.mlp, self.resnet = folder / "mlp.pt", folder / "resnet18.pt"
        models.save(models.mlp, self.mlp)
        torch.manual_seed(1)
        self.record = [round(x, 4) for x in torch.randn(64).tolist()]
        self.body = json.dumps({"inputs": self.record})
        self.results = {}

    def check(self, port, model, record):
        """The server computes what PyTorch does."""
        with torch.inference_mode():
            expected = torch.jit.load(str(model)).eval()(torch.tensor([record]))[0]
        status, answer = servers.ask(port, record)
        y = torch.tensor(answer["outputs"]["y"])
        assert status == 200 and torch.allclose(y, expected, atol=1e-4), answer

    def shardmill(self, **serve):
        return servers.shardmill(self.mlp, self.record, [64], self.folder, **serve)

    def peers(self):
        """JSON of 64 floats into a perceptron of three layers, 64 connections."""
        contenders = {"Flask": lambda: servers.flask(self.mlp, self.record),
                      "FastAPI, 2 workers": lambda: servers.fastapi(self.mlp, self.record),
                      "shardmill, 2 ranks": lambda: self.shardmill(max_batch_size=64)}
        found = {name: [] for name in contenders}
        for _ in range(self.rounds):
            for name, start in contenders.items():
                with start() as port:
                    self.check(port, self.mlp, self.record)
                    load.wrk(port, self.body, 64, 1)
                    found[name].append(load.wrk(port, self.body, 64, self.seconds))
        print(f"\n{'':22}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'errors':>8}   (medians of {self.rounds})")
        self.results["peers"] = {}
        for name, runs in found.items():
            row = {key: statistics.median(run[key] for run in runs) for key in ("rate", "p50", "p99", "errors")}
            self.results["peers"][name] = row
            print(f"{name:22}{row['rate']:12.0f}{row['p50']:10.2f}{row['p99']:10.2f}{row['errors']:8.0f}")
        ours = self.results["peers"]["shardmill, 2 ranks"]["rate"]
        for name in ("Flask", "FastAPI, 2 workers"):
            print(f"{ours / self.results['peers'][name]['rate']:.1f} times {name}")

    def latency(self):
        self.results["latency"] = {}
        print(f"\n{'connections':22}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}")
        with self.shardmill(max_batch_size=64) as port:
            for connections in (1, 4, 64):
                load.wrk(port, self.body, connections, 1)
                row = load.wrk(port, self.body, connections, self.seconds)
                self.results["latency"][connections] = row
                print(f"{connections:<22}{row['rate']:12.0f}{row['p50']:10.2f}{row['p99']:10.2f}")

    def batching(self):
        """What batches bring to a large model, and the limit: the model in a bare loop."""
        models.save(models.resnet18, self.resnet)
        shape = [3, 32, 32]
        torch.manual_seed(2)
        record = torch.randn(shape).mul(100).round().div(100)
        body = json.dumps({"inputs": record.tolist()})
        torch.set_num_threads(1)
        model = torch.jit.load(str(self.resnet)).eval()
        limit = {}
        for batch in (1, 32):
            with torch.inference_mode():
                x = record.repeat(batch, 1, 1, 1)
                for _ in range(3):
                    model(x)
                began, count = time.monotonic(), 0
                while time.monotonic() - began < self.seconds / 2:
                    model(x)
                    count += batch
            limit[batch] = count / (time.monotonic() - began)
        rows = {}
        for batch, delay in ((1, 0), (32, 0), (32, 0.01)):
            with servers.shardmill(self.resnet, record.tolist(), shape, self.folder, max_batch_size=batch, max_queue_delay=delay) as port:
                self.check(port, self.resnet, record.tolist())
                load.wrk(port, body, 64, 2)
                rows[f"{batch}, {delay * 1e3:.0f} ms"] = load.wrk(port, body, 64, self.seconds) | {"bare": limit[batch]}
        print(f"\nResNet-18 on {shape}, 64 connections, 2 ranks\n{'max batch and delay':22}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}"
              f"{'bare loop/s, one core':>24}")
        for name, row in rows.items():
            print(f"{name:22}{row['rate']:12.0f}{row['p50']:10.1f}{row['p99']:10.1f}{row['bare']:24.0f}")
        one, now, later = (row["rate"] for row in rows.values())
        print(f"batching: {now / one:.2f} times, with a delay {later / one:.2f} times; in the bare loop {limit[32] / limit[1]:.2f} times")
        self.results["batching"] = rows

    def overload(self):
        """Half of what it can, and three times as much, at a fixed rate."""
        slow = self.folder / "slow.pt"

        class Slow(torch.nn.Module):
            def forward(self, x):
                y = x
                for _ in range(300):
                    y = torch.tanh(y @ torch.eye(x.size(1)))
                return y
        torch.jit.script(Slow().eval()).save(str(slow))
        with servers.shardmill(slow, self.record, [64], self.folder, ranks=1, max_batch_size=1, max_queue=2) as port:
            # One is computed, two wait: so many connections keep it busy, and are never refused.
            load.wrk(port, self.body, 3, 1)
            capacity = load.wrk(port, self.body, 3, self.seconds / 2)["rate"]
            half = load.paced(port, self.body, capacity / 2, self.seconds)
            triple = load.paced(port, self.body, capacity * 3, self.seconds)
        refused = sorted(ms for status, times in triple.items() if status in (429, 503) for ms in times)
        row = {"capacity": capacity, "half_p99": percentile(half[200], .99), "triple_p99": percentile(triple[200], .99),
               "accepted_per_second": len(triple[200]) / self.seconds, "refused": len(refused),
               "refused_p50": percentile(refused, .5), "refused_p99": percentile(refused, .99),
               "others": {s: len(t) for s, t in triple.items() if s not in (200, 429, 503)}}
        self.results["overload"] = row
        print(f"\ncapacity {capacity:.0f} requests/s, max_queue 2, one rank\nhalf of it:      p99 {row['half_p99']:.1f} ms\nthree times:     "
              f"{row['accepted_per_second']:.0f}/s accepted, their p99 {row['triple_p99']:.1f} ms; {row['refused']} refused, "
              f"p50 {row['refused_p50']:.1f} ms, p99 {row['refused_p99']:.1f} ms; others {row['others']}")


PARTS = ("peers", "latency", "batching", "overload")


def main():
    parser = argparse.ArgumentParser(prog="bench/serving/run", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of the peers")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, PyTorch {torch.__version__}")
    with tempfile.TemporaryDirectory(prefix="shardmill-bench-") as folder:
        bench = Bench(pathlib.Path(folder), int(options.seconds), options.rounds)
        for part in options.parts or PARTS:
            getattr(bench, part)()
    if options.out:
        options.out.write_text(json.dumps(bench.results, indent=1) + "\n")


if __name__ == "__main__":
    main()
