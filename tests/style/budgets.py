"""Sizes: small files and functions are read; large ones are searched."""

import collections
import re

import source

LINE_MAX = 100
FUNCTION_MAX = 60
INTERFACE_HEADER_MAX = 150
HEADER_MAX = 250
SOURCE_MAX = 400
TEST_MAX = 500
# Code lines (no blanks, no comments) of each part of the runtime: book/decisions/0010.
PARTS = {
    "components/base": 3_000,
    "components/transport": 4_500,
    "components/protocol": 600,
    "components/object_store": 3_200,
    "components/scheduler": 2_000,
    "components/gcs": 4_000,
    "components/core_worker": 6_500,
    "components/raylet": 2_200,
    "include + components/api": 2_500,
    "node": 2_400,
    "components/http + jobs + dashboard": 2_500,
    "components/autoscaler": 1_500,
    "components/gateway": 800,
    "cli": 1_500,
    "sim": 2_500,
}
RUNTIME = ("include", "components", "node", "sim", "cli")
TOGETHER = {
    "include": "include + components/api", "components/api": "include + components/api",
    "components/http": "components/http + jobs + dashboard",
    "components/jobs": "components/http + jobs + dashboard",
    "components/dashboard": "components/http + jobs + dashboard",
}


def file_budget(file):
    """The lines this file may have, and the name of the rule."""
    if file.is_test:
        return TEST_MAX, "a test"
    if file.suffix == ".h":
        if re.search(r"\bvirtual\b[^;{}]*=\s*0\s*;", file.code()):
            return INTERFACE_HEADER_MAX, "an interface header"
        return HEADER_MAX, "a header"
    return SOURCE_MAX, "a source"


def functions(file):
    """(first line, last line) of every outermost function body."""
    code = file.code()
    for _, first, last in source.bodies(code):
        yield code.count("\n", 0, first) + 1, code.count("\n", 0, last) + 1


def check(root):
    problems = []
    for file in source.files(root, {".h", ".cc", ".py", ".proto"}):
        most, kind = file_budget(file)
        if len(file.lines) > most:
            problems.append(f"{file.path}: {len(file.lines)} lines; {kind} has at most {most}: "
                            "split it by idea")
        for number, line in enumerate(file.lines, 1):
            if len(line) > LINE_MAX:
                problems.append(f"{file.path}:{number}: {len(line)} columns; at most {LINE_MAX}")
        if file.suffix in {".h", ".cc"}:
            for first, last in functions(file):
                if last - first + 1 > FUNCTION_MAX:
                    problems.append(f"{file.path}:{first}: a function of {last - first + 1} lines; "
                                    f"at most {FUNCTION_MAX}")
    return problems + check_parts(root)


def part_of(path):
    """The line of `PARTS` that a file of the runtime counts in."""
    parts = path.split("/")
    folder = "/".join(parts[:2]) if parts[0] == "components" else parts[0]
    return TOGETHER.get(folder, folder)


def check_parts(root):
    """Prints the code lines of each part beside its budget."""
    sizes = collections.Counter()
    for file in source.files(root, {".h", ".cc", ".proto"}, RUNTIME):
        sizes[part_of(file.path)] += file.code_lines()
    problems = []
    for part, lines in sorted(sizes.items()):
        most = PARTS.get(part)
        print(f"{lines:6} of {most or 'no budget'} {part}")
        if most is None:
            problems.append(f"{part} has {lines} code lines and no budget in budgets.py")
        elif lines > most:
            problems.append(f"{part} has {lines} code lines; its budget is {most}: simplify")
    print(f"{sizes.total():6} code lines of runtime")
    return problems
