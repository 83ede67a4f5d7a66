#!/usr/bin/env python3
"""Our losses, optimizers and schedules are PyTorch's.

    python check_training_numerics.py PROGRAM      # the build's tests/interop/training_numerics
"""
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.optim import lr_scheduler

from common import Failed, close, parser, run_check

STEPS = 50
PEAK = 0.3


def call(program: Path, *arguments) -> list[float]:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr.strip()}")
    return [float(line) for line in done.stdout.split()]


def keys(values: dict) -> list[str]:
    return [f"{key}={float(value)!r}" for key, value in values.items()]


def write(folder: Path, name: str, tensor: torch.Tensor) -> None:
    (folder / name).write_bytes(tensor.contiguous().numpy().tobytes())


def read(folder: Path, name: str, like: torch.Tensor) -> np.ndarray:
    return np.frombuffer((folder / name).read_bytes(), np.float32).reshape(like.shape)


def pytorch_schedule(kind: str, optimizer, steps: int, keys: dict):
    if kind == "constant":
        return lr_scheduler.ConstantLR(optimizer, 1.0)
    if kind == "step":
        return lr_scheduler.StepLR(optimizer, keys["step_every"], keys["step_factor"])
    if kind == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, steps - 1, PEAK * keys["final_factor"])
    if kind == "linear":
        return lr_scheduler.LinearLR(optimizer, 1.0, keys["final_factor"], steps - 1)
    first = keys["initial_factor"]
    return lr_scheduler.OneCycleLR(optimizer, PEAK, steps, pct_start=keys["peak_at"], cycle_momentum=False,
                                   div_factor=1 / first, final_div_factor=first / keys["final_factor"])


def pytorch_rates(kind: str, total: int, keys: dict) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    warmup = keys.get("warmup_steps", 0)
    scheduler = pytorch_schedule(kind, optimizer, total - warmup, keys)
    if warmup:
        rise = lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, warmup - 1)
        scheduler = lr_scheduler.SequentialLR(optimizer, [rise, scheduler], [warmup])
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def check_schedules(program: Path) -> int:
    cases = [("constant", 20, {}), ("constant", 20, {"warmup_steps": 7})]
    for warmup in ({}, {"warmup_steps": 11}):
        cases += [("step", 60, {"step_every": 9, "step_factor": 0.3, **warmup})]
        cases += [(kind, total, {"final_factor": final, **warmup})
                  for kind in ("cosine", "linear") for total in (13, 100) for final in (0.0, 0.1)]
    cases += [("one_cycle", total, {"initial_factor": 0.04, "final_factor": final, "peak_at": peak})
              for total in (30, 101) for final in (0.001, 0.04) for peak in (0.25, 0.3, 0.77)]
    for kind, total, values in cases:
        ours = call(program, "schedule", kind, total, *keys({"lr": PEAK, **values}))
        close(f"the rate of {kind} {values}", np.array(ours), np.array(pytorch_rates(kind, total, values)), 1e-12)
    return len(cases)


def check_losses(program: Path, folder: Path) -> int:
    nn = torch.nn.functional
    functions = {"cross_entropy": nn.cross_entropy, "mse": nn.mse_loss, "l1": nn.l1_loss,
                 "bce_with_logits": nn.binary_cross_entropy_with_logits,
                 "next_token": lambda output, target, **k: nn.cross_entropy(output.flatten(0, 1), target.flatten(), **k)}
    cases = [(kind, shape, {}) for kind in ("mse", "l1", "bce_with_logits") for shape in ((32, 1), (32, 5), (7, 3, 4))]
    cases += [("cross_entropy", shape, {"label_smoothing": smoothing} if smoothing else {})
              for shape in ((32, 10), (9, 4, 5, 6)) for smoothing in (0, 0.1)]
    cases += [("next_token", (6, 11, 40), {"label_smoothing": smoothing} if smoothing else {}) for smoothing in (0, 0.1)]
    for kind, shape, options in cases:
        output = (torch.randn(shape) * 3).requires_grad_()
        if kind == "cross_entropy":
            target = torch.randint(shape[1], (shape[0], *shape[2:]))
        elif kind == "next_token":
            target = torch.randint(shape[2], shape[:2])
        else:
            target = torch.rand(shape)
        expected = functions[kind](output, target, **options)
        expected.backward()
        write(folder, "output.bin", output.detach())
        write(folder, "target.bin", target)
        for parts in (3,):
            [ours] = call(program, "loss", kind, folder, *keys({**options, "parts": parts}), *shape)
            name = f"{kind} of {list(shape)} {options} in {parts} parts"
            close(name, np.array([ours]), np.array([expected.item()]), 2e-6 * max(1, abs(expected.item())))
            close(f"the gradient of {name}", read(folder, "gradient.bin", output), output.grad.numpy(), 1e-7)
    return len(cases)


def check_optimizers(program: Path, folder: Path) -> int:
    count, decayed = 70001, 40003  # more than a chunk; neither is a multiple of anything
    cases = [("sgd", {}), ("sgd", {"momentum": 0.9}), ("sgd", {"momentum": 0.8, "nesterov": 1, "weight_decay": 0.01}),
             ("sgd", {"weight_decay": 0.1})]
    cases += [(kind, {**options, **decay}) for kind in ("adam", "adamw") for decay in ({}, {"weight_decay": 0.05})
              for options in ({}, {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "gradient_scale": 0.25})]
    classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    for kind, options in cases:
        start, gradients = torch.randn(count), torch.randn(STEPS, count)
        write(folder, "parameters.bin", start)
        write(folder, "gradients.bin", gradients)
        rate = 0.01
        call(program, "optimizer", kind, folder, *keys({"lr": rate, "decayed": decayed, **options}))
        with_decay = torch.nn.Parameter(start[:decayed].clone())
        without = torch.nn.Parameter(start[decayed:].clone())
        named = {key: options[key] for key in ("momentum",) if key in options}
        if "nesterov" in options:
            named["nesterov"] = True
        if kind != "sgd":
            named = {"betas": (options.get("beta1", 0.9), options.get("beta2", 0.999)),
                     "eps": options.get("epsilon", 1e-8)}
        optimizer = classes[kind]([{"params": [with_decay], "weight_decay": options.get("weight_decay", 0)},
                                   {"params": [without], "weight_decay": 0}], lr=rate, **named)
        for step, gradient in enumerate(gradients * options.get("gradient_scale", 1)):
            for group in optimizer.param_groups:
                group["lr"] = rate / (step + 1)
            with_decay.grad, without.grad = gradient[:decayed].clone(), gradient[decayed:].clone()
            optimizer.step()
        expected = torch.cat([with_decay.detach(), without.detach()])
        close(f"a parameter after {STEPS} steps of {kind} {options}", read(folder, "parameters.bin", start),
              expected.numpy(), 1e-6)
    return len(cases)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("program", type=Path)
    args = p.parse_args()
    warnings.filterwarnings("ignore", module="torch.optim.lr_scheduler")
    torch.manual_seed(0)

    def check() -> str:
        with tempfile.TemporaryDirectory() as scratch:
            schedules = check_schedules(args.program)
            losses = check_losses(args.program, Path(scratch))
            optimizers = check_optimizers(args.program, Path(scratch))
        return f"{schedules} schedules, {losses} losses and {optimizers} optimizers as in PyTorch {torch.__version__}"

    run_check(check)


if __name__ == "__main__":
    sys.exit(main())
