"""Saves a TorchScript model that really ends or hangs its process on certain records."""
import sys

import torch


class Deadly(torch.nn.Module):
    """A 1 in the first column divides the smallest integer by -1 (SIGFPE), a 2 writes far outside of a tensor (SIGSEGV),
    a 3 never comes back."""

    def forward(self, x):
        kind = int(x[:, 0].max().item())
        # Of numbers that depend on the input: an operation on constants would be done, and kill, when the model is loaded.
        one = torch.full([64], kind, dtype=torch.int64)
        if kind == 1:
            return x * torch.div(one * (-9223372036854775807 - 1), -one, rounding_mode="trunc").sum()
        if kind == 2:
            outside = one[:1].reshape([1, 1]) * 500000000000
            return x * torch.ops.aten._sparse_coo_tensor_unsafe(outside, torch.ones([1]), [4]).to_dense().sum()
        while kind == 3:
            kind = int(x[:, 0].max().item())
        return x * 2 + 1


torch.jit.script(Deadly().eval()).save(sys.argv[1])
