"""Tasks that fail: the driver learns what, where and why, and everything else goes on."""
import contextlib
import os
import pathlib
import re
import shutil

import cluster
from cluster import BEHAVIOURS


def peak_mebibytes(pids):
    """Peak memory by process, of those that have not ended meanwhile."""
    peaks = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            program = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            for kibibytes in re.findall(r"VmHWM:\s+(\d+) kB", status):
                peaks[f"{program} {pid}"] = int(kibibytes) >> 10
    return peaks


class TasksTest(cluster.ClusterTest):
    def run_task(self, name, retries=0):
        self.start_head()
        return self.behave("fail", name, retries)

    def assert_died(self, text, *parts):
        """`text` tells a worker's death with its cause, pid, node and last words."""
        self.assertRegex(text, r"WorkerDiedError .* on node [0-9a-f]{8} in process \d+: ")
        for part in parts:
            self.assertIn(part, text)
        self.assertIn("square 49", text)

    def test_an_exception_comes_back_with_type_message_node_and_process(self):
        text = self.run_task("runtime_error")
        self.assertIn("TaskError", text)
        node = self.nodes()[0]["node_id"]
        self.assertRegex(text, r"type=std::runtime_error message=.*the disk is on fire.* "
                               rf"node={node} pid=\d+")
        self.assertIn("ThrowRuntimeError", text)
        self.assertIn("square 49", text)

    def test_status_counts_leases_and_workers_of_each_node(self):
        self.start_head()
        self.assert_works()
        counters = self.until(lambda: (found := self.nodes()[0]["counters"]) and
                              found.get("workers_ended_total", 0) > 0 and found,
                              "the end of the program's workers")
        self.assertGreaterEqual(counters["leases_granted_total"], 1)
        self.assertGreaterEqual(counters["workers_started_total"], 1)
        self.assertRegex(self.run_mobula("status"), r"\d+ leases granted")

    def test_what_is_thrown_may_be_no_exception(self):
        text = self.run_task("number")
        self.assertIn("type=int", text)
        self.assertIn("task a name of its own failed", text)
        self.assertIn("square 49", text)

    def test_a_segmentation_fault_names_the_signal(self):
        self.assert_died(self.run_task("segfault"), "signal 11", "last words before the fault")

    def test_exit_in_a_task_names_the_status(self):
        self.assert_died(self.run_task("exit"), "exit code 3", "last words before exit")

    def test_abort_names_the_signal(self):
        self.assert_died(self.run_task("abort"), "signal 6", "last words before abort")

    def test_retries_are_used_up_and_counted(self):
        text = self.run_task("segfault", retries=2)
        self.assert_died(text, "signal 11", "the last of 3 attempts")

    def test_a_retry_after_a_death_gives_the_value(self):
        text = self.run_task("die_once", retries=1)
        self.assertIn("value 1", text)

    def start_head_that_cuts(self, rule):
        """A head whose file breaks the local connections of its processes once."""
        yaml = self.box / "head.yaml"
        yaml.write_text("node: { role: head, resources: { cpu: 2 } }\ngcs: { port: 0 }\n"
                        "local_transport: { kind: faulty, inner: { kind: shared_memory }, "
                        f"rules: [{{ {rule}, effect: cut, times: 1 }}] }}\n")
        text = self.run_mobula("start", "--config", yaml)
        self.address = next(line.split()[1] for line in text.splitlines() if "address " in line)

    def test_a_faulty_transport_of_the_nodes_file_hurts_what_a_driver_sends_to_its_worker(self):
        self.start_head_that_cuts("direction: send, method: 770")  # PushTasks
        self.spawn(BEHAVIOURS, "fail", "runtime_error", 0).line("WorkerDiedError")

    def test_a_faulty_transport_of_the_nodes_file_hurts_what_a_worker_hears_of_its_owner(self):
        self.start_head_that_cuts("direction: receive, method: 770")
        self.spawn(BEHAVIOURS, "fail", "runtime_error", 0).line("WorkerDiedError")

    def test_a_task_too_large_for_the_cluster_is_infeasible_with_the_reason(self):
        yaml = self.box / "head.yaml"
        yaml.write_text("node: { role: head, resources: { cpu: 2 } }\ngcs: { port: 0 }\n"
                        "workers: { infeasible_grace: 1s }\n")
        text = self.run_mobula("start", "--config", yaml)
        self.address = next(line.split()[1] for line in text.splitlines() if "address " in line)
        driver = self.spawn(BEHAVIOURS, "infeasible", 1000)
        line = driver.line("InfeasibleError")
        self.assertIn("::Square: no node has", line)
        self.assertIn("1000", line)
        self.assertIn("CPU", line)
        driver.line("square 49")
        self.assertEqual(driver.wait(), 0)

    def test_a_value_larger_than_the_store_names_both_sizes_and_copies_nothing(self):
        self.start_head(store="512MiB")
        pipe = self.box / "pipe"
        os.mkfifo(pipe)
        driver = self.spawn(BEHAVIOURS, "too_large", 3 << 30, pipe)
        driver.line("waiting")
        peaks = peak_mebibytes(self.our_processes())
        pipe.write_text("x")
        self.assertEqual(driver.wait(), 0, driver.text())
        lines = [line for line in driver.lines if line and line.startswith("StoreFullError")]
        self.assertEqual(len(lines), 5, driver.text())  # results, Puts and an argument
        for line in lines:
            self.assertRegex(line, r"3(\.0)? ?GiB")
            self.assertRegex(line, r"512(\.0)? ?MiB")
        self.assertIn("square 49", driver.text())
        # Driver, node, zygote, workers: nobody has held a part of it worth speaking of.
        self.assertGreaterEqual(len(peaks), 4)
        print("peak memory, MiB:", peaks)
        self.assertLess(max(peaks.values()), 1536, peaks)  # sanitizers keep a shadow of an eighth

    def test_a_bound_that_is_not_the_stores_is_not_a_full_store(self):
        yaml = self.box / "head.yaml"
        yaml.write_text("node: { role: head, resources: { cpu: 2 } }\ngcs: { port: 0 }\n"
                        "workers: { max: 1, prestart: 1 }\n")
        text = self.run_mobula("start", "--config", yaml)
        self.address = next(line.split()[1] for line in text.splitlines() if "address " in line)
        text = self.behave("too_many_workers")
        self.assertIn("type=mobula::LimitExceededError", text)
        self.assertIn("workers.max", text)
        self.assertNotIn("StoreFullError", text)
        self.assertIn("square 49", text)

    def test_writing_to_an_object_hurts_only_the_writer(self):
        self.start_head()
        text = self.behave("scribble")
        self.assertRegex(text, r"WorkerDiedError .*signal 11")
        self.assertIn("unchanged", text)
        self.assertIn("square 49", text)

    def test_get_gives_up_after_its_time_and_the_task_goes_on(self):
        self.start_head()
        pipe = self.box / "pipe"
        os.mkfifo(pipe)
        text = self.behave("timeout", pipe)
        self.assertIn("GetTimeoutError", text)
        self.assertIn("::WaitForPipe, which waits for a worker or runs", text)
        self.assertIn("value 1", text)

    def test_a_borrower_of_a_dead_owner_is_told(self):
        self.start_head()
        text = self.behave("owner")
        self.assertIn("stored 1048576", text)
        self.assertEqual(text.count("OwnerDiedError"), 2, text)
        self.assertIn("): signal 9 (SIGKILL)", text)
        self.assertIn("square 49", text)

    def test_a_program_that_is_replaced_while_it_runs_is_told_apart(self):
        self.start_head()
        program, other = self.box / "program", self.box / "other"
        for path in (program, other):
            shutil.copy(BEHAVIOURS, path)
        with other.open("ab") as file:
            file.write(b"another build")  # still runs, with another hash
        text = self.run_program(program, "replaced", other)
        self.assertIn("VersionMismatchError", text)
        self.assertRegex(text, r"program [0-9a-f]{8}.*program [0-9a-f]{8}")
        self.assert_works()


if __name__ == "__main__":
    cluster.main()
