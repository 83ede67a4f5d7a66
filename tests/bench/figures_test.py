"""What bench/ makes of its runs: medians, ratios, the page; and that docs/performance.md is what its runs give."""
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench/harness"))

import document  # noqa: E402
import goals  # noqa: E402
import measure  # noqa: E402
import processes  # noqa: E402
import store  # noqa: E402
from figures import Figures  # noqa: E402
from workloads import WORKLOADS  # noqa: E402

MACHINE = {"cpu": "a processor", "cores": 2, "features": ["avx2"], "memory_gib": 8, "system": "a system", "kernel": "1",
           "python": "3", "versions": {"torch": "2"}, "shardmill": "shardmill 0"}


def run(contender, seconds, loop, records=100, **more):
    return {"contender": contender, "seconds": seconds, "loop_seconds": loop, "records": records,
            "records_per_second": records / loop, "busy_before": 0.01, **more}


def record(name, *runs):
    return {"workload": name, "machine": MACHINE, "runs": list(runs)}


ROWS = record("rows", run("shardmill", 2, 1), run("limit", 9, 0.8), run("mpi4py", 6, 2), run("ray", 30, 20),
              run("shardmill", 4, 1.25), run("shardmill", 2.5, 1),
              run("shardmill", 99, 98, pss_sum=300 << 20, pss_heaviest=200 << 20),
              run("mpi4py", 99, 98, pss_sum=500 << 20, pss_heaviest=251 << 20))


class FiguresTest(unittest.TestCase):
    def test_medians_leave_out_the_runs_in_which_memory_was_watched(self):
        seconds = Figures(ROWS).seconds("shardmill")
        self.assertEqual((seconds.median, seconds.least, seconds.most, seconds.count), (2.5, 2, 4, 3))
        self.assertEqual(seconds.text(), "2.50 (2.00 to 4.00)")
        self.assertEqual(Figures(ROWS).memory("mpi4py", "pss_heaviest").median, 251 << 20)
        self.assertIsNone(Figures(ROWS).memory("limit"))

    def test_what_lies_outside_of_the_loop(self):
        self.assertEqual(Figures(ROWS).around("mpi4py").median, 4)
        self.assertIsNone(Figures(ROWS).around("limit"))

    def test_goals(self):
        figures = {"rows": Figures(ROWS)}
        measured = {goal.text: goal.ratio(figures) for goal in goals.GOALS if goal.workload == "rows"}
        self.assertAlmostEqual(measured["command to exit, times faster than the fastest Python peer"], 6 / 2.5)
        self.assertAlmostEqual(measured["command to exit, times faster than Ray Data"], 30 / 2.5)
        self.assertAlmostEqual(measured["its loop, of the bare loop's rate"], 0.8)
        self.assertAlmostEqual(measured["its loop, times that of mpi4py"], 2)
        self.assertAlmostEqual(measured["peak memory of all processes, of that of mpi4py"], 0.6)
        for goal in goals.GOALS:
            if goal.workload != "rows":
                self.assertIsNone(goal.ratio(figures), goal.text)

    def test_a_goal_is_a_bound_from_below_or_from_above(self):
        least = goals.Goal("rows", "", 2, None)
        self.assertTrue(goals.met(least, 2))
        self.assertFalse(goals.met(least, 1.99))
        self.assertFalse(goals.met(goals.Goal("rows", "", 2, None, most=True), 2.01))

    def test_results_are_compared(self):
        eager = np.array([[1.0, 20.0]], np.float32)
        rows = WORKLOADS["rows"]
        self.assertIsNone(measure.compare(rows, "limit", None, eager))
        self.assertEqual(measure.compare(rows, "ray", eager, eager), 0)
        for wrong in (eager + [[0, 0.001]], eager * np.nan, eager[:, :1]):
            with self.assertRaises(measure.Disagreement):
                measure.compare(rows, "ray", wrong.astype(np.float32), eager)


class PageTest(unittest.TestCase):
    def test_a_goal_that_is_missed_says_so(self):
        page = document.page({"rows": ROWS})
        self.assertIn("| at most 0.50 | 0.60, **missed** |", page)
        self.assertIn("| at least 0.80 | 0.80 |", page)
        self.assertIn("| not measured |", page)

    def test_a_machine_that_has_other_work_is_told(self):
        self.assertNotIn("provisional", document.page({"rows": ROWS}))
        busy = record("rows", *({**each, "busy_before": 0.5} for each in ROWS["runs"]))
        self.assertIn("50% of the processor in the median, 50% at most. **That is too much", document.page({"rows": busy}))

    def test_runs_of_two_machines_are_not_mixed(self):
        other = {**record("text", run("shardmill", 1, 0.5)), "machine": {**MACHINE, "cpu": "another"}}
        with self.assertRaisesRegex(processes.Failed, "several machines"):
            document.page({"rows": ROWS, "text": other})
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            store.add(folder, "rows", run("ray", 1, 0.5), MACHINE)
            store.add(folder, "rows", run("ray", 2, 0.5), MACHINE)
            self.assertEqual(len(store.load(folder, "rows")["runs"]), 2)
            store.add(folder, "rows", run("ray", 3, 0.5), {**MACHINE, "cpu": "another"})
            self.assertEqual([each["seconds"] for each in store.load(folder, "rows")["runs"]], [3])

    def test_what_was_not_measured_again_does_not_stay(self):
        with tempfile.TemporaryDirectory() as name:
            runs, published = pathlib.Path(name) / "runs", pathlib.Path(name) / "published"
            store.write(published, "text", record("text", run("shardmill", 1, 0.5)))
            (published / "text.svg").touch()
            store.write(runs, "rows", ROWS)
            with mock.patch.multiple(document, FOLDER=published, PAGE=published / "page.md", draw=mock.DEFAULT):
                document.publish(runs)
                self.assertEqual(document.PAGE.read_text(), document.page(store.load_all(published)))
            self.assertEqual({path.name for path in published.iterdir()}, {"rows.json", "page.md"})

    def test_nothing_measured_is_told(self):
        with self.assertRaisesRegex(processes.Failed, "measure something first"):
            document.page({})

    def test_every_workload_has_its_words(self):
        self.assertEqual(set(document.OF_WORKLOADS), set(WORKLOADS))
        self.assertLessEqual(set(document.WHY_MISSED), {(goal.workload, goal.text) for goal in goals.GOALS})

    def test_the_page_is_what_the_runs_give(self):
        self.assertEqual(document.PAGE.read_text(), document.page(store.load_all(document.FOLDER)))


class ProcessesTest(unittest.TestCase):
    def test_memory_of_children_counts(self):
        # A process that has started one with 64 MiB.
        grow = "import time; block = b'x' * (64 << 20); time.sleep(1)"
        code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grow!r}], check=True)"
        execution = processes.run([sys.executable, "-c", code], {}, 30, watch_memory=True)
        self.assertGreater(execution.pss_heaviest, 64 << 20)
        self.assertGreater(execution.pss_sum, execution.pss_heaviest)

    def test_a_command_that_fails_or_hangs_is_told(self):
        with self.assertRaisesRegex(processes.Failed, "exit code 3"):
            processes.run([sys.executable, "-c", "raise SystemExit(3)"], {}, 30)
        with self.assertRaisesRegex(processes.Failed, "no end after 1 s"):
            processes.run([sys.executable, "-c", "import time; time.sleep(60)"], {}, 1, watch_memory=True)


if __name__ == "__main__":
    unittest.main()
