#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of puma::main with real processes and real signals.

Usage: main_test.py PROGRAM [Main.test_...]
"""

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = ""

# Far more than a loaded machine needs, far less than the time-out of a test.
PATIENCE = 40


def run(*args):
    return subprocess.run(
        [PROGRAM, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        text=True,
    )


class Running:
    """A program that runs until it gets signals."""

    def __init__(self, *args):
        # A session of its own, so that only the test's signals reach it.
        self.process = subprocess.Popen(
            [PROGRAM, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for_line(self, stream, expected):
        """Reads up to the line that contains `expected`, unbuffered."""
        deadline = time.monotonic() + PATIENCE
        line = b""
        while expected not in line or not line.endswith(b"\n"):
            if line.endswith(b"\n"):
                line = b""
            left = deadline - time.monotonic()
            if left < 0 or not select.select([stream], [], [], left)[0]:
                raise AssertionError(f"no line with {expected!r} came")
            byte = os.read(stream.fileno(), 1)
            if not byte:
                raise AssertionError(f"ended without a line with {expected!r}")
            line += byte

    def wait_until_ready(self):
        self.wait_for_line(self.process.stdout, b"ready")

    def wait_for_log(self, expected):
        self.wait_for_line(self.process.stderr, expected)

    def send(self, number):
        self.process.send_signal(number)

    def finish(self):
        """Returns exit code, standard output and standard error."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), err.decode()


