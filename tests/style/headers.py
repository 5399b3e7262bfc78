"""Every header compiles alone. Results are kept beside the build, by the contents they rest on."""

import concurrent.futures
import hashlib
import json
import pathlib
import subprocess

import source

FLAGS = ["-std=c++23", "-fsyntax-only", "-x", "c++", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
         "-Wno-psabi"]
JOBS = 2


def digest(root, build, path, known):
    """A hash of a header and of every header of ours below it."""
    if path in known:
        return known[path]
    known[path] = ""  # a circle ends here; #pragma once does the same for the compiler
    place = next((p for p in (root / path, build / path) if p.exists()), None)
    if place is None:
        return ""
    parts = [place.read_text(encoding="utf-8")]
    for line in parts[0].splitlines():
        match = source.INCLUDE.match(line)
        if match:
            included = match.group(1) or match.group(2)
            below = "include/" + included if included.startswith("mobula/") else included
            parts.append(digest(root, build, below, known))
    known[path] = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return known[path]


def compile_alone(root, build, compiler, path):
    """\\return the compiler's words, empty if it is content."""
    command = [compiler, *FLAGS, f"-I{root}", f"-I{root / 'include'}", f"-I{build}", "-"]
    program = f'#include "{path}"\n#include "{path}"\n'
    done = subprocess.run(command, input=program, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr[:2000] or "failed"


def check(root, compiler, build):
    cache = build / "style_headers.json"
    passed = set(json.loads(cache.read_text())) if cache.exists() else set()
    known, todo, now = {}, [], set()
    for file in source.files(root, {".h"}, ("include", "components", "node", "sim", "cli")):
        key = f"{compiler} {file.path} {digest(root, build, file.path, known)}"
        if key in passed:
            now.add(key)
        else:
            todo.append((file.path, key))
    problems = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        outcomes = pool.map(lambda job: compile_alone(root, build, compiler, job[0]), todo)
        for (path, key), words in zip(todo, outcomes):
            if words:
                problems.append(f"{path}: does not compile alone:\n{words}")
            else:
                now.add(key)
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text(json.dumps(sorted(now), indent=1))
    print(f"headers: {len(todo)} compiled alone, {len(now) + len(problems) - len(todo)} unchanged")
    return problems


def check_format(root, clang_format):
    """clang-format agrees with every file as it stands."""
    if not clang_format or not pathlib.Path(clang_format).exists():
        return ["clang-format-19 is missing; scripts/setup installs it"]
    paths = [file.path for file in source.files(root, {".h", ".cc"})]
    done = subprocess.run([clang_format, "--dry-run", "--Werror", *paths], cwd=root,
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line})
    if not wrong:
        return [done.stderr]
    return [f"{path}: run clang-format-19 -i {path}" for path in wrong]
