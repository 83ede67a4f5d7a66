"""Runs the parts of the training bench, contenders in turn; prints tables, and writes results.json if --out names it."""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

import torch

from contenders import ddp, limit, processes, rate, shardmill, step_times, unequal


def spread(values):
    return f"{statistics.median(values):8.3f}  ({min(values):.3f} to {max(values):.3f})"


class Bench:
    def __init__(self, folder, rounds):
        self.folder, self.rounds, self.results = folder, rounds, {}

    def interleaved(self, part, what):
        """Medians of each contender's figure; what: name -> a call that measures once."""
        found = {name: [] for name in what}
        for _ in range(self.rounds):
            for name, measure in what.items():
                found[name].append(measure())
        for name, values in found.items():
            print(f"{part:12} {name:34} {spread(values)}", flush=True)
        self.results[part] = found
        return {name: statistics.median(values) for name, values in found.items()}

    def ours(self, network, steps, *settings, **options):
        return rate(step_times(shardmill(network, self.folder, steps, *settings, **options)))

    def speed(self, network, steps):
        """Steps a second: two ranks, 64 records each, one thread each."""
        row = self.interleaved(network, {
            "limit, nothing exchanged": lambda: limit(network, self.folder, steps),
            "shardmill": lambda: self.ours(network, steps),
            "shardmill, 8 logical shards": lambda: self.ours(network, steps, parts=8),
            "shardmill, fast": lambda: self.ours(network, steps, "training.reduction=fast"),
            "shardmill, optimizer_sharding": lambda: self.ours(network, steps, "training.optimizer_sharding=true"),
            "torchrun, DDP over gloo": lambda: rate(ddp(network, self.folder, steps)),
        })
        ours = row["shardmill"]
        print(f"{network:12} efficiency {ours / row['limit, nothing exchanged']:.3f}, "
              f"{ours / row['torchrun, DDP over gloo']:.2f} times DDP, ordered / fast {ours / row['shardmill, fast']:.3f}")

    def resnet(self):
        self.speed("resnet", 20)

    def mlp(self):
        self.speed("mlp", 30)

    def dealing(self):
        """Three ranks, one of them at half speed."""
        row = self.interleaved("dealing", {
            "by speed": lambda: rate(unequal("resnet", self.folder, 20, "by_speed")),
            "even": lambda: rate(unequal("resnet", self.folder, 20, "even")),
        })
        print(f"{'dealing':12} by speed / even {row['by speed'] / row['even']:.2f}")

    def faults(self):
        """What being able to outlive a death costs."""
        row = self.interleaved("faults", {
            "fault tolerance on": lambda: self.ours("resnet", 20),
            "off: mpirun without ULFM": lambda: self.ours("resnet", 20, by_hand=True),
        })
        print(f"{'faults':12} on / off {row['fault tolerance on'] / row['off: mpirun without ULFM']:.3f}")

    def checkpoints(self):
        """Every step saved, by the thread in the background; with one still being written, the next is left out."""
        row = self.interleaved("checkpoints", {
            "none": lambda: self.ours("resnet", 20),
            "after every step": lambda: self.ours("resnet", 20, "checkpoints.every_steps=1", "checkpoints.keep=1"),
        })
        print(f"{'checkpoints':12} every step / none {row['after every step'] / row['none']:.3f}")

    def recovery(self):
        """From the SIGKILL of one of two processes, in step 13, to the next step that is committed, and steps lost."""
        steps, dies_at = 20, 13

        def of_shardmill():
            crash = {"SHARDMILL_CRASH_AT": f"train-before-exchange:1:{dies_at}"}
            out = shardmill("resnet", self.folder, steps, environment=crash)
            times = dict(step_times(out))
            assert len(times) == steps, times
            # The dead one had computed its share of the step; the gap holds that, and the recovery.
            return times[dies_at] - times[dies_at - 1]

        def of_torchrun():
            times = ddp("resnet", self.folder, steps, dies_at)
            died = float((self.folder / "ddp.death").read_text())
            lost.append(len(times) - steps)
            return next(at for step, at in times if step >= dies_at) - died

        lost = []
        row = self.interleaved("recovery", {
            "a step in which nobody dies": lambda: 1 / self.ours("resnet", steps),
            "shardmill, the step of the death": of_shardmill,
            "torchrun --max-restarts": of_torchrun,
        })
        calm = row["a step in which nobody dies"]
        # The survivor computes its own share, then the dead rank's: two steps' worth of one rank's computing.
        beyond = max(row["shardmill, the step of the death"] - 2 * calm, 0)
        print(f"{'recovery':12} beyond the recomputed shards: {beyond:.3f} s; torchrun lost {statistics.median(lost):.0f} steps, "
              "shardmill none")
        self.results["steps lost by torchrun"] = lost


PARTS = ("resnet", "mlp", "dealing", "faults", "checkpoints", "recovery")


def main():
    parser = argparse.ArgumentParser(prog="bench/training/run", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small networks, once: does it work?")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    if options.quick and os.environ.get("SHARDMILL_BENCH_QUICK") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv, "--rounds", "1"], {**os.environ, "SHARDMILL_BENCH_QUICK": "1"})
    print(f"{os.cpu_count()} cores, PyTorch {torch.__version__}; medians of {options.rounds}, steps/s or seconds")
    with tempfile.TemporaryDirectory(prefix="shardmill-bench-") as folder:
        bench = Bench(pathlib.Path(folder), options.rounds)
        try:
            for part in options.parts or PARTS:
                getattr(bench, part)()
        except processes.Failed as failed:
            sys.exit(str(failed))
    if options.out:
        options.out.write_text(json.dumps(bench.results, indent=1) + "\n")


main()
