#!/usr/bin/env python3
"""A run's probabilities and labels, read by h5py, are those that PyTorch computes from the same batches.

    python check_results.py RUN_DIR --dataset data/digits.h5 --model data/digits_cnn.pt --batch-size 64 --scale 0.0625
"""
import warnings
from pathlib import Path

import h5py
import numpy as np
import torch

from common import Failed, all_done, batches, close, parser, read, results_file, run_check, shard_ranges


def load_model(path: Path):
    if path.suffix == ".pt2":
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        return torch.export.load(path).module()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    return torch.jit.load(str(path))


def main() -> None:
    p = parser(__doc__)
    p.add_argument("run", type=Path, help="the run's folder, or its results.h5")
    p.add_argument("--dataset", type=Path, required=True)
    p.add_argument("--input", default="images", help="the model's input in the dataset")
    p.add_argument("--model", type=Path, required=True, help="TorchScript, or an exported program (.pt2)")
    p.add_argument("--batch-size", type=int, required=True)
    p.add_argument("--shard-size", type=int, help="also check that the shards have this size")
    p.add_argument("--scale", type=float, default=1.0, help="the input is cast to float32 and multiplied by this")
    p.add_argument("--tolerance", type=float, default=1e-5)
    args = p.parse_args()

    def check() -> str:
        with h5py.File(args.dataset, "r") as f:
            inputs = torch.from_numpy(read(f, args.input)).float() * args.scale
        with h5py.File(results_file(args.run), "r") as f:
            all_done(f, len(inputs))
            shards = shard_ranges(f, len(inputs), args.shard_size)
            probabilities, label = read(f, "probabilities"), read(f, "label")
        model = load_model(args.model)
        with torch.inference_mode():
            logits = torch.cat([model(inputs[rows]) for rows in batches(shards, args.batch_size)])
        worst = close("probabilities", probabilities, logits.softmax(1).numpy(), args.tolerance)
        expected = logits.argmax(1).numpy()
        if label.shape != expected.shape:
            raise Failed(f"label has shape {label.shape}, PyTorch's is {expected.shape}")
        wrong = np.flatnonzero(label != expected)
        if len(wrong):
            raise Failed(f"{len(wrong)} labels differ from PyTorch's; the first is record {wrong[0]}: "
                         f"{label[wrong[0]]} instead of {expected[wrong[0]]}")
        return (f"{len(label)} records in {len(shards)} shards equal PyTorch's "
                f"(probabilities to {worst:.2g}, labels exactly)")

    run_check(check)


if __name__ == "__main__":
    main()
