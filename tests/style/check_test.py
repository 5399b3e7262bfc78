"""Plants violations in a made-up tree and sees that each rule finds its own, and nothing else."""

import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import budgets
import calls
import headers
import includes
import layers
import lint
import paths
import uncalled

GOOD = "#pragma once\n\nint Answer();\n"


class StyleTest(unittest.TestCase):

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.write("components/base/good.h", GOOD)

    def write(self, path, text):
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def assert_finds(self, problems, *words):
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0])

    def test_a_good_tree_has_no_problems(self):
        for family in (budgets, includes, layers, calls, uncalled):
            self.assertEqual(family.check(self.root), [])

    # budgets

    def test_a_long_header(self):
        self.write("components/base/long.h", "#pragma once\n" + "int a;\n" * 250)
        self.assert_finds(budgets.check(self.root), "long.h: 251 lines", "a header")

    def test_an_interface_header_has_less_room(self):
        interface = "struct A {\n  virtual void F() const = 0;\n};\n"
        self.write("components/base/long.h", "#pragma once\n" + interface + "int a;\n" * 147)
        self.assert_finds(budgets.check(self.root), "an interface header has at most 150")

    def test_a_long_source_and_a_long_test(self):
        self.write("components/base/long.cc", "int a;\n" * 401)
        self.assert_finds(budgets.check(self.root), "a source has at most 400")
        (self.root / "components/base/long.cc").unlink()
        self.write("tests/components/base/long_test.cc", "int a;\n" * 501)
        self.assert_finds(budgets.check(self.root), "a test has at most 500")

    def test_a_long_function(self):
        body = "  a();\n" * 59
        self.write("node/f.cc", "void F(int a,\n       int b) {\n" + body + "}\n")
        self.assert_finds(budgets.check(self.root), "node/f.cc:2: a function of 61 lines")

    def test_a_long_class_or_namespace_is_no_function(self):
        inside = "  void F() {\n  }\n" * 40
        self.write("node/f.cc", "namespace a {\nclass B : public C {\n" + inside + "};\n}\n")
        self.assertEqual(budgets.check(self.root), [])

    def test_members_initialised_with_braces_do_not_hide_a_long_constructor(self):
        body = "  a();\n" * 60
        self.write("node/f.cc", "F::F(int a) : a_{a}, b_(a) {\n" + body + "}\n")
        self.assert_finds(budgets.check(self.root), "a function of 62 lines")

    def test_braces_in_strings_and_comments_do_not_count(self):
        self.write("node/f.cc", 'void F() {\n  a("{{{"); // {\n  b(\'{\'); /* { */\n}\n' +
                   "int a;\n" * 100)
        self.assertEqual(budgets.check(self.root), [])

    def test_a_long_line(self):
        self.write("node/f.cc", "// " + "a" * 98 + "\n")
        self.assert_finds(budgets.check(self.root), "node/f.cc:1: 101 columns")

    def test_a_part_that_is_too_large(self):
        for number in range(7):
            self.write(f"cli/f{number}.cc", "// prose is free\n\n" * 60 + "int a;\n" * 215)
        self.assert_finds(budgets.check(self.root), "cli has 1505 code lines; its budget is 1500")

    def test_a_part_without_a_budget(self):
        self.write("components/quantum/f.cc", "int a;\n")
        self.assert_finds(budgets.check(self.root), "components/quantum has 1 code lines and no")

    # includes

    def include(self, path, *included):
        guard = "#pragma once\n" if path.endswith(".h") else ""
        self.write(path, guard + "".join(f"#include {i}\n" for i in included))
        return includes.check(self.root)

    def test_base_includes_nothing_above_it(self):
        found = self.include("components/base/a.h", '"components/gcs/storage.h"')
        self.assert_finds(found, "a.h:2", "may include nothing of ours")

    def test_the_scheduler_sees_no_transport(self):
        found = self.include("components/scheduler/a.h", '"components/transport/transport.h"')
        self.assert_finds(found, "components/scheduler may include components/base")

    def test_what_users_include_rests_on_base_only(self):
        found = self.include("include/mobula/a.h", '"components/core_worker/runtime.h"')
        self.assert_finds(found, "include/mobula may include components/base")

    def test_an_implementation_does_not_know_its_sibling(self):
        found = self.include("components/gcs/sqlite/a.cc", '"components/gcs/memory/storage.h"')
        self.assert_finds(found, "an implementation is named only by")

    def test_only_wiring_and_registration_name_implementations(self):
        storage = '"components/gcs/memory/storage.h"'
        self.assertEqual(self.include("components/gcs/registration.cc", storage), [])
        self.assertEqual(self.include("node/wiring.cc", storage), [])
        self.assertEqual(self.include("tests/components/gcs/a_test.cc", storage), [])
        self.assert_finds(self.include("components/raylet.cc", storage), "components/raylet.cc:1")

    def test_an_implementation_includes_itself_and_its_interface(self):
        found = self.include("components/gcs/memory/a.cc", '"components/gcs/memory/storage.h"',
                             '"components/gcs/storage.h"', '"components/base/result.h"')
        self.assertEqual(found, [])

    def test_the_real_seams_are_for_what_makes_processes(self):
        loop = '"components/base/real/event_loop.h"'
        self.assertEqual(self.include("node/main.cc", loop), [])
        self.assert_finds(self.include("components/gcs/server.cc", loop), "implementation")

    def test_packages_stay_in_their_homes(self):
        for included in ("<boost/asio/io_context.hpp>", "<yaml-cpp/yaml.h>", "<openssl/hmac.h>",
                         "<google/protobuf/message.h>", "<iostream>", "<CLI/CLI.hpp>"):
            found = self.include("components/scheduler/a.cc", included)
            self.assert_finds(found, "has its home in")

    def test_paths_start_at_the_root(self):
        self.assert_finds(self.include("node/a.cc", '"raylet.h"'), "start at the root")

    def test_a_header_without_pragma_once(self):
        self.write("node/a.h", "int a;\n")
        self.assert_finds(includes.check(self.root), "node/a.h: has no #pragma once")

    # layers

    def layer(self, path, included):
        self.write(path, f'#pragma once\n#include "{included}"\n')
        return layers.check(self.root)

    def test_no_arrow_runs_from_a_lower_floor_to_a_higher_one(self):
        self.assertEqual(self.layer("components/raylet/a.h", "components/gcs/client.h"), [])
        found = self.layer("components/gcs/a.h", "components/raylet/raylet.h")
        self.assert_finds(found, "components/gcs/a.h:2", "is on floor 3, components/raylet above")

    def test_neighbours_on_a_floor_form_no_circle(self):
        self.assertEqual(self.layer("components/gcs/a.h", "components/scheduler/policy.h"), [])
        found = self.layer("components/scheduler/a.h", "components/gcs/a.h")
        self.assert_finds(found, "include each other in a circle")

    def test_the_scheduler_does_not_reach_the_transport_by_a_detour(self):
        self.layer("include/mobula/a.h", "components/transport/transport.h")
        found = self.layer("components/scheduler/a.h", "include/mobula/a.h")
        self.assert_finds(found, "components/scheduler reaches components/transport")

    def test_a_component_without_a_floor(self):
        self.write("components/quantum/f.cc", "int a;\n")
        self.assert_finds(layers.check(self.root), "components/quantum stands on no floor")

    def space(self, path, name, inside="class A {};"):
        self.write(path, f"namespace {name} {{\n{inside}\n}}\n")
        return layers.check(self.root)

    def test_a_namespace_of_another_component(self):
        path = "components/gcs/a.cc"
        self.assertEqual(self.space(path, "mobula::gcs"), [])
        self.assertEqual(self.space(path, "mobula::gcs::detail"), [])
        self.assertEqual(self.space(path, "mobula::gcs", "namespace action {\nint a;\n}"), [])
        for name in ("mobula", "mobula::raylet", "mobula::gcs_client", "gcs"):
            self.assert_finds(self.space(path, name), "the namespace here is mobula::gcs")

    def test_base_is_in_the_namespace_of_the_project_itself(self):
        self.assertEqual(self.space("components/base/a.cc", "mobula"), [])
        self.assertEqual(self.space("components/base/a.cc", "mobula::internal"), [])
        self.assert_finds(self.space("components/base/a.cc", "mobula::base"), "here is mobula")

    def test_names_of_others_may_be_announced(self):
        announced = "class RealEventLoop;\nstruct B;"
        self.assertEqual(self.space("components/gcs/a.cc", "mobula", announced), [])
        self.assert_finds(self.space("components/gcs/a.cc", "mobula", "int a;"), "here is")

    # uncalled

    INTERFACE = ("class Store {{\n public:\n  virtual ~Store() = default;\n"
                 "  virtual int Get(int id) = 0;\n{}}};\n")

    def promise(self, more="", user=""):
        self.write("components/gcs/store.h", "#pragma once\n" + self.INTERFACE.format(more))
        self.write("node/user.cc", "int Use(Store& store) {\n  return store.Get(1);\n}\n" + user)
        return uncalled.check(self.root)

    def test_a_virtual_that_nothing_calls(self):
        self.assertEqual(self.promise(), [])
        found = self.promise("  virtual void Drop() = 0;\n")
        self.assert_finds(found, "components/gcs/store.h:6", "nothing in the runtime calls "
                          "Store::Drop")

    def test_tests_are_no_callers(self):
        self.write("tests/components/gcs/a_test.cc", "void F(Store& s) {\n  s.Drop();\n}\n")
        self.assert_finds(self.promise("  virtual void Drop() = 0;\n"), "Store::Drop")

    def test_a_decorator_that_hands_on_is_no_caller(self):
        drop = "  virtual void Drop() = 0;\n"
        decorator = ("class Faulty : public Store {{\n  void Drop() override {};\n"
                     "  Store& inner_;\n}};\n")
        inline = decorator.format("{\n    inner_.Drop();\n  }")
        self.assert_finds(self.promise(drop, inline), "Store::Drop")
        apart = decorator.format("") + "void Faulty::Drop() {\n  inner_.Drop();\n}\n"
        self.assert_finds(self.promise(drop, apart), "Store::Drop")
        other = decorator.format("") + "void Faulty::Stop() {\n  inner_.Drop();\n}\n"
        self.assertEqual(self.promise(drop, other), [])

    def test_the_same_name_of_another_class_is_no_caller(self):
        other = "void F(Queue& queue) {\n  queue.Drop();\n}\n"
        self.assert_finds(self.promise("  virtual void Drop() = 0;\n", other), "Store::Drop")

    def test_a_file_with_its_own_function_of_that_name_is_no_caller(self):
        drop = "  virtual void Drop() = 0;\n"
        own = ("struct State {\n  void Drop() {}\n};\nvoid F() {\n  const auto state = g();\n"
               "  state->Drop();\n}\n")
        self.write("node/other.cc", own)
        self.assert_finds(self.promise(drop), "Store::Drop")
        self.write("node/other.cc", "void F() {\n  const auto state = g();\n  state->Drop();\n}\n")
        self.assertEqual(self.promise(drop), [])

    def test_what_is_called_through_a_class_that_derives_has_a_caller(self):
        user = ("class Heap : public Store {\n};\nvoid F(Heap& heap) {\n"
                "  heap.Drop();\n}\n")
        self.assertEqual(self.promise("  virtual void Drop() = 0;\n", user), [])

    def test_a_hook_that_nothing_hooks_into(self):
        hook = "  void OnFull(std::function<void()> callback);\n"
        self.assert_finds(self.promise(hook), "Store::OnFull")
        self.assertEqual(self.promise(hook, "void F(Store& s) {\n  s.OnFull(g);\n}\n"), [])
        self.assertEqual(self.promise("  void OnMessage(int message);\n"), [])

    def test_a_hook_among_dependencies_that_nothing_sets(self):
        self.write("node/deps.h", "#pragma once\nstruct PoolDeps {\n"
                   "  std::function<void(int)> on_exit;\n};\n")
        self.assert_finds(self.promise(), "PoolDeps::on_exit")
        self.assertEqual(self.promise("", "Pool pool({.on_exit = f});\n"), [])

    def test_a_promise_for_later_has_a_reason_and_goes_when_it_is_kept(self):
        drop = "  virtual void Drop() = 0;\n"
        line = "components/gcs/store.h | Store::Drop | {}\n"
        self.write(uncalled.ALLOWED, line.format("cancellation calls it"))
        self.assertEqual(self.promise(drop), [])
        self.assert_finds(self.promise(drop, "void F(Store& s) {\n  s.Drop();\n}\n"),
                          "allowed_uncalled.txt:1", "delete the line")
        self.write(uncalled.ALLOWED, line.format(""))
        self.assert_finds(self.promise(), "path | Class::Function | reason")

    # paths

    def chapter(self, *listed, name="book/01-one-task.md"):
        text = "# One\n\n## Files\n\n```\n" + "".join(f"{p}\n" for p in listed) + "```\n\n## Left\n"
        self.write(name, text)
        return paths.check(self.root)

    def test_a_file_is_on_a_path_or_at_the_edge(self):
        self.assertEqual(self.chapter("components/base/good.h"), [])
        self.assert_finds(self.chapter(), "components/base/good.h: is in no chapter's list")
        self.write("components/base/good.h", "/// \\file\n/// \\edge\n" + GOOD)
        self.assertEqual(self.chapter(), [])
        self.assert_finds(self.chapter("components/base/good.h"), "and says \\edge")

    def test_a_source_is_at_the_edge_with_its_header_or_says_why(self):
        self.write("components/base/good.cc", "int a;\n")
        self.assert_finds(self.chapter("components/base/good.h"), "good.cc: is in no chapter's")
        self.write("components/base/good.cc", "// \\edge: tables of the compiler\nint a;\n")
        self.assertEqual(self.chapter("components/base/good.h"), [])
        self.write("components/base/good.cc", "int a;\n")
        self.write("components/base/good.h", "/// \\file\n/// \\edge\n" + GOOD)
        self.assertEqual(self.chapter(), [])

    def test_a_chapter_lists_files_that_are_there_once(self):
        found = self.chapter("components/base/good.h", "components/base/gone.h")
        self.assert_finds(found, "components/base/gone.h is no file of the runtime")
        self.chapter("components/base/good.h")
        found = self.chapter("components/base/good.h", name="book/02-more.md")
        self.assert_finds(found, "02-more.md", "is explained in book/01-one-task.md")

    def test_a_chapter_without_a_list(self):
        self.write("components/base/good.h", "/// \\edge\n" + GOOD)
        self.write("book/01-one-task.md", "# One\n")
        self.assert_finds(paths.check(self.root), "has no section `## Files`")

    def test_a_chapter_that_explains_too_much(self):
        self.write("components/base/good.h", GOOD + "int a;\n" * 2500)
        self.assert_finds(self.chapter("components/base/good.h"), "explains 2502 code lines")

    def test_a_reading_path_that_is_too_long(self):
        for number in range(8):
            self.write(f"cli/f{number}.cc", "int a;\n" * 2100)
            found = self.chapter(f"cli/f{number}.cc", name=f"book/1{number}-f.md")
        found = self.chapter("components/base/good.h")
        self.assert_finds(found, "the reading path has 16802 code lines; at most 16000")

    # calls

    def call(self, line, path="components/gcs/a.cc"):
        self.write(path, f"void F() {{\n  {line}\n}}\n")
        return calls.check(self.root)

    def test_calls_past_the_seams(self):
        for line in ("auto t = std::chrono::steady_clock::now();", "sleep(1);", "::usleep(5);",
                     "auto t = time(nullptr);", "int r = rand();", "std::random_device d;",
                     "std::thread t(f);", "if (fork() == 0) {}", "std::ofstream f(p);",
                     "int f = ::open(p, 0);", "int s = ::socket(1, 2, 3);",
                     "std::cout << 1;", "std::this_thread::sleep_for(t);"):
            with self.subTest(line):
                self.assert_finds(self.call(line), "components/gcs/a.cc:2", "goes past a rule")

    def test_names_that_only_look_alike(self):
        for line in ("loop.Sleep(1);", "policy.rand(1);", "// std::thread", 'Log("fork()");',
                     "uptime(0);", "std::thread::id id;", "std::thread::hardware_concurrency();",
                     "auto f = [] { return operand(1); };"):
            with self.subTest(line):
                self.assertEqual(self.call(line), [])

    def test_an_allowed_call_has_a_reason_and_is_needed(self):
        self.write("tests/style/allowed.txt", "components/gcs/* | thread | writes to the disk\n")
        self.assertEqual(self.call("std::thread t(f);"), [])
        self.assert_finds(self.call("int a;"), "allowed.txt:1", "delete the line")
        self.write("tests/style/allowed.txt", "components/gcs/* | thread |\n")
        self.assert_finds(self.call("int a;"), "path | rule | reason")

    def test_unfinished_work_and_macros(self):
        self.assert_finds(self.call("// TODO" + "(now): this"), "unfinished")
        self.write("components/gcs/a.cc", "#define TWICE(x) x x\n")
        self.assert_finds(calls.check(self.root), "macro")

    def test_tests_may_use_threads_but_do_not_sleep(self):
        path = "tests/components/gcs/a_test.cc"
        self.assertEqual(self.call("std::thread t(f);", path), [])
        self.assert_finds(self.call("std::this_thread::sleep_for(t);", path), "sleep")

    # lint

    def test_lint_reads_what_changed_newest_first_and_not_what_only_moved(self):
        log = ("M\tnode/b.cc\nR100\told/c.cc\tnode/c.cc\nR098\told/d.cc\tnode/d.cc\n"
               "D\tnode/e.cc\n\nA\tnode/a.h\nM\tnode/b.cc\nM\tREADME.md\n")
        paths_ = lint.changed_paths(log)
        self.assertEqual(paths_, ["node/b.cc", "node/d.cc", "node/a.h", "README.md"])
        known = {"node/a.cc", "node/b.cc", "node/c.cc", "node/d.cc"}
        self.assertEqual(lint.choose(paths_, known), ["node/b.cc", "node/d.cc", "node/a.cc"])

    def test_lint_reads_sources_of_one_folder_and_one_kind_together(self):
        flags = {"a/1.cc": ["-O"], "a/2.cc": ["-O"], "a/3.cc": ["-g"], "a/4.cc": ["-O"],
                 "b/1.cc": ["-O"]}
        self.assertEqual(lint.batches(sorted(flags), flags, 2),
                         [["a/1.cc", "a/2.cc"], ["a/4.cc"], ["a/3.cc"], ["b/1.cc"]])

    def test_lint_reads_sources_alone_that_do_not_compile_together(self):
        self.write("tidy", "#!/bin/sh\ncase $2 in *_and_more.cc) "
                          "echo 'x.cc:1: error: y [clang-diagnostic-error]'; exit 1;;\n"
                          "*/bad.cc) echo 'bad.cc:1: warning: z'; exit 1;; esac\n")
        tidy = self.root / "tidy"
        tidy.chmod(0o755)
        options = argparse.Namespace(tidy=str(tidy), build=self.root)
        outcomes = lint.lint(options, ["a/bad.cc", "a/good.cc"], {"a/bad.cc": [], "a/good.cc": []})
        self.assertEqual([(paths_, clean) for paths_, clean, _ in outcomes],
                         [(["a/bad.cc"], False), (["a/good.cc"], True)])

    # scripts/test

    def count(self, commands):
        script = pathlib.Path(__file__).resolve().parents[2] / "scripts/test"
        functions = r"/^\(count\|step\|part\)() {/,/^}/p"
        done = subprocess.run(
            ["bash", "-c", f"eval \"$(sed -n '{functions}' {script})\"\n"
             "passed=0 failed=0 skipped=0\n"
             f"{commands}\necho $passed $failed $skipped"],
            cwd=self.root, env={"PATH": os.environ["PATH"]},  # no MOBULA_PARTS of the run we are in
            capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    def test_skipped_tests_are_not_among_those_that_passed(self):
        self.write("ctest.log", "90% tests passed, 1 tests failed out of 10\n\n"
                   "These tests did not run:\n\t  7 - e2e.a (Skipped)\n\t 11 - b (Disabled)\n")
        self.assertEqual(self.count("count release ctest.log; count asan ctest.log"), "16 2 4")

    def test_a_part_that_did_not_run_has_failed(self):
        self.assertEqual(self.count("part docs step docs true; part lint true"), "1 1 0")
        self.assertEqual(self.count("part docs step docs false; part lint step lint true"), "1 1 0")

    # headers and format

    def test_a_header_that_needs_another_one(self):
        self.write("node/a.h", "#pragma once\nstd::string Name();\n")
        found = headers.check(self.root, "g++", self.root / "build")
        self.assert_finds(found, "node/a.h: does not compile alone", "string")

    def test_a_header_is_compiled_again_when_what_it_includes_changes(self):
        self.write("node/a.h", '#pragma once\n#include "node/b.h"\ninline B b;\n')
        self.write("node/b.h", "#pragma once\nstruct B {};\n")
        self.assertEqual(headers.check(self.root, "g++", self.root / "build"), [])
        self.write("node/b.h", "#pragma once\nstruct C {};\n")
        self.assert_finds(headers.check(self.root, "g++", self.root / "build"), "node/a.h")

    def test_a_badly_formatted_file(self):
        self.write(".clang-format", "BasedOnStyle: Google\n")
        self.write("node/a.cc", "int  a ;\n")
        found = headers.check_format(self.root, shutil.which("clang-format-19"))
        self.assert_finds(found, "node/a.cc: run clang-format-19 -i")


if __name__ == "__main__":
    unittest.main(buffer=True)
