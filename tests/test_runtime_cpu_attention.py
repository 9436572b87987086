"""The batched attention against SGLang's own, request by request."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers_python import server_python

from sal.runtime.cpu_attention import MOST_KEYS, SWITCH, grouped, register

lengths = st.lists(
    st.tuples(st.integers(1, 300), st.integers(0, 3000)).map(lambda x: (x[0], x[0] + x[1])),
    max_size=40,
)


@given(lengths)
def test_every_request_is_in_one_group_of_its_like(pairs: list[tuple[int, int]]) -> None:
    new, total = [p[0] for p in pairs], [p[1] for p in pairs]
    groups = list(grouped(new, total))
    assert sorted(i for group in groups for i in group) == list(range(len(pairs)))
    for group in groups:
        for counts in (new, total):
            found = [counts[i] for i in group]
            assert max(found) < 2 * min(found)
        assert len(group) == 1 or len(group) * max(total[i] for i in group) <= MOST_KEYS


COMPARE = """
import sys, torch
from types import SimpleNamespace as N
from sglang.srt.plugins import load_plugins
load_plugins()  # as each process of a server does
from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend as Batched
(Native,) = Batched.__bases__
assert Batched.__name__ == "BatchedAttention"

torch.manual_seed(0)
heads, kv_heads, size = map(int, sys.argv[1].split(","))
SLOTS, LONGEST, REQUESTS = 4096, 256, 24
table = torch.randint(0, SLOTS, (REQUESTS + 3, LONGEST), dtype=torch.int32)
keys, values = torch.randn(2, SLOTS, kv_heads, size).unbind(0)
pool = N(req_to_token=table)
runner = N(device="cpu", req_to_token_pool=pool, token_to_kv_pool=None)
mine, native = Batched(runner), Native(runner)
rows = torch.randperm(REQUESTS + 3)[:REQUESTS]
for extends in (False, True):
    total = torch.randint(1, LONGEST + 1, (REQUESTS,))
    new = torch.ones_like(total)
    if extends:
        new = (torch.rand(REQUESTS) * total).long().clamp(min=1)
    batch = N(
        forward_mode=N(is_extend=lambda: extends), seq_lens=total, extend_seq_lens=new,
        req_pool_indices=rows, out_cache_loc=None,
    )
    mine.init_forward_metadata(batch)
    query = torch.randn(int(new.sum()), heads, size)
    common = dict(scaling=size**-0.5, enable_gqa=heads != kv_heads, is_cross_attn=False,
                  sliding_window_size=None)
    for backend in (mine, native):
        out = torch.full_like(query, float("nan"))
        tensors = (query, out, keys, values, table, rows, total)
        if extends:
            backend._run_sdpa_forward_extend(*tensors, total - new, new, None, causal=True, **common)
        else:
            backend._run_sdpa_forward_decode(*tensors, None, causal=False, **common)
        if backend is mine:
            found = out
    print(float((found - out).abs().max()))
"""


@pytest.mark.parametrize("shape", ["4,4,32", "6,2,16"])
def test_it_finds_what_sglang_finds(shape: str) -> None:
    worst = server_python(COMPARE, shape).split()
    assert len(worst) == 2
    assert all(float(difference) < 1e-5 for difference in worst)


def test_a_server_that_does_not_ask_for_it_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setitem(sys.modules, "sglang.srt.plugins.hook_registry", None)  # its import fails
    register()
