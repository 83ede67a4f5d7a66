#!/usr/bin/env bash
# No source file over 600 lines: it would hold more than one idea.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

most=600
long=$(find . \( -path ./build -o -path ./install -o -path ./.git -o -path ./runs \) -prune -o -type f \
  \( -name '*.cpp' -o -name '*.hpp' -o -name '*.py' -o -name '*.sh' -o -name '*.cmake' -o -name CMakeLists.txt -o -name shardmill \) \
  -exec wc -l {} + | awk -v most=$most '$2 != "total" && $1 > most {print substr($2, 3) ": " $1 " lines; " most " is the most"}')
[[ -n $long ]] || exit 0
echo "$long"
exit 1
