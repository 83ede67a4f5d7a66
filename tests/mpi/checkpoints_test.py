"""Checkpoints from outside: h5py, and the commands that look at them."""
import json
import os
import pathlib
import re
import subprocess
import unittest

import h5py
import numpy as np
import safetensors

from harness import PROGRAM, SOURCE, ShardmillTest

WRITER = pathlib.Path(os.environ.get("SHARDMILL_CHECKPOINT_PROGRAM",
                                     PROGRAM.resolve().parents[2] / "tests/mpi/checkpoint_program"))
META = {"step": 1200, "epoch": 3, "metrics": {"loss": 0.25, "accuracy": 0.9375}}


class CheckpointsTest(ShardmillTest):
    def write(self, name="checkpoint.h5", meta=None):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        said = subprocess.run([WRITER, path, json.dumps(META if meta is None else meta)], capture_output=True, text=True,
                              timeout=30, check=True)
        return path, said.stdout.split()[0]

    def test_h5py_reads_them(self):
        path, _ = self.write()
        with h5py.File(path) as file:
            self.assertEqual(sorted(file), ["model", "optimizer", "shardmill"])
            weight = file["model/features.0.weight"]
            self.assertEqual((weight.shape, weight.dtype, weight.chunks), ((8, 1, 3, 3), np.float32, None))
            self.assertTrue(np.array_equal(weight[()].ravel(), np.arange(72)))
            self.assertEqual(sorted(file["model"]), ["empty", "features.0.bias", "features.0.weight",
                                                     "features.1.num_batches_tracked", "features.1.running_mean", "half", "mask", "short"])
            for name in ("model/short", "model/half"):
                self.assertEqual(file[name][()].astype(np.float64).tolist(), [1.0, -2.0, 3.140625])
            self.assertEqual(file["model/half"].dtype, np.float16)
            self.assertEqual(file["model/empty"].shape, (0, 3))
            tracked = file["model/features.1.num_batches_tracked"]
            self.assertEqual((tracked.shape, tracked.dtype, tracked[()]), ((), np.int64, 0))
            self.assertEqual(file["model/mask"][()].tolist(), [False, True])
            self.assertEqual(json.loads(file["shardmill/meta"][()]), META)

    def test_the_checksums_are_those_of_the_documentation(self):
        path, checksum = self.write()
        page = (SOURCE / "docs/file-formats.md").read_text()
        functions = page[page.index("import ctypes"):page.index("def read_journal")]
        snippet = re.search(r"```python[^\n]*\n(class Hash128.*?)```", page, re.DOTALL)[1]
        seen = {"h5py": h5py, "json": json, "path": path}
        exec(functions + snippet, seen)
        self.assertEqual(len(seen["names"]), 10)
        self.assertEqual(seen["content"][-16:].hex(), checksum)
        changed = bytearray(path.read_bytes())
        changed[len(changed) // 2] ^= 4
        path.write_bytes(changed)
        with self.assertRaises(AssertionError):
            exec(functions + snippet, {"h5py": h5py, "json": json, "path": path})

    def run_with(self, steps, best=None):
        """A run's folder with checkpoints of these steps."""
        for step in steps:
            self.write(f"run/checkpoints/checkpoint-{step:09}.h5", {**META, "step": step})
        if best is not None:
            (self.folder / "run/checkpoints/best.h5").symlink_to(f"checkpoint-{best:09}.h5")
        return self.folder / "run"

    def assert_refused(self, code, said, *words):
        outcome = self.shardmill(*words)
        self.assertEqual((outcome.code, outcome.stdout, outcome.stderr.count("\n")), (code, "", 1), outcome.stderr)
        self.assertIn(said, outcome.stderr)

    def test_inspect(self):
        path, checksum = self.write()
        shown = self.shardmill("inspect", path)
        self.assertEqual((shown.code, shown.stderr), (0, ""))
        for row in (r"model/features.0.weight +float32 +8 x 1 x 3 x 3 +72 +288 B", r"num_batches_tracked +int64 +scalar +1 ",
                    r"model/empty +float64 +0 x 3 +0 ", r"model +8 tensors +97 ", r"optimizer/momentum_buffer +2 tensors +80 ",
                    r"step +1200", r"epoch +3", r"metrics.accuracy +0.9375", rf"checksum +{checksum}"):
            self.assertRegex(shown.stdout, rf"(?m)^ .*{row}")
        said = json.loads(self.shardmill("inspect", path, "--json").stdout)
        self.assertEqual((said["checksum"], said["bytes"], said["meta"]), (checksum, path.stat().st_size, META))
        self.assertEqual(said["totals"]["model"], {"tensors": 8, "elements": 97, "bytes": 374})
        self.assertEqual(said["tensors"][0], {"name": "model/features.0.weight", "dtype": "float32", "shape": [8, 1, 3, 3],
                                              "elements": 72, "bytes": 288})

    def test_inspect_a_run(self):
        run = self.run_with([100, 200], best=100)
        for words, step in (((), 200), (("--which", "best"), 100), (("--which", "last"), 200)):
            said = json.loads(self.shardmill("inspect", run, "--json", *words).stdout)
            self.assertEqual(said["meta"]["step"], step)

    def test_inspect_finds_damage(self):
        path, _ = self.write()
        content = bytearray(path.read_bytes())
        content[3000] ^= 1
        path.write_bytes(content)
        self.assert_refused(1, "is damaged", "inspect", path)
        path.write_bytes(content[:-1])
        self.assert_refused(1, "is not a whole checkpoint", "inspect", path)
        self.assert_refused(1, "is not a whole checkpoint", "export", path)
        self.assertFalse(path.with_suffix(".safetensors").exists())

    def test_whatever_the_meta_text_is(self):
        for meta in ([1, 2], "text", {}, {"deep": {"er": {"list": [1], "x": "y" * 100}}}):
            path, _ = self.write(meta=meta)
            self.assertEqual(self.shardmill("inspect", path).code, 0)
            self.assertEqual(json.loads(self.shardmill("inspect", path, "--json").stdout)["meta"], meta)
            self.assertEqual(self.shardmill("export", path).code, 0)

    def test_export(self):
        path, checksum = self.write()
        exported = self.shardmill("export", path, "--to", "safetensors", "--out", self.folder / "model.safetensors")
        self.assertEqual((exported.code, exported.stderr), (0, ""))
        self.assertIn("8 tensors", exported.stdout)
        with safetensors.safe_open(self.folder / "model.safetensors", "pt") as file, h5py.File(path) as checkpoint:
            self.assertEqual(file.metadata(), {"format": "pt", "step": "1200", "checkpoint": checksum})
            self.assertEqual(sorted(file.keys()), sorted(checkpoint["model"]))
            for name in file.keys():
                tensor = file.get_tensor(name)
                expected = checkpoint["model"][name]
                self.assertEqual(tuple(tensor.shape), expected.shape, name)
                self.assertEqual(tensor.double().tolist(), expected[()].astype(np.float64).tolist(), name)
            self.assertEqual(str(file.get_tensor("short").dtype), "torch.bfloat16")
            self.assertEqual(str(file.get_tensor("features.1.num_batches_tracked").dtype), "torch.int64")
        self.assertEqual(self.shardmill("export", path).code, 0)
        self.assertTrue((self.folder / "checkpoint.safetensors").exists())

    def test_export_a_run(self):
        def step_of(file):
            with safetensors.safe_open(file, "np") as opened:
                return opened.metadata()["step"]

        run = self.run_with([100, 200])
        self.assertEqual(self.shardmill("export", run).code, 0)  # nothing evaluated: the last
        self.assertEqual(step_of(run / "model.safetensors"), "200")
        self.assert_refused(2, "no best checkpoint", "export", run, "--which", "best")
        self.run_with([], best=100)
        for words, step in (((), "100"), (("--which", "last"), "200"), (("--which", "best"), "100")):
            self.assertEqual(self.shardmill("export", run, *words).code, 0)
            self.assertEqual(step_of(run / "model.safetensors"), step)
        self.assertEqual(list(self.folder.rglob("*.tmp")), [])

    def test_what_is_asked_for_wrongly(self):
        path, _ = self.write()
        (self.folder / "run").mkdir()
        for command in ("inspect", "export"):
            self.assert_refused(2, "there is no", command, self.folder / "none.h5")
            self.assert_refused(2, "has no checkpoints", command, self.folder / "run")
            self.assert_refused(2, "is a file", command, path, "--which", "last")
            self.assert_refused(2, "--which", command, self.folder / "run", "--which", "first")
            self.assert_refused(2, "checkpoint is required", command)
            self.assert_refused(1, "no HDF5 file", command, SOURCE / "README.md")
            self.assert_refused(1, "is not a whole checkpoint", command, SOURCE / "data/digits.h5")
        self.assert_refused(2, "--to", "export", path, "--to", "onnx")
        self.assert_refused(2, "is a folder", "export", path, "--out", self.folder / "run")
        self.assert_refused(2, "the checkpoint itself", "export", path, "--out", path)
        self.assert_refused(1, "cannot create", "export", path, "--out", self.folder / "none/model.safetensors")


if __name__ == "__main__":
    unittest.main()
