"""Saves a TorchScript model over padded tokens, each weighted by the one before it; it kills its process on a token 99."""
import sys

import torch


class Padded(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(100, 16)

    def forward(self, tokens, mask):
        if int(tokens.max().item()) == 99:
            one = tokens.max().reshape([1, 1])
            mask = mask * torch.ops.aten._sparse_coo_tensor_unsafe(one * 500000000000, torch.ones([1]), [4]).to_dense().sum()
        values = self.embedding(tokens) * mask.unsqueeze(-1)
        return (values.cumsum(1) * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


torch.manual_seed(0)
torch.jit.script(Padded().eval()).save(sys.argv[1])
