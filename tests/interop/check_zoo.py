#!/usr/bin/env python3
"""The built-in networks are those of PyTorch: weights, outputs, gradients and buffers, both ways through safetensors.

    python check_zoo.py PROGRAM [NETWORK...]

The twins are zoo_twins.py, and for ResNets torchvision too where it is installed.
"""
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from common import Failed, close, parser, run_check
from zoo_twins import TWINS

try:
    import torchvision
except ImportError:
    torchvision = None


def run(program: Path, *arguments) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Failed(f"zoo_program {' '.join(map(str, arguments))}: {done.stderr.strip()}")


def twins(name: str) -> list[torch.nn.Module]:
    made = [TWINS[name]()]
    if torchvision and name.startswith("resnet") and "cifar" not in name:
        made.append(getattr(torchvision.models, name)(num_classes=made[0].fc.out_features))
    return made


def relative(what: str, actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> float:
    if actual.shape != expected.shape:
        raise Failed(f"{what} is {list(actual.shape)}, PyTorch's {list(expected.shape)}")
    scale = expected.abs().max().item()
    error = (actual.double() - expected.double()).abs().max().item()
    if not error <= tolerance * scale:
        raise Failed(f"{what} is off by {error:.3g}, its largest value being {scale:.3g}")
    return error / scale if scale else 0.0


def check_step(name: str, twin: torch.nn.Module, folder: Path) -> tuple[float, float]:
    """One training step with the weights that shardmill made: the largest errors of the output and the gradients."""
    weights, step = load_file(folder / "weights.safetensors"), load_file(folder / "step.safetensors")
    twin.load_state_dict(weights, strict=True)
    twin.train()
    output = twin(step["input"])
    (output * step["probe"]).mean().backward()
    worst = close(f"{name}: the output", step["output"].numpy(), output.detach().numpy(), 1e-5)
    parameters, buffers = dict(twin.named_parameters()), dict(twin.named_buffers())
    names = {f"grad.{n}" for n in parameters} | {f"after.{n}" for n in buffers} | {"input", "output", "probe"}
    if names != set(step):
        raise Failed(f"{name}: only one side has {sorted(names ^ set(step))[:5]}")
    gradient = max(relative(f"{name}: the gradient of {n}", step[f"grad.{n}"], p.grad, 1e-4) for n, p in parameters.items())
    for n, b in buffers.items():
        relative(f"{name}: {n} after the step", step[f"after.{n}"].float(), b.float(), 1e-5)
    return worst, gradient


def check_first_values(name: str, folder: Path) -> None:
    """Drawn as torch.nn's modules and torchvision draw them. GPT-2's own way is looked at in the unit tests."""
    if name.startswith("gpt") or (name.startswith("resnet") and not torchvision):
        return
    torch.manual_seed(1)
    reference = dict(twins(name)[-1].named_parameters())
    for n, ours in load_file(folder / "first.safetensors").items():
        if n not in reference or ours.numel() < 500 or "cifar" in name:
            continue
        theirs = reference[n].detach()
        for what, a, b, most in (("deviation", ours.std(), theirs.std(), 0.12),
                                 ("largest value", ours.abs().max(), theirs.abs().max(), 0.4)):
            if not abs(a - b) <= most * b:
                raise Failed(f"{name}: the first {n} has the {what} {a:.4g}, PyTorch's {b:.4g}")


def as_hugging_face(state: dict, length: int) -> dict:
    """GPT-2's file: no "transformer.", linear weights [inputs, outputs], masks among the weights, the output layer too."""
    result = {}
    for n, t in state.items():
        n = n.removeprefix("transformer.")
        result[n] = t.t().contiguous() if ".c_" in n and t.dim() == 2 else t
        if n.endswith("ln_1.weight"):
            result[n.replace("ln_1.weight", "attn.bias")] = torch.ones(1, 1, length, length).tril()
    return result | {"lm_head.weight": state["transformer.wte.weight"].clone()}


def check_loading(program: Path, name: str, twin: torch.nn.Module, folder: Path) -> float:
    """Weights that PyTorch made, in the dress in which they are found."""
    torch.manual_seed(2)
    with torch.no_grad():
        for p in twin.parameters():
            p.add_(0.02 * torch.randn_like(p))
    state = {n: t.detach().clone() for n, t in twin.state_dict().items()}
    theirs = as_hugging_face(state, 16) if name.startswith("gpt") else {f"module.{n}": t for n, t in state.items()}
    save_file(theirs, folder / "theirs.safetensors", metadata={"format": "pt"})
    run(program, "load", name, folder)
    twin.eval()
    with torch.no_grad():
        expected = twin(load_file(folder / "step.safetensors")["input"])
    return relative(f"{name}: the output with loaded weights", load_file(folder / "loaded.safetensors")["output"], expected, 1e-5)


def main() -> None:
    p = parser(__doc__)
    p.add_argument("program", type=Path, help="zoo_program")
    p.add_argument("networks", nargs="*", default=list(TWINS))
    args = p.parse_args()

    def check() -> str:
        output = gradient = loaded = 0.0
        for name in args.networks:
            with tempfile.TemporaryDirectory() as folder:
                run(args.program, "step", name, folder)
                check_first_values(name, Path(folder))
                for twin in twins(name):
                    errors = check_step(name, twin, Path(folder))
                    output, gradient = max(output, errors[0]), max(gradient, errors[1])
                    loaded = max(loaded, check_loading(args.program, name, twin, Path(folder)))
        return (f"{len(args.networks)} networks equal PyTorch's{' and torchvision' if torchvision else ''}: outputs to "
                f"{output:.2g}, gradients to {gradient:.2g}, with loaded weights to {loaded:.2g}")

    run_check(check)


if __name__ == "__main__":
    main()
