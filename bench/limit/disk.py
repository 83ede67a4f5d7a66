#!/usr/bin/env python3
"""The disk's bandwidth, in blocks of 4 MiB, which are dropped. Prints one line of JSON.

    disk.py read FILE [--processes 2]      each process reads its own part of the file
    disk.py write FILE --bytes N           one process writes N bytes and syncs; the file is removed

Whether a read comes from the disk or from the page cache is for the caller to arrange, and to say.
"""
import argparse
import json
import os
import time

BLOCK = 4 << 20


def read_part(path, first, last):
    buffer = bytearray(BLOCK)
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_SEQUENTIAL)  # the kernel reads further ahead: up to twice the bandwidth
    at = first
    while at < last:
        got = os.preadv(file, [memoryview(buffer)[:min(BLOCK, last - at)]], at)
        if got == 0:
            break
        at += got
    os.close(file)


def read(path, count):
    size = os.stat(path).st_size
    cuts = [size * i // count // BLOCK * BLOCK for i in range(count)] + [size]
    began = time.perf_counter()
    children = []
    for first, last in zip(cuts, cuts[1:]):
        child = os.fork()
        if child == 0:
            try:
                read_part(path, first, last)
            except OSError as error:
                print(error, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit(f"{path} could not be read")
    return size, time.perf_counter() - began


def write(path, size):
    block = os.urandom(BLOCK)
    began = time.perf_counter()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for at in range(0, size, BLOCK):
        os.pwrite(file, block[:min(BLOCK, size - at)], at)
    os.fdatasync(file)
    seconds = time.perf_counter() - began
    os.close(file)
    os.unlink(path)
    return size, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["read", "write"])
    parser.add_argument("file")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--bytes", type=int, default=1 << 30)
    args = parser.parse_args()
    size, seconds = read(args.file, args.processes) if args.what == "read" else write(args.file, args.bytes)
    print(json.dumps({"bytes": size, "loop_seconds": seconds, "bytes_per_second": size / seconds}))


if __name__ == "__main__":
    main()
