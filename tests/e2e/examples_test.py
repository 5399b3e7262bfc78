"""What users run: examples on a cluster, `mobula run`, `stop --force`, `sim`, and the bench."""
import collections
import json
import os
import pathlib
import re
import signal

import cluster
from cluster import BEHAVIOURS, BUILD, MOBULA, wait_for_end

BENCH = str(BUILD / "bin/mobula_bench")
SIM_YAML = pathlib.Path(__file__).resolve().parents[2] / "node/config/sim.yaml"


class ExamplesTest(cluster.ClusterTest):
    def run_example(self, name, *words, status=0):
        """Through `mobula run`, as a user would; progress is one line a tenth."""
        return self.run_mobula("run", "--", BUILD / "bin" / name, *words, status=status, CI="1")

    def test_the_examples_are_right_on_two_nodes(self):
        self.start_head()
        self.start_worker()
        text = self.run_example("pi", "--tasks", 12, "--darts", 20000)
        self.assertLess(abs(float(re.search(r"pi is about (\S+)", text).group(1)) - 3.14159), 0.02)
        self.assertIn("pi: 12/12 tasks", text)

        folder = self.box / "text"
        (folder / "below").mkdir(parents=True)
        words = "the Cat saw THE dog, and the dog saw 9 cats-and-dogs\n" * 200
        (folder / "one.txt").write_text(words)
        (folder / "below/two.md").write_text(words + "end")
        (folder / "below/three.gz").write_text("packed")
        text = self.run_example("word_count", "--folder", folder, "--chunk-kb", 1,
                                "--output", self.box / "counts")
        expected = collections.Counter(re.findall("[a-z]+", (2 * words + "end").lower()))
        counted = (line.split() for line in (self.box / "counts").read_text().splitlines())
        self.assertEqual({word: int(count) for count, word in counted}, expected)
        self.assertRegex(text, r"word_count: (2\d)/\1 chunks")

        text = self.run_example("matmul", "--size", 100, "--panels", 3)
        self.assertLess(float(re.search(r"direct product: (\S+)", text).group(1)), 1e-10)
        self.assertIn("9 tiles", text)

        text = self.run_example("sort", "--records", 3001, "--maps", 3, "--ranges", 5)
        self.assertIn("3001 records: sorted, none lost or changed", text)

    def test_a_program_that_is_refused_says_why_on_one_line(self):
        self.start_head()
        for name in ("pi", "word_count", "matmul", "sort"):
            text = self.run_program(BUILD / "bin" / name, status=1, MOBULA_TOKEN="0" * 64)
            self.assertTrue(text.startswith(f"{name}: "), text)
            self.assertIn("token", text)
            self.assertEqual(len(text.splitlines()), 1, text)
        text = self.run_example("pi", "--darts", "many", status=2)
        self.assertIn("--darts is 'many'", text)
        self.assertIn("pi [--tasks 64]", self.run_example("pi", "--throws", 3, status=2))
        self.assertIn("not a folder", self.run_example("word_count", "--folder", "no", status=2))
        for words in ((), ("sing",), ("fail",), ("fail", "number", "often")):
            self.assertIn("usage: behaviours", self.behave(*words, status=2))


class RunTest(cluster.ClusterTest):
    def test_run_has_the_status_of_its_program(self):
        text = self.run_mobula("run", "--", "true", status=1)
        self.assertIn("mobula start --head", text)
        self.start_head()
        address, self.address = self.address, None  # `run` itself finds it
        text = self.run_mobula("run", "--", "sh", "-c", "echo $MOBULA_ADDRESS $1; exit 7", "sh",
                               "--address=1", status=7)
        self.assertEqual(text, f"{address} --address=1")
        self.run_mobula("run", f"--address={address}", "--", BEHAVIOURS, "square")
        self.assertIn("cannot run no-such-program: No such file",
                      self.run_mobula("run", "--", "no-such-program", status=127))
        self.assertIn(f"cannot run {self.box}: Permission denied",
                      self.run_mobula("run", "--", self.box, status=126))
        self.assertIn("program", self.run_mobula("run", status=2))

    def hold(self):
        """A driver under `mobula run` with two tasks that do not end; and its workers."""
        os.mkfifo(self.box / "pipe")
        driver = self.spawn(MOBULA, "run", "--", BEHAVIOURS, "hold", self.box / "pipe")
        driver.line("holding")
        workers = [pid for node in self.nodes() for pid in self.workers_of(node["pid"])]
        self.assertGreaterEqual(len(workers), 2)
        return driver, workers

    def test_an_interrupted_program_leaves_the_cluster_as_it_was(self):
        self.start_head()
        driver, workers = self.hold()
        driver.signal(signal.SIGINT)
        self.assertEqual(driver.wait(), -signal.SIGINT)
        for pid in workers:
            wait_for_end(pid)
        self.until(lambda: self.nodes()[0]["object_store_used_bytes"] == 0, "an empty store")
        self.until(lambda: "none running" in self.run_mobula("status"), "the end of the job")
        self.assert_works()

    def test_stop_with_force_ends_nodes_that_do_not_answer(self):
        self.start_head()
        self.start_worker()
        driver, workers = self.hold()
        nodes = [node["pid"] for node in self.nodes()]
        for pid in nodes:
            os.kill(pid, signal.SIGSTOP)
        text = self.run_mobula("stop", "--force")
        self.assertRegex(text, r"(?s)stopped worker node .*\nstopped head node ")
        for pid in nodes + workers:
            wait_for_end(pid)
        driver.wait()  # no hang: its waiting Get throws
        self.assertRegex(driver.text(), r"(Exception|NodeDiedError|WorkerDiedError) ")
        self.assert_nothing_left()


