#!/usr/bin/env python3
"""Two results.h5 hold the same bytes: every output, each record's status, each shard's range and checksum.

    python compare_results.py A/results.h5 B/results.h5

What may differ between two runs of one job is left out: who ran a shard, how often and how long.
"""
from pathlib import Path

import h5py
import numpy as np

from common import Failed, parser, read, results_file, run_check

SHARD_COLUMNS = ("first", "count", "checksum")


def outputs(f: h5py.File) -> set[str]:
    return {name for name, item in f.items() if isinstance(item, h5py.Dataset)}


def same(name: str, a: np.ndarray, b: np.ndarray) -> None:
    """Equal as bytes, so a NaN equals itself and 0 differs from -0."""
    if a.dtype != b.dtype or a.shape != b.shape:
        raise Failed(f"{name} is {a.dtype}{list(a.shape)} in one and {b.dtype}{list(b.shape)} in the other")
    if a.tobytes() != b.tobytes():
        rows = [i for i in range(len(a)) if a[i].tobytes() != b[i].tobytes()]
        raise Failed(f"{name} differs in {len(rows)} of {len(a)} rows; the first is {rows[0]}: "
                     + " ".join(f"{a[rows[0]]} and {b[rows[0]]}".split()))


def main() -> None:
    p = parser(__doc__)
    p.add_argument("a", type=Path, help="a results.h5, or the run's folder")
    p.add_argument("b", type=Path)
    args = p.parse_args()

    def check() -> str:
        with h5py.File(results_file(args.a), "r") as a, h5py.File(results_file(args.b), "r") as b:
            names = outputs(a)
            if names != outputs(b):
                raise Failed(f"only one of the two files has {', '.join(sorted(names ^ outputs(b)))}")
            if not names:
                raise Failed(f"{a.filename} has no outputs")
            for name in sorted(names) + ["shardmill/record_status"]:
                same(name, read(a, name), read(b, name))
            shards = [np.sort(read(f, "shardmill/shards"), order="first") for f in (a, b)]
            for column in SHARD_COLUMNS:
                same(f"column {column} of shardmill/shards", shards[0][column], shards[1][column])
        return f"{', '.join(sorted(names))}, record_status and {len(shards[0])} shards are the same bytes"

    run_check(check)


if __name__ == "__main__":
    main()
