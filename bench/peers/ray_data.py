#!/usr/bin/env python3
"""Ray Data: map_batches over a pool of actors, one a core, each with the frozen TorchScript and its own HDF5 file."""
import logging
import os

os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np
import ray
import torch

import common


class Predictor:
    def __init__(self, spec):
        torch.set_num_threads(1)
        self.batches = common.Batches(spec)
        self.model = common.frozen(spec)
        with torch.inference_mode():
            common.warm_up(self.model, self.batches)

    def __call__(self, batch):
        rows = batch["id"]
        with torch.inference_mode():
            arrays = self.batches.read(int(rows[0]), int(rows[-1]) + 1)
            return {"id": rows, "result": self.model(*self.batches.ready(arrays)).numpy()}


def main():
    args = common.arguments()
    spec = common.load_spec(args)
    cores = len(os.sched_getaffinity(0))
    ray.init(num_cpus=cores, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False,
             runtime_env={"env_vars": {"PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}})
    ray.data.DataContext.get_current().enable_progress_bars = False
    results = common.create_results(args.out, spec)
    # Blocks hold whole batches, and there are enough of them to even out the actors. Rows of a block are consecutive.
    batches = -(-spec["records"] // spec["batch_size"])
    blocks = max(1, min(batches, 16 * cores))
    clock = common.Clock()
    predicted = ray.data.range(spec["records"], override_num_blocks=blocks).map_batches(
        Predictor, fn_constructor_args=(spec,), batch_size=spec["batch_size"], compute=ray.data.ActorPoolStrategy(size=cores),
        num_cpus=0.5, batch_format="numpy")  # the tasks that make row numbers need a processor too, or nothing begins
    for batch in predicted.iter_batches(batch_size=None, batch_format="numpy"):
        results[batch["id"]] = np.asarray(batch["result"])
    results.flush()
    clock.report(spec["records"])
    ray.shutdown()


if __name__ == "__main__":
    main()
