"""What is wanted of shardmill, each as a ratio of figures measured side by side, and the reason where it is missed."""
import dataclasses
import typing

# Python as it is mostly written. What LibTorch's optimize_for_inference has tuned stands beside, and is not hidden.
PEERS = ("plain", "mpi4py", "dataloader", "dataloader-few-threads", "ray")


@dataclasses.dataclass(frozen=True)
class Goal:
    workload: str
    text: str
    least: float
    ratio: typing.Callable  # of all figures, by workload; None if something was not measured
    pattern: str = "{:.2f}"
    most: bool = False  # the figure is to be at most `least`


def divide(a, b):
    return a / b if a is not None and b else None


def rate(all_figures, workload, contender):
    spread = workload in all_figures and all_figures[workload].rate(contender)
    return spread.median if spread else None


def seconds(all_figures, workload, contender):
    spread = workload in all_figures and all_figures[workload].seconds(contender)
    return spread.median if spread else None


def memory(all_figures, workload, contender, key="pss_sum"):
    spread = workload in all_figures and all_figures[workload].memory(contender, key)
    return spread.median if spread else None


def rates(workload, contender, of=None):
    """The rate of shardmill over that of a contender, of another workload perhaps."""
    return lambda all_figures: divide(rate(all_figures, workload, "shardmill"), rate(all_figures, of or workload, contender))


def over_best_peer(workload, of=None):
    def ratio(all_figures):
        peers = [value for value in (rate(all_figures, of or workload, name) for name in PEERS) if value]
        return divide(rate(all_figures, workload, "shardmill"), max(peers)) if peers else None
    return ratio


def command_over_limit(workload):
    """Records by the seconds from command to exit, over the rate of the bare loop."""
    def ratio(all_figures):
        whole = seconds(all_figures, workload, "shardmill")
        records = all_figures[workload].records() if workload in all_figures else None
        return divide(divide(records, whole), rate(all_figures, workload, "limit"))
    return ratio


def faster_than(workload, names):
    """The fastest of these contenders' seconds from command to exit, over shardmill's."""
    def ratio(all_figures):
        others = [value for value in (seconds(all_figures, workload, name) for name in names) if value]
        return divide(min(others), seconds(all_figures, workload, "shardmill")) if others else None
    return ratio


def shards_a_second(all_figures):
    spread = "tiny" in all_figures and all_figures["tiny"].spread("shardmill", "tasks")
    loop = "tiny" in all_figures and all_figures["tiny"].spread("shardmill", "loop_seconds")
    return spread.median / loop.median if spread and loop else None


GOALS = (
    Goal("image", "its loop, of the bare loop's rate", 0.98, rates("image", "limit")),
    Goal("image", "command to exit, of the bare loop's rate", 0.95, command_over_limit("image")),
    Goal("image", "its loop, times that of the best Python peer with the frozen model", 1.35, over_best_peer("image")),
    Goal("image-bfloat16", "its loop, times that of the best float32 Python peer", 2.3, over_best_peer("image-bfloat16", "image")),
    Goal("rows", "command to exit, times faster than the fastest Python peer", 3, faster_than("rows", PEERS)),
    Goal("rows", "command to exit, times faster than Ray Data", 10, faster_than("rows", ("ray",)), "{:.1f}"),
    Goal("rows", "its loop, of the bare loop's rate", 0.8, rates("rows", "limit")),
    Goal("rows", "its loop, times that of mpi4py", 1.3, rates("rows", "mpi4py")),
    Goal("rows", "peak memory of all processes, of that of mpi4py", 0.5,
         lambda all_figures: divide(memory(all_figures, "rows", "shardmill"), memory(all_figures, "rows", "mpi4py")), most=True),
    Goal("rows-large", "peak memory of a rank with four times the records, of that with one", 1.1,
         lambda all_figures: divide(memory(all_figures, "rows-large", "shardmill", "pss_heaviest"),
                                    memory(all_figures, "rows", "shardmill", "pss_heaviest")), most=True),
    Goal("text", "its loop, times that of mpi4py, whose batches are cut in the file's order", 2.3, rates("text", "mpi4py")),
    Goal("text", "its loop, times that of mpi4py with the whole file sorted by length", 1.0, rates("text", "sorted")),
    Goal("wide", "its loop, of the disk's raw read bandwidth", 0.9, rates("wide", "raw read")),
    Goal("tiny", "shards committed in a second, the journal synced", 20_000, shards_a_second, "{:,.0f}"),
)


def met(goal, value):
    return value <= goal.least if goal.most else value >= goal.least
