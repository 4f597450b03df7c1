#!/usr/bin/env bash
# Build and run the kernels' own tests: as they are shipped, with every instruction set this machine has, then under
# the address, undefined-behaviour and thread sanitizers.
#
# Usage: run.sh [plain] [address,undefined] [thread]
# Needs cmake, ninja and a C++ compiler (CXX); and a Python with jaxlib (PYTHON), for its headers.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
builds=$(mktemp -d)
trap 'rm -rf "$builds"' EXIT
python=$(command -v "${PYTHON:-python3}")

build() {  # kind, then further settings
  cmake -G Ninja -S "$source_folder" -B "$builds/$1" -DCMAKE_BUILD_TYPE=Release -DJAXBM_TESTS=ON \
    -DPython_EXECUTABLE="$python" "${@:2}" >"$builds/log" && ninja -C "$builds/$1" kernel_tests >"$builds/log" ||
    { cat "$builds/log"; return 1; }
  if grep -i -A4 'warning:' "$builds/log"; then echo "$1: a warning is an error here"; return 1; fi
}

plain() {
  build plain
  local sets="generic"
  if [ "$(uname -m)" = x86_64 ]; then
    sets="v2"
    if grep -qw avx2 /proc/cpuinfo; then sets="$sets v3"; fi
    if grep -qw avx512vl /proc/cpuinfo; then sets="$sets v4"; fi
    if grep -qw amx_bf16 /proc/cpuinfo; then sets="$sets v4_amx"; fi
  fi
  for set in $sets; do echo "-- plain, $set"; JAXBM_ISA=$set "$builds/plain/kernel_tests"; done
}

has_sanitizer() {
  echo 'int main() { return 0; }' >"$builds/probe.cc"
  "${CXX:-c++}" "-fsanitize=$1" "$builds/probe.cc" -o "$builds/probe" 2>"$builds/log" && "$builds/probe"
}

sanitized() {
  if ! has_sanitizer "$1"; then
    echo "-- $1: SKIPPED, since ${CXX:-c++} can't build or run a program with -fsanitize=$1:"
    tail -n 3 "$builds/log"
    return 0
  fi
  # One instruction set finds what there is to find; the narrowest that the machine would choose itself.
  local set=v2
  if [ "$(uname -m)" != x86_64 ]; then set=generic; elif grep -qw avx2 /proc/cpuinfo; then set=v3; fi
  build "$1" -DJAXBM_SANITIZE="$1" -DJAXBM_INSTRUCTION_SETS="$set"
  echo "-- $1, $set"
  "$builds/$1/kernel_tests"
}

for kind in "${@:-plain address,undefined thread}"; do
  for one in $kind; do
    SECONDS=0
    if [ "$one" = plain ]; then plain; else sanitized "$one"; fi
    echo "-- $one: $SECONDS s"
  done
done
