"""Whether rows of a product, and tokens of an attention, depend on their company on this machine."""

from __future__ import annotations

import sys

import pytest
from servers_python import server_python

from sal.runtime.cpu_matmul import SWITCH, register, rows_to_compute

ROWS = """
import sys, torch
from sglang.srt.plugins import load_plugins
load_plugins()
torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
worst = 0
for dtype in (torch.float32, torch.bfloat16):
    for features, made in ((192, 576), (512, 192), (576, 49152), (2048, 2048)):
        weight = torch.randn(made, features).to(dtype)
        x = torch.randn(300, features).to(dtype)
        whole = torch.nn.functional.linear(x, weight)
        for rows in (*range(1, 20), 31, 33, 63, 65, 127, 200):
            part = torch.nn.functional.linear(x[7 : 7 + rows], weight)
            assert part.shape == (rows, made)
            worst += not torch.equal(part, whole[7 : 7 + rows])
print(worst)
"""

ATTENTION = """
import random, torch
from sal.runtime.cpu_attention import attend
from sal.runtime.cpu_attention_exact import padded
torch.manual_seed(0)
random.seed(0)
worst = 0
for dtype in (torch.float32, torch.bfloat16):
    for heads, kv_heads, size in ((6, 6, 32), (9, 3, 64), (28, 4, 128)):
        keys, values = torch.randn(2, 4096, kv_heads, size).to(dtype).unbind(0)
        slots = torch.randperm(4096)[None, :1024]
        query = torch.randn(900, heads, size).to(dtype)
        def found(new, total):
            table = slots.expand(len(new), -1)
            rows = torch.cat([query[t - n : t] for n, t in zip(new, total)])
            out = torch.full_like(rows, float("nan"))
            for group in padded(table, new, total):
                attend(group, rows, out, keys, values, scale=size**-0.5, enable_gqa=True)
            return list(out.split(new))
        (whole,) = found([900], [900])
        for _ in range(40):
            total = [random.randint(1, 900) for _ in range(random.choice([1, 2, 9]))]
            new = [random.choice([1, min(t, random.randint(1, 150))]) for t in total]
            for part, n, t in zip(found(new, total), new, total):
                worst += not torch.equal(part, whole[t - n : t])
print(worst)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_row_of_a_product_does_not_depend_on_how_many_there_are(threads: str) -> None:
    assert server_python(ROWS, threads, deterministic=True).split()[-1] == "0"


def test_what_a_token_attends_to_does_not_depend_on_what_was_cached_or_runs_beside() -> None:
    assert server_python(ATTENTION, deterministic=True).split()[-1] == "0"


def test_products_have_full_tiles() -> None:
    assert [rows_to_compute(rows) for rows in (1, 4, 5, 64)] == [4, 4, 8, 64]


def test_a_server_that_does_not_ask_for_it_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setitem(sys.modules, "sglang.srt.plugins.hook_registry", None)  # its import fails
    register()
