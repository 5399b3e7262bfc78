"""Promises without a caller: a virtual or a hook that nothing in the runtime uses.

Names are looked up as text. What is called through a variable counts for the class that the
variable is declared with, in this file or in its header; where no declaration is found (`auto`),
it counts for every class that has such a function. If the file defines such a function itself, it
counts only for the classes with which some variable of that name is declared elsewhere.
"""

import collections
import pathlib
import re

import source

RUNTIME = ("include", "components", "node", "sim", "cli")
ALLOWED = "tests/style/allowed_uncalled.txt"
CLASS = re.compile(r"\b(?:class|struct)\s+(?:\[\[\w+\]\]\s*)?(\w+)(?:\s+final)?"
                   r"(?:\s*:\s*((?:public|private|protected|virtual)[^{;]*))?\s*\{")
VIRTUAL = re.compile(r"\bvirtual\b[^;{}]*?\b(\w+)\s*\([^;{}]*[;{]")
PURE = re.compile(r"\bvirtual\b[^;{}]*=\s*0\s*;")
CALLBACK = r"(?:std::(?:move_only_)?function|Done)\s*<"
HOOK = re.compile(r"\b(On[A-Z]\w*)\s*\([^;{}]*?" + CALLBACK)
HOOK_MEMBER = re.compile(r"\b" + CALLBACK + r"[^;{}]*>\s*(on_\w+)\s*(?:=[^;]*|\{\})?;")
# Words before a name that is called and not declared.
BEFORE_CALL = {"return", "co_await", "co_return", "co_yield", "else", "do", "case"}
RECEIVER = re.compile(r"(\w+)\s*(?:\([^()]*\)|\[[^\[\]]*\])?\s*(?:\.|->)\s*$")
Promise = collections.namedtuple("Promise", "path line owner name is_member")


def classes(file):
    """(name, bases, begin, end, members without their bodies) of each class of a file."""
    code = file.code()
    for match in CLASS.finditer(code):
        end = source.closing(code, match.end() - 1)
        bases = re.findall(r"(\w+)\s*(?:<[^<>]*>)?\s*(?:,|$)", match.group(2) or "")
        yield match.group(1), bases, match.end(), end, flatten(code[match.end():end])


def flatten(body):
    """Blanks what stands in braces, so that only the members themselves are left."""
    flat, depth = [], 0
    for char in body:
        depth -= char == "}"
        flat.append(char if depth == 0 or char == "\n" else " ")
        depth += char == "{"
    return "".join(flat)


def public_part(kind, body):
    """The members that others may use; the rest is blanked."""
    shown, out = kind == "struct", []
    for piece in re.split(r"(\b(?:public|private|protected)\s*:)", body):
        label = re.match(r"(public|private|protected)\s*:", piece)
        if label:
            shown = label.group(1) == "public"
        out.append(piece if shown else re.sub(r"[^\n]", " ", piece))
    return "".join(out)


def promises(file):
    """What a file promises to call, or to let others hook into."""
    code = file.code()
    for name, _, begin, _, body in classes(file):
        head = code[:begin].rstrip("{ ")
        kind = re.findall(r"\b(class|struct)\b", head)[-1]
        is_interface = PURE.search(body) is not None
        found = []
        if is_interface:
            found += [(m.start(1), m.group(1), False) for m in VIRTUAL.finditer(body)
                      if not body[:m.start(1)].endswith("~")]
        found += [(m.start(1), m.group(1), False)
                  for m in HOOK.finditer(public_part(kind, body))
                  if " override" not in body[m.start():].split(";")[0]]
        if name.endswith(("Deps", "Hooks")):
            found += [(m.start(1), m.group(1), True) for m in HOOK_MEMBER.finditer(body)]
        seen = set()
        for position, function, is_member in found:
            if function not in seen:
                seen.add(function)
                line = code.count("\n", 0, begin + position) + 1
                yield Promise(file.path, line, name, function, is_member)