class SimTest(cluster.ClusterTest):
    def digest(self, *words):
        text = self.run_mobula("sim", *words)
        self.assertIn(" right ", text)
        return re.search(r"digest=([0-9a-f]{16}) ", text).group(1)

    def test_one_seed_is_one_run(self):
        one = self.digest("--seed", 7, "--nodes", 5)
        self.assertEqual(one, self.digest("--seed", 7, "--nodes", 5))
        self.assertEqual(one, self.digest("--seed", 7, "--nodes", 5, "--config", SIM_YAML))
        self.assertNotEqual(one, self.digest("--seed", 8, "--nodes", 5))
        text = self.run_mobula("sim", "--seeds", "1..3", "--check-determinism")
        self.assertEqual(re.findall(r"seed=(\d) right", text), ["1", "2", "3"])

    def test_a_planted_bug_is_found_and_can_be_seen_again(self):
        text = self.run_mobula("sim", "--plant", "wrong-value", "--seeds", "1..20", status=1)
        self.assertIn("violated: ", text)
        replay = re.search(r"replay: mobula (sim .*)", text).group(1).split()
        again = self.run_mobula(*replay, status=1)
        digest = re.findall(r"digest=(\S+)", text)[-1]
        self.assertIn(f"digest={digest} ", again)

    def test_wrong_usage_is_named(self):
        wrong = self.box / "wrong.yaml"
        wrong.write_text("work:\n  task: 3\n")
        for words, part in ((("--config", wrong), "line 2"),
                            (("--config", self.box / "absent.yaml"), "absent.yaml"),
                            (("--seeds", "9..1"), "1..500"), (("--plant", "oak"), "lose-task"),
                            (("--nodes", "0"), "--nodes"), (("--sed", "1"), "--sed")):
            self.assertIn(part, self.run_mobula("sim", *words, status=2))


class BenchTest(cluster.ClusterTest):
    def setUp(self):
        if not os.path.exists(BENCH):
            cluster.skip("built without the benchmark")
        super().setUp()

    def rows(self, only):
        out = self.box / "rows.json"
        text = self.run_program(BENCH, "--quick", "--only", only, "--json", out)
        result = json.loads(out.read_text())
        self.assertEqual(list(result), ["machine", "floor", "rows"])
        self.assertIn("Linux", result["machine"])
        for name in ("spin_round_trip_us", "parked_round_trip_us", "parked_one_core_us",
                     "parked_two_cores_us", "socket_round_trip_us", "ring_tasks_per_s",
                     "memcpy_gb_s", "raw_tcp_gb_s", "spawn_ms", "fork_ms", "system_call_us",
                     "allocation_us"):
            self.assertGreater(result["floor"][name], 0, name)
        for row in result["rows"]:
            self.assertEqual(list(row), ["row", "value", "unit", "p50_us", "p99_us", "floor",
                                         "floor_name", "ratio", "rounds"])
            self.assertGreater(row["value"], 0)
            self.assertGreater(row["ratio"], 0)
            self.assertIn(row["value"], row["rounds"])  # a median of them
            self.assertIn(f"\n{row['row']} ", text)
        return {row["row"]: row for row in result["rows"]}

    def test_rows_are_chosen_by_name_and_written_as_json(self):
        for name in ("task_sync", "task_sync_parked"):
            rows = self.rows(name)
            self.assertEqual(list(rows), [name])
            self.assertEqual(rows[name]["unit"], "1/s")
            self.assertGreaterEqual(rows[name]["p99_us"], rows[name]["p50_us"])
        self.run_program(BENCH, "--only", "put_small", "--rounds", "0", status=2)
        rows = self.rows("put_small")
        self.assertEqual(list(rows), ["put_small"])
        self.assertIsNone(rows["put_small"]["p50_us"])
        self.assertIsNone(rows["put_small"]["p99_us"])
        self.assertEqual(list(self.rows("small_objects")), ["put_small", "get_small"])

    def test_an_unknown_row_is_told_before_anything_is_measured(self):
        text = self.run_program(BENCH, "--only", "put_smal", "--json", self.box / "no", status=2)
        self.assertIn("'put_smal'", text)
        self.assertIn("get_small", text)
        self.assertNotIn("floor", text)
        self.assertFalse((self.box / "no").exists())
        self.run_program(BENCH, "--bogus", status=2)


if __name__ == "__main__":
    cluster.main()
