"""What the checks of this folder share: opening a run's results, its batches, and one line at the end."""
import argparse
import sys
from pathlib import Path

import h5py
import numpy as np
import torch

PENDING, DONE, QUARANTINED = 0, 1, 2
STATUS_NAMES = {PENDING: "pending", DONE: "done", QUARANTINED: "quarantined"}


class Failed(Exception):
    """A check did not hold; the message says which and where."""


def run_check(check) -> None:
    """Runs check() and ends the program: 0 and "ok: ...", or 1 and the sentence that says what is wrong."""
    torch.set_num_threads(1)
    try:
        print(f"ok: {check()}")
    except (Failed, OSError, KeyError) as error:
        print(f"failed: {error.args[0] if isinstance(error, KeyError) else error}", file=sys.stderr)
        sys.exit(1)


def results_file(path: Path) -> Path:
    """results.h5 of a run's folder; a path to a file is taken as it is."""
    file = path / "results.h5" if path.is_dir() else path
    if not file.is_file():
        raise Failed(f"there is no {file}")
    return file


def read(f: h5py.File, name: str) -> np.ndarray:
    if name not in f:
        raise Failed(f"{f.filename} has no dataset {name}")
    return f[name][:]


def all_done(f: h5py.File, records: int) -> None:
    status = read(f, "shardmill/record_status")
    if len(status) != records:
        raise Failed(f"{f.filename}: record_status has {len(status)} records, the dataset {records}")
    wrong = np.flatnonzero(status != DONE)
    if len(wrong):
        name = STATUS_NAMES.get(int(status[wrong[0]]), f"of unknown status {status[wrong[0]]}")
        raise Failed(f"{f.filename}: {len(wrong)} of {records} records are not done; record {wrong[0]} is {name}")


def shard_ranges(f: h5py.File, records: int, shard_size: int | None) -> list[tuple[int, int]]:
    """(first, count) of each shard: as the file says, which must cover every record once and agree with shard_size."""
    shards = sorted((int(s["first"]), int(s["count"])) for s in read(f, "shardmill/shards"))
    expected = 0
    for first, count in shards:
        if first != expected or count <= 0:
            raise Failed(f"{f.filename}: the shard at {first} (count {count}) should begin at {expected}")
        expected += count
    if expected != records:
        raise Failed(f"{f.filename}: the shards end at record {expected}, the dataset at {records}")
    if shard_size is not None:
        planned = [(i, min(shard_size, records - i)) for i in range(0, records, shard_size)]
        if shards != planned:
            raise Failed(f"{f.filename}: the shards are not those of shard size {shard_size}")
    return shards


def batches(shards: list[tuple[int, int]], batch_size: int):
    """Slices of records: batches are cut from each shard's first record on, so its last one may be short."""
    for first, count in shards:
        for start in range(first, first + count, batch_size):
            yield slice(start, min(start + batch_size, first + count))


def close(name: str, actual: np.ndarray, expected: np.ndarray, tolerance: float, rows=None) -> float:
    """The largest difference; Failed if a value is missing, not finite or further off than the tolerance."""
    if actual.shape != expected.shape:
        raise Failed(f"{name} has shape {actual.shape}, PyTorch's is {expected.shape}")
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    difference[~np.isfinite(difference)] = np.inf
    worst = np.unravel_index(difference.argmax(), difference.shape)
    if difference[worst] > tolerance:
        record = worst[0] if rows is None else rows[worst[0]]
        raise Failed(f"{name} of record {record} differs from PyTorch's by {difference[worst]:.3g}: "
                     f"{actual[worst]} instead of {expected[worst]}")
    return float(difference[worst])


def parser(doc: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(description=doc.strip().splitlines()[0])
