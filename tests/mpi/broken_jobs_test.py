"""Broken jobs, datasets, models and places: one clear sentence each, the documented exit code, no hang, no stack."""
import os
import pathlib
import re
import shutil
import subprocess
import unittest

import h5py
import numpy as np

from harness import DIGITS, SOURCE, ShardmillTest

STACK = re.compile(r"terminate called|what\(\)|Traceback|frame #|C\+\+ exception|Exception raised from|\[0x|HDF5-DIAG|yaml-cpp|core dumped")
# file:line:column, or the file or the option as a whole, or (what only shows when ranks have started) the program.
PLACED = re.compile(r"^\S+(:\d+:\d+)?: .+|^--(set|profile) .+|^shardmill: .+")


class BrokenJobsTest(ShardmillTest):
    def job(self, **sections):
        """A good job, but for what is given."""
        lines = {"job": "infer", "name": "broken", "model": f"{{path: {SOURCE}/data/digits_cnn.pt}}",
                 "dataset": f"{{path: {SOURCE}/data/digits.h5, inputs: [images], transforms: [{{cast: float32}}]}}",
                 "batch_size": "64", "outputs": "{label: {post: argmax}}"}
        lines.update(sections)
        path = self.folder / "job.yaml"
        path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None))
        return path

    def assert_refused(self, job, expected, code=2, words=("-n", "2"), lines=None, env=None):
        outcome = self.shardmill("run", job, "--run-dir", self.folder / "run", *words, env=env)
        self.assertEqual(outcome.code, code, outcome.stdout + outcome.stderr)
        self.assertIn(expected, outcome.stderr)
        self.assertNotRegex(outcome.stdout + outcome.stderr, STACK)
        said = [line for line in outcome.stderr.splitlines() if line.strip()]
        for line in said:
            self.assertRegex(line, PLACED)
        if lines is not None:
            self.assertEqual(len(said), lines, outcome.stderr)
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        return outcome

    def hdf5(self, **datasets):
        path = self.folder / "data.h5"
        with h5py.File(path, "w") as file:
            for name, data in datasets.items():
                file[name] = data
        return path

    def dataset(self, path, inputs="[images]", more=""):
        return f"{{path: {path}, inputs: {inputs}, transforms: [{{cast: float32}}]{more}}}"

    def test_collected_job_files(self):
        files = sorted((SOURCE / "tests/jobs_broken").glob("*.yaml"))
        self.assertGreaterEqual(len(files), 25)
        for file in files:
            expected = re.match(r"# expect: (.*)", file.read_text(errors="replace").splitlines()[0]).group(1)
            with self.subTest(file=file.name):
                self.assert_refused(file, expected, lines=1)

    def test_all_mistakes_are_told_in_one_go(self):
        job = self.job(batchsize="3", batch_size="many", outputs="{label: {post: argmx}}", dataset=self.dataset("none.h5"))
        outcome = self.shardmill("validate", job)
        self.assertEqual(outcome.code, 2)
        for part in ("did you mean 'batch_size'", "batch_size", "did you mean 'argmax'", "none.h5"):
            self.assertIn(part, outcome.stderr)
        self.assertEqual(len(outcome.stderr.splitlines()), 4)

    def test_huge_and_hostile_yaml(self):
        huge = self.folder / "huge.yaml"
        with huge.open("w") as file:
            file.write("job: infer\n")
            file.truncate(100 * 1024 * 1024)
        self.assert_refused(huge, "huge.yaml", lines=1)
        nested = self.folder / "nested.yaml"
        nested.write_text("[" * 1_000_000)
        self.assert_refused(nested, "nested.yaml", lines=1)

    def test_no_such_job_file(self):
        self.assert_refused(self.folder / "none.yaml", "none.yaml", lines=1)

    def test_a_folder_as_job_file(self):
        self.assert_refused(self.folder, "folder", lines=1)

    def test_dataset_that_is_text(self):
        text = self.folder / "text.h5"
        text.write_text("these are no records\n" * 100)
        self.assert_refused(self.job(dataset=self.dataset(text)), "is not an HDF5 file", lines=1)

    def test_truncated_dataset(self):
        cut = self.folder / "cut.h5"
        cut.write_bytes((SOURCE / "data/digits.h5").read_bytes()[:60_000])
        self.assert_refused(self.job(dataset=self.dataset(cut)), "truncated", lines=1)

    def test_empty_dataset_file(self):
        empty = self.folder / "empty.h5"
        empty.touch()
        self.assert_refused(self.job(dataset=self.dataset(empty)), "empty.h5", lines=1)

    def test_dataset_without_the_input(self):
        outcome = self.assert_refused(self.job(dataset=self.dataset(SOURCE / "data/digits.h5", "[image]")), "image", lines=1)
        self.assertIn("images", outcome.stderr)

    def test_inputs_of_unequal_length(self):
        path = self.hdf5(a=np.zeros((10, 8, 8)), b=np.zeros((11, 8, 8)))
        self.assert_refused(self.job(dataset=self.dataset(path, "[a, b]")), "11", lines=1)

    def test_input_of_strings(self):
        path = self.hdf5(images=np.array(["a", "b"], dtype=object))
        self.assert_refused(self.job(dataset=self.dataset(path)), "images", lines=1)

    def test_scalar_input(self):
        self.assert_refused(self.job(dataset=self.dataset(self.hdf5(images=3.0))), "images", lines=1)

    def test_no_records(self):
        self.assert_refused(self.job(dataset=self.dataset(self.hdf5(images=np.zeros((0, 8, 8))))), "no records", lines=1)

    def test_range_beyond_the_records(self):
        more = ", range: {first: 0, last: 5000}"
        self.assert_refused(self.job(dataset=self.dataset(SOURCE / "data/digits.h5", more=more)), "1797", lines=1)

    def test_metric_without_target(self):
        self.assert_refused(self.job(metrics="{accuracy: {output: label, target: truth}}"), "truth", lines=1)

    def test_records_of_another_shape_than_the_model_takes(self):
        path = self.hdf5(images=np.zeros((10, 5), dtype=np.uint8))
        self.assert_refused(self.job(dataset=self.dataset(path)), "digits_cnn.pt", lines=1)

    def test_records_of_another_type_than_the_model_takes(self):
        dataset = f"{{path: {SOURCE}/data/digits.h5, inputs: [images]}}"
        self.assert_refused(self.job(dataset=dataset), "digits_cnn.pt", lines=1)

    def test_too_many_inputs_for_the_model(self):
        path = self.hdf5(a=np.zeros((10, 8, 8)), b=np.zeros((10, 8, 8)))
        self.assert_refused(self.job(dataset=self.dataset(path, "[a, b]")), "digits_cnn.pt", lines=1)

    def test_model_that_is_text(self):
        text = self.folder / "model.pt"
        text.write_text("no model\n" * 100)
        self.assert_refused(self.job(model=f"{{path: {text}}}"), "model.pt", lines=1)

    def test_truncated_model(self):
        cut = self.folder / "model.pt"
        cut.write_bytes((SOURCE / "data/digits_cnn.pt").read_bytes()[:50_000])
        self.assert_refused(self.job(model=f"{{path: {cut}}}"), "model.pt", lines=1)

    def test_model_with_damaged_code(self):
        damaged = self.folder / "model.pt"
        data = bytearray((SOURCE / "data/digits_cnn.pt").read_bytes())
        at = data.find(b"def forward")
        data[at:at + 11] = b"??? forward"
        damaged.write_bytes(data)
        self.assert_refused(self.job(model=f"{{path: {damaged}}}"), "model.pt", lines=1)

    def test_exported_model_named_as_torchscript(self):
        other = self.folder / "model.pt"
        shutil.copy(SOURCE / "data/digits_cnn.pt2", other)
        self.assert_refused(self.job(model=f"{{path: {other}}}"), "exported", lines=1)

    def test_cuda_where_there_is_none(self):
        if pathlib.Path("/proc/driver/nvidia/version").exists():
            self.skipTest("this machine has a GPU")
        self.assert_refused(self.job(model=f"{{path: {SOURCE}/data/digits_cnn.pt, device: cuda}}"), "cuda", lines=1)

    def test_output_that_the_model_does_not_give(self):
        self.assert_refused(self.job(outputs="{label: {from: logits}}"), "logits", lines=1)

    def test_top_k_larger_than_the_output(self):
        self.assert_refused(self.job(outputs="{best: {post: top_k, k: 11}}"), "11", lines=1)

    def test_output_place_that_cannot_be_written(self):
        if os.geteuid() == 0:
            # Root may write anywhere, but not below a file.
            self.assert_refused(self.job(output="/proc/version/results.h5"), "/proc/version", lines=1)
        else:
            self.assert_refused(self.job(output="/results.h5"), "cannot be written", lines=1)

    def test_output_that_is_there_already(self):
        there = self.folder / "there.h5"
        there.write_text("precious")
        self.assert_refused(self.job(output=there), "there already", lines=1)
        self.assertEqual(there.read_text(), "precious")

    def test_run_dir_that_is_taken(self):
        run = self.run_job("taken", DIGITS, "-n", 1)
        before = (run / "results.h5").read_bytes()
        outcome = self.shardmill("run", DIGITS, "--run-dir", run)
        self.assertEqual(outcome.code, 1, outcome.stderr)
        self.assertIn("holds a run already", outcome.stderr)
        self.assertEqual((run / "results.h5").read_bytes(), before)

    def test_run_dir_below_a_file(self):
        outcome = self.shardmill("run", DIGITS, "--run-dir", DIGITS / "run")
        self.assertEqual(outcome.code, 1, outcome.stderr)
        self.assertRegex(outcome.stderr, r"^shardmill: error: cannot create the folder .*Not a directory")

    def test_unknown_command_and_option(self):
        for words in (["fly"], ["run"], ["run", DIGITS, "--rank", "2"], ["run", DIGITS, "-n", "0"], ["run", DIGITS, "-n", "x"], []):
            outcome = self.shardmill(*words)
            self.assertEqual(outcome.code, 2, words)
            self.assertEqual(len(outcome.stderr.splitlines()), 1, outcome.stderr)

    def test_resume_of_what_is_no_run(self):
        for command in ("resume", "status", "verify"):
            outcome = self.shardmill(command, self.folder)
            self.assertEqual(outcome.code, 1)
            self.assertIn("is not a run folder", outcome.stderr)

    def test_overrides(self):
        self.assert_refused(DIGITS, "batch_sise", words=("--set", "batch_sise=3"), lines=1)
        self.assert_refused(DIGITS, "batch_size", words=("--set", "batch_size=none"), lines=1)
        self.assert_refused(DIGITS, "nowhere", words=("--profile", "nowhere"), lines=1)

    def test_full_disk(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount a small tmpfs")
        small = self.folder / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
        try:
            outcome = self.shardmill("run", self.many_digits(40_000), "-n", "2", "--run-dir", small / "run")
            self.assertEqual(outcome.code, 1, outcome.stdout + outcome.stderr)
            self.assertRegex(outcome.stderr, r"(?m)^shardmill: error: .*No space left on device; free some space")
            self.assertNotRegex(outcome.stdout + outcome.stderr, STACK)
        finally:
            subprocess.run(["umount", "-l", small], check=True)


if __name__ == "__main__":
    unittest.main()
