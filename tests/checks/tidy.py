#!/usr/bin/python3
"""clang-tidy on the rooms that do not include LibTorch, whose headers alone take it half a minute a file.

    tidy.py BUILD_DIR

Most checks look at a whole translation unit, and so at files that are compiled as one together: half of the time went into
the headers that they share. What clang does for the main file only, it does for each by itself. A file is looked at again
only if it, a header of ours that it includes, or .clang-tidy changed since it was last clean.
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
import typing

ROOMS = ("job", "coordinator", "simulation", "comm", "store", "dataset", "report")
ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = re.compile(r".*/shardmill_(\w+)\.dir/Unity/")
INCLUDE = re.compile(rb'^ *# *include +"([^"]+)"', re.M)
ALL, OF_UNITS, OF_FILES = "", "-clang-analyzer-*,-misc-unused-*,-bugprone-suspicious-include", \
    "-*,clang-analyzer-*,-clang-analyzer-optin.mpi.*,misc-unused-using-decls,misc-unused-alias-decls"


def own_files(file, seen):
    """The file and all of ours that it includes, directly or not."""
    if file not in seen and file.exists():
        seen.add(file)
        for name in INCLUDE.findall(file.read_bytes()):
            own_files(ROOT / "src" / name.decode(), seen)  # in a unit's file the names are absolute
    return seen


class Look(typing.NamedTuple):
    file: str
    checks: str
    command: str


def looks_at(entry):
    """What is to be looked at for an entry of the compilation database; nothing if it is of another room."""
    file, command = entry["file"], entry["command"]
    unit = UNIT.match(file)
    if unit:
        if unit[1] in ROOMS:
            yield Look(file, OF_UNITS, command)
            for name in INCLUDE.findall(pathlib.Path(file).read_bytes()):
                yield Look(name.decode(), OF_FILES, command.replace(file, name.decode()))
    elif file.startswith(tuple(f"{ROOT}/src/{room}/" for room in ROOMS)):
        yield Look(file, ALL, command)


def digest(look, version):
    """Of all that the verdict depends on, apart from the headers of libraries."""
    parts = [version, look.checks.encode(), look.command.encode(), (ROOT / ".clang-tidy").read_bytes()]
    for file in sorted(own_files(pathlib.Path(look.file), set())):
        parts += [str(file).encode(), file.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def problems(look, database):
    """What clang-tidy finds, one line each."""
    run = subprocess.run(
        ["clang-tidy", "--quiet", "-p", database, "--extra-arg=-Wno-unknown-warning-option", f"--checks={look.checks}", look.file],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = [line.replace(f"{ROOT}/", "", 1) for line in run.stdout.splitlines()
             if re.search(r":\d+:\d+: (warning|error): ", line) or line.startswith("error: ")]
    if run.returncode != 0 and not found:
        found = [f"{look.file}: clang-tidy failed: {(run.stderr or run.stdout).strip()[-300:]}"]
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    if not shutil.which("clang-tidy"):
        print("skipped: there is no clang-tidy on the PATH")
        return 77
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE).stdout
    with open(os.path.join(build, "compile_commands.json")) as database:
        looks = [look for entry in json.load(database) for look in looks_at(entry)]
    if not looks:
        print(f"{build}/compile_commands.json has no file of ours")
        return 1

    # CMake's has no files that are compiled as one with others.
    own = pathlib.Path(build, "tidy")
    own.mkdir(exist_ok=True)
    (own / "compile_commands.json").write_text(json.dumps(
        [{"directory": build, "command": look.command, "file": look.file} for look in looks]))

    clean = own / "clean"  # an empty file named by each digest that was clean
    clean.mkdir(exist_ok=True)
    digests = {look: digest(look, version) for look in looks}
    for mark in clean.iterdir():
        if mark.name not in digests.values():
            mark.unlink()
    due = [look for look in looks if not (clean / digests[look]).exists()]

    found = set()  # what is wrong in a header is found by each file that includes it
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for look, lines in zip(due, pool.map(lambda look: problems(look, own), due)):
            found.update(lines)
            if not lines:
                (clean / digests[look]).touch()
    for line in sorted(found):
        print(line)
    print(f"{len(looks)} to look at, {len(due)} of them changed, {len(found)} problems")
    return 1 if found else 0


sys.exit(main())
