#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the checks in this folder: each finds a planted violation."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


class TreeTest(unittest.TestCase):
    """Runs a script on a small tree of files made for the test."""

    script = None

    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.root = Path(temp.name)

    def plant(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run_script(self, *arguments):
        done = subprocess.run(
            [sys.executable, HERE / self.script, "--root", self.root, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def assert_clean(self):
        self.assertEqual(self.run_script(), (0, ""))

    def assert_violation(self, *parts):
        code, output = self.run_script()
        self.assertEqual(code, 1, output)
        for part in parts:
            self.assertIn(part, output)


class IncludeDirections(TreeTest):
    script = "include_directions.py"

    def setUp(self):
        super().setUp()
        self.plant("CMakeLists.txt", SPDX.replace("//", "#"))
        self.plant("puma/puma.hpp", SPDX + '#include "puma/actors/runner.hpp"\n')
        self.plant("puma/caf.hpp", SPDX + "#include <caf/actor.hpp>\n")
        self.plant("puma/actors/runner.hpp", SPDX + '#include "puma/base/error.hpp"\n')
        self.plant("puma/actors/internal/host.hpp", SPDX + "#include <caf/all.hpp>\n")
        self.plant(
            "puma/actors/runner.cpp",
            SPDX + '#include "puma/actors/internal/host.hpp"\n// no caf::infinite\n',
        )
        self.plant("puma/base/error.hpp", SPDX + "#include <string>\n")

    def test_accepts_a_clean_tree(self):
        self.assert_clean()

    def test_finds_an_include_of_a_folder_further_down(self):
        self.plant("puma/base/bad.cpp", SPDX + '\n#include "puma/actors/runner.hpp"\n')
        self.assert_violation(
            "puma/base/bad.cpp:3: puma/base must not include puma/actors"
        )

    def test_finds_an_unknown_folder(self):
        self.plant("puma/extra/new.hpp", SPDX)
        self.assert_violation("puma/extra/new.hpp:1: puma/extra is no known folder")

    def test_finds_an_include_of_the_header_for_users(self):
        self.plant("puma/testing/bad.hpp", SPDX + '#include "puma/puma.hpp"\n')
        self.assert_violation("puma/testing/bad.hpp:2:")

    def test_finds_an_include_relative_to_the_file(self):
        self.plant("puma/base/bad.cpp", SPDX + '#include "error.hpp"\n')
        self.assert_violation("puma/base/bad.cpp:2:")

    def test_finds_an_internal_header_in_a_public_one(self):
        self.plant(
            "puma/actors/bad.hpp",
            SPDX + '#include "puma/actors/internal/host.hpp"\n',
        )
        self.assert_violation("puma/actors/bad.hpp:2:", "internal")

    def test_finds_a_hidden_library_in_a_public_header(self):
        for header in [
            "caf/actor.hpp",
            "spdlog/spdlog.h",
            "fmt/format.h",
            "yaml-cpp/yaml.h",
            "CLI/CLI.hpp",
        ]:
            self.plant("puma/actors/bad.hpp", SPDX + f"#include <{header}>\n")
            self.assert_violation(
                f"puma/actors/bad.hpp:2: a public header must not include <{header}>"
            )

    def test_allows_only_caf_in_the_header_for_caf_users(self):
        includes = "#include <caf/actor.hpp>\n#include <fmt/format.h>\n"
        self.plant("puma/caf.hpp", SPDX + includes)
        self.assert_violation("puma/caf.hpp:3:")

    def test_finds_caf_in_the_core(self):
        self.plant("puma/buffers/internal/queue.cpp", SPDX + "#include <caf/actor.hpp>\n")
        self.assert_violation("puma/buffers/internal/queue.cpp:2: must not include CAF")

    def test_finds_caf_in_the_core_behind_another_header(self):
        self.plant("puma/logging/internal/sink.hpp", SPDX + "#include <caf/actor.hpp>\n")
        self.plant(
            "puma/buffers/internal/queue.cpp",
            SPDX + '#include "puma/logging/internal/sink.hpp"\n',
        )
        self.assert_violation("puma/logging/internal/sink.hpp -> caf/actor.hpp")

    def test_finds_an_unlimited_wait(self):
        self.plant("puma/actors/bad.cpp", SPDX + "auto x = caf::infinite;\n")
        self.assert_violation("puma/actors/bad.cpp:2: no caf::infinite")

    def test_finds_a_missing_licence_line(self):
        self.plant("tests/bad_test.cpp", "int x;\n")
        self.plant("scripts/bad", "#!/bin/sh\necho\n")
        self.assert_violation("tests/bad_test.cpp:1:", "scripts/bad:2:")

    def test_finds_an_internal_header_in_an_example(self):
        self.plant(
            "examples/bad.cpp", SPDX + "#include <puma/actors/internal/host.hpp>\n"
        )
        self.assert_violation("examples/bad.cpp:2: an example must not include")


class DocsSnippets(TreeTest):
    script = "docs_snippets.py"

    def setUp(self):
        super().setUp()
        self.plant(
            "examples/010_hello.cpp",
            SPDX
            + "int main() {\n  // [body]\n  if (true)\n"
            + "    return 0;\n  // [body]\n}\n",
        )
        self.plant("README.md", self.page("if (true)\n  return 0;\n"))

    @staticmethod
    def page(code, before="<!-- snippet: examples/010_hello.cpp#body -->"):
        return f"# Title\n\n{before}\n```cpp\n{code}```\n\n```sh\nls\n```\n"

    def test_accepts_equal_code(self):
        self.assert_clean()

    def test_accepts_a_reasoned_exception(self):
        self.plant("docs/guide.md", self.page("x\n", "<!-- no snippet: pseudo code -->"))
        self.assert_clean()

    def test_finds_a_difference(self):
        self.plant("docs/guide.md", self.page("return 1;\n"))
        self.assert_violation("docs/guide.md:4: differs from examples/010_hello.cpp#body")

    def test_finds_a_block_without_a_source(self):
        self.plant("docs/guide.md", self.page("return 0;\n", "Text."))
        self.assert_violation("docs/guide.md:4: a C++ block without")

    def test_finds_a_missing_file_and_a_missing_marker(self):
        no_file = "<!-- snippet: examples/none.cpp#body -->"
        no_marker = "<!-- snippet: examples/010_hello.cpp#end -->"
        self.plant("docs/a.md", self.page("", no_file))
        self.plant("docs/b.md", self.page("", no_marker))
        self.assert_violation(
            "docs/a.md:4: no file", "docs/b.md:4: examples/010_hello.cpp has 0"
        )

    def test_write_updates_the_page(self):
        before = (self.root / "README.md").read_text(encoding="utf-8")
        self.plant("README.md", self.page("old\n"))
        self.assertEqual(self.run_script("--write")[0], 0)
        self.assertEqual((self.root / "README.md").read_text(encoding="utf-8"), before)


class Expect(unittest.TestCase):
    def expect(self, *arguments):
        done = subprocess.run(
            [sys.executable, HERE / "expect.py", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    def test_passes_when_both_fit(self):
        self.assertEqual(self.expect("--match", "^b$", "--", "printf", "a\nb\n"), (0, ""))

    def test_fails_on_the_exit_code_although_the_output_matches(self):
        code, text = self.expect("--match", "a", "--", "sh", "-c", "echo a; exit 3")
        self.assertEqual(code, 1)
        self.assertIn("exit code 3", text)

    def test_fails_on_the_output(self):
        self.assertEqual(self.expect("--match", "b", "--", "echo", "a")[0], 1)

    def test_can_expect_a_failure(self):
        arguments = ["--exit", "failure", "--match", "a", "--no-match", "fatal"]
        command = ["--", "sh", "-c"]
        self.assertEqual(self.expect(*arguments, *command, "echo a; exit 1")[0], 0)
        self.assertEqual(self.expect(*arguments, *command, "echo a")[0], 1)
        self.assertEqual(self.expect(*arguments, *command, "echo a fatal; exit 1")[0], 1)

    def test_ends_a_program_that_hangs(self):
        command = ["--", "sh", "-c", "echo a; sleep 30; true"]
        code, text = self.expect("--match", "a", "--timeout", "0.2", *command)
        self.assertEqual(code, 1)
        self.assertIn("still running after 0.2 s", text)


if __name__ == "__main__":
    unittest.main()
