#!/usr/bin/env bash
# Holds the sources to the rooms and arrows of docs/design.md: which folder of src/ may include which other, and who may
# see MPI, NCCL, HDF5 and LibTorch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

leaves="coordinator dataset model comm store report"
declare -A may_include=(
  [job]=""
  [coordinator]="job"
  [simulation]="job coordinator"
  [model]="job store"
  [comm]="job"
  [store]="job"
  [report]="job"
  [dataset]="job store"
  [infer]="job $leaves"
  [train]="job $leaves"
  [serve]="job $leaves"
  [sweep]="job $leaves infer train"
  [cli]="job $leaves simulation infer train serve sweep"
)
found=0
problem() { echo "$*" && found=1; }

# Includes of our own: "room/file.hpp".
while IFS=: read -r file line text; do
  room=${file#src/} && room=${room%%/*}
  used=${text#*\"} && used=${used%%/*}
  if [[ -z ${may_include[$room]+known} ]]; then
    problem "$file:$line: src/$room is not a room that tests/checks/rooms.sh knows"
  elif [[ $used != "$room" && " ${may_include[$room]} " != *" $used "* ]]; then
    problem "$file:$line: $room must not include $used (it may include: ${may_include[$room]:-nothing but itself})"
  fi
done < <(grep -rnE --include='*.[ch]pp' '^ *# *include +"[a-z_]+/' src/*/ || true)

# Libraries: a pattern of headers, what it is called, the rooms that may include them.
only() {
  local file line text room
  while IFS=: read -r file line text; do
    room=${file#src/} && room=${room%%/*}
    [[ " $3 " == *" $room "* ]] || problem "$file:$line: $room must not include $2 (only these may: $3)"
  done < <(grep -rnE --include='*.[ch]pp' "^ *# *include +[<\"]($1)" src || true)
}
only 'mpi\.h|mpi-ext\.h|nccl\.h' "MPI and NCCL" "comm"
only 'hdf5|H5[A-Z]|H5public' "HDF5" "store dataset"
only '(torch|ATen|c10|caffe2)/' "LibTorch" "model infer train serve"

exit $found
