"""Measures one workload: all contenders in turn, again and again, so that a slow minute of the machine hits all alike."""
import datetime

import numpy as np

import machine
import store
from contenders import CONTENDERS
from workloads import WORKLOADS, drop_from_page_cache


class Disagreement(Exception):
    """Somebody's results are not those of the eager model."""


def contenders_of(workload, bench, chosen):
    names = ["shardmill"]
    if workload.cold or workload.name == "wide-cached":
        names.append("raw read")
    elif bench.limit:
        names.append("limit")
    names += workload.peers
    return [name for name in names if not chosen or name in chosen]


def measure(workload, bench, runs, memory_runs, chosen, log):
    """Each run is kept as soon as it has ended; those that are there stay, if they are of this machine and version."""
    reference = eager_results(workload, bench, log)
    for number in range(runs + memory_runs):
        watch_memory = number >= runs
        for name in contenders_of(workload, bench, chosen):
            if watch_memory and name in ("limit", "raw read"):
                continue  # they hold all of the dataset, or nothing
            if workload.cold:
                drop_from_page_cache(workload.spec(bench.data)["dataset"])
            busy = machine.busy_share()
            measured = CONTENDERS[name](workload, bench, watch_memory)
            difference = compare(workload, name, measured.results, reference)
            entry = {"contender": name, "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                     "busy_before": busy, "seconds": measured.execution.seconds, **measured.report}
            if difference is not None:
                entry["difference"] = difference
            if watch_memory:
                entry |= {"pss_sum": measured.execution.pss_sum, "pss_heaviest": measured.execution.pss_heaviest,
                          "private_heaviest": measured.execution.private_heaviest}
            store.add(bench.records, workload.name, entry, machine.describe(bench))
            log(f"{workload.name:15} {name:13} {entry['seconds']:8.2f} s  "
                f"{entry['records_per_second']:13,.1f} records/s in its loop of {entry['loop_seconds']:.2f} s"
                + (f"  {entry['pss_sum'] / 2**20:6.0f} MiB, {entry['pss_heaviest'] / 2**20:.0f} the heaviest" if watch_memory else ""))


def eager_results(workload, bench, log):
    """Of the plain loop; made once, and kept."""
    source = WORKLOADS[workload.reference or workload.name]
    kept = bench.data / source.data / "eager.npy"
    if not kept.exists():
        log(f"{workload.name:15} the eager model's results, to compare with")
        results = CONTENDERS["plain"](source, bench, False).results
        np.save(kept.with_suffix(".tmp.npy"), results)
        kept.with_suffix(".tmp.npy").rename(kept)
    return np.load(kept)


def compare(workload, name, results, reference):
    """The largest difference from the eager results; None for a contender without results. Raises Disagreement."""
    if results is None:
        return None
    if results.shape != reference.shape:
        raise Disagreement(f"{workload.name}: {name} gives {results.shape}, the eager model {reference.shape}")
    if workload.relative:  # the length of the difference, as a share of the length of all that there is
        difference = float(np.linalg.norm(results - reference) / np.linalg.norm(reference))
    else:  # the largest, of values above 1 in size as a share of the largest value
        difference = float(np.abs(results - reference).max()) / max(1.0, float(np.abs(reference).max()))
    allowed = workload.relative or workload.tolerance
    if not difference <= allowed:  # NaN does not pass
        raise Disagreement(f"{workload.name}: {name} is off by {difference:.2g}, and {allowed:.0e} is allowed")
    return difference
