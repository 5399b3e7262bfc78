"""The floors of the house: nothing includes what stands above it, and each component has a name.

`includes.py` says which component may see which; this looks at the whole graph as it is.
"""

import collections
import re

import includes
import source

RUNTIME = ("include", "components", "node", "sim", "cli")
# From the ground up. What shares a floor may be included by a neighbour, but never in a circle.
FLOORS = [
    {"components/base"},
    {"include/mobula", "components/api", "components/transport"},
    {"components/protocol"},
    {"components/object_store", "components/gcs", "components/scheduler"},
    {"components/core_worker"},
    {"components/raylet", "components/http", "components/jobs", "components/dashboard",
     "components/autoscaler", "components/gateway"},
    {"node", "sim"},
    {"cli"},
]
# What a component must not reach, not even through what it includes.
UNSEEN = {"components/scheduler": {"components/transport", "components/protocol"}}
# The namespace of each component; what is nested inside it is its own affair.
NAMESPACES = {"components/base": "mobula", "include/mobula": "mobula", "components/api": "mobula"}
# A file that is the face of one component to another one's users.
FACES = {"node/init.cc": "mobula"}
NAMESPACE = re.compile(r"^(?:inline )?namespace ([a-z_:]+) \{", re.MULTILINE)
FORWARD = re.compile(r"\s*(?:(?:class|struct) \w+|namespace \w+ = [\w:]+);")


def floor_of(component):
    for number, names in enumerate(FLOORS):
        if component in names:
            return number
    return None


def graph(files):
    """How often each component includes each other one, and an example."""
    counts, examples = collections.Counter(), {}
    for file in files:
        component = includes.layer_of(file.path)
        for line, path, quoted in file.includes():
            if path.startswith("mobula/"):
                path = "include/" + path
            elif not quoted:
                continue
            target = includes.layer_of(path)
            if target != component:
                counts[component, target] += 1
                examples.setdefault((component, target), f"{file.path}:{line}: includes {path}")
    return counts, examples


def reachable(arrows, start):
    found, todo = set(), [start]
    while todo:
        here = todo.pop()
        below = {target for from_, target in arrows if from_ == here} - found
        found |= below
        todo.extend(below)
    return found


def show(components, counts):
    for number, names in reversed(list(enumerate(FLOORS))):
        for name in sorted(names & components):
            below = ", ".join(f"{target} {count}" for (from_, target), count
                              in sorted(counts.items()) if from_ == name)
            print(f"floor {number}  {name} <- {below or 'nothing of ours'}")


def check_floors(files):
    components = {includes.layer_of(file.path) for file in files}
    counts, examples = graph(files)
    show(components, counts)
    for component in sorted(components):
        if floor_of(component) is None:
            yield f"{component} stands on no floor: give it one in tests/style/layers.py"
    for (component, target), example in examples.items():
        here, there = floor_of(component), floor_of(target)
        if here is not None and there is not None and there > here:
            yield f"{example}; {component} is on floor {here}, {target} above it on {there}"
        elif component in reachable(counts, target) and component < target:
            yield f"{example}; {component} and {target} include each other in a circle"
    for component, unseen in UNSEEN.items():
        for target in sorted(unseen & reachable(counts, component)):
            yield f"{component} reaches {target} through what it includes"


def namespace_of(path):
    component = includes.layer_of(path)
    if component in NAMESPACES:
        return NAMESPACES[component]
    return "mobula::" + component.rsplit("/", maxsplit=1)[-1]


def check_namespaces(file):
    wanted = FACES.get(file.path, namespace_of(file.path))
    code, outer_end = file.code(), 0
    for match in NAMESPACE.finditer(code):
        name, begin = match.group(1), match.end()
        if begin < outer_end:
            continue
        outer_end = source.closing(code, begin - 1)
        block = code[begin:outer_end]
        if FORWARD.sub("", block).strip() == "":  # names of others that are only announced
            continue
        if name == wanted or name.startswith(
                "mobula::internal" if wanted == "mobula" else wanted + "::"):
            continue
        line = code.count("\n", 0, match.start()) + 1
        yield f"{file.path}:{line}: is in {name}; the namespace here is {wanted}"


def check(root):
    files = source.files(root, {".h", ".cc"}, RUNTIME)
    problems = list(check_floors(files))
    for file in files:
        problems.extend(check_namespaces(file))
    return problems
