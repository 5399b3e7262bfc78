#!/usr/bin/env python3
"""Mobula, Ray's C++ API, Ray's Python API and Dask distributed on the same workloads, in one run.

Each round starts one system after the other, runs all rows on it and ends it before the next one:
they alternate, and none idles beside another. Writes text, JSON and a plot.
"""
import argparse
import collections
import ctypes
import datetime
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
import plot  # noqa: E402

SYSTEMS = ["Mobula", "Ray C++", "Ray Python", "Dask"]
CAVEAT = ("Mobula and Ray C++ run native tasks, Ray Python and Dask run Python: only the ratio to "
          "Ray C++ compares like with like.")
# row: unit, amount of one count in it, then how many each system does in a round (0: it cannot).
# Rates are compared, as Ray's own benchmark does: the slow do fewer of the same, in batches of the
# same size. `wait` costs the square of its size, and large objects fill a store: equal for all.
ROWS = {
    "task_sync":    ("tasks/s", 1, 200000, 500, 500, 200),
    "task_async":   ("tasks/s", 1, 500000, 2000, 2000, 1000),
    "nested_tasks": ("tasks/s", 1, 40000, 2000, 2000, 400),
    "wait":         ("refs/s", 1, 1000, 1000, 1000, 1000),
    "put_small":    ("puts/s", 1, 100000, 5000, 5000, 300),
    "get_small":    ("gets/s", 1, 100000, 5000, 5000, 300),
    "put_large":    ("GB/s", 0.1, 10, 10, 10, 3),
    "get_large":    ("GB/s", 0.1, 10, 10, 10, 3),
    "get_refs":     ("refs/s", 1, 10000, 0, 10000, 0),
    "args":         ("objects/s", 1, 1000, 0, 1000, 300),
    "returns":      ("objects/s", 1, 1000, 0, 1000, 0),
    "get_objects":  ("objects/s", 1, 1000, 1000, 1000, 300),
    "queued":       ("tasks/s", 1, 100000, 5000, 5000, 2000),
}
LESS_IS_BETTER = {"cluster_start": "ms", "idle_memory": "MB", "idle_cpu": "%"}
IDLE_SECONDS = 10
PATIENCE_SECONDS = 900


def commands(build, folder):
    python = str(folder / "venv/bin/python")
    return {"Mobula": [str(build / "bin/mobula_compare")],
            "Ray C++": [str(folder / "ray_program"), str(folder / "ray_program.so")],
            "Ray Python": [python, str(HERE / "ray_program.py")],
            "Dask": [python, str(HERE / "dask_program.py")]}


class Family:
    """All processes of the one system that is running, daemons included: whatever loses its parent
    becomes a child of this program."""

    def __init__(self):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER

    def pids(self):
        children = collections.defaultdict(list)
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit():
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    children[int(parent)].append(int(entry.name))
            except OSError:
                pass  # it has ended
        found = [os.getpid()]
        for pid in found:
            found += children[pid]
        return found[1:]

    def memory_mb(self):
        """Proportional share of all memory, shared libraries and stores included."""
        kb = 0
        for pid in self.pids():
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
                kb += sum(int(line.split()[1]) for line in text.splitlines()
                          if line.startswith("Pss:"))
            except OSError:
                pass
        return kb / 1024

    def cpu_seconds(self):
        """Processor time so far, of each process."""
        seconds = {}
        for pid in self.pids():
            try:
                times = [(task / "schedstat").read_text().split()[0]
                         for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
                seconds[pid] = sum(map(int, times)) / 1e9
            except OSError:
                pass
        return seconds

    def end(self):
        """Until nobody is left: who is killed may leave children behind."""
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                pass


class Program:
    """One system, running. Ends with everything it has started."""

    def __init__(self, command, words, folder):
        self.family = Family()
        self.begin = time.monotonic()
        self.log = open(folder / "programs.log", "a")
        self.process = subprocess.Popen(
            command + words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            text=True, cwd=folder,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0",
                 "PATH": f"{folder / 'venv/bin'}:{os.environ['PATH']}"})

    def __enter__(self):
        signal.signal(signal.SIGALRM, self._too_long)
        signal.alarm(PATIENCE_SECONDS)
        return self

    def _too_long(self, *_):
        self.process.kill()

    def line(self):
        """The next line of the protocol; what the system itself prints is skipped."""
        for text in self.process.stdout:
            if text.startswith('{"row"'):
                return json.loads(text)
        raise RuntimeError(f"ended too early, with {self.process.wait()}; see programs.log")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __exit__(self, *_):
        try:
            self.process.communicate(timeout=60)
        except (subprocess.TimeoutExpired, OSError):
            pass
        signal.alarm(0)
        self.family.end()
        self.log.close()


