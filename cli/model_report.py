"""What `sal doctor MODEL` says: what a model is, what it takes, what will be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sal.runs.estimate import RECORDED
from sal.runtime.hardware import Hardware
from sal.runtime.hub_model import ModelUnavailable, check_available
from sal.runtime.model_card import ModelCard, model_card
from sal.runtime.model_files import canonical, is_url
from sal.runtime.model_size import in_words
from sal.runtime.plan import Load, PlanError, make_plan
from sal.verifiers.family import UnknownFamily, choose

BUDGET = 16
"""N of the search whose cache is told: the strategies' own default."""

SOLUTION = int(RECORDED.tokens)

_BITS = {"float32": 4.0, "16 bits": 2.0, "8 bits": 1.0, "4 bits": 0.5}
_WHERE = {
    "folder": "a folder",
    "file": "a file",
    "cache": "in the Hub's cache here",
    "Hub": "on the Hub; its weights are not here",
}


@dataclass(frozen=True, slots=True)
class Report:
    """`error` alone where nothing could be learnt; `plan_error` where it cannot be served here.

    `missing` says why what is not here cannot be fetched.
    """

    model: str
    error: str = ""
    card: ModelCard | None = None
    prm: str = ""
    prm_family: str | None = None
    memory: dict[str, Any] | None = None
    plan: tuple[str, ...] = ()
    plan_error: str = ""
    missing: str = ""

    @property
    def ok(self) -> bool:
        """Whether a run with it could start here."""
        return not (self.error or self.plan_error or self.missing)


def report_on(model: str, hardware: Hardware) -> Report:
    """Look at one model; starts nothing, and fetches small files alone."""
    if is_url(model):
        return Report(model, error=f"{model} is a URL: its server tells what it serves")
    name, missing = canonical(model), ""
    try:
        check_available(name)
    except ModelUnavailable as error:
        missing = str(error)
    try:
        card = model_card(name)
    except (OSError, ValueError, KeyError) as error:
        return Report(model, error=missing or f"{model} cannot be read: {error}")
    family, words = _as_prm(card)
    load = Load(BUDGET * SOLUTION, SOLUTION)
    as_prm = family is not None or not card.size.generates
    try:
        plan = make_plan(hardware, *((None, name) if as_prm else (name, None)), load=load)
        lines, refused = tuple(plan.lines()), ""
    except PlanError as error:
        lines, refused = (), str(error)
    memory = memory_of(card)
    return Report(model, "", card, words, family, memory, lines, refused, missing)


def _as_prm(card: ModelCard) -> tuple[str | None, str]:
    """The family that it would be read as, and how; or why none."""
    try:
        spec = choose(card.adapter_of or card.model, card.config)
    except UnknownFamily:
        return None, "none: neither its config.json nor its name tells (--prm-family says it)"
    except (ValueError, KeyError) as error:
        return None, f"none: {error}"
    family = spec.family.name
    how, whose = spec.own_aggregate
    return family, f"{family}; its scores reduced by {how} ({whose})"


def memory_of(card: ModelCard) -> dict[str, Any]:
    """Bytes: of the weights by type, of a cached token, of the cache of one problem's search."""
    parameters = card.parameters or card.size.parameters
    kv = card.size.kv_bytes_per_token
    return {
        "weights": {name: int(parameters * each) for name, each in _BITS.items()},
        "as_stored": card.size.weight_bytes,
        "kv_per_token": {"16 bits": kv, "8 bits": kv // 2},
        "search": {"budget": BUDGET, "tokens": BUDGET * SOLUTION, "kv": kv * BUDGET * SOLUTION},
    }


def lines_of(report: Report) -> Iterator[tuple[str, str]]:
    """A word and what it is, for people."""
    card, memory = report.card, report.memory
    if card is None or memory is None:
        yield "", report.error
        return
    yield "is", f"{_kind(card)}; {_WHERE[card.where]}"
    if report.missing:
        yield "missing", report.missing
    if card.adapter_of is not None:
        yield "adapter", f"a LoRA adapter of {card.adapter_of}"
    yield "weights", _weights(card)
    yield "context", f"{card.context:,} tokens" if card.context else "not told"
    yield "prompts", _prompts(card)
    if card.sampling:
        said = ", ".join(f"{name} {value:g}" for name, value in card.sampling.items())
        yield "sampling", f"{said} (its generation_config.json; a run says the temperature itself)"
    yield "as a PRM", report.prm
    weights = ", ".join(f"{in_words(size)} in {name}" for name, size in memory["weights"].items())
    yield "memory", f"weights {weights}"
    kv, search = memory["kv_per_token"], memory["search"]
    yield (
        "",
        f"cache {kv['16 bits'] / 1024:.0f} KiB a token in 16 bits, {kv['8 bits'] / 1024:.0f} in 8; "
        f"{in_words(search['kv'])} for a search of N = {search['budget']} with "
        f"{SOLUTION} tokens a solution",
    )
    for place, line in enumerate(report.plan or (report.plan_error,)):
        yield ("here" if place == 0 else "", line)


def _kind(card: ModelCard) -> str:
    """What it is, in words."""
    named = ", ".join(card.architectures) or card.kind or "no architecture told"
    what = "a language model" if card.size.generates else "a model with a head for scores"
    count = (
        f"{_count(card.parameters)} parameters"
        if card.parameters
        else (f"about {_count(card.size.parameters)} parameters")
    )
    if card.experts and card.active:
        count = f"{count} in {card.experts} experts, {_count(card.active)} of them for a token"
    return f"{what} ({named}), {count}"


def _weights(card: ModelCard) -> str:
    stored = card.quantised or card.dtype or "type not told"
    return f"{stored}; {card.size.reason}"


def _prompts(card: ModelCard) -> str:
    words = {
        "chat template": "a chat template",
        "none": "no chat template: a base model, which is sent the bare question",
        "no tokenizer": "no tokenizer.json here or on the Hub: it is sent plain text",
    }[card.prompts]
    return f"{words}; thinks before it answers (<think>)" if card.thinks else words


def _count(number: int) -> str:
    for unit, name in ((1e9, "B"), (1e6, "M")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:,}"


def as_json(report: Report) -> dict[str, Any]:
    """The same for programs."""
    told = asdict(report)
    if told["card"] is not None:
        told["card"].pop("config")
    return {"ok": report.ok, **told}
