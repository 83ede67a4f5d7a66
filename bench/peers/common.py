"""What the peers share: the workload's spec, batches from HDF5, the model, and a file for the results.

Results go to one .npy file that all processes map: nothing is sent, gathered or copied twice.
"""
import argparse
import json
import pathlib
import sys
import time
import warnings

import h5py
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "workloads"))
import networks  # noqa: E402

warnings.filterwarnings("ignore", category=DeprecationWarning)  # TorchScript is deprecated


def arguments(**flags):
    """--spec and --out, and one switch for each of `flags` (name to help)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--spec", type=pathlib.Path, required=True, help="spec.json of the workload")
    parser.add_argument("--out", type=pathlib.Path, required=True, help=".npy file of the results")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    for name, text in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser.parse_args()


class Batches:
    """Batches of the dataset as the model takes them."""

    def __init__(self, spec, channels_last=False, dtype=None, as_stored=False):
        self.spec = spec
        self.cut = spec.get("padded") and not as_stored
        self.channels_last = channels_last
        self.dtype = dtype or getattr(torch, spec["dtype"])
        self.file = h5py.File(spec["dataset"])
        self.inputs = [self.file[name] for name in spec["inputs"]]
        self.records, self.size = spec["records"], spec["batch_size"]
        if "mean" in spec:
            self.mean = torch.tensor(spec["mean"]).reshape(-1, 1, 1)
            self.std = torch.tensor(spec["std"]).reshape(-1, 1, 1)

    def read(self, first, last):
        """Records [first, last) as they are stored."""
        return [input[first:last] for input in self.inputs]

    def ready(self, arrays):
        """Cast, normalized, and cut to the longest of the batch where they are padded."""
        if self.cut:
            longest = int((arrays[-1] != 0).sum(1).max())
            arrays = [array[:, :longest] for array in arrays]
        tensors = [torch.from_numpy(array) for array in arrays]
        if "mean" in self.spec:
            tensors = [(tensor.float() - self.mean) / self.std for tensor in tensors]
        tensors = [tensor.to(self.dtype) for tensor in tensors]
        if self.channels_last:
            tensors = [t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors]
        return tensors


def eager(spec):
    """The module itself; where only TorchScript is published, that, as it was saved."""
    if spec["network"] is None:
        return torch.jit.load(spec["model"]).eval()
    return networks.build(spec["network"])


def frozen(spec):
    return torch.jit.freeze(torch.jit.load(spec["model"]).eval())


def tuned(spec, precision):
    """All that LibTorch has: channels last, frozen, and oneDNN's own layouts where they are for this precision."""
    model = torch.jit.load(spec["model"]).eval().to(precision)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    model = torch.jit.freeze(model)
    return torch.jit.optimize_for_inference(model) if precision == torch.float32 else model


def warm_up(model, batches):
    """One batch, as everybody's first batch is slower; like the reading of the model, it is start-up."""
    model(*batches.ready(batches.read(0, min(batches.size, batches.records))))


def create_results(path, spec):
    return np.lib.format.open_memmap(path, "w+", np.float32, (spec["records"], spec["width"]))


def open_results(path):
    return np.load(path, mmap_mode="r+")


class Clock:
    """Of the loop alone: from the first read to the last write."""

    def __init__(self):
        self.began = time.perf_counter()

    def report(self, records):
        seconds = time.perf_counter() - self.began
        print(json.dumps({"records": records, "loop_seconds": seconds, "records_per_second": records / seconds}), flush=True)


def load_spec(args):
    return json.loads(args.spec.read_text())
