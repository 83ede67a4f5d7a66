"""shardmill beside the limit and its peers. See bench/run."""
import argparse
import os
import pathlib
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import contenders  # noqa: E402
import measure  # noqa: E402
import parts  # noqa: E402
import processes  # noqa: E402
import store  # noqa: E402
import workloads  # noqa: E402
from workloads import ROOT, WORKLOADS  # noqa: E402


def parse():
    parser = argparse.ArgumentParser(prog="bench/run", description="Measures shardmill beside the limit and its peers, "
                                     "adds the runs to those that are there, and writes docs/performance.md from them.")
    parser.add_argument("names", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}, and parts (Google Benchmark); all without")
    parser.add_argument("-n", "--runs", type=int, default=5, help="of each contender, in turn (5)")
    parser.add_argument("--memory-runs", type=int, default=1, help="more runs, in which memory is watched and time is not (1)")
    parser.add_argument("--only", action="append", default=[], metavar="CONTENDER", help=f"of {', '.join(contenders.CONTENDERS)}")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="over the job's, for shardmill")
    parser.add_argument("--anew", action="store_true", help="puts earlier runs of these workloads aside, instead of adding to them")
    parser.add_argument("--publish", action="store_true", help="measures nothing: writes docs/performance.md from the runs that there are")
    parser.add_argument("--quick", action="store_true", help="small workloads, one run, no peers but the plain loop: to see that all of it works")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/bench", help="of the workloads (build/bench)")
    parser.add_argument("--scratch", type=pathlib.Path, default=ROOT / "build/bench-scratch", help="folder of raw results and logs (build/bench-scratch)")
    programs = ROOT / "build" / os.environ.get("SHARDMILL_PRESET", "release")
    parser.add_argument("--program", type=pathlib.Path, default=os.environ.get("SHARDMILL_PROGRAM", programs / "src/cli/shardmill"))
    parser.add_argument("--limits", type=pathlib.Path, default=os.environ.get("SHARDMILL_BENCH_PROGRAMS", programs / "bench"),
                        help="folder of bench_bare_loop and bench_parts")
    args = parser.parse_args()
    if unknown := set(args.names) - {*WORKLOADS, "parts"}:
        parser.error(f"there is no workload {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)} and parts")
    if unknown := set(args.only) - set(contenders.CONTENDERS):
        parser.error(f"there is no contender {', '.join(sorted(unknown))}; there are {', '.join(contenders.CONTENDERS)}")
    if args.quick:
        args.runs, args.memory_runs, args.only = 1, 0, args.only or ["shardmill", "limit", "raw read", "plain"]
    return args


def existing(path):
    return path.resolve() if path.exists() else None


def main():
    args = parse()
    size = "quick" if args.quick else "full"
    bench = contenders.Bench(args.folder.resolve() / size, args.scratch.resolve() / size, args.program.resolve(),
                             existing(args.limits / "bench_bare_loop"), existing(args.limits / "bench_parts"), tuple(args.set))
    if args.publish:
        import document  # needs matplotlib
        document.publish(bench.records)
        return
    names = args.names or [*WORKLOADS, *([] if args.quick else ["parts"])]
    workloads.make([name for name in names if name != "parts"], bench.data, args.quick)
    for name in names:
        if args.anew:
            store.put_aside(bench.records, name)
        if name == "parts":
            parts.measure(bench, say)
        elif workloads.fits_here(WORKLOADS[name]):
            measure.measure(WORKLOADS[name], bench, args.runs, args.memory_runs, args.only, say)
        else:
            say(f"{name:15} not on this processor: it has no instructions for bfloat16")


def say(line):
    print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (processes.Failed, measure.Disagreement) as error:
        sys.exit(f"bench/run: {error}")
