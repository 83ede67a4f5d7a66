#!/usr/bin/env python3
"""A plain PyTorch loop over h5py: one process, the eager model, LibTorch's own threads. The others have to agree with it."""
import torch

import common


def main():
    args = common.arguments()
    spec = common.load_spec(args)
    batches = common.Batches(spec)
    model = common.eager(spec)
    results = common.create_results(args.out, spec)
    with torch.inference_mode():
        common.warm_up(model, batches)
        clock = common.Clock()
        for first in range(0, batches.records, batches.size):
            last = min(first + batches.size, batches.records)
            results[first:last] = model(*batches.ready(batches.read(first, last))).numpy()
        results.flush()
        clock.report(batches.records)


if __name__ == "__main__":
    main()
