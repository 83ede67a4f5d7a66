#!/usr/bin/env bash
# A chain: trains on the digits, then runs the best checkpoint over all of them. Call it from the project's folder.
set -euo pipefail
run=${1:-runs/digits-chain}
shardmill=${SHARDMILL:-./shardmill}
"$shardmill" run jobs/digits-train.yaml --run-dir "$run-train"
"$shardmill" run jobs/digits-infer.yaml --run-dir "$run-infer" \
  --set model.path="$run-train/checkpoints/best.h5" \
  --set dataset.transforms='[{cast: float32}, {scale: 0.0625}, {reshape: [1, 8, 8]}]'