class Callers:
    """Where in the runtime each name is called."""

    def __init__(self, files):
        self.files = {file.path: file for file in files}
        self.code = {file.path: file.code() for file in files}
        self.bodies = {file.path: list(source.bodies(self.code[file.path])) for file in files}
        self.derived, self.places = collections.defaultdict(set), collections.defaultdict(list)
        for file in files:
            for name, bases, begin, end, _ in classes(file):
                self.places[file.path].append((begin, end, name))
                for base in bases:
                    self.derived[base].add(name)

    def family(self, owner):
        """A class and all that derive from it."""
        found, todo = set(), [owner]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo.extend(self.derived[name])
        return found

    def is_called(self, promise):
        family = self.family(promise.owner)
        return any(self._calls(path, promise, family) for path in self.files)

    def _calls(self, path, promise, family):
        code = self.code[path]
        if promise.name not in code:
            return False
        if promise.is_member:
            return re.search(rf"\.{promise.name}\s*(=[^=]|\{{)", code) is not None
        for match in re.finditer(rf"\b{promise.name}\b", code):
            if self._inside_namesake(path, match.start(), promise.name, family):
                continue  # a decorator hands the call on; somebody else has to begin it
            before, after = code[:match.start()].rstrip(), code[match.end():].lstrip()
            if before.endswith("::"):
                if re.search(r"&\s*(\w+::)*$", before) and not after.startswith("("):
                    return True  # bound by its address
                continue
            if not after.startswith("("):
                continue
            receiver = RECEIVER.search(code[max(0, match.start() - 200):match.start()])
            if receiver:
                types = self._types(path, receiver.group(1))
                if not types and self._has_own(path, promise.name):
                    types = self._types_anywhere(receiver.group(1))
                    if not types & family:
                        continue
                if not types or types & family:
                    return True
            elif before.endswith((".", "->")):
                return True
            elif is_call(before) and any(name in code for name in family):
                return True
        return False

    def _inside_namesake(self, path, position, name, family):
        """Whether this stands in the same function of the class itself, or of one that derives."""
        for head, first, last in self.bodies[path]:
            if first < position < last:
                defined = re.search(rf"(?:(\w+)::)?\b{name}\s*\(", head)
                around = [owner for begin, end, owner in self.places[path] if begin < first < end]
                owner = defined and (defined.group(1) or (around or [None])[-1])
                return owner in family
        return False

    def _has_own(self, path, name):
        """Whether this file defines a function of that name itself."""
        return any(re.search(rf"\b{name}\s*\(", head) for head, _, _ in self.bodies[path])

    def _types_anywhere(self, variable):
        """The words of the types of all variables of that name."""
        return set().union(*(self._types(path, variable) for path in self.files
                             if variable in self.code[path]))

    def _types(self, path, variable):
        """The words of the types that a variable is declared with here, or in the header."""
        header = str(pathlib.PurePosixPath(path).with_suffix(".h"))
        for place in (path, header):
            declared = re.findall(rf"([\w:<>, ]*[\w>])\s*[&*]{{0,2}}\s+[&*]?{variable}\s*"
                                  r"(?:[;,=){:]|\(\))", self.code.get(place, ""))
            words = {word for text in declared for word in re.findall(r"\w+", text)}
            words -= {"const", "std", "return", "auto", "unique_ptr", "shared_ptr", "vector"}
            if words:
                return words if not words & {"T"} else set()
        return set()


def is_call(before):
    """Whether a bare `Name(` after these words is a call and not a declaration."""
    word = re.search(r"(\w+)$", before)
    if word:
        return word.group(1) in BEFORE_CALL
    return before.endswith("&&") or not before.endswith(("&", "*", ">", "]", "~"))


def load_allowed(root):
    allowed, problems = {}, []
    path = root / ALLOWED
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if line.strip() and not line.startswith("#"):
            parts = [part.strip() for part in line.split("|")]
            if len(parts) != 3 or not all(parts):
                problems.append(f"{ALLOWED}:{number}: write `path | Class::Function | reason`")
            else:
                allowed[tuple(parts[:2])] = number
    return allowed, problems


def check(root):
    allowed, problems = load_allowed(root)
    files = source.files(root, {".h", ".cc"}, RUNTIME)
    callers, used, count = Callers(files), set(), 0
    for promise in (p for file in files for p in promises(file)):
        count += 1
        if callers.is_called(promise):
            continue
        name = f"{promise.owner}::{promise.name}"
        used.add((promise.path, name))
        if (promise.path, name) not in allowed:
            problems.append(f"{promise.path}:{promise.line}: nothing in the runtime calls {name}: "
                            f"use it, take it out, or say why in {ALLOWED}")
    for key in sorted(set(allowed) - used):
        problems.append(f"{ALLOWED}:{allowed[key]}: {key[1]} has a caller or is gone; "
                        "delete the line")
    print(f"{count} virtuals and hooks, {len(used)} of them without a caller")
    return problems
