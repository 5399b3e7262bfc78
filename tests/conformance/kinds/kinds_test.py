"""Adding a kind touches one folder and one line: shown with the templates of the READMEs.

A README's fenced block that begins with `// file: PATH` is that file; one that begins with
`// line: PATH` or `// line: PATH (LIST)` is an include and an entry of the list below the comment
`// LIST`, or of the only list. All are applied to a copy of the tree, which is built and has its
conformance suites run; the new kinds' own tests must be among those that pass.
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
KINDS = {"scheduling policy": "SchedulingPolicy", "scheduler": "Scheduler",
         "eviction policy": "EvictionPolicy", "object store": "ObjectStore",
         "storage": "Storage", "transport": "Transport"}
BLOCK = re.compile(r"^```cpp\n// (file|line): (\S+)(?: \(([^)]*)\))?\n(.*?)^```$",
                   re.MULTILINE | re.DOTALL)
KIND = re.compile(r"constexpr Kind<(?:\w+::)*(\w+)>\s*(k\w+)\s*\{\s*\"(\w+)\"")
Template = collections.namedtuple("Template", "readme interface name files place list line")


def fail(text):
    sys.exit(f"kinds: {text}")


def templates(root):
    """Every template of every README: the files before each `line:` block, and that line."""
    for readme in sorted(root.glob("components/**/README.md")):
        files = {}
        for what, path, list_name, text in BLOCK.findall(readme.read_text(encoding="utf-8")):
            if what == "file":
                files[path] = text
                continue
            found = KIND.search("".join(files.values()))
            if not found:
                fail(f"{readme}: no file before `line: {path}` has a `constexpr Kind<T> kName`")
            yield Template(readme.relative_to(root).as_posix(), found.group(1), found.group(3),
                           files, path, list_name, text.strip().splitlines())
            files = {}
        if files:
            fail(f"{readme}: {', '.join(files)} is in no list: a `line:` block is missing")


def register(text, template):
    """Puts the include and the entry of a template into the text of a registration."""
    if len(template.line) != 2 or not template.line[0].startswith("#include"):
        fail(f"{template.readme}: a `line:` block has an include and one entry")
    include, entry = template.line
    lines = text.splitlines(keepends=True)
    mark = rf"\s*// {re.escape(template.list)}\b.*$" if template.list else r"\s+k[A-Z]\w*,(\s|$)"
    at = [n for n, line in enumerate(lines) if re.match(mark, line)]
    if not at:
        fail(f"{template.place} has no list {template.list or '`kName,`'}")
    indent = re.match(r"\s*", lines[at[0]]).group(0)
    lines.insert(at[0] + (1 if template.list else 0), indent + entry.strip() + "\n")
    last = max(n for n, line in enumerate(lines) if line.startswith("#include"))
    lines.insert(last + 1, include + "\n")
    return "".join(lines)


def git(scratch, *arguments):
    done = subprocess.run(["git", "-C", scratch, "-c", "user.name=t", "-c", "user.email=t@t",
                           *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def copy(root, scratch):
    """The files that git knows, in a repository of their own."""
    shutil.rmtree(scratch / "tree", ignore_errors=True)
    tree = scratch / "tree"
    tree.mkdir(parents=True)
    names = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others",
                            "--exclude-standard"], check=True, capture_output=True, text=True)
    for name in names.stdout.split("\0"):
        if name and (root / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, tree / name)
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "before")
    return tree


def apply(tree, template):
    """Applies one template and \\return what git says was touched: a folder and a line."""
    for path, text in template.files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    place = tree / template.place
    place.write_text(register(place.read_text(), template))
    git(tree, "add", "-A")
    touched = [line.split("\t") for line in
               git(tree, "diff", "--cached", "--numstat", "--no-renames").splitlines()]
    new = {path for _, _, path in touched if path != template.place}
    folder = os.path.commonpath([str(pathlib.PurePosixPath(path).parent) for path in new])
    if new != set(template.files):
        fail(f"{template.name}: touches {sorted(new)}")
    if git(tree, "ls-tree", "HEAD", folder).strip():
        fail(f"{template.name}: {folder} was there before")
    counts = [(added, deleted) for added, deleted, path in touched if path == template.place]
    if counts != [("2", "0")]:
        fail(f"{template.name}: {template.place} changes by {counts}, not an include and a line")
    git(tree, "commit", "-q", "-m", template.name)
    return folder


def build(tree, options, targets):
    build_folder = tree.parent / "build"
    command = ["cmake", "-S", tree, "-B", build_folder, "-G", "Ninja",
               f"-DCMAKE_CXX_COMPILER={options.compiler}", "-DCMAKE_BUILD_TYPE=Unoptimized",
               "-DMOBULA_BENCH=OFF", "-DMOBULA_EXAMPLES=OFF"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", build_folder, "--parallel", str(options.jobs),
                    "--target", *targets], check=True)
    return build_folder


def run_suite(program, name):
    """\\return how many tests of the new kind passed."""
    done = subprocess.run([program, f"--gtest_filter=*{name}*"], capture_output=True, text=True,
                          check=False, timeout=300)
    passed = re.search(r"^\[  PASSED  \] (\d+) test", done.stdout, re.MULTILINE)
    if done.returncode != 0:
        fail(f"{name}: its conformance suite fails\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    return int(passed.group(1)) if passed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", required=True, type=pathlib.Path)
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    found = list(templates(ROOT))
    have = {template.interface for template in found}
    missing = [what for what, interface in KINDS.items() if interface not in have]
    tree = copy(ROOT, options.scratch)
    rows, targets = [], {}
    for template in found:
        folder = apply(tree, template)
        component = template.place.split("/")[1]
        targets[template.name] = f"{component}_conformance_test"
        rows.append((template.interface, folder + "/", f"{template.place}: {template.line[1]}"))
    build_folder = build(tree, options, sorted(set(targets.values())))
    for row, (template, target) in zip(rows, targets.items()):
        passed = run_suite(build_folder / "tests" / target, template.name)
        if passed == 0:
            fail(f"{target} has no test named after `{template.name}`")
        print(f"{row[0]:18} {row[1]:46} {row[2]:52} {passed} tests passed")
    if missing:
        fail(f"no README has a template of a {', '.join(missing)}")


if __name__ == "__main__":
    main()
