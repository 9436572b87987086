#!/usr/bin/env bash
# Expert iteration (Anthony et al., arXiv 1705.08439): search problems, teach the policy what was
# right, and search other problems with the policy that came of it. Killed, it goes on where it was.
#
#   recipes/learn/expert-iteration.sh                        the tiny suite, on a CPU
#   POLICY=... PRM=... PROBLEMS='part-%d.jsonl' TEST=... BUDGET=64 SFT='--lora 16' recipes/learn/...
#
# PROBLEMS names a file for each round: none of them may be in TEST.
set -euo pipefail
policy=${POLICY:-tiny}
prm=${PRM:-tiny}
test=${TEST:-tiny}
budget=${BUDGET:-8}
sft=${SFT:---epochs 3 --learning-rate 5e-4 --batch-size 16}
out=${OUT:-runs-out/expert-iteration}
# shellcheck disable=SC2059
problems() { printf "${PROBLEMS:-$out/problems-%d.jsonl}" "$1"; }
mkdir -p "$out"
sal run greedy --policy "$policy" --dataset "$test" --resume "$out/greedy-0"
for round in $(seq 1 "${ROUNDS:-3}"); do
  if [ -z "${PROBLEMS:-}" ]; then
    python -m sal.tiny.fresh --split train --count 50 --seed "$round" > "$(problems "$round")"
  fi
  sal run dvts --budget "$budget" --policy "$policy" --prm "$prm" \
    --dataset "$(problems "$round")" --resume "$out/search-$round"
  # shellcheck disable=SC2086
  sal learn distill "$out/search-$round" --method sft --base "$policy" \
    --out "$out/policy-$round" $sft
  policy=$out/policy-$round
  sal run greedy --policy "$policy" --dataset "$test" --resume "$out/greedy-$round"
done
sal report "$out"
