"""Calls that go past a seam: a component with a hidden clock cannot be simulated or graded."""

import fnmatch
import re

import source

# name, pattern, what to use instead.
BANNED = [
    ("clock", r"\b(steady_clock|system_clock|high_resolution_clock)\s*::\s*now\b"
              r"|\b(clock_gettime|gettimeofday|time)\s*\((?=\s*(nullptr|NULL|0|&|CLOCK_))",
     "EventLoop::Now or Clock"),
    ("sleep", r"\b(sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>])(::)?sleep\s*\(",
     "a Timer, or wait for the event itself"),
    ("chance", r"(?<![\w.>])s?rand\s*\(|\brandom_device\b|\bmt19937(_64)?\b|\bgetrandom\s*\(",
     "Random (base/random.h)"),
    ("thread", r"\bstd::(thread|jthread|async)\b(?!::(id|hardware_concurrency))|\bpthread_create\b",
     "EventLoop::Post; threads exist at the edges only"),
    ("process", r"(?<![\w.>])(::)?(v?fork|execv[pe]*|execl[pe]?|posix_spawnp?|system|popen)\s*\(",
     "ProcessLauncher (base/process_launcher.h)"),
    ("file", r"\bstd::(o|i)?fstream\b|\bf(d|re)?open\s*\(|\bstd::filesystem\b"
             r"|(?<![\w.>])::(open|openat|rename|unlink)\s*\(",
     "FileSystem (base/file_system.h)"),
    ("socket", r"(?<![\w.>])::(socket|connect|bind|listen|accept4?)\s*\(",
     "Transport (transport/transport.h)"),
    ("print", r"\bstd::(cout|cerr|clog)\b|(?<![\w.>:])(std::)?(f?printf|puts)\s*\("
              r"|\bfmt::print\s*\(",
     "EventLog (base/event_log.h)"),
    ("macro", r"^[ \t]*#[ \t]*define[ \t]+\w+\(", "a function, a template or a constant"),
    ("unfinished", r"\b(TODO\(now\)|(FIXME|XXX)\b)",
     "finished work; TODO(soon), TODO(someday) and TODO(perf) may stay"),
]
# Rules that are not about seams hold in tests and examples too; the rest only for the runtime.
EVERYWHERE = {"sleep", "unfinished"}
RUNTIME = ("include/", "components/", "node/", "sim/", "cli/")


def load_allowed(root):
    """(path pattern, rule, reason) of every line of allowed.txt."""
    allowed, problems = [], []
    path = root / "tests/style/allowed.txt"
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 3 or not all(parts):
            problems.append(f"tests/style/allowed.txt:{number}: write `path | rule | reason`")
        elif parts[1] not in {name for name, _, _ in BANNED}:
            problems.append(f"tests/style/allowed.txt:{number}: no rule is called {parts[1]}")
        else:
            allowed.append((number, *parts))
    return allowed, problems


def check(root):
    allowed, problems = load_allowed(root)
    used = set()
    for file in source.files(root, {".h", ".cc"}):
        code = file.code()
        for name, pattern, instead in BANNED:
            if name not in EVERYWHERE and not file.path.startswith(RUNTIME):
                continue
            if name == "print" and file.path.startswith("cli/"):  # it talks to people
                continue
            text = file.text if name == "unfinished" else code
            for match in re.finditer(pattern, text, re.MULTILINE):
                reasons = [number for number, glob, rule, _ in allowed
                           if rule == name and fnmatch.fnmatch(file.path, glob)]
                used.update(reasons)
                if not reasons:
                    line = text.count("\n", 0, match.start()) + 1
                    problems.append(f"{file.path}:{line}: {match.group(0).strip()} goes past a "
                                    f"rule ({name}); use {instead}")
    for number, glob, rule, _ in allowed:
        if number not in used:
            problems.append(f"tests/style/allowed.txt:{number}: nothing in {glob} needs `{rule}` "
                            "any more; delete the line")
    return problems
