"""The documentation tells the truth: its commands and snippets run, its table of crash points is complete.

The convention of the pages:
- in ```sh blocks, lines that start with "$ " are run from top to bottom, all of a page in one folder, in which jobs/, data/
  and configs/ are those of the repository; exit code 0 is expected, or the one in a trailing comment: "# exit 2"
- "```python run" blocks are run where they stand, and see the names of those above them on the page
- "```yaml file=NAME" blocks are written to that file
"""
import os
import pathlib
import re
import sys
import textwrap
import unittest

from harness import PROGRAM, SOURCE, ShardmillTest

# Beginnings of commands that are not run, and why.
NOT_RUN = {
    "./shardmill test": "builds everything, and would run this test again",
    "./shardmill build": "builds everything",
    "cmake ": "builds everything",
    "module ": "there are no environment modules here",
    "export ": "is for the build that follows",
}
BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>\S+)(?: +(?P<what>[^\n]+))?\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s+# exit (\d+)$")


def blocks(page):
    for found in BLOCK.finditer(page.read_text()):
        yield found["kind"], found["what"], textwrap.dedent(found["body"])


class DocsTest(ShardmillTest):
    def setUp(self):
        super().setUp()
        binaries = self.folder / "bin"
        binaries.mkdir()
        # The front door's script would set up and build; what it hands over to is the program.
        for link in (binaries / "shardmill", self.folder / "shardmill"):
            link.symlink_to(PROGRAM)
        for name in ("jobs", "data", "configs"):
            (self.folder / name).symlink_to(SOURCE / name)
        self.env = {"PATH": f"{binaries}:{pathlib.Path(self.mpirun()).parent}:{os.environ['PATH']}",
                    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_btl": "^ofi",
                    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}  # fewer cores here than on a cluster
        self.script = ""  # the Python of the page so far

    def run_shell(self, line):
        if any(line.startswith(beginning) for beginning in NOT_RUN):
            return 0
        expected = EXIT.search(line)
        outcome = self.shardmill(program=["bash", "-c", EXIT.sub("", line)], env=self.env)
        self.assertEqual(outcome.code, int(expected[1]) if expected else 0,
                         f"$ {line}\n{outcome.stdout}\n{outcome.stderr}")
        return 1

    def run_python(self, body):
        # All of the page so far: a snippet may use what those above it define.
        self.script += body + "\n"
        outcome = self.shardmill(program=[sys.executable, "-c", self.script], env=self.env)
        self.assertEqual(outcome.code, 0, f"{body}\n{outcome.stdout}\n{outcome.stderr}")
        return 1

    def run_page(self, name, least):
        """least: so many commands and snippets are there at least, so that a slip in the fences does not hide them."""
        count = 0
        for kind, what, body in blocks(SOURCE / name):
            if kind == "sh":
                lines = body.replace("\\\n", "").splitlines()
                for line in lines:
                    self.assertTrue(line.startswith("$ "), f"{name}: '{line}' is no command")
                    count += self.run_shell(line[2:])
            elif kind == "python" and what == "run":
                count += self.run_python(body)
            elif kind == "yaml" and what and what.startswith("file="):
                (self.folder / what.removeprefix("file=")).write_text(body)
        self.assertGreaterEqual(count, least)

    def test_readme(self):
        self.run_page("README.md", least=11)

    def test_recovery(self):
        self.run_page("docs/recovery.md", least=8)

    def test_file_formats(self):
        self.run_page("docs/file-formats.md", least=4)

    def test_cluster(self):
        self.run_page("docs/cluster.md", least=5)

    def test_training(self):
        self.run_page("docs/training.md", least=6)

    def test_sweep(self):
        self.run_page("docs/sweep.md", least=7)

    def test_simulate(self):
        self.run_page("docs/simulate.md", least=4)

    def test_job_file(self):
        self.run_page("docs/job-file.md", least=1)

    def test_all_pages_are_run(self):
        run = {"docs/serving.md"}  # by serving_test, which has a server
        run |= set(re.findall(r'run_page\("([^"]+)"', pathlib.Path(__file__).read_text()))
        for page in [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]:
            runnable = any(kind == "sh" or what and (what == "run" or what.startswith("file=")) for kind, what, _ in blocks(page))
            name = str(page.relative_to(SOURCE))
            self.assertTrue(not runnable or name in run, f"{name} has commands that no test runs")

    def test_crash_points_are_those_of_the_code(self):
        code = re.findall(r'^ +"([a-z-]+)",', (SOURCE / "src/job/crash_point.cpp").read_text(), re.MULTILINE)
        self.assertGreater(len(code), 10)
        page = (SOURCE / "docs/recovery.md").read_text()
        section = page.split("## Rehearsal")[1].split("\n## ")[0]
        self.assertEqual(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE), code)

    def test_links_lead_somewhere(self):
        for page in [SOURCE / "README.md", *sorted((SOURCE / "docs").glob("*.md"))]:
            text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)]+)\)", text):
                if "://" in target:
                    continue
                path, _, anchor = target.partition("#")
                other = page if not path else page.parent / path
                with self.subTest(page=page.name, target=target):
                    self.assertTrue(other.exists())
                    if anchor:
                        titles = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
                        self.assertIn(anchor, [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles])


if __name__ == "__main__":
    unittest.main()
