"""Shared by the scripts of this folder: TorchScript files that are the same bytes on every machine."""
import os
import sys

import torch


def save(script: torch.jit.ScriptModule, path: str) -> None:
    """torch.jit.save, less its debug records: they hold the paths of the machine that ran this."""
    torch.jit.save(script, path)
    reader = torch._C.PyTorchFileReader(path)
    records = {name: reader.get_record(name) for name in sorted(reader.get_all_records())}
    del reader
    writer = torch._C.PyTorchFileWriter(path)
    for name, content in records.items():
        # The writer adds its own version and .data/serialization_id.
        if not name.endswith(".debug_pkl") and name not in ("version", ".data/serialization_id"):
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()


def fix_hash_seed() -> None:
    """Starts the script again with a fixed hash seed: TorchScript writes a module's constants in the order of a set."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable] + sys.argv, {**os.environ, "PYTHONHASHSEED": "0"})
