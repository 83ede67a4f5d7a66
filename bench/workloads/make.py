#!/usr/bin/env python3
"""Makes the datasets and models of the workloads: the same on every run and machine.

    bench/workloads/make.py FOLDER [--quick] [WORKLOAD...]

Each workload gets FOLDER/WORKLOAD with data.h5, model.pt (TorchScript) and spec.json, from which the peers know what to
do. What is there is left alone. Full size: 8 GB, most of it the wide records.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np
import torch

import networks

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Of ImageNet, for pixels of 0 to 255. The same numbers stand in image.yaml.
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def image(folder, quick):
    count, side = 40 if quick else 2048, 224
    generator = torch.Generator().manual_seed(1)
    with h5py.File(folder / "data.h5", "w") as file:
        images = file.create_dataset("images", (count, 3, side, side), np.uint8, chunks=(min(count, 64), 3, side, side))
        for first in range(0, count, 64):
            images[first:first + 64] = networks.soft_images(min(64, count - first), side, generator)
    model = networks.build("image")
    networks.script(model, (torch.zeros(2, 3, side, side),)).save(folder / "model.pt")
    return {"network": "image", "inputs": ["images"], "dtype": "float32", "mean": MEAN, "std": STD, "batch_size": 32,
            "records": count, "width": 1000}


def rows(folder, quick, times=1):
    count = times * (20_000 if quick else 1_000_000)
    with h5py.File(folder / "data.h5", "w") as file:
        file["rows"] = np.random.default_rng(2).standard_normal((count, 64), np.float32)
    networks.script(networks.build("rows"), (torch.zeros(2, 64),)).save(folder / "model.pt")
    return {"network": "rows", "inputs": ["rows"], "dtype": "float32", "batch_size": 1024, "records": count, "width": 10}


def rows_large(folder, quick):
    return rows(folder, quick, times=4)


def text(folder, quick):
    if quick:
        return made_up_text(folder)
    subprocess.run([ROOT / "data/make_minilm.sh"], check=True)
    shutil.copy(ROOT / "data/generated/sentences.h5", folder / "data.h5")
    shutil.copy(ROOT / "data/generated/minilm.pt", folder / "model.pt")
    with h5py.File(folder / "data.h5") as file:
        records = len(file["input_ids"])
    return {"network": None, "inputs": ["input_ids", "attention_mask"], "dtype": "int64", "padded": True, "batch_size": 32,
            "records": records, "width": 384}


def made_up_text(folder):
    count, longest = 512, 45
    random = np.random.default_rng(3)
    lengths = random.integers(7, longest + 1, count)
    mask = (np.arange(longest) < lengths[:, None]).astype(np.int32)
    with h5py.File(folder / "data.h5", "w") as file:
        file["input_ids"] = random.integers(1, 1000, (count, longest), np.int32) * mask
        file["attention_mask"] = mask
    example = (torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.int64))
    networks.script(networks.build("mean_of_tokens"), example).save(folder / "model.pt")
    return {"network": "mean_of_tokens", "inputs": ["input_ids", "attention_mask"], "dtype": "int64", "padded": True,
            "batch_size": 32, "records": count, "width": 16}


def wide(folder, quick):
    count, side = (12, 1024) if quick else (1500, 1024)
    random = np.random.default_rng(4)
    with h5py.File(folder / "data.h5", "w") as file:
        records = file.create_dataset("records", (count, side, side), np.float32)
        for i in range(count):
            records[i] = random.random((side, side), np.float32)
    networks.script(networks.build("wide"), (torch.zeros(2, side, side),)).save(folder / "model.pt")
    return {"network": "wide", "inputs": ["records"], "dtype": "float32", "batch_size": 4, "records": count, "width": 16}


def tiny(folder, quick):
    count = 5_000 if quick else 1_000_000
    with h5py.File(folder / "data.h5", "w") as file:
        file["rows"] = np.random.default_rng(5).standard_normal((count, 8), np.float32)
    networks.script(networks.build("tiny"), (torch.zeros(2, 8),)).save(folder / "model.pt")
    return {"network": "tiny", "inputs": ["rows"], "dtype": "float32", "batch_size": 10, "records": count, "width": 4}


MAKERS = {"image": image, "rows": rows, "rows-large": rows_large, "text": text, "wide": wide, "tiny": tiny}


def make(name, out, quick):
    folder = out / name
    if (folder / "spec.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    spec = MAKERS[name](folder, quick)
    spec |= {"name": name, "dataset": str(folder / "data.h5"), "model": str(folder / "model.pt")}
    (folder / "spec.json").write_text(json.dumps(spec, indent=1) + "\n")  # last: what is begun is made again


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(MAKERS)}; all without")
    parser.add_argument("--quick", action="store_true", help="small ones, and no MiniLM")
    args = parser.parse_args()
    if unknown := set(args.names) - set(MAKERS):
        parser.error(f"there is no workload {', '.join(sorted(unknown))}; there are {', '.join(MAKERS)}")
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # TorchScript is deprecated
    torch.set_num_threads(1)
    for name in args.names or MAKERS:
        make(name, args.folder.resolve(), args.quick)


if __name__ == "__main__":
    sys.exit(main())
