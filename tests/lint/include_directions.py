#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks which file of the project includes which, and the licence lines.

Prints one line per violation: file:line: rule.
"""

import argparse
import re
import sys
from pathlib import Path

# A folder of puma/ includes only itself and the folders before it.
FOLDERS = [
    "base",
    "logging",
    "buffers",
    "actors",
    "environments",
    "attributes",
    "testing",
]

# Folders that ThreadSanitizer must be able to judge.
CAF_FREE = ["puma/base/", "puma/buffers/internal/"]

# Libraries that no public header includes.
HIDDEN_LIBRARIES = ["caf", "spdlog", "fmt", "yaml-cpp", "CLI"]

# But this one lets the compiler check format strings, and costs little.
SHOWN_HEADERS = ["fmt/core.h"]

LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENSED_DIRS = ["puma", "tests", "examples", "benchmarks", "cmake", "scripts", ".ci"]
LICENSED_SUFFIXES = {".hpp", ".cpp", ".h", ".cmake", ".in", ".py", ".sh"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


class Checker:
    def __init__(self, root):
        self.root = root
        self.violations = []
        # path -> [(line number, bracket, included path)]
        self.includes = {}

    def report(self, path, line, rule):
        self.violations.append((path, line, rule))

    def sources(self, folder):
        return sorted(
            path
            for path in (self.root / folder).rglob("*")
            if path.suffix in {".hpp", ".cpp"} and path.is_file()
        )

    def load(self, folder):
        for path in self.sources(folder):
            name = path.relative_to(self.root).as_posix()
            found = []
            for number, line in enumerate(read_lines(path), 1):
                match = INCLUDE.match(line)
                if match:
                    found.append((number, match[1], match[2]))
                code = line.split("//")[0]
                if folder == "puma" and re.search(r"\bcaf::infinite\b", code):
                    rule = "no caf::infinite: every wait has a limit"
                    self.report(name, number, rule)
            self.includes[name] = found

    def check_puma(self, name):
        parts = name.split("/")
        folder = parts[1] if len(parts) > 2 else None
        if folder is not None and folder not in FOLDERS:
            rule = f"puma/{folder} is no known folder; see FOLDERS in this check"
            self.report(name, 1, rule)
            return
        public = name.endswith(".hpp") and "internal" not in parts
        for line, bracket, target in self.includes[name]:
            first = target.split("/")[0]
            if first == "puma":
                self.check_project_include(name, line, target, folder, public)
            elif bracket == '"':
                rule = f'"{target}": include project files as "puma/..."'
                self.report(name, line, rule)
            elif public and first in HIDDEN_LIBRARIES:
                shown = target in SHOWN_HEADERS
                if not shown and not (name == "puma/caf.hpp" and first == "caf"):
                    rule = f"a public header must not include <{target}>"
                    self.report(name, line, rule)

    def check_project_include(self, name, line, target, folder, public):
        parts = target.split("/")
        if public and "internal" in parts:
            rule = f"a public header must not include the internal {target}"
            self.report(name, line, rule)
        if folder is None:
            return
        if len(parts) == 2:
            self.report(name, line, f"files in folders must not include {target}")
        elif parts[1] not in FOLDERS:
            self.report(name, line, f"{target}: puma/{parts[1]} is no known folder")
        elif FOLDERS.index(parts[1]) > FOLDERS.index(folder):
            rule = f"puma/{folder} must not include puma/{parts[1]} ({target})"
            self.report(name, line, rule)

    def check_caf_free(self, name):
        """Follows the includes of `name` to the first one of CAF."""
        for line, _, target in self.includes[name]:
            chain = self.way_to_caf(target, {name})
            if chain:
                self.report(name, line, "must not include CAF: " + " -> ".join(chain))

    def way_to_caf(self, target, seen):
        if target.split("/")[0] == "caf":
            return [target]
        if target in seen:
            return None
        seen.add(target)
        for _, _, following in self.includes.get(target, []):
            chain = self.way_to_caf(following, seen)
            if chain:
                return [target] + chain
        return None

    def check_example(self, name):
        for line, _, target in self.includes[name]:
            if target.startswith("puma/") and "internal" in target.split("/"):
                rule = f"an example must not include the internal {target}"
                self.report(name, line, rule)

    def check_licences(self):
        files = [self.root / "CMakeLists.txt"]
        for folder in LICENSED_DIRS:
            files += sorted((self.root / folder).rglob("*"))
        for path in files:
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            lines = read_lines(path)
            script = bool(lines) and lines[0].startswith("#!")
            if not (
                script
                or path.suffix in LICENSED_SUFFIXES
                or path.name == "CMakeLists.txt"
            ):
                continue
            # The first line, or the one after the interpreter's.
            line = 2 if script else 1
            if len(lines) < line or not lines[line - 1].rstrip().endswith(LICENCE):
                name = path.relative_to(self.root).as_posix()
                self.report(name, line, f"expected '{LICENCE}'")

    def run(self):
        for folder in ["puma", "examples"]:
            self.load(folder)
        for name in self.includes:
            if name.startswith("examples/"):
                self.check_example(name)
                continue
            self.check_puma(name)
            if any(name.startswith(prefix) for prefix in CAF_FREE):
                self.check_caf_free(name)
        self.check_licences()
        return sorted(self.violations)


def read_lines(path):
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parents[2]
    )
    root = parser.parse_args().root.resolve()
    if not (root / "puma").is_dir():
        parser.error(f"no folder puma in {root}")

    violations = Checker(root).run()
    for path, line, rule in violations:
        print(f"{path}:{line}: {rule}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
