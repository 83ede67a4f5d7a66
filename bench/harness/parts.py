"""The parts by themselves, measured by bench_parts (Google Benchmark), whose records join the others."""
import json
import statistics
import sys

import machine
import processes
import store
from workloads import BENCH

REPETITIONS = 5


def measure(bench, log):
    if bench.parts is None:
        raise processes.Failed("there is no bench_parts: install libbenchmark-dev and build the target bench")
    command = [bench.parts, f"--benchmark_repetitions={REPETITIONS}", "--benchmark_report_aggregates_only=true",
               "--benchmark_format=json"]
    execution = processes.run(command, {}, bench.timeout)
    found = [each for each in json.loads(execution.stdout)["benchmarks"] if each.get("aggregate_name") == "median"]
    runs = [{"name": each["run_name"].removesuffix("/real_time"), "time": each["real_time"], "unit": each["time_unit"],
             "rate": rate(each)} for each in found]
    runs.append(disk_write(bench))
    store.replace(bench.records, "parts", runs, machine.describe(bench))
    for each in runs:
        log(f"parts           {each['name']:30} {each['time']:12,.1f} {each['unit']}  {each['rate']}")


def rate(each):
    text = f"{each['items_per_second']:,.0f} a second"
    if "bytes_per_second" in each:
        text += f", {each['bytes_per_second'] / 2**30:.2f} GiB/s"
    return text


def disk_write(bench):
    """What the disk takes, from one process."""
    bench.scratch.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, BENCH / "limit/disk.py", "write", bench.scratch / "disk.tmp", "--bytes", 1 << 30]
    reports = [json.loads(processes.run(command, {}, bench.timeout).stdout) for _ in range(REPETITIONS)]
    seconds = statistics.median(report["loop_seconds"] for report in reports)
    return {"name": "the disk: 1 GiB written in 4 MiB and synced", "time": seconds * 1000, "unit": "ms",
            "rate": f"{reports[0]['bytes'] / seconds / 2**30:.2f} GiB/s"}
