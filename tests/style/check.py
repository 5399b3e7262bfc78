#!/usr/bin/env python3
"""Holds the project to its own rules; each family is a CTest test (style.*).

    python3 tests/style/check.py budgets includes layers calls uncalled paths
    python3 tests/style/check.py headers --build build/release
    python3 tests/style/check.py format
"""

import argparse
import pathlib
import shutil
import sys

import budgets
import calls
import headers
import includes
import layers
import paths
import uncalled

FAMILIES = ("budgets", "includes", "layers", "calls", "uncalled", "paths", "headers", "format")


def run(family, root, options):
    if family == "budgets":
        return budgets.check(root)
    if family == "includes":
        return includes.check(root)
    if family == "calls":
        return calls.check(root)
    if family == "layers":
        return layers.check(root)
    if family == "paths":
        return paths.check(root)
    if family == "uncalled":
        return uncalled.check(root)
    if family == "headers":
        return headers.check(root, options.compiler, pathlib.Path(options.build).resolve())
    return headers.check_format(root, options.clang_format or shutil.which("clang-format-19"))


def main():
    here = pathlib.Path(__file__).resolve()
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+", choices=FAMILIES)
    parser.add_argument("--root", default=here.parents[2], help="of the project")
    parser.add_argument("--build", default="build/release", help="build folder, for headers")
    parser.add_argument("--compiler", default="g++", help="for headers")
    parser.add_argument("--clang-format", help="program, for format")
    options = parser.parse_args()
    root = pathlib.Path(options.root).resolve()
    problems = [p for family in options.families for p in run(family, root, options)]
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problems" if problems else "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
