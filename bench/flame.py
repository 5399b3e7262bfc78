#!/usr/bin/env python3
"""A flame graph as SVG from `perf script` on the standard input, by hand: no package is needed.

usage: perf script ... | flame.py ROW FOLDED > ROW.svg
"""
import collections
import re
import sys

import plot

# The floors are not the row; and how a thread came to run is not where its time goes.
FLOORS = ("bench::MeasureFloors", "bench::RunInChild", "bench::Work", "bench::SendBatch",
          "bench::SendTo", "bench::MoveAll", "bench::RawTcp", "std::thread::_State_impl::_M_run")
STARTS = {"clone3", "start_thread", "[unknown]", "_start", "__libc_start_main@@GLIBC_2.34",
          "__libc_start_call_main", "main", "execute_native_thread_routine"}
WIDTH, STEP, MARGIN = 1400, 17, 12
COLORS = {"mobula": "#f0a35e", "bench": "#7fb3d5", "boost": "#b8c98a", "google": "#c9a0c9"}
OTHER = "#d9d2c5"


def stacks(lines):
    """Counts of whole stacks, outermost frame first, below the process and thread they ran in."""
    counts = collections.Counter()
    first, head, frames = None, None, []

    def finish():
        if head and frames and not any(name.startswith(FLOORS) for name in frames):
            counts[(head, *(name for name in reversed(frames) if name not in STARTS))] += 1

    for line in lines:
        if not line.strip():
            finish()
            head, frames = None, []
        elif found := re.match(r"\s*(\d+)/(\d+)\s*$", line):
            pid, tid = found.groups()
            first = first or pid
            role = "driver and node" if pid == first else "another process (worker, zygote)"
            head = f"{role}: {'main thread' if pid == tid else 'loop or other thread'}"
        elif head:
            frames.append(name_of(line))
    finish()
    return counts


def name_of(line):
    """The function of a frame without parameters, template arguments and address."""
    symbol = line.strip().partition(" ")[2] or "?"
    symbol = re.sub(r"\[clone [^]]*\]|\(anonymous namespace\)::", "", symbol)
    while True:
        shorter = re.sub(r"<[^<>]*>", "", re.sub(r"\([^()]*\)", "", symbol))
        if shorter == symbol:
            break
        symbol = shorter
    return re.sub(r"^.* ", "", symbol.replace(" const", "").strip()) or "?"


def tree(counts):
    root = {"name": "all", "value": 0, "children": {}}
    for stack, count in counts.items():
        node = root
        node["value"] += count
        for name in stack:
            node = node["children"].setdefault(name, {"name": name, "value": 0, "children": {}})
            node["value"] += count
    return root


def depth(node, least):
    kept = [child for child in node["children"].values() if child["value"] >= least]
    return 1 + max((depth(child, least) for child in kept), default=0)


def color(name):
    return COLORS.get(name.partition("::")[0], OTHER)


def draw(picture, node, x, y, scale, least):
    """Bars grow upwards: a caller below what it calls."""
    width = node["value"] * scale
    picture.bar(x, y, width - 0.5, STEP - 1, color(node["name"]))
    room = int(width / 6.2)
    if room > 3:
        name = node["name"] if len(node["name"]) <= room else ".." + node["name"][2 - room:]
        picture.text(x + 3, y + 12, name, size=10)
    for name in sorted(node["children"]):
        child = node["children"][name]
        if child["value"] >= least:
            draw(picture, child, x, y - STEP, scale, least)
            x += child["value"] * scale


def main():
    row, folded = sys.argv[1:]
    counts = stacks(sys.stdin)
    if not counts:
        sys.exit("flame: no samples; see flame.sh --help")
    with open(folded, "w", encoding="utf-8") as file:
        for stack, count in sorted(counts.items()):
            file.write(f"{';'.join(stack)} {count}\n")
    root = tree(counts)
    least = root["value"] / 1000
    picture = plot.Picture(WIDTH)
    top = plot.head(picture, f"Where the time of {row} goes", [
        f"{root['value']} samples of processor time of all processes; waiting is not in it. A bar "
        "is as wide as its share. Below: who calls. Orange: Mobula, blue: the workload, green: "
        "Boost, violet: Protobuf, grey: the kernel and libraries."])
    picture.height = top + STEP * depth(root, least) + MARGIN
    draw(picture, root, MARGIN, picture.height - MARGIN - STEP,
         (WIDTH - 2 * MARGIN) / root["value"], least)
    print(picture.render(), end="")


if __name__ == "__main__":
    main()
