"""What is trained: the networks, their records, and the job files that say the same to shardmill."""
import os
import pathlib
import sys

import h5py
import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/interop"))
import zoo_twins  # noqa: E402

QUICK = os.environ.get("SHARDMILL_BENCH_QUICK") == "1"
GLOBAL_BATCH = 8 if QUICK else 128  # 64 a rank
RECORDS = 16 * GLOBAL_BATCH
WIDTHS = [16, 32, 32, 16, 10] if QUICK else [1024, 4096, 4096, 1024, 10]  # 25 million parameters

NETWORKS = {
    "mlp": lambda: zoo_twins.Mlp(WIDTHS),
    "resnet": lambda: zoo_twins.ResNet([2, 2, 2, 2], False, 3, 10, False),
}
SIDE = 8 if QUICK else 32
SHAPES = {"mlp": (WIDTHS[0],), "resnet": (3, SIDE, SIDE)}
ZOO = {
    "mlp": f"{{zoo: mlp, options: {{inputs: {WIDTHS[0]}, hidden: {WIDTHS[1:-1]}, outputs: {WIDTHS[-1]}}}}}",
    "resnet": "{zoo: resnet18, options: {in_channels: 3, classes: 10, stem: cifar}}",
}


def records(name):
    random = np.random.default_rng(3)
    inputs = random.standard_normal((RECORDS, *SHAPES[name]), np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(random.integers(0, 10, RECORDS))


def write_job(name, folder, steps, parts=2):
    """A job file over the same records; `parts` logical shards a step."""
    data = folder / f"{name}.h5"
    if not data.exists():
        inputs, targets = records(name)
        with h5py.File(data, "w") as file:
            file["x"], file["y"] = inputs.numpy(), targets.numpy()
    job = folder / f"{name}.yaml"
    job.write_text(f"""job: train
name: {name}
model: {ZOO[name]}
dataset: {{path: {data}, inputs: [x], target: y}}
training:
  loss: cross_entropy
  optimizer: {{type: sgd, learning_rate: 0.01, momentum: 0.9, decay_all: true}}
  global_batch_size: {GLOBAL_BATCH}
  logical_shards: {parts}
  steps: {steps}
checkpoints: {{every_steps: 1000000}}
resources: {{ranks: 2}}
""")
    return job
