"""Training over several ranks: the same bits at any number of them."""
import json
import unittest

import h5py
import numpy as np

from harness import SOURCE
from training import NETWORKS, TrainingTest, newest_checkpoint, tensors


class TrainingRanksTest(TrainingTest):
    def test_same_bits_at_any_number_of_ranks(self):
        for network in NETWORKS:
            with self.subTest(network=network):
                job = self.train_job(network, **({"steps": 8} if network == "resnet" else {}))
                expected = self.run_job(f"{network}-1", job, "-n", 1, "-q", timeout=180)
                for ranks in (2, 3, 4, 8):
                    run = self.run_job(f"{network}-{ranks}", job, "-n", ranks, "-q", timeout=180)
                    self.assert_same_state(expected, run)

    def test_same_bits_with_the_optimizer_cut_in_parts(self):
        for network in ("mlp", "cnn"):  # the second is too small to be cut: one rank and the next have all of it
            job = self.train_job(network)
            expected = self.run_job(f"{network}-1", job, "-n", 1, "-q")
            for ranks in (1, 2, 3, 4):
                with self.subTest(network=network, ranks=ranks):
                    run = self.run_job(f"{network}-parts-{ranks}", job, "-n", ranks, "-q",
                                       "--set", "training.optimizer_sharding=true")
                    self.assert_same_state(expected, run)

    def test_digits_train_reaches_its_accuracy(self):
        self.run_job("run", SOURCE / "jobs/digits-train.yaml", "-n", 2, "-q", timeout=120)
        summary = json.loads((self.folder / "run/summary.json").read_text())
        self.assertGreaterEqual(summary["metrics"]["accuracy"], 0.98)
        self.assertEqual(summary["utilization"], 1)
        self.assertEqual(summary["fault_tolerance"], 1)

    def test_loss_curve_is_that_of_pytorch(self):
        """50 steps over one batch that is the whole dataset, from the same first weights."""
        import torch
        from safetensors.torch import save_file
        torch.manual_seed(1)
        torch.set_num_threads(1)
        inputs, classes = torch.randn(96, 20), torch.randint(0, 5, (96,))
        with h5py.File(self.folder / "d.h5", "w") as file:
            file["x"], file["y"] = inputs.numpy(), classes.numpy()
        layers = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.Tanh(), torch.nn.Linear(32, 5))
        names = {"0.weight": "layers.0.weight", "0.bias": "layers.0.bias", "2.weight": "layers.1.weight", "2.bias": "layers.1.bias"}
        first = {name: value.clone() for name, value in layers.state_dict().items()}
        save_file({names[name]: value for name, value in first.items()}, str(self.folder / "first.safetensors"))
        for name, text, make in (
                ("sgd", "{type: sgd, learning_rate: 0.2, momentum: 0.9, nesterov: true, weight_decay: 0.01}",
                 lambda groups: torch.optim.SGD(groups, lr=0.2, momentum=0.9, nesterov=True)),
                ("adamw", "{type: adamw, learning_rate: 0.01, weight_decay: 0.01}",
                 lambda groups: torch.optim.AdamW(groups, lr=0.01))):
            with self.subTest(name):
                job = self.folder / f"{name}.yaml"
                job.write_text(f"""job: train
name: {name}
model: {{zoo: mlp, options: {{inputs: 20, hidden: [32], outputs: 5, activation: tanh}}}}
dataset: {{path: {self.folder}/d.h5, inputs: [x], target: y}}
training:
  loss: {{type: cross_entropy, label_smoothing: 0.1}}
  optimizer: {text}
  global_batch_size: 96
  logical_shards: 1
  steps: 50
  clip_grad_norm: 0.5
  init_from: {self.folder}/first.safetensors
""")
                run = self.run_job(name, job, "-n", 1, "-q")
                ours = [float(line.split(",")[4]) for line in (run / "metrics.csv").read_text().splitlines()
                        if ",train,loss," in line]
                layers.load_state_dict(first)
                optimizer = make([{"params": [p for p in layers.parameters() if p.dim() > 1], "weight_decay": 0.01},
                                  {"params": [p for p in layers.parameters() if p.dim() <= 1], "weight_decay": 0.0}])
                theirs = []
                for _ in range(50):
                    optimizer.zero_grad()
                    loss = torch.nn.functional.cross_entropy(layers(inputs), classes, label_smoothing=0.1)
                    loss.backward()
                    torch.nn.utils.clip_grad_norm_(layers.parameters(), 0.5)
                    optimizer.step()
                    theirs.append(loss.item())
                self.assertEqual(len(ours), 50)
                self.assertLess(theirs[-1], 0.7 * theirs[0])
                for step, (a, b) in enumerate(zip(ours, theirs)):
                    self.assertLess(abs(a - b) / b, 1e-5, f"step {step}: {a} {b}")

    def test_a_trained_model_runs_in_an_infer_job(self):
        trained = self.run_job("trained", SOURCE / "jobs/digits-train.yaml", "-q", timeout=120)
        run = self.run_job("used", SOURCE / "jobs/digits-infer.yaml", "-q", "-n", 2, "--set",
                           f"model.path={trained}/checkpoints/best.h5", "--set",
                           "dataset.transforms=[{cast: float32}, {scale: 0.0625}, {reshape: [1, 8, 8]}]")
        best = json.loads((trained / "summary.json").read_text())["metrics"]["accuracy"]
        self.assertAlmostEqual(json.loads((run / "summary.json").read_text())["metrics"]["accuracy"], best, delta=0.01)

    def test_commands_know_a_training_run(self):
        job = self.train_job(steps=12)
        for command in ("plan", "simulate"):
            outcome = self.shardmill(command, job, *(["--ranks", 4, "--mtbf", "1h"] if command == "simulate" else []))
            self.assertEqual(outcome.code, 2)
            self.assertIn("is for jobs of kind infer", outcome.stderr)
        run = self.run_job("run", job, "-q")
        outcome = self.shardmill("verify", run)
        self.assertEqual((outcome.code, outcome.stderr), (0, ""))
        self.assertIn("checkpoints check out", outcome.stdout)
        self.assertIn("96 of 96 tasks", self.shardmill("status", run).stdout)
        damaged = newest_checkpoint(run)
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        outcome = self.shardmill("verify", run)
        self.assertEqual(outcome.code, 1)
        self.assertIn(damaged.name, outcome.stderr)

    def test_fast_reduction_trains_as_well(self):
        expected = self.run_job("ordered", self.train_job(), "-n", 3, "-q")
        run = self.run_job("fast", self.train_job(reduction="fast"), "-n", 3, "-q")
        a, b = tensors(newest_checkpoint(expected)), tensors(newest_checkpoint(run))
        for name, value in a.items():
            if value.dtype == np.float32 and name.startswith("model/"):
                self.assertLess(np.abs(value - b[name]).max(), 1e-2, name)

    def test_another_seed_gives_another_model(self):
        first = self.run_job("first", self.train_job(steps=4), "-q")
        second = self.run_job("second", self.train_job(steps=4, seed=6), "-q")
        a, b = tensors(newest_checkpoint(first)), tensors(newest_checkpoint(second))
        self.assertTrue(any(a[name].tobytes() != b[name].tobytes() for name in a))


if __name__ == "__main__":
    unittest.main()
