#!/usr/bin/env bash
# Our C++ is as clang-format leaves it. Other versions of clang-format than Debian 12's lay some lines out otherwise.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
  echo "skipped: there is no clang-format 14 on the PATH"
  exit 77
fi
folders=()
for folder in src tests bench; do [[ ! -d $folder ]] || folders+=("$folder"); done
unformatted=$(find "${folders[@]}" \( -name '*.cpp' -o -name '*.hpp' \) -print0 |
  xargs -0 -r clang-format --dry-run 2>&1 | sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: warning: .*/\1/p' | sort -u)
[[ -n $unformatted ]] || exit 0
sed 's/.*/&: not formatted; run clang-format -i &/' <<<"$unformatted"
exit 1
