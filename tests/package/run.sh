#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs a built tree, then builds and runs a project that uses the result.
# Usage: tests/package/run.sh <build directory> [cmake configure options]

set -euo pipefail

build=$1
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

fail() {
  echo "package: $1" >&2
  shift
  printf '  %s\n' "$@" >&2
  exit 1
}

cmake --install "$build" --prefix "$temp/staged" >"$temp/install.log" \
  || fail "cmake --install failed" "$(cat "$temp/install.log")"

# An installed tree must work wherever it is moved to.
prefix=$temp/prefix
mv "$temp/staged" "$prefix"

mapfile -t internal < <(find "$prefix" -path '*/internal/*')
if ((${#internal[@]} > 0)); then
  fail "internal headers have been installed:" "${internal[@]}"
fi

mapfile -t tied < <(grep -rlF -e "$root" -e "$temp/staged" \
  --include='*.cmake' "$prefix" || true)
if ((${#tied[@]} > 0)); then
  fail "these files name a directory of the build:" "${tied[@]}"
fi

cmake -S "$here" -B "$temp/build" -DCMAKE_PREFIX_PATH="$prefix" "$@"
cmake --build "$temp/build"
"$temp/build/consumer"
"$temp/build/consumer_with_caf"
