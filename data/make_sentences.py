#!/usr/bin/env python3
"""Writes data/sentences.txt: 4,000 English sentences, the usage examples of WordNet 3.0.

    python data/make_sentences.py --wordnet /usr/share/wordnet [--out data/sentences.txt]

Needs the data files of WordNet 3.0 (on Debian: the package wordnet-base), and no Python package. WordNet quotes its
examples inside the definitions; taken are those that read as whole sentences, without the ones that WordNet itself
quotes from somebody else. Lengths are spread: a share of every number of words, so that a batch holds short and long.
"""
import argparse
import hashlib
import re
from collections import defaultdict
from pathlib import Path

PARTS = ("data.noun", "data.verb", "data.adj", "data.adv")
EXAMPLE = re.compile(r'"([^"]+)"(\s*-+\s*\w)?')  # the second group: "..." - Author
SUBJECTS = set("i you he she it we they this that these those there who what why how when where my your his her our "
               "their the a an all both each every everyone everybody nobody no one some most many please".split())
VERBS = set("is are was were am be been has have had do does did will would can could shall should may might must "
            "isn't aren't wasn't weren't hasn't haven't hadn't don't doesn't didn't won't wouldn't can't couldn't "
            "cannot it's that's there's i'm i've i'll he's she's they're we're you're let's".split())
SUBJECT_PRONOUNS = set("i you he she it we they".split())
CRUDE = re.compile(r"\b(bitch|bastard|prostitut|rape|sex|grope|slut|whore)", re.I)
MIN_WORDS, MAX_WORDS = 4, 40


def is_sentence(text: str) -> bool:
    words = text.split()
    if not MIN_WORDS <= len(words) <= MAX_WORDS or not text.isascii() or re.search(r"[\[\]{}<>|_*()/`]|\.\.", text):
        return False
    if CRUDE.search(text):
        return False
    first = words[0].strip(",").lower()
    if first not in SUBJECTS and not words[0][0].isupper():
        return False
    lower = [w.strip(".,;:!?").lower() for w in words]
    return first in SUBJECT_PRONOUNS or not VERBS.isdisjoint(lower)


def tidy(text: str) -> str:
    text = " ".join(text.split()).strip(" ;,:-")
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!?'" else text + "."


def examples(folder: Path):
    for part in PARTS:
        for line in (folder / part).read_text(encoding="latin-1").splitlines():
            if line.startswith("  ") or "|" not in line:  # the licence at the top
                continue
            for text, author in EXAMPLE.findall(line.split("|", 1)[1]):
                if not author:
                    yield " ".join(text.split())


def spread(sentences: list[str], count: int) -> list[str]:
    """`count` of them with lengths as even as there are sentences for; the same ones on every run and machine."""
    by_length = defaultdict(list)
    for s in sentences:
        by_length[len(s.split())].append(s)
    for group in by_length.values():
        group.sort(key=rank)
    chosen, left = [], sorted(by_length.values(), key=len)
    while left:  # the rarest lengths give all they have, the others share what remains
        group = left.pop(0)
        chosen += group[: (count - len(chosen)) // (len(left) + 1)]
    return sorted(chosen, key=rank)


def rank(sentence: str) -> bytes:
    return hashlib.sha256(sentence.encode()).digest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder with data.noun and the others")
    parser.add_argument("--out", type=Path, default=Path("data/sentences.txt"))
    parser.add_argument("--count", type=int, default=4000)
    args = parser.parse_args()

    whole = {}
    for text in examples(args.wordnet):
        if is_sentence(text):
            whole.setdefault(re.sub(r"\W", "", text).lower(), tidy(text))
    chosen = spread(list(whole.values()), args.count)
    args.out.write_text("".join(s + "\n" for s in chosen), encoding="ascii")
    words = sorted(len(s.split()) for s in chosen)
    print(f"{args.out}: {len(chosen)} of {len(whole)} sentences, {words[0]} to {words[-1]} words, "
          f"median {words[len(words) // 2]}, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
