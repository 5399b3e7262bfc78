"""The reading path: each chapter of the book lists the files it explains, and not too many.

A chapter ends its section `## Files` with a fenced list of paths, one a line. A file of the runtime
is on a path or at the edge: a header has a line `/// \\edge` in its file comment, a source or a
.proto begins with `// \\edge: why`. A source without a word of its own follows the `\\edge` of its
header.

    python3 tests/style/paths.py      prints, for each component, what is neither
"""

import pathlib
import re
import sys

import source

RUNTIME = ("include", "components", "node", "sim", "cli")
CHAPTER_MAX = 2_500
PATH_MAX = 16_000
SECTION = re.compile(r"^## Files\n(?:.*\n)*?```\w*\n((?:.*\n)*?)```$", re.MULTILINE)
EDGE = {".h": re.compile(r"^/// \\edge\b", re.MULTILINE),
        ".cc": re.compile(r"\A(?://.*\n)*?// \\edge: \S"),
        ".proto": re.compile(r"\A(?://.*\n)*?// \\edge: \S")}


def chapters(root):
    """(name, listed paths or None) of every chapter."""
    for path in sorted((root / "book").glob("[0-9][0-9]-*.md")):
        section = SECTION.search(path.read_text(encoding="utf-8"))
        yield f"book/{path.name}", section and section.group(1).split()


def says_edge(file):
    return EDGE[file.suffix].search(file.text) is not None


def follows_edge(file, files):
    """A source is at the edge with its header."""
    header = files.get(str(pathlib.PurePosixPath(file.path).with_suffix(".h")))
    return file.suffix == ".cc" and header is not None and says_edge(header)


def neither(files, listed):
    return [file for path, file in files.items()
            if path not in listed and not says_edge(file) and not follows_edge(file, files)]


def runtime(root):
    return {file.path: file for file in source.files(root, {".h", ".cc", ".proto"}, RUNTIME)}


def check(root):
    files, problems, listed = runtime(root), [], {}
    for chapter, paths in chapters(root):
        if paths is None:
            problems.append(f"{chapter}: has no section `## Files` with a fenced list")
            continue
        lines = 0
        for path in paths:
            if path in listed:
                problems.append(f"{chapter}: {path} is explained in {listed[path]}")
                continue
            if path not in files:
                problems.append(f"{chapter}: {path} is no file of the runtime")
                continue
            listed[path] = chapter
            lines += files[path].code_lines()
            if says_edge(files[path]):
                problems.append(f"{path}: is on the path of {chapter} and says \\edge")
        print(f"{lines:6} of {CHAPTER_MAX} {chapter}")
        if lines > CHAPTER_MAX:
            problems.append(f"{chapter}: explains {lines} code lines; at most {CHAPTER_MAX}")
    whole = sum(files[path].code_lines() for path in listed)
    print(f"{whole:6} of {PATH_MAX} on the reading path")
    if whole > PATH_MAX:
        problems.append(f"the reading path has {whole} code lines; at most {PATH_MAX}")
    problems += [f"{file.path}: is in no chapter's list of files and does not say \\edge"
                 for file in neither(files, listed)]
    return problems


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    files = runtime(root)
    listed = {path for _, paths in chapters(root) for path in paths or []}
    for file in neither(files, listed):
        print(f"{file.code_lines():5} {file.path}")


if __name__ == "__main__":
    sys.exit(main())
