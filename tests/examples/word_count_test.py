#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of examples/word_count.

Usage: word_count_test.py PROGRAM thread|process [WordCount.test_...]
Exits with 77 when everything was skipped.
"""

import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

PROGRAM = ""
ENVIRONMENT = ""
LICENSES = "/usr/share/common-licenses"
BLOCK = 64 * 1024
TIMEOUT = 50

# One file after the other, so that words do not run together where a file ends
# without a line feed.
PLAIN_COUNT = r"""
find -H "$1" -type f -exec sh -c 'for x; do cat "$x"; echo; done' sh {} + \
  | tr -cs A-Za-z '\n' | tr A-Z a-z | grep . | sort | uniq -c \
  | sort -k 1,1nr -k 2,2
"""


def command(*args, program=None):
    return [program or PROGRAM, "--env", ENVIRONMENT, *map(str, args)]


def run(*args, **options):
    return subprocess.run(
        command(*args),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=TIMEOUT,
        text=True,
        **options,
    )


def count_in(text):
    """Counts like the program, in another way."""
    return Counter(re.findall("[a-z]+", text.lower()))


def parse(stdout):
    return {word: int(count) for count, word in map(str.split, stdout.splitlines())}


class WordCount(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="word_count"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def write(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    def expect(self, result, code, summary):
        """Checks the exit code and the last line on stderr."""
        self.assertEqual(result.returncode, code, result.stderr)
        last = result.stderr.splitlines()[-1]
        self.assertRegex(last, "^word_count: " + summary)

    def test_counts_like_tr_sort_uniq(self):
        plain = subprocess.run(
            ["sh", "-c", PLAIN_COUNT, "sh", LICENSES],
            env={**os.environ, "LC_ALL": "C"},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        expected = [line.split() for line in plain.splitlines()]
        self.assertGreater(len(expected), 1000)
        words = sum(int(count) for count, _ in expected)

        for counters in (1, 4, 7):
            with self.subTest(counters=counters):
                result = run(LICENSES, "--counters", counters, "--top", 0)

                self.expect(result, 0, ".* 0 skipped, 0 failed, ")
                self.assertIn(
                    f"; {words} words, {len(expected)} different", result.stderr
                )
                actual = [line.split() for line in result.stdout.splitlines()]
                self.assertEqual(actual, expected)

    def test_counts_words_across_block_borders(self):
        seed = random.randrange(2**32)
        numbers = random.Random(seed)
        words = ["a", "Bc", "def", "supercalifragilistic", "x" * 300]
        text = "".join(
            numbers.choice(words) + numbers.choice([" ", "\n", "1", ", ", "\xe9"])
            for _ in range(20000)
        )
        texts = {
            "random": text,
            "long word": "q" * (3 * BLOCK + 17) + " tail",
            "word at the border": " " * (BLOCK - 2) + "bord" + "er end",
            "ends at the border": " " * (BLOCK - 3) + "abc",
            "goes on at the border": " " * (BLOCK - 3) + "abc" + "d",
            "NUL in the second block": "early " * BLOCK + "\0late",
            "nothing": "",
            "no words": "12345 \n",
        }
        expected = Counter()
        for name, content in texts.items():
            self.write(name, content.encode("latin-1"))
            expected += count_in(content)

        for options in (["--counters", 3], ["--counters", 2, "--capacity", 1]):
            with self.subTest(options=options, seed=seed):
                result = run(self.dir, "--top", 0, *options)

                self.expect(result, 0, f"{len(texts)} files read, 0 skipped, 0 failed")
                self.assertEqual(parse(result.stdout), expected)

    def test_prints_the_top_words_in_order(self):
        self.write("text", "b B c a a c d")

        result = run(self.dir, "--top", 3)

        self.expect(result, 0, "1 files read, .* 7 words, 4 different")
        self.assertEqual(result.stdout, "2 a\n2 b\n2 c\n")

    def test_says_that_a_directory_is_missing(self):
        missing = self.dir / "missing"
        file = self.write("file", "text")

        for path, reason in (missing, "No such file"), (file, "Not a directory"):
            result = run(path)

            self.expect(result, 2, re.escape(str(path)) + ": " + reason)
            self.assertEqual(result.stdout, "")

    def test_says_which_file_is_unreadable(self):
        self.write("a", "one two")
        self.write("locked", "three").chmod(0)
        self.write("locked directory/file", "four")
        self.write("z", "two")
        (self.dir / "locked directory").chmod(0)
        options = {}
        program = PROGRAM
        if os.geteuid() == 0:
            # Root may read everything. Others may not look into the build tree.
            options = {"user": 65534, "group": 65534, "extra_groups": []}
            self.dir.chmod(0o755)
            copies = Path(tempfile.mkdtemp(prefix="word_count"))
            self.addCleanup(shutil.rmtree, copies)
            copies.chmod(0o755)
            program = shutil.copy(PROGRAM, copies)
        try:
            result = subprocess.run(
                command(self.dir, "--top", 0, program=program),
                capture_output=True,
                timeout=TIMEOUT,
                text=True,
                cwd="/",
                **options,
            )
        except PermissionError:
            self.skipTest("root here may neither drop its rights nor lacks any")
        finally:
            (self.dir / "locked directory").chmod(0o755)

        self.expect(result, 1, "2 files read, 0 skipped, 2 failed, .* 3 words")
        for name in "locked", "locked directory":
            self.assertIn(
                f"word_count: {self.dir / name}: Permission denied\n", result.stderr
            )
        self.assertEqual(result.stdout, "2 two\n1 one\n")

    def test_skips_binary_files(self):
        self.write("a", "one")
        binary = self.write("program", b"two \0 three " + b"four " * BLOCK)

        result = run(self.dir)

        self.expect(result, 0, "1 files read, 1 skipped, 0 failed")
        self.assertIn(f"word_count: {binary}: skipped", result.stderr)
        self.assertEqual(result.stdout, "1 one\n")

    def test_takes_an_empty_directory(self):
        result = run(self.dir)

        self.expect(result, 0, "0 files read, .* 0 words")
        self.assertEqual(result.stdout, "")

    def test_leaves_out_links_and_special_files(self):
        self.write("deep/er/text", "one")
        (self.dir / "link").symlink_to("deep/er/text")
        (self.dir / "directory link").symlink_to("deep")
        (self.dir / "dangling").symlink_to("nowhere")
        os.mkfifo(self.dir / "pipe")

        result = run(self.dir)

        self.expect(result, 0, "1 files read, .* 4 links and special files left out")
        self.assertEqual(result.stdout, "1 one\n")

    def test_rejects_wrong_arguments(self):
        for args in (
            [],
            [self.dir, "--counters", "0"],
            [self.dir, "--capacity", "0"],
            [self.dir, "--top", "-1"],
            [self.dir, "--top"],
            [self.dir, "--unknown"],
            [self.dir, "another"],
        ):
            with self.subTest(args=args):
                result = run(*args)

                self.assertEqual(result.returncode, 2, result.stderr)
                self.assertNotEqual(result.stderr, "")
        nowhere = subprocess.run(
            [PROGRAM, self.dir, "--env", "nowhere"], capture_output=True, check=False
        )
        self.assertEqual(nowhere.returncode, 2, nowhere.stderr)
        self.assertEqual(run("--help").returncode, 0)

    def test_says_that_an_interrupted_result_is_partial(self):
        # The first file leads to a message: the program is at work then. The
        # others are one file under many names, more than it reads in a moment.
        self.write("0", b"\0")
        words = 200_000
        text = self.write("1", "word " * words)
        count = 2000
        for i in range(count - 1):
            os.link(text, self.dir / f"1-{i}")

        for number in signal.SIGINT, signal.SIGTERM:
            with self.subTest(signal=number):
                with subprocess.Popen(
                    command(self.dir),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                ) as process:
                    self.addCleanup(process.kill)
                    first = process.stderr.readline()
                    process.send_signal(number)
                    stdout, stderr = process.communicate(timeout=TIMEOUT)

                self.assertIn("skipped", first)
                self.assertEqual(process.returncode, 0, stderr)
                partial = re.search(
                    rf"interrupted: .*partial, of (\d+) of {count + 1} files", stderr
                )
                self.assertTrue(partial, stderr)
                files = int(partial[1]) - 1
                counted = parse(stdout).get("word", 0)
                self.assertLess(files, count)
                # What was read is counted, also of the file that was cut short.
                self.assertGreaterEqual(counted, files * words)
                self.assertLess(counted, (files + 1) * words)

    def test_draws_a_progress_bar_on_a_terminal(self):
        self.write("text", "one two")
        for terminal in True, False:
            if terminal:
                reader, writer = pty.openpty()
            else:
                reader, writer = os.pipe()
            process = subprocess.run(
                command(self.dir),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=writer,
                timeout=TIMEOUT,
                text=True,
            )
            os.close(writer)
            written = b""
            try:
                while part := os.read(reader, 4096):
                    written += part
            except OSError:
                pass  # the end of a terminal
            os.close(reader)

            self.assertEqual(process.returncode, 0)
            self.assertEqual(process.stdout, "1 one\n1 two\n")
            self.assertEqual(b"100 %" in written, terminal, written)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    PROGRAM = os.path.realpath(sys.argv.pop(1))
    ENVIRONMENT = sys.argv.pop(1)
    outcome = unittest.main(exit=False).result
    if not outcome.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if len(outcome.skipped) == outcome.testsRun else 0)
