#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the C++ blocks of README.md and docs/*.md with their sources.

A block follows directly on one of these lines:

    <!-- snippet: examples/010_hello.cpp#tag -->
    <!-- no snippet: the reason -->

The first takes the lines between two comments `// [tag]` of that file, without
their common indentation. Prints one line per problem: file:line: problem.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path

OPEN = re.compile(r"^(\s*)```\s*(?:cpp|c\+\+|cc|cxx)\b", re.IGNORECASE)
SNIPPET = re.compile(r"^\s*<!--\s*snippet:\s*(\S+)#(\S+)\s*-->\s*$")
NO_SNIPPET = re.compile(r"^\s*<!--\s*no snippet:\s*\S.*-->\s*$")
MARKER = re.compile(r"^\s*//\s*\[(\S+)\]\s*$")


class Problem(Exception):
    pass


def cut(root, file, tag):
    """Returns the lines between the two markers `tag` in `file`."""
    path = root / file
    if not path.is_file():
        raise Problem(f"no file {file}")
    lines = path.read_text(encoding="utf-8").splitlines()
    markers = {}
    for index, line in enumerate(lines):
        match = MARKER.match(line)
        if match:
            markers.setdefault(match[1], []).append(index)
    found = markers.get(tag, [])
    if len(found) != 2:
        raise Problem(f"{file} has {len(found)} comments '// [{tag}]', expected 2")
    # Markers of other snippets may lie in between.
    inside = [
        line for line in lines[found[0] + 1 : found[1]] if not MARKER.match(line)
    ]
    return textwrap.dedent("\n".join(inside)).splitlines()


def check(root, path, write):
    """Returns the problems of one page as (line number, text)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    problems = []
    result = []
    index = 0
    while index < len(lines):
        result.append(lines[index])
        opening = OPEN.match(lines[index])
        index += 1
        if not opening:
            continue
        number = index
        indent = opening[1]
        end = index
        while end < len(lines) and lines[end].strip() != "```":
            end += 1
        block = lines[index:end]
        if end == len(lines):
            problems.append((number, "the code block does not end"))
            result += block
            break
        index = end + 1
        before = lines[number - 2] if number > 1 else ""
        snippet = SNIPPET.match(before)
        if snippet:
            try:
                source = cut(root, snippet[1], snippet[2])
                expected = [(indent + line).rstrip() for line in source]
                if write:
                    block = expected
                elif [line.rstrip() for line in block] != expected:
                    raise Problem(
                        f"differs from {snippet[1]}#{snippet[2]}; "
                        "tests/lint/docs_snippets.py --write updates it"
                    )
            except Problem as problem:
                problems.append((number, str(problem)))
        elif not NO_SNIPPET.match(before):
            problems.append(
                (number, "a C++ block without '<!-- snippet: FILE#TAG -->' before it")
            )
        result += block
        result.append(lines[end])
    if write and result != lines:
        path.write_text("\n".join(result) + "\n", encoding="utf-8")
        print(f"{path.relative_to(root)}: updated")
    return problems


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="update the pages")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parents[2]
    )
    options = parser.parse_args()
    root = options.root.resolve()

    pages = [root / "README.md"] + sorted((root / "docs").glob("*.md"))
    failed = False
    for path in pages:
        if not path.is_file():
            continue
        for line, text in check(root, path, options.write):
            print(f"{path.relative_to(root)}:{line}: {text}")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
