#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command and judges its exit code and its output together.

CTest's PASS_REGULAR_EXPRESSION ignores the exit code.
"""

import argparse
import os
import re
import signal
import subprocess
import sys


def run(command, timeout):
    """Returns the exit code, or None after the time-out, and the output."""
    # A session of its own, so that the children of a hanging program end, too.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exit", choices=["success", "failure"], default="success")
    parser.add_argument("--match", required=True, metavar="REGEX")
    parser.add_argument("--no-match", metavar="REGEX")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()

    code, output = run(options.command, options.timeout)
    print(output, end="", flush=True)

    problems = []
    if code is None:
        problems.append(f"still running after {options.timeout:g} s")
    elif (code == 0) != (options.exit == "success"):
        problems.append(f"exit code {code}, expected {options.exit}")
    elif code < 0:
        problems.append(f"ended by signal {-code}")
    if not re.search(options.match, output, re.MULTILINE):
        problems.append(f"output does not match: {options.match}")
    if options.no_match and re.search(options.no_match, output, re.MULTILINE):
        problems.append(f"output must not match: {options.no_match}")
    for problem in problems:
        print(f"expect: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
