# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Functions for the other scripts; to be sourced.

# Runs a command and shows its output only when it fails.
# Usage: quietly <what it does> <command>...
quietly() {
  local what=$1 log start=$SECONDS code=0
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || code=$?
  if ((code == 0)); then
    echo "$what: ok ($((SECONDS - start)) s)"
  else
    cat "$log"
    echo "$what: failed with exit code $code ($((SECONDS - start)) s): $*" >&2
  fi
  rm -f "$log"
  return "$code"
}

# Configures and builds a preset. Usage: build_preset <preset> [target]...
build_preset() {
  local preset=$1
  shift
  quietly "configure $preset" cmake --preset "$preset" || return
  quietly "build $preset" cmake --build --preset "$preset" ${1:+--target "$@"}
}
