#!/usr/bin/env bash
# Nothing unfinished and nothing of the machine or the work it came from is left in the tracked files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  echo "skipped: this is not a git checkout"
  exit 77
fi
found=0
# Each pattern is written so that it does not match itself.
none() {  # what it is, pattern, [pathspec...]
  local what=$1 pattern=$2
  shift 2
  if git grep -nIP "$pattern" -- "${@:-.}" | sed -E "s/^([^:]+:[0-9]+):[[:space:]]*(.{0,80}).*/\1: $what: \2/"; then found=1; fi
}
none "unfinished" '\b(TO[D]O|FIX[M]E|XX[X])\b'
none "a path of one machine" '(?<![\w.\-~$}])/(ro[o]t|wor[k]|hom[e]/\w+)/'
none "a package registry's host" '\b(p[y]pi\.org|python[h]osted\.org|(deb|security|ftp)\.[d]ebian\.org|download\.[p]ytorch\.org)\b'
none "a word about the work, not the code" '(?i)\b(this|last|next|previous|earlier|later) sessio[n]\b|\bissues? #?[0-9]+\b'
exit $found
