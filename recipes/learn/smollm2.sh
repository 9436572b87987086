#!/usr/bin/env bash
# A PRM from SmolLM2-135M by LoRA, out of step labels by people, measured on problems of another kind: learn/README.md.
# Stopped or killed, the same command goes on where it was.   recipes/learn/smollm2.sh [FOLDER]
set -euo pipefail
out=${1:-runs-out/smollm2}

# 1. step labels by people: ProcessBench's solutions of MATH
[ -e "$out/labels/labels.parquet" ] || sal learn label Qwen/ProcessBench --split math --out "$out/labels"

# 2. an adapter
sal learn train "$out/labels" --base smollm2 --family step-token --lora 16 --learning-rate 5e-4 --max-length 256 --batch-size 8 --set max_steps=24 --evaluate-every 8 --held-out 0.1 --out "$out/prm"

# 3. ProcessBench's solutions of GSM8K: the PRM, the model without the adapter, and chance
sal learn bench gsm8k --prm "$out/prm" --out "$out/bench"
sal learn bench gsm8k --prm smollm2 --prm-family step-token --out "$out/bench-untrained"
sal learn bench gsm8k --prm sal.learn.chance:uniform --out "$out/bench-chance"
