"""Training a TorchScript module, whose program is in a file of its own: the run's checkpoints hold its weights alone."""
import shutil
import unittest

import h5py
import numpy as np

from harness import SOURCE
from training import NETWORKS, TrainingTest, newest_checkpoint, tensors


class TrainingTorchScriptTest(TrainingTest):
    def setUp(self):
        super().setUp()
        self.module = self.folder / "module.pt"
        self.save(self.module, seed=3)
        NETWORKS["module"] = f"{{path: {self.module}}}"
        self.addCleanup(NETWORKS.pop, "module")

    def save(self, path, seed):
        import torch
        torch.manual_seed(seed)
        layers = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3, padding=1, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
                                     torch.nn.Flatten(), torch.nn.Dropout(0.2), torch.nn.Linear(512, 10))
        torch.jit.script(layers).save(str(path))

    def infer_job(self, checkpoint):
        job = self.folder / "use.yaml"
        job.write_text(f"""job: infer
name: use
model: {{path: {checkpoint}}}
dataset:
  path: {SOURCE}/data/digits.h5
  inputs: [images]
  transforms: [{{cast: float32}}, {{scale: 0.0625}}, {{reshape: [1, 8, 8]}}]
batch_size: 64
outputs: {{scores: {{}}}}
""")
        return job

    def test_the_trained_module_is_what_pytorch_makes_of_its_weights(self):
        import torch
        job = self.train_job("module")
        one, two = (self.run_job(f"trained-{ranks}", job, "-q", "-n", ranks) for ranks in (1, 2))
        self.assert_same_state(one, two)
        checkpoint = newest_checkpoint(two)
        run = self.run_job("used", self.infer_job(checkpoint), "-q", "-n", 2)

        module = torch.jit.load(str(self.module)).eval()
        untrained = {name: value.clone() for name, value in module.state_dict().items()}
        weights = {name.removeprefix("model/"): torch.tensor(value) for name, value in tensors(checkpoint).items()
                   if name.startswith("model/")}
        self.assertEqual(weights.keys(), untrained.keys())
        module.load_state_dict(weights)
        with h5py.File(SOURCE / "data/digits.h5") as file:
            images = torch.tensor(file["images"][()], dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        with torch.inference_mode():
            expected = module(images).numpy()
        with h5py.File(run / "results.h5") as file:
            found = file["scores"][()]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        module.load_state_dict(untrained)
        with torch.inference_mode():
            self.assertGreater(np.abs(found - module(images).numpy()).max(), 0.1)

    def test_a_module_that_is_gone_or_another_one(self):
        job = self.train_job("module", steps=6)
        trained = self.run_job("trained", job, "-q")
        use = self.infer_job(newest_checkpoint(trained))
        kept = self.folder / "kept.pt"
        self.module.rename(kept)
        outcome = self.shardmill("run", use, "--run-dir", self.folder / "gone")
        self.assertEqual(outcome.code, 2)
        self.assertIn(f"{self.module}, is not there; put it back", outcome.stderr)
        self.assertIn("use.yaml:3:", outcome.stderr)

        self.save(self.module, seed=4)
        outcome = self.shardmill("run", use, "--run-dir", self.folder / "other")
        self.assertNotEqual(outcome.code, 0)
        self.assertIn(f"was trained with another {self.module} than the one that is there now", outcome.stderr)

        shutil.copy(kept, self.module)
        self.run_job("used", use, "-q")

    def test_a_run_does_not_go_on_with_another_module(self):
        job = self.train_job("module")
        expected = self.run_job("whole", job, "-q")
        run = self.folder / "cut-off"
        outcome = self.shardmill("run", job, "--run-dir", run, "-q", "-n", 1, "--set", "fault_tolerance.max_restarts=0",
                                 env={"SHARDMILL_CRASH_AT": "train-before-update:0:14"})
        self.assertNotEqual(outcome.code, 0)
        kept = self.module.read_bytes()
        self.save(self.module, seed=4)
        outcome = self.shardmill("resume", run, "-q")
        self.assertNotEqual(outcome.code, 0)
        self.assertIn("is of a run with another model", outcome.stderr)
        self.module.write_bytes(kept)
        outcome = self.shardmill("resume", run, "-q", "-n", 2)
        self.assertEqual((outcome.code, outcome.stderr), (0, ""))
        self.assert_same_state(expected, run)


if __name__ == "__main__":
    unittest.main()
