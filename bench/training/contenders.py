"""Each contender trains a network for some steps; when each step was committed, by its own account."""
import contextlib
import csv
import json
import os
import shutil
import signal
import sys
import threading
import time

from networks import QUICK, ROOT, write_job

sys.path.append(str(ROOT / "bench/harness"))
import processes  # noqa: E402

HERE = ROOT / "bench/training"
PROGRAM = os.environ.get("SHARDMILL_PROGRAM", "")
WARM_UP = 3  # steps
PERIOD = 0.02  # seconds, of what slows a rank down
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_btl": "^ofi",
               # Without it an agent that is started again sometimes never comes back.
               "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def run(words, environment=None, timeout=300):
    return processes.run(words, {**ENVIRONMENT, **(environment or {})}, timeout).stdout


def rate(times):
    """Steps a second, from [(step, seconds)], after the first few."""
    (first, begun), (last, ended) = times[WARM_UP], times[-1]
    return (last - first) / (ended - begun)


def limit(network, folder, steps):
    job = write_job(network, folder, steps)
    return json.loads(run([f"{os.environ['SHARDMILL_BENCH_PROGRAMS']}/bench_bare_train", job, "--steps", steps]))["steps_per_second"]


def shardmill(network, folder, steps, *settings, parts=2, environment=None, by_hand=False):
    """The run's folder; the caller removes it. by_hand: under an mpirun without fault tolerance."""
    job = write_job(network, folder, steps, parts)
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    words = [PROGRAM, "run", job, "--run-dir", out, "-q"]
    for setting in settings:
        words += ["--set", setting]
    if by_hand:
        mpirun = shutil.which("mpirun", path=f"{os.environ['SHARDMILL_VENV']}/bin:{os.environ['PATH']}")
        words = [mpirun, "--oversubscribe", "--bind-to", "none", "-np", 2, *words]
    run(words, environment)
    return out


def step_times(out):
    """[(step, seconds since the start)] of a run of shardmill."""
    with open(out / "metrics.csv", encoding="utf-8") as file:
        return [(int(row["step"]), float(row["value"])) for row in csv.DictReader(file)
                if row["kind"] == "train" and row["name"] == "seconds"]


@contextlib.contextmanager
def half_speed(out, rank):
    """Meanwhile the rank of the run in this folder computes half of the time, once it is there."""
    over = threading.Event()

    def slow_down():
        note = out / f"logs/rank-{rank}.pid"
        while not note.exists() or not note.read_text():
            if over.wait(0.01):
                return
        pid = int(note.read_text().split()[0])
        while not over.wait(PERIOD / 2):
            try:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(PERIOD / 2)
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                return

    thread = threading.Thread(target=slow_down)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def unequal(network, folder, steps, dealing):
    """[(step, seconds)] of three ranks that share eight logical shards, the second at half speed."""
    shutil.rmtree(folder / "run", ignore_errors=True)  # of another run, whose rank 1 was another process
    with half_speed(folder / "run", 1):
        return step_times(shardmill(network, folder, steps, f"training.dealing={dealing}", "resources.ranks=3", parts=8))


def ddp(network, folder, steps, die_at=0):
    """[(step, seconds)] of torchrun's two processes; die_at: a step in which one kills itself, with checkpoints to go on from."""
    log, checkpoint = folder / "ddp.log", folder / "ddp.pt"
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--max-restarts",
             3 if die_at else 0, "--monitor-interval", 0.1, HERE / "ddp.py", network, "--steps", steps, "--times", log]
    if die_at:
        words += ["--checkpoint", checkpoint, "--die-at", die_at]
    timeout = 60 if QUICK else 300
    for tries_left in (2, 1, 0):
        log.unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
        try:
            run(words, timeout=timeout)
            break
        except processes.Failed as error:  # the peer's own start and restart are not what is measured here
            if not tries_left:
                raise
            print(f"torchrun is tried again: {error}", file=sys.stderr)
    return [(int(step), float(at)) for step, at in (line.split() for line in log.read_text().splitlines())]
