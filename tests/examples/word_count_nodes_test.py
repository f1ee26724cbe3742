#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs examples/word_count on two nodes of this host, each on a port of its own.

Usage: word_count_nodes_test.py PROGRAM
Exits with 77 when everything was skipped.
"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = ""
TIMEOUT = 50


class Node:
    """A node; it ends with the test."""

    def __init__(self, test):
        self.process = subprocess.Popen(
            [PROGRAM, "--puma-node", "tcp://127.0.0.1:0", "--puma-insecure"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        test.addCleanup(self.end)
        self.address = self.process.stdout.readline().split()[-1]

    def end(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()


class WordCountOnNodes(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)
        self.texts = self.dir / "texts"
        self.texts.mkdir()
        for i in range(20):
            words = " ".join(f"w{'abcdefghij'[j % 10]}x" for j in range(i * 500))
            (self.texts / f"{i}").write_text(words, encoding="ascii")

    def run_with(self, *args):
        return subprocess.run(
            [PROGRAM, str(self.texts), *map(str, args)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            text=True,
            check=False,
        )

    def test_counts_as_in_threads(self):
        left, right = Node(self), Node(self)
        placement = self.dir / "placement.yaml"
        placement.write_text(
            "nodes:\n"
            f"  left: {{address: '{left.address}'}}\n"
            f"  right: {{address: '{right.address}'}}\n"
            "groups:\n"
            "  farm: [left, right]\n"
            "place:\n"
            "  'reader': thread\n",
            encoding="ascii",
        )
        expected = self.run_with()
        self.assertEqual(expected.returncode, 0, expected.stderr)
        self.assertNotEqual(expected.stdout, "")
        options = ("--puma-placement", placement, "--puma-insecure")

        by_code = self.run_with("--env", "farm", *options)
        self.assertEqual(by_code.returncode, 0, by_code.stderr)
        self.assertEqual(by_code.stdout, expected.stdout)

        by_rule = self.run_with(
            "--puma-place", "splitter *=left", "--puma-place", "counter *=right", *options
        )
        self.assertEqual(by_rule.returncode, 0, by_rule.stderr)
        self.assertEqual(by_rule.stdout, expected.stdout)

    def test_says_that_a_place_does_not_exist(self):
        result = self.run_with("--puma-place", "counter *=nowhere")
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("no place 'nowhere'", result.stderr)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
