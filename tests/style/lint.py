#!/usr/bin/env python3
"""clang-tidy over the sources, or over those that changed last; a warning is a failure.

    python3 tests/style/lint.py                 every source: some twenty minutes
    python3 tests/style/lint.py --changed 30    what the last 30 commits changed, newest first

A file that was only moved has not changed; for a header the source of the same name is read.
scripts/test lint prepares the build folder.

Most of the time goes into the headers, not into the source: so sources of one folder are read
together, as one that includes them all. Where they do not compile together (two of them have a
local function of one name), each is read alone.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def changed_paths(log):
    """Paths of `git log --name-status`, newest first, without those that were only moved."""
    paths = []
    for line in log.splitlines():
        parts = line.split("\t")
        if len(parts) > 1 and parts[0][0] in "AMR" and parts[0] != "R100":
            paths.append(parts[-1])
    return list(dict.fromkeys(paths))


def choose(paths, known):
    """The sources to read: a header stands for its source."""
    sources = [path[:-2] + ".cc" if path.endswith(".h") else path for path in paths]
    return [path for path in dict.fromkeys(sources) if path in known]


def batches(paths, flags, most):
    """Lists of at most `most` sources: of one folder, and compiled with the same flags."""
    alike = {}
    for path in paths:
        alike.setdefault((os.path.dirname(path), tuple(flags[path])), []).append(path)
    return [some[at:at + most] for some in alike.values() for at in range(0, len(some), most)]


def history(root, commits):
    """The log of the last commits. The oldest one of a shallow clone would seem to add all."""
    command = ["git", "-C", str(root), "log", f"-{commits}", "-M", "--format=", "--name-status"]
    shallow = subprocess.run(["git", "-C", str(root), "rev-parse", "--git-path", "shallow"],
                             capture_output=True, text=True, check=True).stdout.strip()
    oldest = root / shallow
    if oldest.exists():
        command += ["HEAD", *(f"^{commit}" for commit in oldest.read_text().split())]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def sources(root, build):
    """The flags of every source that the build compiles, by its path from the root."""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(entry["file"], root)
        if not path.startswith(("build/", "..")):
            words = shlex.split(entry["command"])
            flags[path] = words[1:words.index("-o")]
    return flags


def tidy(options, path, flags):
    """(whether it is clean, whether it compiles, what clang-tidy says)."""
    done = subprocess.run([options.tidy, "--quiet", str(path), "--", *flags], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    words = done.stdout + done.stderr
    return done.returncode == 0, "clang-diagnostic-error" not in words, words


def lint(options, batch, flags):
    """[(sources, whether they are clean, what clang-tidy says)]: one, or one for each source."""
    if len(batch) > 1:
        together = options.build / "lint" / (batch[0].replace("/", "_") + "_and_more.cc")
        together.parent.mkdir(parents=True, exist_ok=True)
        together.write_text("".join(f'#include "{ROOT / path}"  // NOLINT\n' for path in batch))
        clean, compiles, words = tidy(options, together, flags[batch[0]])
        if compiles:
            return [(batch, clean, words)]
    outcomes = []
    for path in batch:
        clean, _, words = tidy(options, ROOT / path, flags[path])
        outcomes.append(([path], clean, words))
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changed", type=int, metavar="N", help="only what N commits changed")
    parser.add_argument("--together", type=int, default=8, help="sources read as one at most")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/lint")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tidy", default="clang-tidy-19")
    options = parser.parse_args()
    flags = sources(ROOT, options.build)
    todo = sorted(flags)
    if options.changed is not None:
        todo = choose(changed_paths(history(ROOT, options.changed)), set(todo))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        parts = batches(sorted(todo), flags, options.together)
        for outcomes in pool.map(lambda batch: lint(options, batch, flags), parts):
            for paths, clean, words in outcomes:
                for path in paths:
                    print(f"lint: {path}: {'clean' if clean else 'see below'}", flush=True)
                if not clean:
                    bad += 1
                    print(words, flush=True)
    print(f"lint: {len(todo)} files read, {bad} times with warnings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
