"""batch_by: length: records of like length share batches; results stand in the dataset's order, whatever happens."""
import json
import subprocess
import sys
import unittest

import h5py
import numpy as np
import torch

from harness import SOURCE, ShardmillTest

RECORDS = 700


class BatchByLengthTest(ShardmillTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "padded.pt"
        subprocess.run([sys.executable, SOURCE / "tests/mpi/length_model.py", self.model], check=True, timeout=120)

    def job(self, name, *, deadly=(), not_finite=(), **settings):
        random = np.random.default_rng(5)
        lengths = random.integers(1, 41, RECORDS)
        mask = (np.arange(40) < lengths[:, None]).astype(np.float32)
        tokens = (random.integers(1, 99, (RECORDS, 40)) * mask).astype(np.int64)
        tokens[list(deadly), 0] = 99
        mask[list(not_finite), 0] = np.nan
        with h5py.File(self.folder / f"{name}.h5", "w") as file:
            file["tokens"], file["mask"] = tokens, mask
        settings = {"batch_by": "length", "length_from": "mask", "batch_size": 8, "shard_size": 160, **settings}
        job = self.folder / f"{name}.yaml"
        job.write_text("\n".join([
            "job: infer", "name: padded", "model: {path: padded.pt}",
            f"dataset: {{path: {name}.h5, inputs: [tokens, mask]}}", "outputs: {y: {}}",
            "fault_tolerance: {rank_timeout: 1s, shard_timeout: 4s, max_attempts: 2, finite: true}",
            *(f"{key}: {value}" for key, value in settings.items())]) + "\n")
        return job

    def expected(self, name):
        model = torch.jit.load(self.model)
        with h5py.File(self.folder / f"{name}.h5") as file, torch.inference_mode():
            return model(torch.from_numpy(file["tokens"][()]), torch.from_numpy(file["mask"][()])).numpy()

    def test_results_stand_in_the_datasets_order(self):
        run = self.run_job("run", self.job("calm"), "-n", 2)
        with h5py.File(run / "results.h5") as file:
            np.testing.assert_allclose(file["y"][()], self.expected("calm"), rtol=1e-5, atol=1e-6)
        self.assert_verifies(run)

    def test_any_number_of_ranks_and_any_death_give_the_same_bits(self):
        job = self.job("calm")
        calm = self.run_job("one", job, "-n", 1)
        self.assert_same_results(calm, self.run_job("three", job, "-n", 3))
        for point in "mid-batch:1:9", "after-write:0:5", "after-sync:1:1", "after-report:0:1", "mid-batch:1:9:SIGSTOP":
            run = self.run_job(point.replace(":", "-"), job, "-n", 2, env={"SHARDMILL_CRASH_AT": point})
            self.assertGreaterEqual(json.loads((run / "summary.json").read_text())["faults"]["total"], 1, point)
            self.assert_same_results(calm, run)
            self.assert_verifies(run)

    def test_ranks_that_do_not_see_the_files_give_the_same_bits(self):
        job = self.job("calm")
        calm = self.run_job("one", job, "-n", 1)
        run = self.run_job("fed", job, "-n", 3, "--set", "data_path=scatter", env={"SHARDMILL_CRASH_AT": "mid-batch:2:5"})
        self.assert_same_results(calm, run)
        self.assert_verifies(run)

    def test_the_longest_input_counts_if_none_is_named(self):
        named = self.run_job("named", self.job("calm"), "-n", 1)
        unnamed = self.job("calm")
        unnamed.write_text(unnamed.read_text().replace("length_from: mask\n", ""))
        self.assert_same_results(named, self.run_job("unnamed", unnamed, "-n", 1))

    def test_bad_records_are_named_by_their_place_in_the_dataset(self):
        bad = {3: "NaN", 200: "NaN", 201: "NaN", 698: "NaN"}
        outcome = self.shardmill("run", self.job("nan", not_finite=bad), "-n", 2, "--run-dir", self.folder / "run")
        self.assertEqual(outcome.code, 3, outcome.stderr)
        self.check_quarantine(bad, "nan")

    def test_a_record_that_kills_is_found_too(self):
        outcome = self.shardmill("run", self.job("deadly", deadly=[333]), "-n", 3, "--run-dir", self.folder / "run",
                                 timeout=120)
        self.assertEqual(outcome.code, 3, outcome.stderr)
        with h5py.File(self.folder / "run/results.h5") as file:
            self.assertEqual(np.flatnonzero(file["shardmill/record_status"][()] == 2).tolist(), [333])
        self.assert_verifies(self.folder / "run")

    def test_on_bad_record_fail_names_the_record(self):
        job = self.job("nan", not_finite=[431])
        job.write_text(job.read_text().replace("finite: true", "finite: true, on_bad_record: fail"))
        outcome = self.shardmill("run", job, "-n", 1, "--run-dir", self.folder / "run")
        self.assertEqual(outcome.code, 1, outcome.stderr)
        self.assertIn("record 431 is bad", outcome.stderr)

    def check_quarantine(self, bad, name):
        with h5py.File(self.folder / "run/results.h5") as file:
            self.assertEqual(np.flatnonzero(file["shardmill/record_status"][()] == 2).tolist(), sorted(bad))
            count = int(np.asarray(file["shardmill/quarantined"][()]).ravel()[0])
            self.assertEqual(sorted(file["shardmill/quarantine"][:count]["record"].tolist()), sorted(bad))
            good = [i for i in range(RECORDS) if i not in bad]
            np.testing.assert_allclose(file["y"][()][good], self.expected(name)[good], rtol=1e-5, atol=1e-6)
        self.assert_verifies(self.folder / "run")

    def test_records_of_one_number_have_no_length(self):
        job = self.job("calm")
        with h5py.File(self.folder / "calm.h5", "a") as file:
            file["number"] = np.zeros(RECORDS, np.float32)
        job.write_text(job.read_text().replace("[tokens, mask]", "[number]").replace("length_from: mask\n", ""))
        outcome = self.shardmill("validate", job)
        self.assertEqual(outcome.code, 2, outcome.stdout)
        self.assertIn("batch_by: length needs an input whose records have an axis", outcome.stderr)


if __name__ == "__main__":
    unittest.main()
