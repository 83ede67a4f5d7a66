"""One SVG a workload: seconds from command to exit, the loop's rate, peak memory; a dot for each run."""
import statistics

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import EngFormatter, MaxNLocator  # noqa: E402

# The same figures give the same file, with text as text.
plt.rcParams.update({"svg.hashsalt": "shardmill", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
                     "axes.spines.right": False})
COLOURS = {"shardmill": "#1565c0", "limit": "#9e9e9e", "raw read": "#9e9e9e"}
PEER = "#e08a3c"


def bars(axis, names, figures, values, title, scale=1.0):
    """values(figures, name): (median, all of them), or None."""
    axis.set_title(title, loc="left", fontsize=9)
    for row, name in enumerate(names):
        found = values(figures, name)
        if found is None:
            continue
        median, each = found
        axis.barh(row, median / scale, color=COLOURS.get(name, PEER), height=0.62)
        axis.plot([value / scale for value in each], [row] * len(each), "k.", markersize=3, alpha=0.6)
        value = median / scale
        axis.annotate(f" {value:,.0f}" if value >= 100 else f" {value:.3g}", (max(each) / scale, row), va="center", fontsize=8)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.margins(x=0.2)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_major_locator(MaxNLocator(5))


def runs(figures, name, key, memory):
    return [run[key] for run in figures.record["runs"] if run["contender"] == name and ("pss_sum" in run) == memory and key in run]


def of_key(key, memory=False):
    def values(figures, name):
        each = runs(figures, name, key, memory)
        return (statistics.median(each), each) if each else None
    return values


def command_seconds(figures, name):
    # The limits have no results to write and no command of a user's to time.
    return None if name in ("limit", "raw read") else of_key("seconds")(figures, name)


def loop_rate(figures, name):
    return of_key("records_per_second")(figures, name)


def draw(figures, title, path):
    names = figures.contenders
    chart, axes = plt.subplots(1, 3, figsize=(11, 0.6 + 0.36 * len(names)), sharey=True, layout="constrained")
    bars(axes[0], names, figures, command_seconds, "seconds, command to exit")
    bars(axes[1], names, figures, loop_rate, "records/s in the loop")
    bars(axes[2], names, figures, of_key("pss_sum", memory=True), "peak memory, all processes, MiB", 2**20)
    chart.suptitle(title, x=0.01, ha="left", fontsize=10, weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(chart)
    # matplotlib leaves blanks at the ends of lines.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
