#!/usr/bin/env bash
# Build and run the kernels' own tests: as they are shipped, with every instruction set this machine has, then under
# the address, undefined-behaviour and thread sanitizers.
#
# Usage: run.sh [plain] [address,undefined] [thread], or run.sh headers: one instruction set, for jaxlib's headers alone
# Needs cmake, ninja and a C++ compiler (CXX); and a Python with jaxlib (PYTHON), for its headers.
set -euo pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
builds=$(mktemp -d)
trap 'rm -rf "$builds"' EXIT
python=$(command -v "${PYTHON:-python3}")

build() {  # kind, then further settings
  cmake -G Ninja -S "$source_folder" -B "$builds/$1" -DCMAKE_BUILD_TYPE=Release -DJAXBM_TESTS=ON \
    -DPython_EXECUTABLE="$python" "${@:2}" >"$builds/$1.log" && ninja -C "$builds/$1" kernel_tests >"$builds/$1.log" ||
    { cat "$builds/$1.log"; return 1; }
  if grep -i -A4 'warning:' "$builds/$1.log"; then echo "$1: a warning is an error here"; return 1; fi
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

# The one that the machine would choose itself, short of AVX-512.
narrow() {
  if [ "$(uname -m)" != x86_64 ]; then echo generic; elif grep -qw avx2 /proc/cpuinfo; then echo v3; else echo v2; fi
}

# What depends on this Python's jaxlib: whether its headers compile, and what they make of the calls.
headers() {
  build headers -DJAXBM_INSTRUCTION_SETS="$(narrow)"
  echo "-- headers of $("$python" -c 'import jaxlib; print("jaxlib", jaxlib.__version__)'), $(narrow)"
  "$builds/headers/kernel_tests"
}

has_sanitizer() {
  echo 'int main() { return 0; }' >"$builds/probe.cc"
  "${CXX:-c++}" "-fsanitize=$1" "$builds/probe.cc" -o "$builds/probe.$1" 2>"$builds/$1.log" && "$builds/probe.$1"
}

sanitized() {
  if ! has_sanitizer "$1"; then
    echo "-- $1: SKIPPED, since ${CXX:-c++} can't build or run a program with -fsanitize=$1:"
    tail -n 3 "$builds/$1.log"
    return 0
  fi
  build "$1" -DJAXBM_SANITIZE="$1" -DJAXBM_INSTRUCTION_SETS="$(narrow)"  # one set finds what there is to find
  echo "-- $1, $(narrow)"
  "$builds/$1/kernel_tests"
}

one() {  # kind, and how long it took
  SECONDS=0
  case $1 in plain | headers) "$1" ;; *) sanitized "$1" ;; esac
  echo "-- $1: $SECONDS s"
}

# Side by side, since each keeps about one core busy; told one after another.
kinds=$(echo "${@:-plain address,undefined thread}") processes=()
for kind in $kinds; do
  one "$kind" >"$builds/$kind.out" 2>&1 &
  processes+=($!)
done
failed=0
for kind in $kinds; do
  wait "${processes[0]}" || { failed=1; echo "-- $kind: FAILED"; }
  processes=("${processes[@]:1}")
  cat "$builds/$kind.out"
done
exit $failed
