"""On GPUs: the same bits at any number of ranks, over NCCL and without it, whoever dies; and the CPU's results, nearly."""
import json
import subprocess
import sys
import unittest

import h5py
import numpy as np

from harness import DIGITS, SOURCE, doctor, needs_ulfm
from training import TrainingTest, newest_checkpoint, tensors


def gpus():
    """How many there are that the program can use."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False).stdout
    except OSError:
        return 0
    return listed.count("GPU ") if "NCCL" in doctor() else 0


@unittest.skipIf(gpus() == 0, "no GPU, or a build without CUDA")
class GpuTest(TrainingTest):
    patience = 180

    def on_gpus(self, name, job, ranks, *words, env=None):
        """More ranks than GPUs share them: NCCL takes that only if each seems to have a host of its own."""
        before = "export NCCL_SOCKET_IFNAME=lo NCCL_HOSTID=$OMPI_COMM_WORLD_RANK" if gpus() < ranks else ":"
        env = {**self.wrapped_mpirun(f"mpirun-{name}", before), **(env or {})}
        return self.run_job(name, job, "-n", ranks, "-q", "--set", "model.device=cuda", *words, env=env)

    def summary(self, run):
        return json.loads((run / "summary.json").read_text())


class Training(GpuTest):
    def assert_nearly_same_weights(self, first, second, rtol):
        one, other = (tensors(newest_checkpoint(run)) for run in (first, second))
        for name in one:
            if name.startswith("model/") and one[name].dtype == np.float32:
                np.testing.assert_allclose(other[name], one[name], rtol=rtol, atol=1e-4, err_msg=name)

    def test_the_weights_are_those_of_one_rank_over_every_link(self):
        for network in ("cnn", "resnet", "gpt"):
            job = self.train_job(network)
            alone = self.on_gpus(f"{network}-alone", job, 1)
            self.assertEqual(self.summary(alone)["device"], "cuda:0")
            self.assertNotIn("exchange", self.summary(alone))
            for exchange, ranks, link in (("mpi", 2, "MPI through host memory"), ("nccl", 2, "NCCL"), ("auto", 3, "NCCL")):
                with self.subTest(network=network, exchange=exchange, ranks=ranks):
                    run = self.on_gpus(f"{network}-{exchange}", job, ranks, "--set", f"training.exchange={exchange}")
                    self.assertTrue(self.summary(run)["exchange"].startswith(link), self.summary(run)["exchange"])
                    self.assert_same_state(alone, run)

    def test_a_step_of_the_fast_reduction_is_nearly_the_same(self):
        job = self.train_job(steps=3, checkpoints="{every_steps: 3}", evaluation="{every_steps: 3}")
        alone = self.on_gpus("alone", job, 1)
        fast = self.on_gpus("fast", job, 3, "--set", "training.reduction=fast")
        self.assertTrue(self.summary(fast)["exchange"].startswith("NCCL"))
        self.assert_nearly_same_weights(alone, fast, rtol=1e-3)

    def test_the_cpu_learns_nearly_the_same(self):
        job = self.train_job(steps=2, checkpoints="{every_steps: 2}", evaluation="{every_steps: 2}",
                             optimizer="{type: sgd, learning_rate: 0.01}")
        job.write_text(job.read_text().replace("dropout: 0.3", "dropout: 0.0"))  # each device has its own dice
        gpu = self.on_gpus("gpu", job, 1)
        cpu = self.run_job("cpu", job, "-n", 1, "-q", "--set", "model.device=cpu")
        self.assert_nearly_same_weights(cpu, gpu, rtol=1e-2)

    @needs_ulfm
    def test_the_weights_are_the_same_whoever_dies(self):
        job = self.train_job(fault_tolerance="{rank_timeout: 5s, max_restarts: 0}")
        alone = self.on_gpus("alone", job, 1)
        for name, crash_at in {"worker": "train-mid-exchange:2:5", "coordinator": "train-before-exchange:0:7",
                               "two": "train-after-shard:1:6,train-before-update:2:4",
                               "stopped": "train-before-exchange:1:9:SIGSTOP"}.items():
            with self.subTest(name):
                run = self.on_gpus(name, job, 3, env={"SHARDMILL_CRASH_AT": crash_at})
                self.assertEqual(self.summary(run)["fault_tolerance"], 1)
                self.assert_same_state(alone, run)

    def test_a_target_that_is_no_class_is_named(self):
        job = self.train_job()
        job.write_text(job.read_text().replace("classes: 10", "classes: 9"))
        outcome = self.shardmill("run", job, "--run-dir", self.folder / "x", "-n", 1, "-q", "--set", "model.device=cuda")
        self.assertEqual(outcome.code, 1)
        self.assertIn("target 9 is out of bounds for the model's 9 classes", outcome.stderr)

    def test_float16_with_its_loss_scale(self):
        job = self.train_job("gpt")
        alone = self.on_gpus("alone", job, 1, "--set", "model.precision=float16")
        two = self.on_gpus("two", job, 2, "--set", "model.precision=float16")
        self.assert_same_state(alone, two)


class Inference(GpuTest):
    def outputs(self, run):
        with h5py.File(run / "results.h5") as file:
            return {name: file[name][()] for name in file if name != "shardmill"}

    def test_results_are_the_cpus_nearly(self):
        cpu = self.run_job("cpu", DIGITS, "-n", 1, "-q", "--set", "model.device=cpu")
        gpu = self.on_gpus("gpu", DIGITS, 2)
        self.assertEqual(self.summary(gpu)["device"], "cuda:0")
        # On a GPU convolutions multiply in TF32, as PyTorch's do unless told otherwise: ten bits of mantissa.
        for name, value in self.outputs(cpu).items():
            other = self.outputs(gpu)[name]
            if value.dtype == np.float32:
                np.testing.assert_allclose(other, value, rtol=0, atol=2e-3, err_msg=name)
            else:
                self.assertGreater(np.mean(other == value), 0.999, name)

    def test_they_are_equal_up_to_rounding_without_tf32(self):
        cpu = self.run_job("cpu", DIGITS, "-n", 1, "-q", "--set", "model.device=cpu")
        gpu = self.on_gpus("gpu", DIGITS, 1, env={"NVIDIA_TF32_OVERRIDE": "0"})
        for name, value in self.outputs(cpu).items():
            if value.dtype == np.float32:
                np.testing.assert_allclose(self.outputs(gpu)[name], value, rtol=0, atol=1e-5, err_msg=name)

    def test_batches_by_length(self):
        subprocess.run([sys.executable, SOURCE / "tests/mpi/length_model.py", self.folder / "padded.pt"], check=True,
                       timeout=120)
        random = np.random.default_rng(4)
        mask = (np.arange(32) < random.integers(1, 33, 2000)[:, None]).astype(np.float32)
        with h5py.File(self.folder / "tokens.h5", "w") as file:
            file["tokens"], file["mask"] = (random.integers(1, 99, (2000, 32)) * mask).astype(np.int64), mask
        job = self.folder / "padded.yaml"
        job.write_text("job: infer\nname: padded\nmodel: {path: padded.pt}\nbatch_by: length\nlength_from: mask\n"
                       "batch_size: 64\nshard_size: 512\ndataset: {path: tokens.h5, inputs: [tokens, mask]}\n"
                       "outputs: {y: {}}\n")
        cpu = self.run_job("cpu", job, "-n", 1, "-q", "--set", "model.device=cpu")
        gpu = self.on_gpus("gpu", job, 2)
        np.testing.assert_allclose(self.outputs(gpu)["y"], self.outputs(cpu)["y"], rtol=1e-5, atol=1e-5)

    @needs_ulfm
    def test_a_killed_rank_changes_no_bit(self):
        job = self.many_digits(60_000, shard_size=1024)
        calm = self.on_gpus("calm", job, 1)
        run = self.on_gpus("killed", job, 2, env={"SHARDMILL_CRASH_AT": "mid-batch:1:20"})
        self.assertEqual(self.summary(run)["faults"], {**self.summary(run)["faults"], "total": 1, "recovered": 1})
        self.assert_same_results(calm, run)


if __name__ == "__main__":
    unittest.main()
