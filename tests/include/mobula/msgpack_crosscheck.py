"""Compares our MessagePack with an independent one, in both directions.

usage: msgpack_crosscheck.py PROGRAM
"""

import subprocess
import sys
import tempfile

import msgpack

INTEGERS = [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1,
            -1, -32, -33, -128, -129, -32768, -32769, -2**31, -2**31 - 1, -2**63]
EXPECTED = {f"int:{n}": n for n in INTEGERS}
for size in (0, 31, 32, 255, 256, 65535, 65536):
    EXPECTED[f"str:{size}"] = "s" * size
    EXPECTED[f"bin:{size}"] = b"b" * size
    EXPECTED[f"list:{size}"] = [7] * size
for size in (15, 16, 70000):
    EXPECTED[f"map:{size}"] = {i: "v" for i in range(size)}
EXPECTED |= {
    "floats": [0.0, -1.5, 3.141592653589793, 1e308, 5e-324],
    "bools": [True, False],
    "nil": None,
    "utf8": "Mobula ä€",
    "point": [-3, 0.5, "p"],
    "points": [[1, 2.0, "a"], [0, 0.0, ""]],
    "variant": [1, "second"],
    "tuple": [1, "two", [3.0]],
    "nested": {"a": [1, None, -300], "b": []},
    "buffer": b"small",
}


def main(program):
    written = subprocess.run([program, "write"], check=True, capture_output=True, text=True).stdout
    seen = {}
    for line in written.splitlines():
        name, hex_bytes = line.split()
        seen[name] = msgpack.unpackb(bytes.fromhex(hex_bytes), strict_map_key=False)
        if seen[name] != EXPECTED[name]:
            sys.exit(f"case {name}: C++ wrote what Python reads as {seen[name]!r:.200}")
        if bytes.fromhex(hex_bytes) != msgpack.packb(EXPECTED[name]):
            sys.exit(f"case {name}: C++ and Python write different bytes")
    if seen.keys() != EXPECTED.keys():
        sys.exit(f"cases differ: {seen.keys() ^ EXPECTED.keys()}")
    with tempfile.NamedTemporaryFile("w") as file:
        for name, value in EXPECTED.items():
            file.write(f"{name} {msgpack.packb(value).hex()}\n")
        file.flush()
        subprocess.run([program, "read", file.name], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
