"""Writes docs/performance.md, its plots and the raw results beside it, from all runs that there are."""
import statistics

import goals
import store
from contenders import TITLES
from figures import Figures
from processes import Failed
from remarks import HOW, INTRODUCTION, OF_WORKLOADS, WHY_MISSED
from workloads import ROOT, WORKLOADS

PAGE = ROOT / "docs/performance.md"
FOLDER = ROOT / "docs/performance"
BUSY = 0.05  # with more other work than that, figures of time are worth little


def publish(records_folder):
    """Raises Failed if there is nothing to write of, or if the runs are not of one machine and version."""
    records = store.load_all(records_folder)
    text = page(records)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in [*FOLDER.glob("*.json"), *FOLDER.glob("*.svg")]:  # of what this machine cannot run, say
        if old.stem not in records:
            old.unlink()
    for name, record in records.items():
        store.write(FOLDER, name, record)
        if name in WORKLOADS:
            draw(name, Figures(record))
    PAGE.write_text(text)


def page(records):
    """The whole of docs/performance.md, of records by workload."""
    if not any(name in WORKLOADS for name in records):
        raise Failed("there are no runs to write of: measure something first")
    machines = [record["machine"] for record in records.values()]
    if any(machine != machines[0] for machine in machines):
        raise Failed("the runs are of several machines or versions: measure again what is old, with --anew")
    figures = {name: Figures(records[name]) for name in WORKLOADS if name in records}
    parts = [INTRODUCTION, machine_table(machines[0]), other_work(records), goals_table(figures)]
    parts += [section(name, each) for name, each in figures.items()]
    if "parts" in records:
        parts.append(parts_section(records["parts"]["runs"]))
    return "\n\n".join(part.strip() for part in [*parts, HOW]) + "\n"


def draw(name, figures):
    import plots  # matplotlib, which only this needs
    plots.draw(figures, WORKLOADS[name].title, FOLDER / f"{name}.svg")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def machine_table(machine):
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return "## The machine\n\n" + table(["", ""], [
        ["Processor", f"{machine['cpu']}, {machine['cores']} cores, {', '.join(machine['features'])}"],
        ["Memory", f"{machine['memory_gib']} GiB"],
        ["System", f"{machine['system']}, Linux {machine['kernel']}, Python {machine['python']}"],
        ["Versions", f"{machine['shardmill']}, {versions}"],
    ])


def other_work(records):
    """What the machine did beside, as it was looked at before each run."""
    shares = [run["busy_before"] for name, record in records.items() if name in WORKLOADS for run in record["runs"]]
    text = f"Before the runs, other work used {statistics.median(shares):.0%} of the processor in the median, {max(shares):.0%} at most."
    if statistics.median(shares) > BUSY:
        text += (" **That is too much: all figures of time below are provisional**, and to be measured again on a machine that does "
                 "nothing else.")
    return text


def goals_table(figures):
    rows, missed = [], []
    for goal in goals.GOALS:
        value = goal.ratio(figures)
        wanted = f"at {'most' if goal.most else 'least'} " + goal.pattern.format(goal.least)
        if value is None:
            rows.append([f"`{goal.workload}`: {goal.text}", wanted, "not measured"])
            continue
        good = goals.met(goal, value)
        rows.append([f"`{goal.workload}`: {goal.text}", wanted, goal.pattern.format(value) + ("" if good else ", **missed**")])
        if not good and (goal.workload, goal.text) in WHY_MISSED:
            missed.append(f"- `{goal.workload}`, {goal.text}: {WHY_MISSED[goal.workload, goal.text]}")
    text = "## What is wanted, and what is measured\n\nRatios of medians from the tables below.\n\n" + table(["Figure", "Wanted", "Measured"], rows)
    return text + ("\n\nWhere it is missed, and why:\n\n" + "\n".join(missed) if missed else "")


def mib(spread):
    return "" if spread is None else spread.text("{:,.0f}", 2**20)


def shown_rate(figures, name):
    spread = figures.rate(name)
    if spread is None:
        return ""
    text = spread.text("{:,.0f}" if spread.median >= 1000 else "{:.1f}")
    bandwidth = figures.spread(name, "bytes_per_second")
    return text + (f", {bandwidth.median / 2**30:.2f} GiB/s" if bandwidth else "")


def section(name, figures):
    workload = WORKLOADS[name]
    own = figures.rate("shardmill")
    rows = []
    for contender in figures.contenders:
        rate, seconds, around = figures.rate(contender), figures.seconds(contender), figures.around(contender)
        limit = contender in ("limit", "raw read")
        ratio = ""
        if own and rate and contender != "shardmill":
            ratio = f"{own.median / rate.median:.2f}"
        difference = figures.difference(contender)
        rows.append([TITLES[contender], "" if limit or seconds is None else seconds.text(), around.text() if around else "",
                     shown_rate(figures, contender), ratio, mib(figures.memory(contender)) if not limit else "",
                     mib(figures.memory(contender, "pss_heaviest")) if not limit else "",
                     "" if difference is None else f"{difference:.1e}"])
    head = ["", "command to exit, s", "of it start and end, s", "records/s in the loop", "shardmill's rate, times", "memory, MiB",
            "of the heaviest, MiB", "off from eager"]
    runs = max((spread.count for spread in (figures.rate(each) for each in figures.contenders) if spread), default=0)
    return (f"## {name}\n\n{workload.title}: `bench/workloads/{workload.job.name}`"
            + "".join(f", `{setting}`" for setting in workload.settings) + f". {OF_WORKLOADS[name]} {'One run' if runs == 1 else f'{runs} runs'} each.\n\n"
            + table(head, rows) + f"\n\n![{workload.title}](performance/{name}.svg)")


def parts_section(parts):
    rows = [[f"`{part['name']}`", f"{part['time']:,.1f} {part['unit']}", part["rate"]] for part in parts]
    return ("## The parts\n\n`bench_parts`, with Google Benchmark: one thread, the median of five repetitions.\n\n"
            + table(["", "a call", ""], rows))
