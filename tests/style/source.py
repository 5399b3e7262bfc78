"""The project's files as the rules see them."""

import os
import pathlib
import re

SKIPPED_FOLDERS = {"build", "third_party", "__pycache__"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
# Comments, raw strings, strings and characters, in the order in which they shadow each other. An
# apostrophe between digits (10'000) is no character.
TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


class File:
    """One file: its path from the root, its text, and what is left without comments and strings."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_text(encoding="utf-8")
        self.lines = self.text.splitlines()

    @property
    def suffix(self):
        return pathlib.PurePosixPath(self.path).suffix

    @property
    def is_test(self):
        return self.path.startswith("tests/")

    def code(self):
        """The text with comments and the insides of strings blanked; line numbers stay."""
        return TOKENS.sub(_blank, self.text)

    def code_lines(self):
        """How many lines hold something else than comments."""
        return sum(1 for line in TOKENS.sub(_without_comment, self.text).splitlines()
                   if line.strip())

    def includes(self):
        """(line number, path, is quoted) of every include."""
        for number, line in enumerate(self.lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) or match.group(2), match.group(1) is not None


def _without_comment(match):
    text = match.group(0)
    return "\n" * text.count("\n") if text.startswith("/") else text


def _blank(match):
    text = match.group(0)
    quote = "" if text.startswith("/") else text[-1]
    return quote + re.sub(r"[^\n]", " ", text[len(quote):len(text) - len(quote)]) + quote


def files(root, suffixes, below=("",)):
    """Every file of the project with one of these suffixes, sorted; no build folders."""
    found = []
    for top in below:
        for folder, folders, names in os.walk(root / top):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith(".")]
            for name in names:
                if pathlib.PurePath(name).suffix in suffixes:
                    found.append((pathlib.Path(folder) / name).relative_to(root).as_posix())
    return [File(root, path) for path in sorted(set(found))]
