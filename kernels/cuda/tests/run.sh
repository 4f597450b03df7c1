#!/usr/bin/env bash
# The CUDA kernel under sanitizers, without a GPU. ThreadSanitizer says nothing, but complains once any of the barriers is
# taken out; AddressSanitizer says nothing, but complains of a row beyond the table. And shared memory's banks are counted.
#
# Needs a C++20 compiler (CXX); where its sanitizers don't work, says so and checks nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
builds=$(mktemp -d)
trap 'rm -rf "$builds"' EXIT

common=(-std=c++20 -O1 -g1 -fno-strict-aliasing -Wall -Wextra -Wno-unknown-pragmas -Wno-tsan -pthread
  -I"$here" -I"$here/../device" -DAS_PROGRAM -DBLOCKS=1 -DTHREADS=64 -DBIAS=1 -DMOMENTUM=0)
small=(-DSIZES=6,9,1 -DACTIVATIONS=kRelu,kIdentity -DLOSS=kSigmoidCrossEntropy -DOPTIMIZER=kAdam -DBATCH=10 -DTILE=8
  -DPARTS=0)
full=(-DSIZES=5,9,7,3 -DACTIVATIONS=kTanh,kGelu,kIdentity -DLOSS=kSoftmaxIntegerLabels -DOPTIMIZER=kAdam -DBATCH=11
  -DTILE=4 -DPARTS=0)
for option in NESTEROV DECAY L2 L2_OVER_ROWS CLIP DROPOUT WIDTHS SCHEDULE BOOTSTRAP INDEXED ROW_WEIGHTS CLASS_WEIGHTS SHUFFLE; do
  small+=("-D$option=0")
  full+=("-D$option=1")
done

has_sanitizer() {
  echo 'int main() { return 0; }' >"$builds/probe.cc"
  "${CXX:-c++}" "-fsanitize=$1" "$builds/probe.cc" -o "$builds/probe" 2>/dev/null && "$builds/probe"
}

# Whether the sanitizer is silent: sanitizer, then flags.
is_silent() {
  "${CXX:-c++}" "${common[@]}" "-fsanitize=$1" "${@:2}" "$here/emulate.cc" -o "$builds/kernel" || exit 1
  "$builds/kernel" >"$builds/log" 2>&1
}

expect() {  # "silence" or "complaint", what is checked, sanitizer, flags
  local got=failure
  if is_silent "${@:3}"; then got=silence; elif grep -q "Sanitizer: " "$builds/log"; then got=complaint; fi
  echo "-- cuda, $3, $2: $got"
  if [ "$got" = "$1" ]; then return 0; fi
  head -n 40 "$builds/log"
  echo "-- cuda, $3, $2: FAILED, expected $1"
  return 1
}

# So many of the passes over shared memory's banks may be conflicts, in shapes that are laid out differently.
banks() {  # what is checked, the share, flags
  "${CXX:-c++}" "${common[@]}" -UTHREADS "${@:3}" "-DMOST_CONFLICTS=$2" "$here/emulate.cc" -o "$builds/kernel" || exit 1
  "$builds/kernel" >"$builds/log" && echo "-- cuda, banks, $1: $(tail -n 1 "$builds/log")" && return 0
  cat "$builds/log"
  echo "-- cuda, banks, $1: FAILED, more than $2"
  return 1
}
tensor=(-UPARTS -DPARTS=3 -UTILE -DTILE=2)
model=("${small[@]}" -USIZES -DSIZES=20,64,32,1 -UACTIVATIONS -DACTIVATIONS=kRelu,kRelu,kIdentity -UBATCH -UTILE)
banks "batches of 32" 0.05 "${model[@]}" -DTHREADS=128 -DBATCH=32 -DTILE=8
banks "batches of 128" 0.05 "${model[@]}" -DTHREADS=256 -DBATCH=128 -DTILE=4
banks "tensor cores" 0.07 "${model[@]}" "${tensor[@]}" -DTHREADS=128 -DBATCH=32 -UTILE -DTILE=3

if has_sanitizer thread; then
  expect silence "a small network" thread "${small[@]}"
  expect silence "every option" thread "${full[@]}"
  expect silence "every option, on tensor cores" thread "${full[@]}" "${tensor[@]}"
  expect complaint "without the first barrier" thread "${small[@]}" -DWITHOUT_FIRST_BARRIER
  expect complaint "without the second barrier" thread "${small[@]}" -DWITHOUT_SECOND_BARRIER
  expect complaint "without a warp's barrier" thread "${small[@]}" -DWITHOUT_WARP_BARRIER
  expect complaint "without a warp's barrier, on tensor cores" thread "${small[@]}" "${tensor[@]}" -DWITHOUT_WARP_BARRIER
  expect complaint "without the barrier of clipping" thread "${full[@]}" -DWITHOUT_CLIP_BARRIER
else
  echo "-- cuda, thread: SKIPPED, since ${CXX:-c++} can't build or run a program with -fsanitize=thread"
fi
if has_sanitizer address,undefined; then
  expect silence "every option" address,undefined "${full[@]}" -fno-sanitize-recover=undefined
  expect silence "every option, on tensor cores" address,undefined "${full[@]}" "${tensor[@]}" -fno-sanitize-recover=undefined
  expect complaint "a row beyond the table" address,undefined "${full[@]}" -DOVERRUN
else
  echo "-- cuda, address: SKIPPED, since ${CXX:-c++} can't build or run a program with -fsanitize=address"
fi
