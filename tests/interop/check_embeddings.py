#!/usr/bin/env python3
"""A run of jobs/embed-sentences.yaml gave what PyTorch gives, and embeddings that know which sentences are alike.

    python check_embeddings.py RUN_DIR
"""
import warnings
from pathlib import Path

import h5py
import numpy as np
import torch

from common import Failed, all_done, batches, close, parser, read, results_file, run_check, shard_ranges

ALIKE = [  # pairs out of data/sentences.txt that say nearly the same
    ("She sings rather unmusically.", "She sings rather unmelodiously."),
    ("Each person is mortal.", "Every person is mortal."),
    ("He gave his hair a quick smooth.", "He gave his hair a quick brush."),
    ("The wound is nearly well.", "The wound is healing slowly."),
    ("Can you back up your claims?", "Can you document your claims?"),
    ("She was sizzling with anger.", "She was burning with anger."),
    ("He angrily denied the accusation.", "He denied the allegations."),
    ("A memory and the CPU form the central part of a computer to which peripherals are attached.",
     "The CPU and the memory form the central part of a computer to which the peripherals are attached."),
]
SAMPLED_BATCHES = 8


def main() -> None:
    p = parser(__doc__)
    p.add_argument("run", type=Path, help="the run's folder, or its results.h5")
    p.add_argument("--dataset", type=Path, default=Path("data/generated/sentences.h5"))
    p.add_argument("--model", type=Path, default=Path("data/generated/minilm.pt"))
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--tolerance", type=float, default=1e-5)
    args = p.parse_args()

    def check() -> str:
        with h5py.File(args.dataset, "r") as f:
            ids, mask = (torch.from_numpy(read(f, n)).long() for n in ("input_ids", "attention_mask"))
            row = {text: i for i, text in enumerate(f["text"].asstr()[:])}
        with h5py.File(results_file(args.run), "r") as f:
            all_done(f, len(ids))
            shards = shard_ranges(f, len(ids), None)
            embedding = read(f, "embedding")
        if embedding.shape != (len(ids), 384) or embedding.dtype != np.float32:
            raise Failed(f"embedding is {embedding.dtype}{list(embedding.shape)}, not float32[{len(ids)}, 384]")

        off = np.abs(np.linalg.norm(embedding.astype(np.float64), axis=1) - 1)
        if not off.max() < 1e-4:  # also true for NaN
            raise Failed(f"the embedding of record {off.argmax()} has length {1 + off.max():.6g}, not 1")

        missing = [s for pair in ALIKE for s in pair if s not in row]
        if missing:
            raise Failed(f"{args.dataset} lacks the sentence {missing[0]!r}")
        random = np.random.RandomState(1).choice(len(ids), (10_000, 2))
        random = random[random[:, 0] != random[:, 1]]
        usual = np.quantile((embedding[random[:, 0]] * embedding[random[:, 1]]).sum(1), 0.999)
        cosines = [float(embedding[row[a]] @ embedding[row[b]]) for a, b in ALIKE]
        if min(cosines) <= usual:
            a, b = ALIKE[int(np.argmin(cosines))]
            raise Failed(f"{a!r} and {b!r} have cosine {min(cosines):.3f}; one in 1,000 random pairs has {usual:.3f}")

        warnings.filterwarnings("ignore", category=DeprecationWarning)
        model = torch.jit.load(str(args.model))
        cut = list(batches(shards, args.batch_size))
        worst, sample = 0.0, sorted({round(i) for i in np.linspace(0, len(cut) - 1, SAMPLED_BATCHES)})
        for rows in (cut[i] for i in sample):
            with torch.inference_mode():
                expected = model(ids[rows], mask[rows]).numpy()
            records = range(rows.start, rows.stop)
            worst = max(worst, close("embedding", embedding[rows], expected, args.tolerance, records))
        return (f"{len(ids)} embeddings of length 1; {len(sample)} batches equal PyTorch's to {worst:.2g}; alike "
                f"sentences have cosine {min(cosines):.2f} to {max(cosines):.2f}, 999 of 1,000 random pairs below {usual:.2f}")

    run_check(check)


if __name__ == "__main__":
    main()
