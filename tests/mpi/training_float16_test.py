"""Training in float16, whose loss is scaled: beside PyTorch's GradScaler, and the same bits whatever dies."""
import json
import unittest

import h5py
import torch
from safetensors.torch import save_file
from training import TrainingTest, newest_checkpoint

STEPS = 30


class HalfPrecisionTest(TrainingTest):
    def float16_job(self):
        """The inputs are so large that the first gradients overflow at the first factor."""
        torch.manual_seed(1)
        inputs, classes = torch.randn(96, 20) * 200, torch.randint(0, 5, (96,))
        with h5py.File(self.folder / "d.h5", "w") as file:
            file["x"], file["y"] = inputs.numpy(), classes.numpy()
        layers = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.Tanh(), torch.nn.Linear(32, 5))
        names = {"0.weight": "layers.0.weight", "0.bias": "layers.0.bias", "2.weight": "layers.1.weight", "2.bias": "layers.1.bias"}
        save_file({names[name]: value.clone() for name, value in layers.state_dict().items()}, str(self.folder / "first.safetensors"))
        job = self.folder / "float16.yaml"
        job.write_text(f"""job: train
name: float16
model: {{zoo: mlp, precision: float16, options: {{inputs: 20, hidden: [32], outputs: 5, activation: tanh}}}}
dataset: {{path: {self.folder}/d.h5, inputs: [x], target: y}}
training:
  loss: cross_entropy
  optimizer: {{type: sgd, learning_rate: 0.1}}
  global_batch_size: 96
  logical_shards: 2
  steps: {STEPS}
  clip_grad_norm: 1.0
  init_from: {self.folder}/first.safetensors
fault_tolerance: {{rank_timeout: 2s}}
""")
        return job, inputs, classes, layers

    @staticmethod
    def scale_of(run):
        with h5py.File(newest_checkpoint(run)) as file:
            return json.loads(file["shardmill/meta"][()])["course"]["loss_scale"]

    def test_beside_pytorch(self):
        job, inputs, classes, layers = self.float16_job()
        run = self.run_job("run", job, "-n", 1, "-q")
        ours = [float(line.split(",")[4]) for line in (run / "metrics.csv").read_text().splitlines() if ",train,loss," in line]
        torch.set_num_threads(1)
        optimizer, scaler = torch.optim.SGD(layers.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
        theirs = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.float16):
                output = layers(inputs)
            loss = torch.nn.functional.cross_entropy(output.float(), classes)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            theirs.append(loss.item())
        self.assertLess(scaler.get_scale(), 65536)
        self.assertEqual(self.scale_of(run)["factor"], scaler.get_scale())
        self.assertEqual(len(ours), STEPS)
        self.assertLess(theirs[-1], 0.8 * theirs[0])
        for step, (a, b) in enumerate(zip(ours, theirs)):
            self.assertLess(abs(a - b) / b, 0.02, f"step {step}: {a} {b}")

    def test_same_bits_when_a_rank_dies(self):
        job = self.float16_job()[0]
        expected = self.run_job("one", job, "-n", 1, "-q")
        # While the factor is still being found, and when it has been.
        for step in (2, 20):
            run = self.run_job(f"died-{step}", job, "-n", 2, "-q", env={"SHARDMILL_CRASH_AT": f"train-before-exchange:1:{step}"})
            self.assert_same_state(expected, run)
            self.assertEqual(self.scale_of(run), self.scale_of(expected))


if __name__ == "__main__":
    unittest.main()
