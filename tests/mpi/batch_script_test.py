"""The batch scripts, without a Slurm to run them."""
import re
import shutil
import subprocess

from harness import DIGITS, SOURCE, ShardmillTest

NO_SLURM = {"PATH": "/usr/bin/nowhere"}


class BatchScripts(ShardmillTest):
    def test_the_script_is_shown_and_nothing_is_done(self):
        keys = ["slurm.partition=main", "slurm.account=proj", "slurm.nodes=3", "slurm.gpus_per_node=4",
                "slurm.time=2h", "slurm.stop_before=90s", "slurm.max_requeues=7", "slurm.modules=[gcc/12, openmpi]",
                "slurm.setup=['export A=$${B}']", "slurm.extra=['--constraint=a100']"]
        outcome = self.shardmill("submit", DIGITS, "--dry-run", *[word for key in keys for word in ("--set", key)],
                                 env=NO_SLURM)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        lines = outcome.stdout.splitlines()
        for line in ("#SBATCH --job-name=digits", "#SBATCH --partition=main", "#SBATCH --account=proj",
                     "#SBATCH --nodes=3", "#SBATCH --gpus-per-node=4", "#SBATCH --ntasks-per-node=4",
                     "#SBATCH --time=120", "#SBATCH --signal=B:USR1@45", "#SBATCH --constraint=a100",
                     "module load gcc/12", "module load openmpi", "export A=${B}", "export SHARDMILL_STOP_BEFORE=90",
                     "max_requeues=7"):
            self.assertIn(line, lines)
        self.assertFalse((self.folder / "runs").exists())
        subprocess.run(["bash", "-n"], input=outcome.stdout, text=True, check=True, timeout=10)

    def test_without_a_slurm_nothing_is_left_behind(self):
        outcome = self.shardmill("submit", DIGITS, "--run-dir", self.folder / "run", env=NO_SLURM)
        self.assertEqual(outcome.code, 2)
        self.assertIn("there is no sbatch here", outcome.stderr)
        self.assertFalse((self.folder / "run").exists())

    def test_a_run_without_a_batch_job_is_not_cancelled(self):
        run = self.run_job("run", DIGITS, "-n", "1")
        outcome = self.shardmill("cancel", run, env=NO_SLURM)
        self.assertEqual(outcome.code, 2)
        self.assertIn("has no job of Slurm", outcome.stderr)

    def test_a_rehearsal_is_not_submitted(self):
        outcome = self.shardmill("submit", DIGITS, "--set", "faults={inject: [{crash_at: 'mid-batch:0:1'}]}")
        self.assertEqual(outcome.code, 2)
        self.assertIn("rehearsal", outcome.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_shellcheck_finds_nothing(self):
        if shutil.which("shellcheck") is None:
            self.skipTest("shellcheck is not installed")
        scripts = sorted((SOURCE / "slurm").glob("*.sbatch"))
        self.assertEqual(len(scripts), 3)
        done = subprocess.run(["shellcheck", "--severity=warning", *scripts], capture_output=True, text=True, timeout=30,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_an_array_and_the_job_behind_it(self):
        outcome = self.shardmill("submit", DIGITS, "--array", "3", "--dry-run", env=NO_SLURM)
        self.assertEqual(outcome.code, 0, outcome.stderr)
        lines = outcome.stdout.splitlines()
        self.assertIn("#SBATCH --array=1-3", lines)
        self.assertIn("PARTS=3", lines)
        self.assertEqual(list(self.folder.iterdir()), [])
        refused = self.shardmill("submit", DIGITS, "--array", "1000", env=NO_SLURM)
        self.assertEqual((refused.code, "too few for 1000 parts" in refused.stderr), (2, True))
        nothing = self.shardmill("submit", DIGITS, "--array", "3", "--run-dir", self.folder / "run", env=NO_SLURM)
        self.assertEqual((nothing.code, "there is no sbatch here" in nothing.stderr), (2, True))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_the_ready_scripts_differ_in_their_marked_places_only(self):
        def logic(name):
            text = (SOURCE / "slurm" / name).read_text()
            return re.sub(r"# >>> (\w+).*?# <<< \1\n", "", text[text.index("# >>>"):], flags=re.DOTALL)
        self.assertEqual(logic("shardmill.sbatch"), logic("shardmill-gpu.sbatch"))
        self.assertIn("scontrol requeue", logic("shardmill.sbatch"))
