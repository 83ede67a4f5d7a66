#!/usr/bin/env bash
# An installed folder runs from wherever it is moved to: install.sh BUILD_DIR
set -euo pipefail

build=$1
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
fail() { echo "$*" && exit 1; }

cmake --install "$build" --prefix "$place/first" >"$place/log" 2>&1 || { cat "$place/log" && fail "cmake --install failed"; }
mv "$place/first" "$place/moved"
cd "$place/moved"

for file in bin/shardmill libexec/shardmill/shardmill-rank share/shardmill/jobs/digits-infer.yaml \
  share/shardmill/data/digits.h5 share/shardmill/configs share/doc/shardmill/LICENSE; do
  [[ -e $file ]] || fail "$file was not installed"
done
[[ ! -e share/shardmill/data/generated ]] || fail "data/generated was installed"
if readelf -d bin/shardmill | grep -qE 'NEEDED.*(torch|libmpi)'; then fail "bin/shardmill links LibTorch or MPI"; fi
readelf -d libexec/shardmill/shardmill-rank | grep -q '(RPATH)' || fail "shardmill-rank has no DT_RPATH, which compiled models need"
if readelf -d libexec/shardmill/shardmill-rank | grep -E 'R(UN)?PATH' | grep -qF "$build"; then fail "shardmill-rank still looks in the build folder"; fi
if ldd libexec/shardmill/shardmill-rank | grep 'not found'; then fail "shardmill-rank does not find its libraries"; fi

bin/shardmill --version || fail "bin/shardmill --version failed"
(cd share/shardmill && ../../bin/shardmill run jobs/digits-infer.yaml --set resources.ranks=2) || fail "the installed program could not run a job"
results=(share/shardmill/runs/*/results.h5)
[[ -s ${results[0]} ]] || fail "the run left no results.h5"
