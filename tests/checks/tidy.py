#!/usr/bin/python3
"""clang-tidy on the rooms that do not include LibTorch, whose headers alone take it half a minute a file.

    tidy.py BUILD_DIR

A file is looked at again only if it, a header of ours that it includes, or .clang-tidy changed since it was last clean.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOMS = ("job", "coordinator", "simulation", "comm", "store", "dataset", "report")
ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(rb'^ *# *include +"([a-z_]+/[^"]+)"', re.M)


def own_files(file, seen):
    """The file and all of ours that it includes, directly or not."""
    if file not in seen and file.exists():
        seen.add(file)
        for name in INCLUDE.findall(file.read_bytes()):
            own_files(ROOT / "src" / name.decode(), seen)
    return seen


def digest(entry, version):
    """Of all that the verdict on a file depends on, apart from the headers of libraries."""
    parts = [version, entry["command"].encode(), (ROOT / ".clang-tidy").read_bytes()]
    for file in sorted(own_files(pathlib.Path(entry["file"]), set())):
        parts += [str(file).encode(), file.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def problems(entry, build):
    """What clang-tidy finds in a file, one line each."""
    run = subprocess.run(
        ["clang-tidy", "--quiet", "-p", build, "--extra-arg=-Wno-unknown-warning-option", entry["file"]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = [line.replace(f"{ROOT}/", "", 1) for line in run.stdout.splitlines()
             if re.search(r":\d+:\d+: (warning|error): ", line) or line.startswith("error: ")]
    if run.returncode != 0 and not found:
        found = [f"{entry['file']}: clang-tidy failed: {(run.stderr or run.stdout).strip()[-300:]}"]
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = sys.argv[1]
    if not shutil.which("clang-tidy"):
        print("skipped: there is no clang-tidy on the PATH")
        return 77
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE).stdout
    with open(os.path.join(build, "compile_commands.json")) as database:
        folders = tuple(f"{ROOT}/src/{room}/" for room in ROOMS)
        entries = [entry for entry in json.load(database) if entry["file"].startswith(folders)]
    if not entries:
        print(f"{build}/compile_commands.json has no file of ours")
        return 1

    clean = pathlib.Path(build, "tidy-clean")  # an empty file named by each digest that was clean
    clean.mkdir(exist_ok=True)
    digests = {entry["file"]: digest(entry, version) for entry in entries}
    for mark in clean.iterdir():
        if mark.name not in digests.values():
            mark.unlink()
    due = [entry for entry in entries if not (clean / digests[entry["file"]]).exists()]

    found = set()  # what is wrong in a header is found by each file that includes it
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for entry, lines in zip(due, pool.map(lambda entry: problems(entry, build), due)):
            found.update(lines)
            if not lines:
                (clean / digests[entry["file"]]).touch()
    for line in sorted(found):
        print(line)
    print(f"{len(entries)} files, {len(due)} of them changed, {len(found)} problems")
    return 1 if found else 0


sys.exit(main())
