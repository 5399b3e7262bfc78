"""Three hosts, as network namespaces joined by a bridge, count words together; some die meanwhile.

Needs root and iproute2. MOBULA_E2E_MEGABYTES sets the size of the text (20), and
MOBULA_E2E_KILL_SECONDS the time from one killed worker to the next (0.1).
"""
import itertools
import os
import random
import re
import signal
import subprocess
import threading

import cluster
from cluster import BEHAVIOURS, MOBULA, WORD_COUNT

MEGABYTES = int(os.environ.get("MOBULA_E2E_MEGABYTES", "20"))
KILL_SECONDS = float(os.environ.get("MOBULA_E2E_KILL_SECONDS", "0.1"))
PATIENCE = 60 + 6 * MEGABYTES  # CMakeLists.txt allows for three of it at the default size
NUMBERS = itertools.count()


def ip(*words):
    return subprocess.run(["ip", *words], capture_output=True, text=True).returncode == 0


class Host:
    """A network namespace with an address on the common bridge, which is in the first one."""

    def __init__(self, index, bridge=None):
        self.name = f"mobula-{os.getpid()}-{next(NUMBERS)}"
        self.address = f"10.77.0.{index + 1}"
        if not ip("netns", "add", self.name):
            cluster.skip("no network namespaces: they need root and the program ip")
        if not ip("netns", "exec", self.name, "true"):
            ip("netns", "del", self.name)
            cluster.skip("nothing runs in network namespaces here, as in a bare chroot")
        self.run("ip", "link", "set", "lo", "up")
        if bridge is None:
            self.run("ip", "link", "add", "bridge", "type", "bridge")
            self.run("ip", "link", "set", "bridge", "up")
            self.run("ip", "addr", "add", f"{self.address}/24", "dev", "bridge")
        else:
            peer = f"to-{index}"
            self.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", peer, "netns",
                     bridge.name)
            self.run("ip", "addr", "add", f"{self.address}/24", "dev", "up0")
            self.run("ip", "link", "set", "up0", "up")
            bridge.run("ip", "link", "set", peer, "master", "bridge", "up")

    def run(self, *words):
        subprocess.run([*self.prefix(), *words], check=True, capture_output=True)

    def prefix(self):
        return ("ip", "netns", "exec", self.name)


def make_text(path):
    """The same text every time: words of a few letters, some much more frequent than others."""
    chance = random.Random(20)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(chance.choices(letters, k=chance.randint(1, 9))) for _ in range(20000)]
    weights = list(itertools.accumulate(1 / (i + 1) for i in range(len(words))))
    for i in range(MEGABYTES):
        block = ""
        while len(block) < 1_000_000:
            chosen = chance.choices(words, cum_weights=weights, k=20000)
            block += " ".join(w.capitalize() if i % 3 else w for w in chosen) + ".\n"
        (path / f"part-{i:04}.txt").write_text(block[:1_000_000])


def counts_by_hand(folder):
    """What other programs say. Each file ends a word, as word_count has it."""
    command = ("for f in *.txt; do cat $f; echo; done | tr -cs A-Za-z '\\n' | tr A-Z a-z | grep . |"
               " sort | uniq -c | awk '{print $1, $2}'")
    return subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True,
                          text=True, env={**os.environ, "LC_ALL": "C"}).stdout


