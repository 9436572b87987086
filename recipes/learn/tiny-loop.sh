#!/usr/bin/env bash
# A PRM out of nothing but a policy and answers, on the tiny suite, and what it is worth in a search: learn/README.md.
# Stopped or killed, the same command goes on where it was.   recipes/learn/tiny-loop.sh [FOLDER]
set -euo pipefail
out=${1:-runs-out/loop}
mkdir -p "$out"

# 1. problems with answers, of the training split
[ -e "$out/train.jsonl" ] || {
    python -m sal.tiny.fresh --split train --count 3000 --seed 1 > "$out/train.new"
    mv "$out/train.new" "$out/train.jsonl"
}

# 2. step labels: 16 solutions of each problem; those that begin with the same steps are rollouts from there
sal run majority --budget 16 --dataset "$out/train.jsonl" --resume "$out/samples"
[ -e "$out/labels/labels.parquet" ] || sal learn label "$out/samples" --out "$out/labels"

# 3. a PRM that begins with the policy's own weights
sal learn train "$out/labels" --base tiny --targets soft --after-error --epochs 4 --batch-size 32 --learning-rate 6e-4 --out "$out/prm"

# 4. searches with it, on held-out problems
sal run best-of-n --budget 16 --limit 500 --prm "$out/prm" --resume "$out/best-of-16"
sal run dvts --budget 16 --limit 500 --prm "$out/prm" --resume "$out/dvts-16"

# 5. the same samples by the PRM of the package, which an oracle taught
sal learn bench --samples "$out/best-of-16" --prm "$out/prm" --out "$out/bench"
sal learn bench --samples "$out/best-of-16" --prm tiny --out "$out/bench-oracle"
python -m sal.learn.lift "$out/best-of-16" "$out/bench" "$out/bench-oracle"
