"""From raw runs to figures: medians with their spread, and ratios between contenders."""
import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values), len(values))

    def text(self, pattern="{:.2f}", scale=1.0):
        """The median, and behind it from where to where the runs went."""
        show = lambda value: pattern.format(value / scale)
        if self.count == 1 or show(self.least) == show(self.most):
            return show(self.median)
        return f"{show(self.median)} ({show(self.least)} to {show(self.most)})"


class Figures:
    """Of one workload. Each figure is a Spread, or None if nobody measured it."""

    def __init__(self, record):
        self.record = record
        self.contenders = list(dict.fromkeys(run["contender"] for run in record["runs"]))

    def spread(self, contender, key, memory=False):
        values = [run[key] for run in self.record["runs"]
                  if run["contender"] == contender and ("pss_sum" in run) == memory and key in run]
        return Spread.of(values) if values else None

    def seconds(self, contender):
        """From the command to its exit."""
        return self.spread(contender, "seconds")

    def rate(self, contender):
        """Records a second in the contender's loop."""
        return self.spread(contender, "records_per_second")

    def around(self, contender):
        """Seconds of the command outside of its loop: start and end."""
        values = [run["seconds"] - run["loop_seconds"] for run in self.record["runs"]
                  if run["contender"] == contender and "pss_sum" not in run]
        return Spread.of(values) if values and contender not in ("limit", "raw read") else None

    def memory(self, contender, key="pss_sum"):
        return self.spread(contender, key, memory=True)

    def records(self):
        return next((run["records"] for run in self.record["runs"] if run["contender"] == "shardmill"), None)

    def difference(self, contender):
        values = [run["difference"] for run in self.record["runs"] if run["contender"] == contender and "difference" in run]
        return max(values) if values else None
