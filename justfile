# `pip install rust-just`, then one of these. Each sets up what it needs.

python := env("SAL_PYTHON", "python3")
bin := justfile_directory() / ".venv/bin"

# one torch thread per process: the policy server, the PRM server and the client share the cores
export OMP_NUM_THREADS := env("OMP_NUM_THREADS", "1")
export TOKENIZERS_PARALLELISM := "false"

_default:
    @just --list

# a virtual environment with everything pinned (once; again when the pins change)
setup:
    #!/usr/bin/env bash
    set -euo pipefail
    want=$(cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)
    if [ -x .venv/bin/sal ] && [ "$(cat .venv/sal-pins 2>/dev/null)" = "$want" ]; then exit 0; fi
    echo "setting up .venv (several GB the first time)" >&2
    "{{ python }}" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
    .venv/bin/uv pip install --quiet --python .venv/bin/python -c constraints.txt -e '.[dev]'
    echo "$want" > .venv/sal-pins

# the main job: DVTS with 128 completions a problem on two real SGLang servers
demo *ARGS: setup
    {{ bin }}/sal run dvts --budget 128 {{ ARGS }}

# every test, real servers included, in two processes
test *ARGS: setup _clients
    {{ bin }}/python -m pytest -n 2 --dist loadgroup {{ ARGS }}

# the clients that the gateway is tested with, in an environment of their own
_clients: setup
    #!/usr/bin/env bash
    set -euo pipefail
    want=$(cat tests/clients/*.txt | sha256sum | cut -c1-16)
    if [ "$(cat .venv-clients/pins 2>/dev/null)" = "$want" ]; then exit 0; fi
    "{{ bin }}/uv" venv --quiet --clear --python "{{ bin }}/python" .venv-clients
    "{{ bin }}/uv" pip install --quiet --python .venv-clients/bin/python -c tests/clients/constraints.txt \
      -r tests/clients/requirements.txt
    echo "$want" > .venv-clients/pins

# lint and strict types over all rooms, tests and examples
check: setup
    {{ bin }}/ruff check .
    {{ bin }}/ruff format --check .
    {{ bin }}/mypy

# make the tiny policy, the tiny PRM and their problems from seeds (resumable)
train-tiny *ARGS: setup
    {{ bin }}/python -m sal.tiny.train {{ ARGS }}

# a small policy that searches against larger ones: docs/figure.md (goes on where it was killed)
figure *ARGS: setup
    {{ bin }}/sal sweep -c recipes/tiny/figure-small.yaml --resume runs-out/figure/small {{ ARGS }}
    {{ bin }}/sal sweep -c recipes/tiny/figure-exact.yaml --resume runs-out/figure/exact {{ ARGS }}
    {{ bin }}/sal sweep -c recipes/tiny/figure-larger.yaml --resume runs-out/figure/larger {{ ARGS }}
    {{ bin }}/sal report runs-out/figure

# make that figure's policies from seeds (resumable)
train-figure: setup
    {{ bin }}/python -m sal.tiny.train figure

# how fast searches are, as ratios measured in one run (`full`: larger; `without`: each technique off)
bench *ARGS: setup
    {{ bin }}/python -m bench {{ ARGS }}

# the same on a GPU, with random weights of 1B and 8B, and the hours of MATH-500 (tiny on a CPU)
bench-gpu: setup
    {{ bin }}/python -m bench.gpu

# every PRM family on real servers, tiny: difference to transformers, tokens prefilled, scores a second
bench-verifiers: setup
    {{ bin }}/python -m bench.verifiers

# `sal serve` under load: answers, memory, fairness, and the same searches by `sal run` (load, share, fair)
bench-serve *ARGS: setup
    {{ bin }}/python -m bench.serve_load {{ ARGS }}

# every strategy on the same 200 problems, with costs and significance (goes on where it was killed)
compare *ARGS: setup
    {{ bin }}/sal sweep -c recipes/compare-tiny.yaml --resume runs-out/compare-tiny {{ ARGS }}
    {{ if ARGS == "" { "cp runs-out/compare-tiny/compare.md runs-out/compare-tiny/compare.json bench" } else { "" } }}

# label, train, search: a PRM out of nothing but the tiny policy and answers (learn/README.md; goes on where it was killed)
loop *ARGS: setup
    PATH="{{ bin }}:$PATH" recipes/learn/tiny-loop.sh {{ ARGS }}
