#!/usr/bin/env bash
# The CUDA kernel under sanitizers, without a GPU: ThreadSanitizer says nothing, but for each barrier that is taken out;
# AddressSanitizer says nothing, but for a row that lies beyond the table.
#
# Needs a C++20 compiler (CXX) whose sanitizers work.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
builds=$(mktemp -d)
trap 'rm -rf "$builds"' EXIT

common=(-std=c++20 -O1 -g1 -fno-strict-aliasing -Wall -Wextra -Wno-unknown-pragmas -Wno-tsan -pthread
  -I"$here" -I"$here/../device" -DAS_PROGRAM -DTHREADS=64 -DBLOCKS=1)
off=(NESTEROV MOMENTUM DECAY L2 CLIP DROPOUT WIDTHS SCHEDULE BOOTSTRAP INDEXED ROW_WEIGHTS CLASS_WEIGHTS SHUFFLE)
plain=(-DSIZES=6,9,1 -DACTIVATIONS=kRelu,kIdentity -DLOSS=kSigmoidCrossEntropy -DOPTIMIZER=kAdam -DBATCH=10 -DTILE=8
  -DBIAS=1)
plain_bytes=4544
full=(-DSIZES=5,9,7,3 -DACTIVATIONS=kTanh,kGelu,kIdentity -DLOSS=kSoftmaxIntegerLabels -DOPTIMIZER=kAdam -DBATCH=11
  -DTILE=4 -DBIAS=1)
full_bytes=7136
everything=(-DNESTEROV=1 -DDECAY=1 -DL2=1 -DCLIP=1 -DDROPOUT=1 -DWIDTHS=1 -DSCHEDULE=1 -DBOOTSTRAP=1 -DINDEXED=1
  -DROW_WEIGHTS=1 -DCLASS_WEIGHTS=1 -DSHUFFLE=1 -DMOMENTUM=0)

build() {  # sanitizer, network ("plain" or "full"), further flags
  local flags=("${plain[@]}" -DSHARED_BYTES=$plain_bytes "${off[@]/#/-D}")
  flags=("${flags[@]/%NESTEROV/NESTEROV=0}")
  if [ "$2" = full ]; then flags=("${full[@]}" -DSHARED_BYTES=$full_bytes "${everything[@]}"); fi
  "${CXX:-c++}" "${common[@]}" "-fsanitize=$1" "${flags[@]}" "${@:3}" "$here/emulate.cc" -o "$builds/$1-$2-${3:-as-it-is}"
}
