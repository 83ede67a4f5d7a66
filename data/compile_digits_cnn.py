#!/usr/bin/env python3
"""Compiles data/digits_cnn.pt2 for this machine's CPU: data/generated/digits_cnn.aoti.pt2 (AOTInductor).

    python data/compile_digits_cnn.py [--model data/digits_cnn.pt2] [--out data/generated/digits_cnn.aoti.pt2]

Needs torch and a C++ compiler. The package holds machine code for this processor, so it is made where it is run.
"""
import argparse
import sys
import warnings
from pathlib import Path

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("data/digits_cnn.pt2"))
    parser.add_argument("--out", type=Path, default=Path("data/generated/digits_cnn.aoti.pt2"))
    args = parser.parse_args()

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="The given buffer is not writable")  # torch.export.load
    program = torch.export.load(args.model)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch._inductor.aoti_compile_and_package(program, package_path=str(args.out),
                                             inductor_configs={"freezing": True})

    model, compiled = program.module(), torch._inductor.aoti_load_package(str(args.out))
    for n in (1, 37, 64, 1797):
        images = torch.randint(0, 17, (n, 8, 8), generator=torch.Generator().manual_seed(n)) * 0.0625
        with torch.inference_mode():
            difference = (compiled(images) - model(images)).abs().max().item()
        if difference > 1e-5:
            sys.exit(f"{args.out} differs from {args.model} by {difference} at batch {n}")
    print(f"{args.out} agrees with {args.model}")


if __name__ == "__main__":
    main()
