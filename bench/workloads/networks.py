"""The models of the workloads, in PyTorch. Weights come from a fixed seed; MiniLM's are the published ones."""
import pathlib
import sys

import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]


def image() -> nn.Module:
    """ResNet-18 as torchvision has it: the twin that shardmill's own network is tested against."""
    sys.path.insert(0, str(ROOT / "tests/interop"))
    import zoo_twins
    model = zoo_twins.TWINS["resnet18"]()
    # As after training: running means and variances are those of activations, and a block adds to what comes by its
    # shortcut, instead of drowning it.
    model.train()
    for name, norm in model.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
            if name.endswith("bn2"):
                nn.init.constant_(norm.weight, 0.5)
    with torch.no_grad():
        model(soft_images(8, 224, torch.Generator().manual_seed(1)).float().sub(120).div(58))
    return model


def soft_images(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """uint8 [count, 3, side, side]: patches of colour that run into each other, as neighbours in a photograph do."""
    patches = torch.randint(0, 256, (count, 3, 14, 14), generator=generator).float()
    return nn.functional.interpolate(patches, size=(side, side), mode="bilinear").round().to(torch.uint8)


def rows() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


class Wide(nn.Module):
    """A megapixel to a few numbers: next to nothing to compute for a byte read."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1024, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x.mean(1))


class MeanOfTokens(nn.Module):
    """Stands in for MiniLM where that is not made (--quick): the same inputs, masked mean, and kind of output."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(1000, 32)
        self.head = nn.Linear(32, 16)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        weight = attention_mask.unsqueeze(2).to(torch.float32)
        return self.head((self.embedding(input_ids) * weight).sum(1) / weight.sum(1))


def tiny() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


MAKERS = {"image": image, "rows": rows, "wide": Wide, "tiny": tiny, "mean_of_tokens": MeanOfTokens}


def build(name: str) -> nn.Module:
    """The model with its fixed weights, in evaluation mode."""
    torch.manual_seed(20260101)
    return MAKERS[name]().eval()


def script(model: nn.Module, example: tuple) -> torch.jit.ScriptModule:
    """TorchScript of it: traced, since the twin picks its layers by name, which scripting does not know."""
    with torch.no_grad():
        return torch.jit.trace(model, example)
