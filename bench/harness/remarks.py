"""The words of docs/performance.md; its figures come from the runs."""

INTRODUCTION = """
# Performance

What shardmill costs beside the bare work, and what it gains over the ways in which the same is done in Python. This page
is written by `bench/run` from the runs in [performance/](performance/); nothing in it was typed in by hand but the words.

Each workload is bound by something else: compute, what is done around the model, padding, reading, the coordinator.
Everybody does the whole of it, from the HDF5 file to results on the disk, with as many processes or threads as there are cores,
and everybody's results are compared with those of the eager model, or no figure counts.
"""

OF_WORKLOADS = {
    "image": "Bound by compute.",
    "image-bfloat16": "Bound by compute, in half the bytes. The peers are those of `image`, and one that computes in bfloat16 too.",
    "rows": "Bound by what is done around the model, and by start-up.",
    "rows-large": "Four times as many rows, for the memory: it is bounded by the queues, not by the dataset.",
    "text": "Bound by padding. The limit is the bare loop over batches of one length.",
    "wide": "Bound by the disk: before each run, the file is dropped from the machine's page cache (what lies below it, as the "
            "cache of a virtual machine's host, is not).",
    "wide-cached": "The same from the page cache, where copying is what reading costs; the raw read copies into a buffer that "
                   "stays in the processor's cache, so it is out of reach.",
    "tiny": "Bound by the coordinator: each shard is leased, computed, written, synced and committed for ten rows.",
}

NO_FUSED_RELU = (
    "the bare loop is LibTorch's `optimize_for_inference`, whose relu makes 0 of a NaN, so that a record that cannot be computed "
    "gets a result that looks like any other. shardmill does without, which costs most where there is AVX-512.")

# (workload, text of the goal) -> why it is missed; shown only if it is.
WHY_MISSED = {
    ("image", "its loop, of the bare loop's rate"): NO_FUSED_RELU,
    ("image", "command to exit, of the bare loop's rate"): "as above, and the model's load.",
    ("text", "its loop, times that of mpi4py, whose batches are cut in the file's order"):
        "that loop cuts each batch to its longest sentence, as it should. Batches of one length save it the rest of the padding "
        "and no more: the bare loop over such batches, the limit, does not reach this either. Against a loop that takes records as "
        "long as they are stored, the ratio is that of the table's row *padded as they are stored*.",
}

HOW = """
## How it is measured

    bench/run                            # everything
    bench/run rows text -n 3             # these workloads, three more runs of each contender
    bench/run parts                      # the parts, with Google Benchmark
    bench/run --publish                  # writes this page from the runs that there are

The contenders take turns, all of them once and then all again, so that a slow minute of the machine hits them alike.
Tables show medians, with the least and the most in brackets, and the raw runs lie beside the plots as JSON.

- **Command to exit** is the wall clock from the start of the command to its end. *Start and end* is what of it lies
  outside of the loop: the interpreter, libraries, MPI, the model; at the end, leaving.
- **The loop** begins when the model is loaded and one batch has gone through it, and ends when the last result is
  written. For shardmill that is `load` in `summary.json`, which has in it the filling of the pipeline, each shard's
  sync, and the journal. The peers write results to a mapped `.npy` file, and sync nothing.
- **The limit** (`bench/limit/bare_loop.cpp`) loads all batches into memory first, ready as the model takes them, and
  then does nothing but call the model: as many processes as there are cores, each bound to one, one thread each, the
  same model frozen, optimized for inference, and with channels last where there are images. Memory that is freed stays
  with the process. It writes nothing.
- **Memory** is from runs of their own, since watching costs time: the proportional set size of all processes that the
  command started, together and of the heaviest, sampled every 50 ms. Pages that processes share count in equal parts.
- **Off from eager** is the largest difference from what the eager model gives in PyTorch (of values above 1, as a share
  of the largest), and for bfloat16 the relative difference in the Euclidean norm; more than 1e-5 (1e-2) stops the bench.

The peers (`bench/peers`) are written as somebody would who knows them: whole batches are read, not records; models run in
inference mode; results are not pickled where memory can be shared. *plain* uses LibTorch's own threads; *mpi4py* splits
the file in equal parts and pads each batch to its longest record only; *dataloader* has one worker, and as many threads for
the model as do it good; *ray* has an
actor a core, which reads what it computes by itself. `mpi4py-tuned` has the model with all that LibTorch offers, as
shardmill prepares it by itself, and keeps freed memory.

The models have fixed random weights (MiniLM: the published ones), the data are made from fixed seeds (`bench/workloads`).
"""
