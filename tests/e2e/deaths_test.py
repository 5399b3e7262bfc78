"""kill -9: whatever dies, what depends on it ends, what does not goes on, and nothing is left."""
import os
import signal

import cluster
from cluster import BEHAVIOURS, parent_of, wait_for_end


class DeathsTest(cluster.ClusterTest):
    def make_pipe(self):
        pipe = self.box / "pipe"
        os.mkfifo(pipe)
        return pipe

    def hold(self):
        """A driver with 32 MiB of its own, a result of 4 MiB and two tasks that do not end."""
        driver = self.spawn(BEHAVIOURS, "hold", self.make_pipe())
        driver.line("holding")
        return driver

    def store_used(self):
        return sum(node["object_store_used_bytes"] for node in self.nodes())

    def wait_for_reader(self, pipe):
        """Waits until a task reads from `pipe`; returns the end to write to."""
        def attempt():
            try:
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return None
        return self.until(attempt, "a task that waits at the pipe")

    def test_a_dead_driver_takes_its_workers_job_and_objects_along(self):
        self.start_head()
        self.start_worker()
        driver = self.hold()
        node_pids = [node["pid"] for node in self.nodes()]
        workers = [pid for node in node_pids for pid in self.workers_of(node)]
        self.assertGreaterEqual(len(workers), 2)
        self.until(lambda: self.store_used() >= 32 << 20, "the objects in the status")
        driver.signal(signal.SIGKILL)
        self.assertEqual(driver.wait(), -signal.SIGKILL)
        for pid in workers:
            wait_for_end(pid)
        self.until(lambda: self.store_used() == 0, "an empty store")
        self.assertEqual(self.job_of(driver)["state"], "FAILED")
        self.until(lambda: all(node["resources_available"]["CPU"] == 2 for node in self.nodes()),
                   "all CPUs free")
        self.assertIn("none running", self.run_mobula("status"))
        self.assert_works()

    def job_of(self, driver):
        """The job of a driver that has ended, once its end is known."""
        return self.until(lambda: next((job for job in self.status()["jobs"] if
                                        job["driver_pid"] == driver.pid and
                                        job["state"] != "RUNNING"), None), "the end of the job")

    def test_a_job_has_failed_unless_its_driver_ended_well(self):
        self.start_head()
        for words, status, state, reason in (
                (("square",), 0, "SUCCEEDED", ""),
                (("end", "shutdown"), 4, "SUCCEEDED", ""),  # its part was over before
                (("end", "return"), 0, "SUCCEEDED", ""),
                (("end", "exit"), 3, "FAILED", "the driver ended with exit code 3"),
                (("end", "throw"), -signal.SIGABRT, "FAILED", "killed, crashed or lost"),
                (("end", "kill"), -signal.SIGKILL, "FAILED", "killed, crashed or lost")):
            driver = self.spawn(BEHAVIOURS, *words)
            self.assertEqual(driver.wait(), status, driver.text())
            job = self.job_of(driver)
            self.assertEqual(job["state"], state, words)
            self.assertIn(reason, job["message"])
        self.assertEqual(self.run_mobula("status").count("FAILED: the driver"), 3)

    def test_processes_that_ended_leave_no_sockets_behind(self):
        def sockets():
            return {path.name for path in self.sessions.rglob("*.sock")}

        self.start_head()
        nodes_own = sockets()
        self.assert_works()  # a driver that ends by itself, and workers that end with its job
        self.until(lambda: sockets() == nodes_own, "the end of the sockets of a job")
        driver = self.hold()
        held = self.until(lambda: len(sockets() - nodes_own) == 3 and sockets(),
                          "a driver and two workers")
        workers = self.workers_of(self.nodes()[0]["pid"])
        os.kill(next(pid for pid in workers if parent_of(pid) in workers), signal.SIGKILL)
        self.until(lambda: len(held - sockets()) == 1, "the end of one socket")
        driver.signal(signal.SIGKILL)
        self.assertEqual(driver.wait(), -signal.SIGKILL)
        self.until(lambda: sockets() == nodes_own, "the end of the sockets of a killed driver")

    def test_workers_end_with_their_raylet_and_its_driver_is_told(self):
        self.start_head()
        driver = self.hold()
        raylet = self.nodes()[0]["pid"]
        workers = self.workers_of(raylet)
        self.assertGreaterEqual(len(workers), 2)
        os.kill(raylet, signal.SIGKILL)
        for pid in workers:
            wait_for_end(pid)
        driver.wait()  # no hang: its waiting Get throws
        self.assertRegex(driver.text(), r"(Exception|NodeDiedError|WorkerDiedError) ")
        self.assertIn("raylet", driver.text())
        self.address = None

    def test_a_dead_node_leaves_the_cluster_and_its_tasks_run_elsewhere(self):
        self.start_head()
        other = self.start_worker()
        pipe = self.make_pipe()
        driver = self.spawn(BEHAVIOURS, "survive", pipe, other["node_id"])
        os.close(self.wait_for_reader(pipe))  # whoever read there sees the end of the file
        driver.line("value 0")
        workers = self.workers_of(other["pid"])
        self.assertGreaterEqual(len(workers), 1)
        driver.line("again")
        first = self.wait_for_reader(pipe)
        os.kill(other["pid"], signal.SIGKILL)
        for pid in workers:
            wait_for_end(pid)
        os.close(first)
        second = self.wait_for_reader(pipe)
        os.write(second, b"x")
        self.assertEqual(driver.wait(), 0, driver.text())
        os.close(second)
        self.assertIn("value 1", driver.text())
        self.assertIn("square 49", driver.text())
        self.until(lambda: len(self.nodes()) == 1, "the status without the dead node")
        text = self.run_mobula("status")
        self.assertIn("Nodes that ended", text)
        self.assertIn(other["node_id"][:8], text)

    def test_a_head_that_died_is_named_by_its_nodes_and_tools(self):
        self.start_head()
        other = self.start_worker()
        head = next(node for node in self.nodes() if node["is_head"])
        os.kill(head["pid"], signal.SIGKILL)
        text = self.behave("square", status=1)
        self.assertIn(self.address, text)
        text = self.run_mobula("status", status=1)
        self.assertIn(self.address, text)
        log = self.sessions / f"n-{other['node_id'][:8]}" / "logs/node.log"
        self.until(lambda: "node    head_lost reason=" in log.read_text(), "the loss in the log")
        self.run_mobula("stop")  # unless the node has given up by itself
        wait_for_end(other["pid"])

    def test_the_program_travels_to_other_nodes_by_its_hash(self):
        self.start_head()
        other = self.start_worker()
        head = next(node for node in self.nodes() if node["is_head"])
        text = self.behave("places", head["node_id"], other["node_id"])
        self.assertIn(f"ran on {head['node_id']} {BEHAVIOURS}", text)
        session = f"{self.sessions}/n-{other['node_id'][:8]}"
        self.assertRegex(text, rf"ran on {other['node_id']} {session}/programs/[0-9a-f]{{32}}\n")


if __name__ == "__main__":
    cluster.main()
