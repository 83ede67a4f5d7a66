#!/usr/bin/env python3
"""Writes data/digits.h5: the 1,797 handwritten digits that scikit-learn ships.

    python data/make_digits.py [--out data/digits.h5]

Needs numpy, h5py and scikit-learn. The same versions write the same bytes: no time stamps, a seeded split.

`images` is stored contiguously, not in chunks: record r then lies at one known offset, a shard of any size is one
sequential read, and there is no chunk to decode twice where two shards meet. At 115 kB compression buys nothing.
"""
import argparse

import h5py
import numpy as np
from sklearn.datasets import load_digits

SEED = 20240501
HELD_OUT_SHARE = 0.2


def held_out_mask(n: int) -> np.ndarray:
    """1 for the records that the CNN is never trained on; RandomState is frozen, so this never changes."""
    mask = np.zeros(n, dtype=np.uint8)
    mask[np.random.RandomState(SEED).permutation(n)[: round(n * HELD_OUT_SHARE)]] = 1
    return mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="data/digits.h5")
    args = parser.parse_args()

    digits = load_digits()
    columns = {
        "images": (digits.images.astype(np.uint8), "8 x 8 pixels, each 0 (paper) to 16 (ink)"),
        "labels": (digits.target.astype(np.uint8), "the digit, 0 to 9"),
        "held_out": (held_out_mask(len(digits.target)), "1: data/digits_cnn.pt was not trained on this record"),
    }
    assert np.array_equal(columns["images"][0], digits.images), "a pixel does not fit uint8"

    with h5py.File(args.out, "w", track_order=False) as f:
        f.attrs["title"] = "Optical Recognition of Handwritten Digits, test part"
        f.attrs["creators"] = "E. Alpaydin, C. Kaynak (1998)"
        f.attrs["source"] = "UCI Machine Learning Repository, doi:10.24432/C50P49, as shipped with scikit-learn"
        f.attrs["licence"] = "CC BY 4.0"
        f.attrs["changes"] = "stored as uint8 in HDF5; the column held_out is added"
        for name, (values, description) in columns.items():
            dataset = f.create_dataset(name, data=values, track_times=False)
            dataset.attrs["description"] = description
    print(f"{args.out}: {len(digits.target)} records, {int(columns['held_out'][0].sum())} held out")


if __name__ == "__main__":
    main()
