#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of a program with workers as a whole: signals, and its death.

Usage: app_test.py PROGRAM [App.test_...]
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = ""

# Far more than a loaded machine needs, far less than the time-out of a test.
PATIENCE = 30


def is_gone(pid):
    """Whether a process has ended; who has to reap it is another matter."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(holds, limit):
    deadline = time.monotonic() + limit
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Running:
    """A program in a process group of its own."""

    def __init__(self, *args):
        self.directory = tempfile.mkdtemp(prefix="puma-app-")
        self.text = b""
        self.workers = []
        self.process = subprocess.Popen(
            [PROGRAM, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "XDG_RUNTIME_DIR": self.directory},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.communicate()
        shutil.rmtree(self.directory, ignore_errors=True)

    def read_until(self, expected):
        deadline = time.monotonic() + PATIENCE
        stream = self.process.stdout.fileno()
        while True:
            place = self.text.find(expected)
            if place >= 0 and b"\n" in self.text[place:]:
                break
            left = deadline - time.monotonic()
            if left < 0 or not select.select([stream], [], [], left)[0]:
                raise AssertionError(f"no {expected!r} after {self.text!r}")
            more = os.read(stream, 65536)
            if not more:
                raise AssertionError(
                    f"ended without {expected!r} after {self.text!r}: "
                    + self.process.stderr.read().decode()
                )
            self.text += more

    def wait_until_ready(self):
        self.read_until(b"ready")
        self.workers = [
            int(line.split()[1])
            for line in self.text.splitlines()
            if line.startswith(b"worker")
        ]

    def send_to_group(self, number):
        os.killpg(self.process.pid, number)

    def finish(self):
        """Returns exit code, the whole standard output, and standard error."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, (self.text + out).decode(), err.decode()


class App(unittest.TestCase):
    def expect_orderly_end(self, app):
        code, out, err = app.finish()
        self.assertEqual(code, 0, err)
        self.assertIn("total", out, err)
        self.assertTrue(
            wait_until(lambda: all(map(is_gone, app.workers)), 5), app.workers
        )
        self.assertEqual(os.listdir(app.directory), [])
        return err

    def test_drains_when_the_group_gets_sigint(self):
        with Running("pipeline") as app:
            app.wait_until_ready()
            self.assertEqual(len(app.workers), 3)

            app.send_to_group(signal.SIGINT)

            self.expect_orderly_end(app)

    def test_drains_when_the_group_gets_sighup_and_then_the_owner_sigterm(self):
        with Running("pipeline") as app:
            app.wait_until_ready()
            for pid in app.workers:
                os.kill(pid, signal.SIGHUP)

            app.process.send_signal(signal.SIGTERM)

            self.expect_orderly_end(app)

    def test_goes_on_after_the_group_was_stopped(self):
        with Running("pipeline") as app:
            app.wait_until_ready()

            app.send_to_group(signal.SIGSTOP)
            time.sleep(10)
            app.send_to_group(signal.SIGCONT)

            time.sleep(4)  # would be judged by now
            app.text = b""
            app.read_until(b"progress")
            app.send_to_group(signal.SIGINT)
            err = self.expect_orderly_end(app)
            self.assertNotIn("answer", err)

    def test_takes_its_workers_along_when_it_is_killed(self):
        for scenario in ["idle", "pipeline"]:
            with self.subTest(scenario), Running(scenario) as app:
                app.wait_until_ready()
                self.assertGreaterEqual(len(app.workers), 2)
                self.assertFalse(any(map(is_gone, app.workers)))

                app.process.kill()

                self.assertTrue(wait_until(lambda: all(map(is_gone, app.workers)), 20))

    def test_takes_its_workers_along_when_it_exits(self):
        with Running("exit") as app:
            app.wait_until_ready()

            self.assertTrue(wait_until(lambda: all(map(is_gone, app.workers)), 20))

    def test_takes_stopped_workers_along_when_it_is_killed(self):
        with Running("idle") as app:
            app.wait_until_ready()
            os.kill(app.workers[0], signal.SIGSTOP)

            app.process.kill()

            self.assertTrue(wait_until(lambda: all(map(is_gone, app.workers)), 20))

    def test_fails_when_a_worker_is_killed(self):
        with Running("pipeline") as app:
            app.wait_until_ready()

            os.kill(app.workers[1], signal.SIGKILL)

            code, _, err = app.finish()
            self.assertEqual(code, 1)
            self.assertIn("SIGKILL", err)
            self.assertTrue(wait_until(lambda: all(map(is_gone, app.workers)), 5))
            self.assertEqual(os.listdir(app.directory), [])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
