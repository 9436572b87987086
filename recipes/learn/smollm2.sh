#!/usr/bin/env bash
# A PRM from SmolLM2-135M by LoRA, out of step labels by people, measured on solutions of GSM8K: learn/README.md.
# MR is dataset/MR-GSM8K.json of github.com/dvlab-research/MR-GSM8K. Stopped or killed, the same command goes on where it
# was.   recipes/learn/smollm2.sh MR [FOLDER]
set -euo pipefail
mr=${1:?usage: recipes/learn/smollm2.sh MR-GSM8K.json [FOLDER]}
out=${2:-runs-out/smollm2}

# 1. step labels by people: MR-GSM8K, and ProcessBench's solutions of MATH
[ -e "$out/mr/labels.parquet" ] || sal learn label "$mr" --out "$out/mr"
[ -e "$out/math/labels.parquet" ] || sal learn label Qwen/ProcessBench --split math --out "$out/math"

# 2. an adapter, which learns nothing about the questions that it is measured on
sal learn train "$out/mr" "$out/math" --without gsm8k --base smollm2 --family step-token --lora 16 --learning-rate 5e-4 --max-length 384 --batch-size 8 --set max_steps=150 --evaluate-every 50 --held-out 0.1 --out "$out/prm"

# 3. ProcessBench's solutions of GSM8K: the PRM, the model without the adapter, and chance
sal learn bench gsm8k --prm "$out/prm" --out "$out/bench"
sal learn bench gsm8k --prm smollm2 --prm-family step-token --out "$out/bench-untrained"
sal learn bench gsm8k --prm sal.learn.chance:uniform --out "$out/bench-chance"
