#!/usr/bin/env python3
"""Trains a small CNN on data/digits.h5 and writes it as TorchScript (.pt) and as an exported program (.pt2).

    python data/train_digits_cnn.py [--dataset data/digits.h5] [--out data/digits_cnn]

Needs torch, numpy and h5py; under a minute on one core. Seeded, single-threaded, deterministic.
Input: float32 [n, 8, 8], pixels scaled to 0..1 (divided by 16). Output: logits [n, 10].
"""
import argparse
import sys
import warnings

import h5py
import torch
from torch import nn

import torchscript

SEED = 7
EPOCHS = 40
BATCH = 64
PROMISED = 0.98  # the least held-out accuracy that is worth exporting


class DigitsCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 4 * 4, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images.unsqueeze(1)))


def shifted(images: torch.Tensor) -> torch.Tensor:
    """The batch, moved by up to one pixel each way: a hand never hits the grid twice in the same place."""
    dy, dx = torch.randint(0, 3, (2,)).tolist()
    return nn.functional.pad(images, (1, 1, 1, 1))[:, dy:dy + 8, dx:dx + 8]


def train(images: torch.Tensor, labels: torch.Tensor) -> nn.Module:
    model = DigitsCnn()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    steps = EPOCHS * (-(-len(images) // BATCH))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(shifted(images[rows])), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def export_program(model: nn.Module) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1, max=65536)
    # An example batch of 1 would be taken for a constant, so the example has 2.
    program = torch.export.export(model, (torch.zeros(2, 8, 8),), dynamic_shapes=({0: batch},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # holds the paths of the machine that ran the export
    return program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="data/digits.h5")
    parser.add_argument("--out", default="data/digits_cnn", help="without the ending")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # TorchScript is deprecated
    warnings.filterwarnings("ignore", message="The given buffer is not writable")  # torch.export.load

    with h5py.File(args.dataset, "r") as f:
        images = torch.from_numpy(f["images"][:]).float() * 0.0625
        labels = torch.from_numpy(f["labels"][:]).long()
        held_out = torch.from_numpy(f["held_out"][:]).bool()

    model = train(images[~held_out], labels[~held_out])
    with torch.inference_mode():
        logits = model(images)
    accuracy = (logits.argmax(1) == labels)[held_out].float().mean().item()
    print(f"held-out accuracy {accuracy:.4f} on {int(held_out.sum())} records, "
          f"{sum(p.numel() for p in model.parameters()):,} parameters")
    if accuracy < PROMISED:
        sys.exit(f"below the promised {PROMISED}: nothing written")

    script = torch.jit.script(model)
    torchscript.save(script, args.out + ".pt")
    program = export_program(model)
    torch.export.save(program, args.out + ".pt2")

    script = torch.jit.load(args.out + ".pt")
    program = torch.export.load(args.out + ".pt2").module()
    for n in (1, 37, 64, len(images)):
        with torch.inference_mode():
            expected = model(images[:n])
            for kind, exported in (("pt", script), ("pt2", program)):
                difference = (exported(images[:n]) - expected).abs().max().item()
                if difference > 1e-5:
                    sys.exit(f"{args.out}.{kind} differs from the model by {difference} at batch {n}")
    print(f"{args.out}.pt and {args.out}.pt2 agree with the model")


if __name__ == "__main__":
    torchscript.fix_hash_seed()
    main()
