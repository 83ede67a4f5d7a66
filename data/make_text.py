"""A text to train a GPT on, as data/generated/text.h5: the language reference in Python's own help ("pydoc topics").

Tokens are bytes. Needs h5py and numpy, and the Python that runs it:

    python data/make_text.py
"""
import pathlib
import pydoc_data.topics

import h5py
import numpy as np


def main():
    topics = pydoc_data.topics.topics
    text = "\n\n".join(topics[name].strip() for name in sorted(topics))
    tokens = np.frombuffer(text.encode("ascii", errors="ignore"), dtype=np.uint8)
    path = pathlib.Path(__file__).parent / "generated/text.h5"
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["tokens"] = tokens
    print(f"{path}: {len(tokens):,} tokens")


if __name__ == "__main__":
    main()
