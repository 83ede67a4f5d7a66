"""Small training jobs, and what is left of them."""
import hashlib

import h5py
import numpy as np

from harness import SOURCE, ShardmillTest

NETWORKS = {
    "cnn": "{zoo: cnn, options: {in_channels: 1, channels: [8, 16], classes: 10, dropout: 0.3}}",
    "resnet": "{zoo: resnet18, options: {in_channels: 3, classes: 4, stem: cifar}}",
    # Large enough to be cut in slices for several ranks.
    "mlp": "{zoo: mlp, options: {inputs: 64, hidden: [512, 512], outputs: 10, dropout: 0.2}}",
    "gpt": "{zoo: gpt, options: {vocab_size: 256, block_size: 32, layers: 2, heads: 2, width: 32, dropout: 0.1}}",
}


def newest_checkpoint(run):
    """The newest by its number of steps."""
    files = sorted(file for file in (run / "checkpoints").glob("checkpoint-*.h5"))
    return files[-1]


def tensors(path):
    """name -> array, of a checkpoint."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and name.split("/")[0] in ("model", "optimizer"):
            found[name] = item[()]
    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def state_digest(run):
    """SHA-256 over the final parameters, buffers and optimizer state, with names and shapes."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors(newest_checkpoint(run)).items()):
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


class TrainingTest(ShardmillTest):
    def train_job(self, network="cnn", **settings):
        """Dropout, BatchNorm and augmentation are on where the network has them."""
        job = self.folder / f"{network}.yaml"
        training = {"steps": 24, "logical_shards": 8, "global_batch_size": 32, "seed": 5,
                    "optimizer": "{type: adamw, learning_rate: 0.003, weight_decay: 0.05}",
                    "schedule": "{type: cosine, warmup_steps: 4}", "clip_grad_norm": 1.0}
        sections = {"evaluation": "{every_steps: 10}", "checkpoints": "{every_steps: 6, keep: 2}",
                    "fault_tolerance": f"{{rank_timeout: {self.rank_timeout}}}"}
        if network == "gpt":
            data = self.folder / "tokens.h5"
            text = (SOURCE / "LICENSE").read_bytes()
            with h5py.File(data, "w") as file:
                file["tokens"] = np.frombuffer(text, dtype=np.uint8)
            dataset = f"{{path: {data}, inputs: [tokens], sequence: 32, split: {{validation: 0.1}}}}"
            training["loss"] = "next_token"
        elif network == "resnet":
            data = self.folder / "images.h5"
            random = np.random.default_rng(1)
            with h5py.File(data, "w") as file:
                file["images"] = random.integers(0, 256, (200, 3, 16, 16), dtype=np.uint8)
                file["labels"] = random.integers(0, 4, 200)
            dataset = (f"{{path: {data}, inputs: [images], target: labels, transforms: [{{cast: float32}}, "
                       "{scale: 0.00390625}], augment: {flip: 0.5, crop_padding: 2}, split: {validation: 0.2}}")
            training["loss"] = "{type: cross_entropy, label_smoothing: 0.1}"
            training["optimizer"] = "{type: sgd, learning_rate: 0.05, momentum: 0.9, nesterov: true, weight_decay: 5e-4}"
        else:
            shape = "{reshape: [64]}]" if network == "mlp" else "{reshape: [1, 8, 8]}], augment: {crop_padding: 1}"
            dataset = (f"{{path: {SOURCE}/data/digits.h5, inputs: [images], target: labels, transforms: "
                       f"[{{cast: float32}}, {{scale: 0.0625}}, {shape}, split: {{mask: held_out}}}}")
            training["loss"] = "cross_entropy"
            sections["evaluation"] = "{every_steps: 10, metrics: [accuracy], best: accuracy}"
        for key, value in settings.items():
            (sections if key in ("evaluation", "checkpoints", "fault_tolerance") else training)[key] = value
        lines = ["job: train", f"name: {network}", f"model: {NETWORKS[network]}", f"dataset: {dataset}", "training:"]
        lines += [f"  {key}: {value}" for key, value in training.items()]
        lines += [f"{key}: {value}" for key, value in sections.items()]
        job.write_text("\n".join(lines) + "\n")
        return job

    def assert_same_state(self, first, second):
        a, b = tensors(newest_checkpoint(first)), tensors(newest_checkpoint(second))
        self.assertEqual(newest_checkpoint(first).name, newest_checkpoint(second).name)
        self.assertEqual(a.keys(), b.keys())
        for name, value in a.items():
            self.assertEqual(value.tobytes(), b[name].tobytes(), f"{name} of {second.name} differs from {first.name}")
        self.assertEqual(state_digest(first), state_digest(second))


