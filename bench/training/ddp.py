"""The peer: PyTorch's DistributedDataParallel over gloo, as torchrun starts it, on batches that lie in memory.

Rank 0 writes a line "step seconds" for each step into --times. With --checkpoint it saves every few steps and goes on from
there when torchrun starts it again, as the guides to fault-tolerant training have it; --die-at has rank 1 kill itself once.
"""
import argparse
import os
import pathlib
import signal
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import networks


def load(path, model, optimizer):
    if not path or not path.exists():
        return 0
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def save(path, model, optimizer, step):
    temporary = path.with_suffix(".tmp")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, temporary)
    temporary.rename(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=networks.NETWORKS)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--times", type=pathlib.Path)
    parser.add_argument("--checkpoint", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--die-at", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    inputs, targets = networks.records(options.network)
    batch = networks.GLOBAL_BATCH // size
    torch.manual_seed(1)
    model = networks.NETWORKS[options.network]().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    step = load(options.checkpoint, model, optimizer)
    parallel = DistributedDataParallel(model, gradient_as_bucket_view=True)
    first_life = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0"
    with open(options.times if rank == 0 else os.devnull, "a", encoding="utf-8", buffering=1) as times:
        while step < options.steps:
            first = (step * size + rank) * batch % len(inputs)
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(parallel(inputs[first:first + batch]), targets[first:first + batch])
            if rank == 1 and first_life and step + 1 == options.die_at:
                options.times.with_suffix(".death").write_text(str(time.time()))
                os.kill(os.getpid(), signal.SIGKILL)
            loss.backward()
            optimizer.step()
            step += 1
            times.write(f"{step} {time.time()}\n")
            if rank == 0 and options.checkpoint and step % options.every == 0:
                save(options.checkpoint, model, optimizer, step)
    dist.destroy_process_group()


main()
