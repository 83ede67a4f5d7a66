"""A record on which the model kills its process: it ends in quarantine, all others are done, whatever rank it hits."""
import os
import subprocess
import sys
import unittest

import h5py
import numpy as np

from harness import SOURCE, ShardmillTest, journal_lines

class PoisonTest(ShardmillTest):
    def setUp(self):
        super().setUp()
        subprocess.run([sys.executable, SOURCE / "tests/mpi/deadly_model.py", self.folder / "deadly.pt"], check=True, timeout=120)

    def job(self, name, poison, records=600, **settings):
        with h5py.File(self.folder / f"{name}.h5", "w") as file:
            x = np.random.default_rng(1).normal(size=(records, 4)).astype(np.float32)
            x[:, 0] = 0
            for record, kind in poison.items():
                x[record, 0] = kind
            file["x"] = x
        settings = {"rank_timeout": "1s", "shard_timeout": "4s", "max_attempts": 3, **settings}
        text = ", ".join(f"{key}: {value}" for key, value in settings.items())
        job = self.folder / f"{name}.yaml"
        job.write_text(f"""job: infer
name: poison
model: {{path: deadly.pt}}
dataset: {{path: {name}.h5, inputs: [x]}}
batch_size: 8
shard_size: 24
outputs: {{y: {{}}}}
fault_tolerance: {{{text}}}
""")
        return job

    def check(self, poison, *words, env=None, **settings):
        """Ends with exit code 3; all but the poisonous records are those of a run without them, bit for bit."""
        clean = self.run_job("clean", self.job("clean", {}), "-n", 1)
        outcome = self.shardmill("run", self.job("poison", poison, **settings), "--run-dir", self.folder / "run", *words,
                                 env=env, timeout=170)
        run = self.folder / "run"
        self.assertEqual(outcome.code, 3, f"{outcome.stdout}\n{outcome.stderr}")
        self.assertNotIn("***", outcome.stderr)  # no stack trace
        self.assert_verifies(run)
        with h5py.File(clean / "results.h5") as a, h5py.File(run / "results.h5") as b:
            status = b["shardmill/record_status"][()]
            self.assertEqual(np.flatnonzero(status == 2).tolist(), sorted(poison))
            self.assertEqual(np.flatnonzero(status == 1).tolist(), [i for i in range(len(status)) if i not in poison])
            expected = a["y"][()]
            expected[sorted(poison)] = 0
            self.assertEqual(expected.tobytes(), b["y"][()].tobytes())
        return outcome

    def test_in_the_only_rank(self):
        outcome = self.check({300: 1}, "-n", 1)
        # One death that tells nothing, then max_attempts of them.
        self.assertEqual(outcome.stderr.count("starting it again"), 4, outcome.stderr)
        self.assertIn("4 of 4 faults", outcome.stdout)

    def test_in_the_only_rank_in_the_very_first_batch(self):
        self.check({0: 2}, "-n", 1)

    def test_on_any_of_three_ranks(self):
        self.check({310: 2}, "-n", 3)

    def test_on_ranks_that_do_not_see_the_files(self):
        self.check({310: 2}, "-n", 3, "--set", "data_path=scatter")

    def test_several_of_them(self):
        self.check({5: 1, 6: 2, 300: 2, 599: 1}, "-n", 2)

    def test_more_deaths_than_max_restarts(self):
        self.check({5: 1, 120: 2, 400: 1}, "-n", 1, max_restarts=1, max_attempts=2)

    def test_one_that_hangs_the_only_rank(self):
        self.check({300: 3}, "-n", 1, max_attempts=2)

    # An MPI that does not survive a death: the launcher's own mpirun, without the flag.
    def without_fault_tolerance(self):
        wrapper = self.folder / "mpirun"
        wrapper.write_text("#!/bin/bash\nshift 2  # --with-ft ulfm\nexec mpirun \"$@\"\n")
        wrapper.chmod(0o755)
        venv = os.path.dirname(sys.executable)
        return {"SHARDMILL_MPIRUN": str(wrapper), "PATH": venv + ":" + os.environ["PATH"]}

    def test_where_every_death_ends_the_mpirun(self):
        self.check({300: 1}, "-n", 3, env=self.without_fault_tolerance())

    def test_several_where_every_death_ends_the_mpirun(self):
        self.check({10: 1, 300: 2}, "-n", 2, env=self.without_fault_tolerance(), max_attempts=2)

    def test_max_restarts_0_never_starts_again(self):
        outcome = self.shardmill("run", self.job("poison", {300: 1}, max_restarts=0), "-n", 1, "--run-dir",
                                 self.folder / "run")
        self.assertEqual(outcome.code, 1, outcome.stderr)
        self.assertNotIn("starting it again", outcome.stderr)
        self.assertIn("resume", outcome.stderr)

    def test_in_the_share_of_the_coordinator(self):
        # The spare ranks do nothing until rank 0, which does everything, has died.
        self.check({300: 1}, "-n", 1, spares=2)
        started = [line for line in journal_lines(self.folder / "run") if line.startswith("started ")]
        self.assertIn("ranks=3", started[0])
        self.assertIn("ranks=2", started[1], "no survivor took over")


if __name__ == "__main__":
    unittest.main()
