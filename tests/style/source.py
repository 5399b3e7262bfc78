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


# What opens a scope that is no function.
SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$")
CONTROL = re.compile(r"\b(if|for|while|switch|catch|do|else|try)\b")


def closing(code, position):
    """The position of the brace that closes the one at `position`; the end if there is none."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, position):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return match.start()
    return len(code)


def bodies(code):
    """(text before, first brace, last brace) of every outermost function body."""
    code = re.sub(r"^\s*#.*(?:\\\n.*)*$", _without_text, code, flags=re.MULTILINE)
    depth, begin, head, function_depth, since = 0, 0, "", None, 0
    for match in re.finditer(r"[{};]", code):
        position, char = match.start(), match.group(0)
        if char == "{":
            before = code[since:position]
            if function_depth is None and ")" in before and not SCOPE.search(
                    before) and not CONTROL.match(before.strip()):
                function_depth, begin, head = depth, position, before
            depth += 1
        elif char == "}":
            depth -= 1
            if function_depth == depth:
                function_depth = None
                yield head, begin, position
        since = position + 1


def _without_text(match):
    return re.sub(r"[^\n]", " ", match.group(0))
