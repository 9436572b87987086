#!/usr/bin/env bash
# One more round behind tiny-loop.sh, twice: on what the policy samples, and on what a search with the PRM goes through.
# Stopped or killed, the same command goes on where it was.   recipes/learn/tiny-on-policy.sh [FOLDER]
set -euo pipefail
out=${1:-runs-out/loop}

# 1. new problems of the training split
[ -e "$out/more.jsonl" ] || {
    python -m sal.tiny.fresh --split train --count 600 --seed 2 > "$out/more.new"
    mv "$out/more.new" "$out/more.jsonl"
}

# 2. off-policy: samples of the policy; on-policy: searches with the PRM that is to be better
sal run majority --budget 16 --dataset "$out/more.jsonl" --resume "$out/sampled"
sal run dvts --budget 16 --prm "$out/prm" --dataset "$out/more.jsonl" --resume "$out/searched"

# 3. the same number of batches more on either, and what each is worth
for kind in sampled searched; do
    sal learn train "$out/$kind" --base "$out/prm" --targets soft --after-error --batch-size 32 --learning-rate 3e-4 --set max_steps=150 --out "$out/prm-$kind"
    sal run dvts --budget 16 --limit 500 --prm "$out/prm-$kind" --resume "$out/dvts-16-$kind"
    sal learn bench --samples "$out/best-of-16" --prm "$out/prm-$kind" --out "$out/bench-$kind"
    python -m sal.learn.lift "$out/best-of-16" "$out/bench-$kind" "$out/bench-oracle"
done
sal report "$out/dvts-16" "$out/dvts-16-sampled" "$out/dvts-16-searched" --out "$out/report"
