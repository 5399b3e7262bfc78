"""Those who do not belong: wrong tokens, other versions, garbage and silence on every open port."""
import os
import pathlib
import re
import socket
import struct

import cluster
from cluster import BEHAVIOURS

HANDSHAKE = 1
RESET = (ConnectionResetError, BrokenPipeError)


def listening(pid):
    """Every address at which a process listens: ("tcp", (host, port)) and ("unix", path)."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(fd)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        field = line.split()
        if field[3] == "0A" and field[9] in inodes:
            host, port = field[1].split(":")
            found.append(("tcp", (socket.inet_ntoa(struct.pack("=I", int(host, 16))),
                                  int(port, 16))))
    for line in pathlib.Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        field = line.split()
        if len(field) == 8 and field[3] == "00010000" and field[6] in inodes:
            found.append(("unix", field[7]))
    return found


def connect(kind, address):
    family = socket.AF_INET if kind == "tcp" else socket.AF_UNIX
    stranger = socket.socket(family, socket.SOCK_STREAM)
    stranger.settimeout(cluster.PATIENCE)
    stranger.connect(address)
    return stranger


def header(kind, body_bytes, attachment_bytes=0, version=1):
    return struct.pack("<2sBBHHQIIIIQ", b"MB", version, kind, 0, 0, 1, 0, 0, body_bytes, 0,
                       attachment_bytes)


def hello(protocol, has_token=1):
    """An introduction in the wire form of its message."""
    def text(number, value):
        return bytes([number << 3 | 2, len(value)]) + value
    body = (bytes([1 << 3, protocol]) + text(2, b"9.9.9-other") + text(3, b"driver") +
            text(6, bytes(32)) + bytes([7 << 3, has_token]))
    return text(1, body)


def refusals(box):
    """What the nodes of a test logged of peers that they did not let in."""
    return "\n".join(line for log in box.glob("s/*/logs/node.log")
                     for line in log.read_text().splitlines() if "  peer    refused  " in line)


def most_memory(pid):
    """The most memory a process ever had, in kB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return 0


class StrangersTest(cluster.ClusterTest):
    def assert_cut_off(self, stranger):
        """The other side closes, whatever it says before."""
        said = b""
        try:
            while chunk := stranger.recv(4096):
                said += chunk
        except TimeoutError:
            self.fail(f"not cut off in {cluster.PATIENCE} s; the other side said {said!r}")
        except RESET:
            pass
        stranger.close()
        return said

    def start_everything(self):
        """Two nodes, a driver that holds objects, and workers in the midst of a task."""
        self.start_head()
        self.start_worker()
        self.behave("places", *(node["node_id"] for node in self.nodes()))  # brings the program
        self.pipe = self.box / "pipe"
        os.mkfifo(self.pipe)
        self.driver = self.spawn(BEHAVIOURS, "hold", self.pipe)
        self.driver.line("holding")
        self.ports = [(pid, port) for pid in self.our_processes() for port in listening(pid)]
        kinds = [kind for _, (kind, _) in self.ports]
        self.assertGreaterEqual(kinds.count("tcp"), 3 + 1 + 2)  # GCS, raylets, driver, workers
        self.assertGreaterEqual(kinds.count("unix"), 2 + 1 + 2)

    def assert_unharmed(self, processes):
        for pid in processes:
            self.assertTrue(os.path.exists(f"/proc/{pid}"), f"process {pid} is gone")
        self.assertTrue(self.driver.is_running(), self.driver.text())
        self.assert_works_beside()
        release = os.open(self.pipe, os.O_RDWR)
        os.write(release, b"xx")
        self.assertEqual(self.driver.wait(), 0, self.driver.text())
        os.close(release)
        self.assertIn("no error", self.driver.text())

    def assert_works_beside(self):
        """While the driver's tasks hold CPUs of one node or both, two are free."""
        self.assert_works()

    def test_garbage_on_every_port_is_cut_off_and_costs_nothing(self):
        self.start_everything()
        before = {pid: most_memory(pid) for pid, _ in self.ports}
        noise = bytes((i * 167 + 13) % 251 for i in range(64 << 10))
        attacks = (noise, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(64),
                   header(HANDSHAKE, 0xFFFFFFFF), header(HANDSHAKE, 16, 0xFFFFFFFF),
                   header(HANDSHAKE, 4000) + noise[:4000], header(2, 16) + noise[:16])
        for attack in attacks:
            for _, port in self.ports:
                stranger = connect(*port)
                try:
                    stranger.sendall(attack)
                except RESET:
                    pass
                self.assert_cut_off(stranger)
        self.until(lambda: re.search(rf"raylet.sock from process {os.getpid()}.*no shared memory",
                                     refusals(self.box)), "a line about a stranger at the socket")
        for reason in ("not a frame: it begins", "not a frame but HTTP: it begins",
                       "a frame has a body of 4294967295 bytes",
                       "a frame has an attachment of 4294967295 bytes", "no step of a handshake"):
            self.until(lambda: any("tcp://127.0.0.1:" in line and reason in line for line in
                                   refusals(self.box).splitlines()), reason)
        for pid, most in before.items():
            now = most_memory(pid)
            self.assertLess(now - most, 64 << 10, f"process {pid} grew from {most} to {now} kB; "
                            f"it listens at {[port for owner, port in self.ports if owner == pid]}")
        self.assert_unharmed(before)

    def test_the_silent_and_the_slow_are_cut_off_and_keep_nobody_out(self):
        self.start_everything()
        strangers = []
        for _, port in self.ports:
            for beginning in (b"", b"M", header(HANDSHAKE, 100) + b"half"):
                strangers.append(connect(*port))
                strangers[-1].sendall(beginning)
        self.assert_works_beside()  # while they are there
        for stranger in strangers:
            self.assert_cut_off(stranger)
        self.assert_unharmed({pid for pid, _ in self.ports})

    def test_another_protocol_and_a_missing_token_are_told_why(self):
        self.start_head()
        host, port = self.address.split(":")
        for body, version, parts in (
                (hello(9), 9, ("protocol 9", "protocol 1", "9.9.9-other", "same version")),
                (hello(1, has_token=0), 1, ("the client has no token and the server has one",))):
            stranger = connect("tcp", (host, int(port)))
            stranger.sendall(header(HANDSHAKE, len(body), version=version) + body)
            said = self.assert_cut_off(stranger).decode(errors="replace")
            for part in parts:
                self.assertIn(part, said)
                self.until(lambda: part in refusals(self.box), f"{part} in node.log")
        self.assert_works()


