#!/usr/bin/env python3
"""clang-tidy over the sources, or over those that changed last; a warning is a failure.

    python3 tests/style/lint.py                 every source: an hour or two
    python3 tests/style/lint.py --changed 30    what the last 30 commits changed, newest first

A file that was only moved has not changed; for a header the source of the same name is read. Of
what changed, at most `--most` files are read (40: some 50 seconds of one core each), and the last
lines say how many were left out. scripts/test lint prepares the build folder.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
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


def choose(paths, known, most):
    """(sources to read, how many more there are): a header stands for its source."""
    sources = [path[:-2] + ".cc" if path.endswith(".h") else path for path in paths]
    sources = [path for path in dict.fromkeys(sources) if path in known]
    return sources[:most], max(0, len(sources) - most)


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
    """Every source that the build compiles, by its path from the root, in order."""
    entries = json.loads((build / "compile_commands.json").read_text())
    paths = {os.path.relpath(entry["file"], root) for entry in entries}
    return sorted(path for path in paths if not path.startswith(("build/", "..")))


def lint(tidy, build, path):
    done = subprocess.run([tidy, "--quiet", "-p", str(build), path], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changed", type=int, metavar="N", help="only what N commits changed")
    parser.add_argument("--most", type=int, default=40, help="files that --changed reads at most")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/lint")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--tidy", default="clang-tidy-19")
    options = parser.parse_args()
    todo, left_out = sources(ROOT, options.build), 0
    if options.changed is not None:
        todo, left_out = choose(changed_paths(history(ROOT, options.changed)), set(todo),
                                options.most)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        outcomes = pool.map(lambda path: lint(options.tidy, options.build, path), todo)
        for path, (good, words) in zip(todo, outcomes):
            print(f"lint: {path}: {'clean' if good else 'warnings'}", flush=True)
            if not good:
                bad += 1
                print(words, flush=True)
    if left_out:
        print(f"lint: {left_out} files that changed earlier were left out: more than "
              f"{options.most} would not end within the hour; `scripts/test lint` reads all")
    print(f"lint: {len(todo)} files read, {bad} with warnings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
