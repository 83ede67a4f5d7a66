"""The built-in networks of shardmill, written with torch.nn. Sizes are those of zoo_program.cpp."""
import torch
from torch import nn
from torch.nn import functional as F


class Mlp(nn.Module):
    def __init__(self, widths, activation=F.relu):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.activation = activation

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


class Cnn(nn.Module):
    def __init__(self, widths, classes):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleDict({"conv": nn.Conv2d(a, b, 3, padding=1, bias=False), "bn": nn.BatchNorm2d(b)})
            for a, b in zip(widths, widths[1:]))
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x):
        for block in self.blocks:
            x = F.max_pool2d(F.relu(block["bn"](block["conv"](x))), 2)
        return self.fc(x.mean((2, 3)))


class ResNetBlock(nn.Module):
    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = 4 * width if bottleneck else width
        sizes = ([(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)] if bottleneck
                 else [(inputs, width, 3, stride), (width, outputs, 3, 1)])
        self.count = len(sizes)
        for i, (a, b, kernel, step) in enumerate(sizes, 1):
            setattr(self, f"conv{i}", nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        for i in range(1, self.count + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = F.relu(x if i < self.count else x + shortcut)
        return x


class ResNet(nn.Module):
    def __init__(self, counts, bottleneck, in_channels, classes, imagenet):
        super().__init__()
        self.conv1 = (nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False) if imagenet
                      else nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False))
        self.bn1 = nn.BatchNorm2d(64)
        self.imagenet, channels = imagenet, 64
        for layer, count in enumerate(counts):
            blocks = []
            for i in range(count):
                blocks.append(ResNetBlock(channels, 64 << layer, 2 if i == 0 and layer > 0 else 1, bottleneck))
                channels = (64 << layer) * (4 if bottleneck else 1)
            setattr(self, f"layer{layer + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        if self.imagenet:
            x = F.max_pool2d(x, 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class GptBlock(nn.Module):
    def __init__(self, width, heads, bias):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width, bias), "c_proj": nn.Linear(width, width, bias)})
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width, bias), "c_proj": nn.Linear(4 * width, width, bias)})

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2)
                   for t in self.attn["c_attn"](self.ln_1(x)).split(width, dim=2))
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        y = scores.masked_fill(future, float("-inf")).softmax(-1) @ v
        x = x + self.attn["c_proj"](y.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, vocabulary, longest, layers, heads, width, bias=True):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocabulary, width), "wpe": nn.Embedding(longest, width),
            "h": nn.ModuleList(GptBlock(width, heads, bias) for _ in range(layers)),
            "ln_f": nn.LayerNorm(width, bias=bias)})

    def forward(self, tokens):
        t = self.transformer
        x = t["wte"](tokens) + t["wpe"](torch.arange(tokens.shape[1]))
        for block in t["h"]:
            x = block(x)
        return F.linear(t["ln_f"](x), t["wte"].weight)


class Encoder(nn.Module):
    def __init__(self, vocabulary, longest, layers, heads, width, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position = nn.Embedding(longest, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.classifier = nn.Linear(width, classes)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.position(torch.arange(tokens.shape[1]))
        x = self.encoder(x, src_key_padding_mask=tokens == 0)
        real = (tokens != 0).unsqueeze(2)
        return self.classifier((x * real).sum(1) / real.sum(1))


TWINS = {
    "mlp_relu": lambda: Mlp([12, 16, 8, 3]),
    "mlp_gelu": lambda: Mlp([12, 16, 3], F.gelu),
    "mlp_tanh": lambda: Mlp([12, 16, 3], torch.tanh),
    "mlp_linear": lambda: Mlp([12, 3]),
    "cnn": lambda: Cnn([3, 8, 16], 10),
    "resnet18": lambda: ResNet([2, 2, 2, 2], False, 3, 1000, True),
    "resnet18_cifar": lambda: ResNet([2, 2, 2, 2], False, 1, 10, False),
    "resnet34": lambda: ResNet([3, 4, 6, 3], False, 3, 10, True),
    "resnet50": lambda: ResNet([3, 4, 6, 3], True, 3, 10, True),
    "gpt": lambda: Gpt(60, 16, 3, 4, 32),
    "gpt_without_bias": lambda: Gpt(60, 16, 2, 2, 16, bias=False),
    "encoder": lambda: Encoder(60, 16, 2, 4, 32, 5),
}