class TokenTest(cluster.ClusterTest):
    def setUp(self):
        super().setUp()
        self.start_head()
        self.wrong = self.box / "wrong"
        self.wrong.write_text("0123456789abcdef" * 4 + "\n")
        self.wrong.chmod(0o600)
        self.elsewhere = self.box / "elsewhere"
        self.elsewhere.mkdir()

    def refusals(self, **environment):
        """What a driver, a worker node and a tool are told; each fails with status 1."""
        return [self.behave("square", status=1, **environment),
                self.run_mobula("start", f"--address={self.address}", status=1, **environment),
                self.run_mobula("status", status=1, **environment)]

    def tearDown(self):
        self.assert_works()
        self.assertEqual(len(self.nodes()), 1)
        super().tearDown()

    def test_a_wrong_token_is_refused_with_what_to_do(self):
        for text in self.refusals(MOBULA_TOKEN_FILE=str(self.wrong)):
            self.assertIn("the token does not match this cluster's", text)
            self.assertIn("--token-file", text)
            self.assertIn(self.address, text)
        self.until(lambda: "the token does not match this cluster's" in refusals(self.box),
                   "the refusal in node.log")
        text = self.run_mobula("status", "--token-file", str(self.wrong), status=1)
        self.assertIn("the token does not match this cluster's", text)

    def test_a_missing_token_is_told_with_where_to_get_it(self):
        for text in self.refusals(HOME=str(self.elsewhere)):
            self.assertIn(f"no token: {self.elsewhere}/.mobula/token is not there", text)
            self.assertIn("Copy it from the head", text)

    def test_a_token_that_others_can_read_is_refused(self):
        self.wrong.chmod(0o644)
        for text in self.refusals(MOBULA_TOKEN_FILE=str(self.wrong)):
            self.assertIn(f"chmod 600 {self.wrong}", text)

    def test_the_right_token_may_come_from_anywhere(self):
        token = (self.home / ".mobula/token").read_text().strip()
        self.assertIn("square 49", self.behave("square", HOME=str(self.elsewhere),
                                               MOBULA_TOKEN=token))


if __name__ == "__main__":
    cluster.main()
