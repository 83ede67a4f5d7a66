"""The raw results: one JSON file a workload, to which every run is added as soon as it has ended."""
import json
import os


def load(folder, name):
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {"workload": name, "machine": {}, "runs": []}


def load_all(folder):
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def add(folder, name, entry, machine):
    """Runs of another machine, or of other versions, are not mixed with these: they are put aside."""
    record = load(folder, name)
    if record["runs"] and record["machine"] != machine:
        put_aside(folder, name)
        record["runs"] = []
    record["machine"] = machine
    record["runs"].append(entry)
    write(folder, name, record)


def put_aside(folder, name):
    path = folder / f"{name}.json"
    if path.exists():
        os.replace(path, folder / f"{name}.before")


def replace(folder, name, runs, machine):
    write(folder, name, {"workload": name, "machine": machine, "runs": runs})


def write(folder, name, record):
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.json.tmp"
    part.write_text(json.dumps(record, indent=1) + "\n")
    part.rename(folder / f"{name}.json")
