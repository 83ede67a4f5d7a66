#!/usr/bin/env python3
"""Under mpirun, each rank a fixed share of the records and one thread, the model as frozen TorchScript.

--tuned       channels last and oneDNN's layouts too
--as-stored   leaves records as long as the file has padded them, instead of cutting each batch to its longest
--by-length   sorts the whole file by length first and deals out batches of one length, instead of ranges of the file
"""
import numpy as np
import torch
from mpi4py import MPI

import common


def shares(batches, world, by_length):
    """Row numbers of this rank's batches: slices of the file, or arrays."""
    if not by_length:
        first = batches.records * world.rank // world.size
        last = batches.records * (world.rank + 1) // world.size
        return [slice(i, min(i + batches.size, last)) for i in range(first, last, batches.size)]
    # Longest first, dealt out like cards: all ranks get as much of every length.
    order = np.argsort(-(batches.inputs[-1][()] != 0).sum(1), kind="stable")
    cut = [np.sort(order[i:i + batches.size]) for i in range(0, batches.records, batches.size)]
    return cut[world.rank::world.size]


def main():
    args = common.arguments(tuned="all that LibTorch has", **{"by-length": "batches of one length", "as-stored": "padded"})
    world = MPI.COMM_WORLD
    torch.set_num_threads(1)
    spec = common.load_spec(args)
    precision = getattr(torch, args.precision)
    dtype = None if spec["dtype"] == "int64" else precision
    batches = common.Batches(spec, channels_last=args.tuned, dtype=dtype, as_stored=args.as_stored)
    model = common.tuned(spec, precision) if args.tuned else common.frozen(spec)
    if world.rank == 0:
        common.create_results(args.out, spec).flush()
    with torch.inference_mode():
        common.warm_up(model, batches)
        world.Barrier()
        results = common.open_results(args.out)
        clock = common.Clock()
        for rows in shares(batches, world, args.by_length):
            arrays = [input[rows] for input in batches.inputs]
            results[rows] = model(*batches.ready(arrays)).float().numpy()
        results.flush()
        world.Barrier()
        if world.rank == 0:
            clock.report(batches.records)


if __name__ == "__main__":
    main()
