#!/usr/bin/env python3
"""torch.utils.data.DataLoader: a worker process reads whole batches, this one runs the frozen TorchScript.

--few-threads   one thread for the model, where it is so small that threads wait for each other more than they compute
"""
import os

import torch
from torch.utils.data import DataLoader, Dataset

import common


class WholeBatches(Dataset):
    """An item is a batch, so that nothing is collated record by record."""

    def __init__(self, spec):
        self.spec = spec
        self.batches = None  # HDF5 files do not survive a fork: each worker opens its own

    def __len__(self):
        return -(-self.spec["records"] // self.spec["batch_size"])

    def __getitem__(self, index):
        if self.batches is None:
            self.batches = common.Batches(self.spec)
        first = index * self.batches.size
        return self.batches.ready(self.batches.read(first, min(first + self.batches.size, self.batches.records)))


def main():
    args = common.arguments(**{"few-threads": "one for the model"})
    spec = common.load_spec(args)
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(1 if args.few_threads else cores)
    model = common.frozen(spec)
    results = common.create_results(args.out, spec)
    loader = DataLoader(WholeBatches(spec), batch_size=None, num_workers=max(1, cores // 2), prefetch_factor=4)
    with torch.inference_mode():
        common.warm_up(model, common.Batches(spec))
        clock = common.Clock()
        first = 0
        for batch in loader:
            result = model(*batch).numpy()
            results[first:first + len(result)] = result
            first += len(result)
        results.flush()
        clock.report(spec["records"])


if __name__ == "__main__":
    main()