def measure(system, command, folder, rows, quick):
    """One round of one system: row -> (value, count)."""
    index = 2 + SYSTEMS.index(system)
    counts = {row: (max(ROWS[row][index] // 10, 1) if quick else ROWS[row][index])
              for row in rows if row in ROWS and ROWS[row][index] > 0}
    for row in {"task_async"} & set(counts):
        counts[row] = max(counts[row], 1000)  # whole batches
    values = {}
    with Program(command, [f"{row}:{count}" for row, count in counts.items()], folder) as program:
        try:
            read_rows(program, values, quick)
        except RuntimeError as error:  # what came before it counts
            print(f"  {system}: {error}", file=sys.stderr)
    return values


def read_rows(program, values, quick):
    """Fills `values` with what the program costs while idle, and with what it says."""
    program.line()
    values["cluster_start"] = ((time.monotonic() - program.begin) * 1e3, 1)
    measure_idle(program.family, values, quick)
    program.go_on()
    while (answer := program.line())["row"] != "done":
        if "count" not in answer:
            raise RuntimeError(f"says {answer} where a row was due")
        amount = answer["count"] * ROWS[answer["row"]][1]
        values[answer["row"]] = (amount / answer["seconds"], answer["count"])
    values["done"] = (1, 1)


def measure_idle(family, values, quick):
    time.sleep(1 if quick else 5)  # what a start leaves to do is done
    values["idle_memory"] = (family.memory_mb(), 1)
    before, begin = family.cpu_seconds(), time.monotonic()
    time.sleep(1 if quick else IDLE_SECONDS)
    after, elapsed = family.cpu_seconds(), time.monotonic() - begin
    spent = sum(max(seconds - before.get(pid, 0), 0) for pid, seconds in after.items())
    values["idle_cpu"] = (100 * spent / elapsed, 1)


def summarize(rows, rounds):
    """rounds: system -> list of {row: (value, count)}. Medians, and how much better Mobula is."""
    table = []
    for row in rows:
        unit = LESS_IS_BETTER.get(row) or ROWS[row][0]
        line = {"row": row, "unit": unit, "less_is_better": row in LESS_IS_BETTER, "systems": {}}
        for system, values in rounds.items():
            got = [one[row] for one in values if row in one]
            if got:
                line["systems"][system] = {"value": statistics.median(value for value, _ in got),
                                           "count": got[0][1],
                                           "rounds": [value for value, _ in got]}
        ours = line["systems"].get("Mobula")
        for system, one in line["systems"].items():
            if ours and system != "Mobula" and one["value"] and ours["value"]:
                ratio = ours["value"] / one["value"]
                one["mobula_is_better_by"] = 1 / ratio if line["less_is_better"] else ratio
        table.append(line)
    return table


def to_text(result):
    lines = [result["title"], CAVEAT,
             "value (how many were done in a round); xN: so many times better is Mobula", ""]
    systems = result["systems"]
    lines.append(f"{'row':14}{'unit':>10}" + "".join(f"{one:>32}" for one in systems))
    for line in result["rows"]:
        cells = ""
        for system in systems:
            one = line["systems"].get(system)
            if one is None:
                cells += f"{'-':>32}"
                continue
            better = one.get("mobula_is_better_by")
            times = "" if better is None else " " + plot.times(better)
            cells += f"{plot.short(one['value'])} ({one['count']}){times}".rjust(32)
        lines.append(f"{line['row']:14}{line['unit']:>10}{cells}")
    return "\n".join(lines) + "\n"


def title(rounds, quick):
    kernel = os.uname().release
    cpu = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), "unknown CPU")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True,
                            capture_output=True, check=False).stdout.strip() or "no commit"
    return (f"{os.cpu_count()} x {cpu}, Linux {kernel}, {datetime.date.today()}, {commit}, "
            + ("--quick: a look, no measurement" if quick else f"median of {rounds} rounds"))


def arguments():
    known = [*LESS_IS_BETTER, *ROWS]
    parser = argparse.ArgumentParser(description=__doc__, prog="scripts/bench compare")
    parser.add_argument("--quick", action="store_true", help="one round, a tenth of the sizes")
    parser.add_argument("--rounds", type=int, default=0, help="5, or 1 with --quick")
    parser.add_argument("--only", action="append", choices=known, metavar="ROW",
                        help=f"may be repeated; one of {', '.join(known)}")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="separated by commas")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/compare",
                        help="what setup.sh has made")
    parser.add_argument("--output", type=pathlib.Path, required=True,
                        help="path of the results, without .txt, .json, .svg")
    chosen = parser.parse_args()
    if chosen.rounds < 0:
        parser.error(f"--rounds is {chosen.rounds}, not 1 or more")
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    chosen.systems = chosen.systems.split(",")
    if unknown := set(chosen.systems) - set(SYSTEMS):
        parser.error(f"no system {unknown}; there are {', '.join(SYSTEMS)}")
    return chosen


def main():
    chosen = arguments()
    rows = chosen.only or [*LESS_IS_BETTER, *ROWS]
    rounds = {system: [] for system in chosen.systems}
    for number in range(1, chosen.rounds + 1):
        for system in chosen.systems:
            print(f"round {number}: {system}", file=sys.stderr, flush=True)
            command = commands(chosen.build, chosen.folder.absolute())[system]
            rounds[system].append(
                measure(system, command, chosen.folder.absolute(), rows, chosen.quick))
    result = {"title": title(chosen.rounds, chosen.quick), "caveat": CAVEAT,
              "systems": chosen.systems, "rows": summarize(rows, rounds)}
    text = to_text(result)
    print(text, end="")
    chosen.output.with_suffix(".txt").write_text(text)
    chosen.output.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    chosen.output.with_suffix(".svg").write_text(plot.compared(result))
    return 0 if all("done" in one for values in rounds.values() for one in values) else 1


if __name__ == "__main__":
    sys.exit(main())
