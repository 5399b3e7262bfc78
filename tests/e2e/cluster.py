"""Real nodes and drivers for one test, in a folder of their own, and nothing left of them after.

Waits are for events with an end: a process that ends, a line that comes, a state that `mobula
status` tells. Ports are the kernel's choice and read back from what the node says.
"""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

BUILD = pathlib.Path(os.environ["MOBULA_BUILD"])
NODE = str(BUILD / "bin/node")
MOBULA = str(BUILD / "bin/mobula")
WORD_COUNT = str(BUILD / "bin/word_count")
BEHAVIOURS = str(BUILD / "tests/behaviours")
PATIENCE = 60.0  # of a wait for something that must happen; generous, for slow machines


def skip(reason):
    """Ends a test that cannot run here; CTest then shows it as skipped."""
    raise unittest.SkipTest(reason)


class Process:
    """A process whose output is collected; its end and its lines can be waited for."""

    def __init__(self, words, environment, folder, prefix=()):
        self.words = words
        self.lines = []
        self._changed = threading.Condition()
        self._popen = subprocess.Popen(
            [*prefix, *words], env=environment, cwd=folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.pid = self._popen.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self._popen.stdout as output:
            for line in output:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self.lines.append(None)
            self._changed.notify_all()

    def line(self, part, patience=PATIENCE):
        """Waits for a line with `part` in it."""
        def found():
            return next((i for i, one in enumerate(self.lines) if one is None or part in one), None)

        with self._changed:
            if not self._changed.wait_for(lambda: found() is not None, patience):
                raise AssertionError(f"{self.words}: no '{part}' in {patience} s:\n{self.text()}")
            line = self.lines[found()]
        if line is None:
            raise AssertionError(f"{self.words} ended without '{part}':\n{self.text()}")
        return line

    def text(self):
        return "\n".join(line for line in list(self.lines) if line is not None)

    def wait(self, patience=PATIENCE):
        """Waits for its end. Returns the exit status; negative: the signal."""
        try:
            status = self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.words} did not end in {patience} s:\n{self.text()}")
        self._reader.join(patience)
        return status

    def signal(self, number):
        if self._popen.poll() is None:
            os.kill(self.pid, number)

    def is_running(self):
        return self._popen.poll() is None


def process_ids(predicate):
    """Processes for whose (pid, command line, environment) `predicate` holds."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            environment = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if command and predicate(int(entry.name), command, environment):
                found.append(int(entry.name))
    return found


def parent_of(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat[stat.rindex(")") + 2:].split()[1])


def wait_for_end(pid, patience=PATIENCE):
    """Waits until a process that is not ours to reap has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(patience * 1000):
            raise AssertionError(f"process {pid} still runs after {patience} s")
    finally:
        os.close(handle)


class ClusterTest(unittest.TestCase):
    """A sandbox for each test: sessions, home and token of its own; nothing may be left of it."""

    def setUp(self):
        self.box = pathlib.Path(tempfile.mkdtemp(prefix="mobula-e2e-"))
        self.sessions = self.box / "s"
        self.home = self.box / "home"
        self.home.mkdir()
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.home),
                            "MOBULA_SESSIONS": str(self.sessions),
                            # Sanitizers leave the signal to kill the worker, as everywhere.
                            "ASAN_OPTIONS": "handle_segv=0", "TSAN_OPTIONS": "handle_segv=0"}
        self.mark = f"MOBULA_SESSIONS={self.sessions}".encode()
        self.processes = []
        self.address = None

    def tearDown(self):
        try:
            for process in self.processes:
                process.signal(signal.SIGTERM)
            for process in self.processes:
                process.wait()
            self.run_mobula("stop")
            self.assert_nothing_left()
        finally:
            for pid in self.our_processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            result = self._outcome.result
            if all(test is not self for test, _ in result.failures + result.errors):
                shutil.rmtree(self.box, ignore_errors=True)
            else:
                self.show_logs()

    def show_logs(self):
        print(f"\nkept for inspection: {self.box}")
        for log in sorted(self.box.glob("s/*/logs/*.log")):
            text = log.read_text(errors="replace")[-3000:]
            if text:
                print(f"--- {log}\n{text}")

    # Processes.

    def spawn(self, *words, prefix=(), **more):
        environment = {**self.environment, **more}
        if self.address:
            environment.setdefault("MOBULA_ADDRESS", self.address)
        process = Process([str(word) for word in words], environment, self.box, prefix)
        self.processes.append(process)
        return process

    def run_program(self, *words, status=0, patience=PATIENCE, prefix=(), **more):
        """Runs a program to its end and returns what it printed."""
        process = self.spawn(*words, prefix=prefix, **more)
        self.assertEqual(process.wait(patience), status, f"{words}:\n{process.text()}")
        self.processes.remove(process)
        return process.text()

    def run_mobula(self, *words, status=0, **more):
        return self.run_program(MOBULA, *words, status=status, **more)

    def behave(self, *words, status=0, **more):
        """Runs the program of behaviours as a driver."""
        return self.run_program(BEHAVIOURS, *words, status=status, **more)

    def start_head(self, *words, store="64MiB", **more):
        """Starts a head with `mobula start`; two CPUs and a small store unless `words` say else."""
        text = self.run_mobula("start", "--head", "--port=0", "--num-cpus=2",
                               f"--object-store-memory={store}", *words, **more)
        self.address = next(line.split()[1] for line in text.splitlines() if "address " in line)
        return text

    def start_worker(self, *words, **more):
        """Joins a second node. Returns its entry in the status."""
        before = {node["node_id"] for node in self.nodes()}
        self.run_mobula("start", f"--address={self.address}", "--num-cpus=2",
                        "--object-store-memory=64MiB", *words, **more)
        return self.until(lambda: next(
            (node for node in self.nodes() if node["node_id"] not in before), None), "a new node")

    def our_processes(self, predicate=lambda pid, command: True):
        return process_ids(lambda pid, command, environment: pid != os.getpid() and
                           self.mark in environment and predicate(pid, command))

    def workers_of(self, node_pid):
        """Workers and their zygotes below a node."""
        return self.our_processes(lambda pid, command: parent_of(pid) == node_pid or
                                  parent_of(parent_of(pid)) == node_pid)

    # States.

    def until(self, condition, what, patience=PATIENCE):
        """Asks again and again until `condition` is true; returns what it returned."""
        end = time.monotonic() + patience
        pause = threading.Event()
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"waited {patience} s for {what}")
            pause.wait(0.05)  # between two questions; never instead of one

    def status(self):
        return json.loads(self.run_mobula("status", "--format", "json"))

    def nodes(self):
        return [node for node in self.status()["nodes"] if node["state"] == "ALIVE"]

    def assert_works(self):
        self.assertIn("square 49", self.behave("square"))

    def assert_nothing_left(self):
        self.until(lambda: not self.our_processes(), f"the end of {self.our_processes()}")
        left = [path for path in self.box.rglob("*") if path.is_socket()]
        self.assertEqual(left, [], "sockets that outlived their node")
        names = [name for name in os.listdir("/dev/shm") if "mobula" in name]
        self.assertEqual(names, [], "shared memory that outlived its node")


def main():
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(result.skipped) == result.testsRun else 0)