class NamespacesTest(cluster.ClusterTest):
    def setUp(self):
        if os.geteuid() != 0:
            cluster.skip("network namespaces need root")
        super().setUp()
        self.hosts = []
        for index in range(3):
            self.hosts.append(Host(index, self.hosts[0] if self.hosts else None))
        head, *workers = self.hosts
        text = self.on(head, MOBULA, "start", "--head", f"--host={head.address}", "--port=0",
                       "--num-cpus=2", "--object-store-memory=256MiB")
        self.address = next(line.split()[1] for line in text.splitlines() if "address " in line)
        for host in workers:
            self.on(host, MOBULA, "start", f"--address={self.address}", f"--host={host.address}",
                    "--num-cpus=2", "--object-store-memory=256MiB")
        self.text = self.box / "text"
        self.text.mkdir()
        make_text(self.text)
        self.output = self.box / "counts"

    def folder_of(self, host):
        return str(self.sessions / host.name[-1:])

    def on(self, host, *words):
        return self.run_program(*words, prefix=host.prefix(), MOBULA_SESSIONS=self.folder_of(host))

    def run_mobula(self, *words, status=0, **more):
        """The commands of the base class: on every host to stop, on the head's to look."""
        if words == ("stop",):
            return "".join(self.on(host, MOBULA, "stop") for host in reversed(self.hosts))
        return super().run_mobula(*words, status=status, prefix=self.hosts[0].prefix(), **more)

    def tearDown(self):
        try:
            super().tearDown()
        finally:
            for host in self.hosts:
                ip("netns", "del", host.name)

    def start_counting(self):
        return self.spawn(WORD_COUNT, "--folder", self.text, "--chunk-kb", "256", "--output",
                          self.output, prefix=self.hosts[0].prefix(),
                          MOBULA_SESSIONS=self.folder_of(self.hosts[0]), CI="1")

    def assert_counted(self, process):
        self.assertEqual(process.wait(PATIENCE), 0, process.text())
        print("\n".join(process.lines[-3:-1]))
        self.assertTrue(self.output.read_text() == counts_by_hand(self.text), "other counts")

    def test_word_count_over_three_hosts_equals_the_count_by_hand(self):
        self.assertEqual(len(self.nodes()), 3)
        self.assert_counted(self.start_counting())

    def test_every_host_is_reached_though_leases_there_came_to_nothing(self):
        # A count that ends at once leaves lease requests on their way to other hosts.
        nodes = [node["node_id"] for node in self.nodes()]
        for drivers_before, host in enumerate(self.hosts):
            self.assert_counted(self.start_counting())
            text = self.on(host, BEHAVIOURS, "places", *nodes)
            places = dict(re.findall(r"ran on (\w+) (.*)", text))
            self.assertEqual(sorted(places), sorted(nodes), text)
            fetched = [node for node, path in places.items()
                       if re.search(rf"/n-{node[:8]}/programs/[0-9a-f]{{32}}$", path)]
            self.assertEqual(len(fetched), 2 - drivers_before, text)  # others had a driver of it

    def test_word_count_is_right_while_workers_and_a_node_die(self):
        nodes = [node["pid"] for node in self.nodes()]
        process = self.start_counting()
        over = threading.Event()
        killed = []

        def counted():
            return max(map(int, re.findall(r"word_count: (\d+)/", process.text())), default=0)

        def kill_workers():
            chance = random.Random(7)
            seen = -1
            while not over.wait(KILL_SECONDS):
                if counted() == seen:
                    continue  # where a task takes long it is not killed again and again
                seen = counted()
                workers = [pid for node in nodes for pid in self.workers_of(node)
                           if cluster.parent_of(pid) != node]  # not the zygotes
                if workers:
                    killed.append(chance.choice(workers))
                    try:
                        os.kill(killed[-1], signal.SIGKILL)
                    except ProcessLookupError:
                        killed.pop()

        killer = threading.Thread(target=kill_workers)
        killer.start()
        try:
            half_way = MEGABYTES * 1_000_000 // (256 << 10) // 2
            self.until(lambda: counted() >= half_way, "half of the text", PATIENCE)
            os.kill(nodes[-1] if not self.is_head(nodes[-1]) else nodes[0], signal.SIGKILL)
            process.wait(PATIENCE)
        finally:
            over.set()
            killer.join()
        print(f"killed {len(killed)} workers and a node")
        self.assertGreaterEqual(len(killed), 1)
        self.assert_counted(process)

    def is_head(self, pid):
        return any(node["is_head"] and node["pid"] == pid for node in self.nodes())


if __name__ == "__main__":
    cluster.main()
