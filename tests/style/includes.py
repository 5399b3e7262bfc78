"""Who may include whom. The folders are the architecture; this keeps them honest."""

import pathlib
import re

import source

# What each layer may include of the others, itself always.
LAYERS = {
    "components/base": set(),
    "include/mobula": {"components/base"},
    "components/api": {"components/base", "include/mobula"},
    "components/transport": {"components/base"},
    "components/protocol": {"components/base", "components/transport", "include/mobula"},
    "components/scheduler": {"components/base", "include/mobula"},
    "components/object_store": {
        "components/base", "components/transport", "components/protocol"},
    "components/gcs": {
        "components/base", "components/transport", "components/protocol",
        "components/scheduler"},
    "components/core_worker": {
        "components/base", "components/transport", "components/protocol", "components/object_store",
        "components/gcs", "components/scheduler", "include/mobula", "components/api"},
    "components/raylet": {
        "components/base", "components/transport", "components/protocol", "components/object_store",
        "components/gcs", "components/scheduler", "components/core_worker", "include/mobula"},
}
# Sub-folders of components that are part of their interface and not one implementation of it.
SHARED_FOLDERS = {"components/object_store/transfer", "components/transport/rpc",
                  "components/transport/pipe", "components/transport/stream",
                  "components/core_worker/owner", "components/core_worker/worker",
                  "components/core_worker/runtime", "components/core_worker/assembly",
                  "components/raylet/assembly"}
# Who names implementations; everyone else takes them through an interface.
ASSEMBLERS = re.compile(
    r"^(node/wiring\w*\.(h|cc)|sim/.*|components/.*registration\.(h|cc)"
    r"|(tests|bench|labs)/.*)$")
# Who may name the real and the simulated seams of base: what makes a process, and real sockets.
PROCESS_MAKERS = re.compile(
    r"^(node|sim|cli|components/\w+/assembly"
    r"|components/transport/(shared_memory|stream|tcp|unix))/")
# Packages and their homes.
PACKAGES = [
    (r"boost/asio", r"^(components/base/real/|components/transport/\w+/|node/)", "Asio"),
    (r"boost/pfr", r"^include/mobula/", "Boost.PFR"),
    (r"google/protobuf|.*\.pb\.h$",
     r"^(components/(transport|protocol|object_store|gcs|core_worker|raylet)|node|sim)/",
     "Protobuf"),
    (r"yaml-cpp", r"^node/config\w*\.(h|cc)$", "yaml-cpp"),
    (r"CLI/", r"^(cli|node)/", "CLI11"),
    (r"boost/json", r"^cli/", "Boost.JSON"),
    (r"openssl/", r"^components/transport/authenticated/", "OpenSSL"),
    (r"xxhash\.h", r"^(components/(base|raylet)|node)/", "xxHash"),
    (r"(iostream|ostream|istream)$", r"^(cli|examples)/", "iostream"),
]


def layer_of(path):
    """components/gcs/memory/storage.h -> components/gcs."""
    parts = path.split("/")
    if parts[0] in ("components", "include") and len(parts) > 2:
        return "/".join(parts[:2])
    return parts[0]


def implementation_of(path):
    """The implementation folder a file stands in, or None for interfaces."""
    folder = str(pathlib.PurePosixPath(path).parent)
    if not path.startswith("components/") or folder.count("/") < 2:
        return None
    if any(folder == shared or folder.startswith(shared + "/") for shared in SHARED_FOLDERS):
        return None
    return "/".join(folder.split("/")[:3])


def check_file(file):
    layer = layer_of(file.path)
    for number, path, quoted in file.includes():
        where = f"{file.path}:{number}: includes {path}"
        if not file.is_test and not file.path.startswith(("bench/", "labs/")):
            for pattern, home, name in PACKAGES:
                if re.match(pattern, path) and not re.search(home, file.path):
                    yield f"{where}; {name} has its home in {home}"
        if path.startswith("mobula/"):
            path = "include/" + path
        elif not quoted:
            continue
        elif "/" not in path or path.startswith("."):
            yield f"{where}; paths start at the root of the project"
            continue
        target = layer_of(path)
        if layer in LAYERS and target != layer and target not in LAYERS[layer]:
            allowed = ", ".join(sorted(LAYERS[layer])) or "nothing of ours"
            yield f"{where}; {layer} may include {allowed} and itself"
        wanted = implementation_of(path)
        if not wanted or wanted == implementation_of(file.path) or ASSEMBLERS.match(file.path):
            continue
        if target == "components/base" and PROCESS_MAKERS.match(file.path):
            continue
        makers = "registration.cc, node/wiring*.cc and sim/"
        yield f"{where}; an implementation is named only by {makers}"


def check(root):
    problems = []
    for file in source.files(root, {".h", ".cc"}):
        if file.suffix == ".h" and not re.search(r"^#pragma once$", file.text, re.MULTILINE):
            problems.append(f"{file.path}: has no #pragma once")
        problems.extend(check_file(file))
    return problems