class Main(unittest.TestCase):
    # -- command line ----------------------------------------------------------

    def test_lists_its_options(self):
        result = run("--puma-help")

        self.assertEqual(result.returncode, 0)
        for option in ["--puma-threads", "--puma-log-level", "--puma-drain-timeout"]:
            self.assertIn(option, result.stdout)

    def test_names_an_unknown_option(self):
        result = run("args", "--puma-nonsense=1")

        self.assertEqual(result.returncode, 2)
        self.assertIn("--puma-nonsense", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_names_an_option_with_a_wrong_value(self):
        for wrong in ["many", "-1", "1e9"]:
            with self.subTest(wrong):
                result = run("args", "--puma-threads=" + wrong)

                self.assertEqual(result.returncode, 2)
                self.assertIn("--puma-threads", result.stderr)

    def test_names_an_option_without_its_value(self):
        result = run("args", "--puma-threads")

        self.assertEqual(result.returncode, 2)
        self.assertIn("--puma-threads", result.stderr)

    def test_takes_options_of_a_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("# of the test\npuma-threads=3\n")
            file.flush()
            from_file = run("threads", "--puma-config", file.name)
            overridden = run("threads", "--puma-config", file.name, "--puma-threads=2")

        self.assertEqual(from_file.stdout, "3\n")
        self.assertEqual(overridden.stdout, "2\n")

    def test_names_what_is_wrong_with_a_file_of_options(self):
        missing = run("threads", "--puma-config=/nowhere.conf")
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("puma-nonsense=3\n")
            file.flush()
            unknown = run("threads", "--puma-config", file.name)

        self.assertEqual(missing.returncode, 2)
        self.assertIn("/nowhere.conf", missing.stderr)
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("puma-nonsense", unknown.stderr)

    def test_makes_as_many_threads_as_told(self):
        for args in [["--puma-threads", "3"], ["--puma-threads=3"]]:
            with self.subTest(args):
                result = run("threads", *args)

                self.assertEqual(result.stdout, "3\n")
                self.assertEqual(result.returncode, 0)

    def test_makes_one_thread_per_core(self):
        result = run("threads")

        # Those that the process may use, or those that there are.
        self.assertGreaterEqual(int(result.stdout), 1)
        self.assertLessEqual(int(result.stdout), max(os.cpu_count(), 4))

    def test_leaves_the_other_arguments(self):
        result = run("args", "-x", "--puma-threads", "2", "--other=1", "file")

        self.assertEqual(
            result.stdout, f"[{PROGRAM}]\n[args]\n[-x]\n[--other=1]\n[file]\n"
        )

    def test_leaves_all_arguments_after_two_dashes(self):
        result = run("args", "--", "--puma-threads", "x")

        self.assertEqual(result.returncode, 0)
        self.assertTrue(
            result.stdout.endswith("[--puma-threads]\n[x]\n"), result.stdout
        )

    # -- results ---------------------------------------------------------------

    def test_returns_what_the_body_returns(self):
        self.assertEqual(run("seven").returncode, 7)

    def test_reports_an_exception_of_the_body(self):
        result = run("throw")

        self.assertEqual(result.returncode, 1)
        self.assertIn("the body failed", result.stderr)

    def test_reports_an_exception_without_text(self):
        result = run("throw_number")

        self.assertEqual(result.returncode, 1)
        self.assertNotEqual(result.stderr, "")

    def test_reports_an_error_that_nobody_took(self):
        result = run("leave_error")

        self.assertEqual(result.returncode, 1)
        self.assertIn("nobody took it", result.stderr)
        self.assertIn("failing", result.stderr)

    def test_reports_an_error_that_join_threw(self):
        result = run("join_error")

        self.assertEqual(result.returncode, 1)
        self.assertIn("nobody took it", result.stderr)
        self.assertIn("failing", result.stderr)

    def test_reports_no_error_that_was_caught(self):
        result = run("catch_error")

        self.assertEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "caught\n")
        self.assertNotIn("nobody was told", result.stderr)

    # -- signals ---------------------------------------------------------------

    def expect_all_arrived(self, code, out, err):
        self.assertEqual(code, 0, err)
        counts = re.search(r"made (\d+) arrived (\d+)", out)
        self.assertIsNotNone(counts, out)
        self.assertEqual(counts[1], counts[2])
        self.assertGreaterEqual(int(counts[1]), 1000)

    def test_drains_at_a_signal(self):
        for number in [signal.SIGINT, signal.SIGTERM]:
            with self.subTest(number), Running("pipeline") as program:
                program.wait_until_ready()

                program.send(number)

                self.expect_all_arrived(*program.finish())

    def test_closes_the_publisher_of_the_main_thread_at_a_signal(self):
        with Running("publish") as program:
            program.wait_until_ready()

            program.send(signal.SIGTERM)

            self.expect_all_arrived(*program.finish())

    def test_stops_what_cannot_drain_after_the_drain_timeout(self):
        with Running("clog", "--puma-drain-timeout=0.2") as program:
            program.wait_until_ready()

            program.send(signal.SIGTERM)
            code, _, err = program.finish()

            self.assertEqual(code, 0, err)

    def test_stops_what_cannot_drain_at_the_second_signal(self):
        with Running(
            "clog", "--puma-drain-timeout=3600", "--puma-log-level=info"
        ) as program:
            program.wait_until_ready()

            program.send(signal.SIGINT)
            program.wait_for_log(b"draining")
            program.send(signal.SIGINT)
            code, _, err = program.finish()

            self.assertEqual(code, 0, err)

    def test_ends_what_hangs_at_the_third_signal(self):
        with Running(
            "hang", "--puma-drain-timeout=3600", "--puma-log-level=info"
        ) as program:
            program.wait_until_ready()

            program.send(signal.SIGINT)
            program.wait_for_log(b"draining")
            program.send(signal.SIGINT)
            program.wait_for_log(b"stopping")
            begin = time.monotonic()
            program.send(signal.SIGINT)
            code, _, _ = program.finish()

            self.assertEqual(code, 128 + signal.SIGINT)
            self.assertLess(time.monotonic() - begin, 4)

    def test_ends_what_hangs_some_time_after_the_second_signal(self):
        with Running(
            "hang", "--puma-drain-timeout=3600", "--puma-log-level=info"
        ) as program:
            program.wait_until_ready()

            program.send(signal.SIGTERM)
            program.wait_for_log(b"draining")
            program.send(signal.SIGTERM)
            code, _, err = program.finish()

            self.assertEqual(code, 128 + signal.SIGTERM, err)

    def test_names_what_hangs_after_the_drain_timeout(self):
        with Running("hang", "--puma-drain-timeout=0.2") as program:
            program.wait_until_ready()

            program.send(signal.SIGTERM)

            program.wait_for_log(b"stuck")


def main():
    global PROGRAM
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
