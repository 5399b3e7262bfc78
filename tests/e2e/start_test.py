"""Starting, looking, stopping; and the ways in which a start fails: it says why, harms nothing."""
import os
import re
import signal
import socket
import time

import cluster
from cluster import BEHAVIOURS, MOBULA, NODE


class StartTest(cluster.ClusterTest):
    def write(self, text):
        path = self.box / "node.yaml"
        path.write_text(text)
        return path

    def assert_refused(self, yaml, *parts):
        """The node ends with status 2, names the file and says `parts`; so does `mobula start`."""
        path = self.write(yaml)
        for words in ((NODE, "--config", path), (MOBULA, "start", "--config", path)):
            text = self.run_program(*words, status=2)
            for part in parts:
                self.assertIn(part, text)
            self.assertIn("node.yaml", text)
            self.assertEqual(len(text.splitlines()), 1, text)

    def test_an_unknown_key_names_its_line_and_the_known_ones(self):
        self.assert_refused("node:\n  role: head\n  adress: 127.0.0.1\ngcs: { port: 0 }\n",
                            "adress", "line 3", "address")

    def test_an_unknown_key_of_a_component_names_its_line(self):
        self.assert_refused("node: { role: head }\ngcs: { port: 0 }\n"
                            "object_store:\n  kind: shared_memory\n  capasity: 64MiB\n",
                            "capasity", "line 5", "capacity")

    def test_a_value_of_the_wrong_type_names_what_would_be_right(self):
        self.assert_refused("node: { role: head }\ngcs: { port: many }\n", "gcs.port", "many",
                            "line 2")
        self.assert_refused("node: { role: head }\nworkers: { idle_max: [1, 2] }\n",
                            "workers.idle_max", "line 2")

    def test_the_place_of_a_mistake_is_named_once(self):
        for place, yaml in (("scheduler.policy.spread_threshold",
                             "scheduler: { policy: { spread_threshold: 7 } }"),
                            ("object_store.capacity", "object_store: { capacity: lots }")):
            path = self.write("node: { role: head }\n" + yaml)
            text = self.run_program(NODE, "--config", path, status=2)
            self.assertIn(f"node.yaml: {place} (line 2) is '", text)

    def test_an_unknown_kind_names_the_known_ones(self):
        self.assert_refused("node: { role: head }\nscheduler: { kind: clever }\n", "clever",
                            "distributed", "local")

    def test_a_configuration_that_cannot_be_read_is_named_with_the_reason(self):
        for path, reason in ((self.box / "absent.yaml", "No such file"),
                             (self.home, "Is a directory")):
            for words in ((NODE,), (MOBULA, "start"), (MOBULA, "sim")):
                text = self.run_program(*words, "--config", path, status=2)
                self.assertIn(str(path), text)
                self.assertIn(reason, text)

    def test_start_says_what_to_do_next_and_stop_leaves_nothing(self):
        text = self.start_head()
        for part in ("head node", "is up", self.address, str(self.home), "logs",
                     f"mobula start --address={self.address}", "mobula run", "mobula status",
                     "mobula stop"):
            self.assertIn(part, text)
        token = self.home / ".mobula/token"
        self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        self.assertEqual(len(token.read_text().strip()), 64)
        self.assert_works()
        self.assertIn("stopped head node", self.run_mobula("stop"))
        self.assert_nothing_left()
        self.assertIn("nothing to stop", self.run_mobula("stop"))
        text = self.run_mobula("status", status=1, MOBULA_ADDRESS="")
        self.assertIn("mobula start --head", text)

    def test_status_tells_people_and_programs_the_same(self):
        self.start_head("--resource", "tape=3", "--label", "zone=a")
        self.start_worker()
        text = self.run_mobula("status")
        for part in (f"Cluster at {self.address}", "head", "worker", "0 / 4 CPU", "0 / 3 tape",
                     "0 B / 128 MiB object store", "Waiting\n  nothing", "Jobs\n  none running"):
            self.assertIn(part, text)
        status = self.status()
        self.assertEqual(status["address"], self.address)
        self.assertEqual(sorted(node["is_head"] for node in status["nodes"]), [False, True])
        head = next(node for node in status["nodes"] if node["is_head"])
        self.assertEqual(head["resources_total"]["CPU"], 2)
        self.assertEqual(head["resources_total"]["tape"], 3)
        self.assertEqual(head["object_store_capacity_bytes"], 64 << 20)

    def test_a_port_in_use_is_named_with_what_to_do(self):
        self.start_head()
        port = self.address.split(":")[1]
        text = self.run_mobula("start", "--head", f"--port={port}", status=1)
        self.assertIn(f"port {port} on 127.0.0.1 is in use", text)
        self.assertIn("--port", text)
        yaml = self.write(f"node: {{ role: head }}\ngcs: {{ port: {port} }}\n")
        text = self.run_program(NODE, "--config", yaml, status=1)
        self.assertIn("in use", text)
        self.assertIn("gcs.port", text)
        text = self.run_mobula("start", "--config", yaml, status=1)
        self.assertIn("gcs.port", text)
        self.assertNotIn("--port", text)  # the file says which
        self.assert_works()
        self.assertEqual(len(self.nodes()), 1)

    def test_another_port_is_advised_only_if_the_port_is_in_use(self):
        blocked = self.box / "in use"
        blocked.write_text("a file where the sessions should be")
        text = self.run_mobula("start", "--head", "--port=0", status=1, MOBULA_SESSIONS=blocked)
        self.assertIn("in use", text)
        self.assertNotIn("--port", text)

    def test_a_head_that_cannot_be_reached_is_named_in_time(self):
        self.start_head()  # mints the token
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
            address = "127.0.0.1:%d" % closed.getsockname()[1]
            begin = time.monotonic()
            text = self.run_mobula("start", f"--address={address}", status=1)
            self.assertLess(time.monotonic() - begin, 15)  # 10 s by contract, 5 s for the machine
            why = f"nothing listens at tcp://{address}"
            self.assertEqual(text, f"mobula: joining the cluster: {why}")
            why = f"asking the head: {why}"
            text = self.run_mobula("status", f"--address={address}", status=1)
            self.assertEqual(text, f"mobula: {why}")
            text = self.behave("square", status=1, MOBULA_ADDRESS=address)
            self.assertEqual(text, f"Init: unavailable: {why}")
        self.assert_works()

    def test_a_head_that_is_silent_is_named_in_time(self):
        self.start_head()
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            address = "127.0.0.1:%d" % silent.getsockname()[1]
            begin = time.monotonic()
            text = self.run_mobula("start", f"--address={address}", status=1)
            self.assertIn(address, text)
            self.assertLess(time.monotonic() - begin, 15)
        self.assert_works()

    def test_flags_may_hold_what_means_something_in_yaml(self):
        token = self.box / "x: 'y' # \\z\".token"
        self.start_head("--label", 'a=b"c: # \\', "--token-file", token)
        self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        self.run_mobula("status", "--token-file", token)
        for address in ("[::1]:6379 # x", "h: {"):
            text = self.run_mobula("start", f"--address={address}", "--token-file", token, status=2)
            self.assertIn(address, text)

    def test_what_start_prints_works_with_a_token_elsewhere(self):
        token = self.box / "elsewhere"
        for words in ((f"--token-file={token}", "--head", "--port=0"), ("--config", self.write(
                f"node: {{ token_file: {token} }}\ngcs: {{ port: 0 }}\n"))):
            text = self.run_mobula("start", *words)
            for part in ("token     ", "mobula status", "mobula run", "mobula start"):
                line = next(line for line in text.splitlines() if part in line)
                self.assertIn(str(token), line)
            self.run_mobula("status", "--token-file", token)
            self.run_mobula("stop")
        text = self.run_mobula("start", "--head", "--port=0", MOBULA_TOKEN="secret")
        self.assertIn("$MOBULA_TOKEN", text)

    def test_two_clusters_here_are_named_and_none_is_picked(self):
        self.start_head()
        first = self.address
        self.start_head()
        for words in (("status",), ("run", "--", "true")):
            text = self.run_mobula(*words, status=2, MOBULA_ADDRESS="")
            for part in ("2 clusters", first, self.address, "--address"):
                self.assertIn(part, text)
        self.run_mobula("status", f"--address={first}", MOBULA_ADDRESS="")

    def test_wrong_usage_is_told_with_status_2(self):
        for words in (("start",), ("start", "--head", "--address=h:1"), ("start", "--port=70000"),
                      ("start", "--head", "--resource", "tape"), ("sing",),
                      ("start", "--head", "--host=0.0.0.0"),
                      ("start", "--head", "--num-cpus=-3"), ("start", "--head", "--num-gpus=nan"),
                      ("start", "--head", "--resource", "tape=-3"),
                      ("start", "--head", "--resource", "CPU=7"),
                      ("start", "--config", self.write("node: {}"), "--port=0"),
                      ("status", "--format=x")):
            text = self.run_mobula(*words, status=2)
            self.assertNotEqual(text, "")

    def test_an_unknown_command_is_named_with_the_known_ones(self):
        for words, part in ((("sing",), "there is no command 'sing'"), ((), "say what to do")):
            text = self.run_mobula(*words, status=2)
            self.assertEqual(text,
                             f"mobula: {part}; commands are start, stop, status, sim, run, new")
        self.assertIn("PROGRAM", self.run_mobula("run", status=2).upper())  # it is known

    def test_numbers_that_no_simulation_has_are_refused_with_the_right_ones(self):
        for words, part in ((("--seed", "-1"), "'-1' is no seed, which goes from 0"),
                            (("--seed", "9" * 20), "to 18446744073709551615"),
                            (("--seeds=-5..-1",), "seeds such as 1..500"),
                            (("--nodes", "0"), "Value 0 not in range 1 to 10000")):
            text = self.run_mobula("sim", *words, status=2)
            self.assertIn(part, text)
            self.assertLess(len(text), 200)

    def test_a_node_in_the_foreground_ends_on_a_signal_with_status_0(self):
        yaml = self.write("node: { role: head, resources: { cpu: 1 } }\ngcs: { port: 0 }\n"
                          "object_store: { kind: shared_memory, capacity: 32MiB }\n")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            node = self.spawn(NODE, "--config", yaml)
            line = node.line("is up")
            self.address = re.search(r"head at (\S+);", line).group(1)
            self.assert_works()
            node.signal(number)
            self.assertEqual(node.wait(), 0, node.text())
            self.address = None
            self.processes.remove(node)
            self.assert_nothing_left()

    def head_with_faulty_storage(self, rule):
        return self.write("node: { role: head, resources: { cpu: 1 } }\n"
                          "gcs: { port: 0, storage: { kind: faulty, inner: { kind: memory },\n"
                          f"                           rules: [{{ {rule}, error: true }}] }} }}\n"
                          "object_store: { kind: shared_memory, capacity: 32MiB }\n")

    def test_a_head_whose_storage_fails_ends_with_status_3_and_names_the_storage(self):
        head = self.spawn(NODE, "--config",
                          self.head_with_faulty_storage("operation: write, table: jobs"))
        self.address = re.search(r"head at (\S+);", head.line("is up")).group(1)
        driver = self.spawn(BEHAVIOURS, "square")  # its job is the first that is written
        self.assertEqual(head.wait(), 3, head.text())
        self.assertEqual(head.text().splitlines()[-1],
                         "node: had to end: head service gcs: the storage 'faulty' failed: "
                         "storage fault: an I/O error was injected")
        self.assertNotEqual(driver.wait(), 0, driver.text())
        self.address = None
        self.processes.remove(head)
        self.processes.remove(driver)
        self.assert_nothing_left()

    def test_a_head_whose_storage_cannot_be_read_does_not_start(self):
        text = self.run_program(NODE, "--config", self.head_with_faulty_storage("operation: scan"),
                                status=1)
        self.assertIn("node: head service gcs: the storage 'faulty' failed: storage fault", text)

    def test_a_driver_without_a_cluster_brings_its_own(self):
        self.assert_works()
        self.assert_nothing_left()
        self.assertEqual([p for p in os.listdir(self.sessions) if not p.startswith("n-")], [])


if __name__ == "__main__":
    cluster.main()
