"""bench/run on small workloads, as a user would start it."""
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("SHARDMILL_PROGRAM", SOURCE / "build/release/src/cli/shardmill"))
LIMITS = PROGRAM.resolve().parents[2] / "bench"  # build/<preset>/bench


@unittest.skipUnless(importlib.util.find_spec("torch"), "the plain loop and the models need PyTorch")
class QuickTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shardmill-bench-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def bench(self, *words, timeout=500):
        environment = {**os.environ, "SHARDMILL_PROGRAM": str(PROGRAM), "SHARDMILL_BENCH_PROGRAMS": str(LIMITS),
                       "SHARDMILL_VENV": sys.prefix}
        return subprocess.run([SOURCE / "bench/run", "--quick", "--folder", self.folder / "data", "--scratch", self.folder / "scratch",
                               *words], env=environment, capture_output=True, text=True, timeout=timeout, check=False)

    def test_every_workload_is_measured_and_agrees(self):
        outcome = self.bench()
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)
        records = {path.stem: json.loads(path.read_text()) for path in (self.folder / "scratch/quick/records").glob("*.json")}
        self.assertLessEqual({"image", "rows", "rows-large", "text", "wide", "wide-cached", "tiny"}, set(records))
        for name, record in records.items():
            runs = {run["contender"]: run for run in record["runs"]}
            limit = "raw read" if name.startswith("wide") else "limit"
            self.assertLessEqual({"shardmill", limit}, set(runs), name)
            self.assertIn("difference", runs["shardmill"], name)
            self.assertNotIn("difference", runs[limit], name)
            for run in runs.values():
                self.assertGreater(run["seconds"], 0)
                self.assertGreater(run["loop_seconds"], 0)
                # The bare loop goes over its batches several times; everybody else once.
                if run["contender"] != "limit":
                    self.assertLess(run["loop_seconds"], run["seconds"])
        self.assertIn("plain", {run["contender"] for run in records["rows"]["runs"]})

    def test_a_wrong_result_stops_it(self):
        outcome = self.bench("rows", "--only", "shardmill", "--set", "dataset.transforms=[{scale: 1.001}]")
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("rows: shardmill is off by", outcome.stderr)

    def test_unknown_names_are_told(self):
        outcome = self.bench("row")
        self.assertEqual(outcome.returncode, 2)
        self.assertIn("there is no workload row; there are image,", outcome.stderr)

    def test_training_is_measured(self):
        environment = {**os.environ, "SHARDMILL_PROGRAM": str(PROGRAM), "SHARDMILL_BENCH_PROGRAMS": str(LIMITS),
                       "SHARDMILL_VENV": sys.prefix}
        out = self.folder / "results.json"
        outcome = subprocess.run([SOURCE / "bench/training/run", "--quick", "--out", out], env=environment, capture_output=True,
                                 text=True, timeout=500, check=False)
        self.assertEqual(outcome.returncode, 0, outcome.stdout + outcome.stderr)
        results = json.loads(out.read_text())
        for part in ("resnet", "mlp", "dealing", "faults", "checkpoints", "recovery"):
            self.assertGreaterEqual(len(results[part]), 2)
            for values in results[part].values():
                self.assertGreater(min(values), 0)
        self.assertGreater(results["steps lost by torchrun"][0], 0)


if __name__ == "__main__":
    unittest.main()
