"""Scores read from a PRM with a head of its own, which stock SGLang serves with `--is-embedding`.

The server answers `/classify` with the head's numbers at the last token of the input. So an input
ends at the mark of the step that is judged, and all before it comes from the radix cache.
"""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, NamedTuple, Protocol

from sal.runtime.endpoint_errors import Misread, Rejected
from sal.runtime.model_files import local_file
from sal.runtime.tensor_bytes import Array
from sal.verifiers.contract import Family, Prm, Serving
from sal.verifiers.interface import Scored, Usage, Verifier
from sal.verifiers.overlay import Checkpoint, make_overlay
from sal.verifiers.rendering import Format, Windowed

Read = Callable[[Sequence[float]], float]
"""From a head's numbers to a score in [0, 1]."""

_OVERLAY = "overlay"


class HeadEndpoint(Protocol):
    """What a verifier needs of a client of the server of a PRM with a head."""

    def classify(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The reply to a `/classify` request on one input; raises EndpointError."""
        ...


class HeadVerifier(Windowed):
    """A `Verifier` on a PRM with a head of `labels` numbers. Stateless, as `CausalVerifier` is."""

    def __init__(
        self,
        engine: HeadEndpoint,
        format: Format,
        read: Read,
        *,
        labels: int,
        aggregate: str,
        window: int | None = None,
    ) -> None:
        super().__init__(engine, format, window)
        self.aggregate = aggregate
        self._read, self._labels = read, labels

    def score(self, question: str, prefix: Sequence[str], steps: Sequence[str]) -> Scored:
        """One request per new step, each when the one before it is in the cache; see `Verifier`."""
        if not steps:
            return Scored(())
        rendered = self.format.render(question, [*prefix, *steps])
        self._check("this solution with its question", rendered)
        scores, used = [], Usage()
        for k in range(len(prefix), len(prefix) + len(steps)):
            reply = self._engine.classify({"input_ids": rendered.upto(k)})
            scores.append(self.verdict(reply["embedding"]))
            meta = reply["meta_info"]
            used += Usage(meta.get("prompt_tokens"), meta.get("cached_tokens"), 0, 1)
        return Scored(tuple(scores), used)

    def verdict(self, numbers: Sequence[float]) -> float:
        """The score in the head's numbers; raises `Rejected` or `Misread` for others."""
        check_labels(numbers, self._labels, self._engine)
        score = self._read(numbers)
        if not 0 <= score <= 1:  # nan, too
            where = getattr(self._engine, "url", "the PRM")
            raise Misread(f"{where}: the PRM's head says {list(numbers)}", url=where, at_fault=True)
        return score


def check_labels(numbers: Sequence[float], labels: int, engine: Any) -> None:
    """Raise `Rejected`, the endpoint's fault, for a head of another shape."""
    if len(numbers) != labels:
        where = getattr(engine, "url", "the PRM")
        raise Rejected(
            f"{where}: the PRM's head gives {len(numbers):,} numbers, where this family reads "
            f"{labels}: its checkpoint was served without the head that it was trained with",
            url=where,
            at_fault=True,
        )


def softmax(logits: Sequence[float]) -> list[float]:
    """Their probabilities."""
    most = max(logits)
    weights = [math.exp(x - most) for x in logits]
    return [weight / sum(weights) for weight in weights]


class Head(NamedTuple):
    """Tensors in place of the checkpoint's own, and what is added here to the numbers it gives."""

    tensors: Mapping[str, Array]
    bias: list[float] | None = None


class HeadFamily(Family):
    """Families of PRMs that are read from a head of `labels` numbers."""

    labels: int = 1
    """How many numbers the head gives as it is served."""
    architectures: tuple[str, ...] = ()
    """Of the checkpoints as their authors saved them."""

    def recognises(self, model: str, config: Mapping[str, Any]) -> bool:
        named = super().recognises(model, config)
        return named or any(a in self.architectures for a in config.get("architectures") or ())

    def unfit(self, config: Mapping[str, Any]) -> str:
        """A causal model has no head; {} is a config that nobody has seen."""
        told = [str(a) for a in config.get("architectures") or ()]
        causal = [a for a in told if a.endswith("ForCausalLM")]
        return f"a causal language model ({', '.join(causal)}), without a head" if causal else ""

    @abstractmethod
    def served_as(self, config: Mapping[str, Any]) -> str:
        """SGLang's name of the architecture; raises ValueError where it has none."""

    @abstractmethod
    def head(self, checkpoint: Checkpoint, prm: Prm) -> Head:
        """The checkpoint's head as SGLang serves it; raises ValueError for one of another shape."""

    @abstractmethod
    def format(self, prm: Prm) -> Format:
        """How it reads steps."""

    @abstractmethod
    def read(self, numbers: Sequence[float]) -> float:
        """A score from the head's numbers."""

    def serve(self, prm: Prm) -> Serving:
        """By an overlay, unless the model is one."""
        args, reason = ("--is-embedding",), f"a PRM with a head ({self.authors}'s): /classify"
        self.served_as(prm.config)
        if local_file(prm.model, "tokenizer.json"):
            self.format(prm)
        if (prm.config.get("sal_prm") or {}).get(_OVERLAY):
            return Serving(prm.model, args, reason)
        checkpoint = Checkpoint.of(prm.model)
        if checkpoint is None and not prm.make:
            return Serving(prm.model, args, f"{reason}; its head is set apart at the first start")
        if checkpoint is None:
            checkpoint = _fetched(prm.model)
        head = self.head(checkpoint, prm)
        names = [f"LABEL_{i}" for i in range(self.labels)]
        config = {k: v for k, v in prm.config.items() if k not in ("auto_map", "num_labels")}
        config |= {
            "architectures": [self.served_as(prm.config)],
            "id2label": {str(i): name for i, name in enumerate(names)},
            "label2id": {name: i for i, name in enumerate(names)},
            "sal_prm": {
                **(prm.config.get("sal_prm") or {}),
                **options_said(prm.options),
                "family": self.name,
                "bias": head.bias,
                _OVERLAY: True,
            },
        }
        return Serving(str(make_overlay(checkpoint, config, head.tensors)), args, reason)

    def probe(self, engine: Any) -> None:
        check_labels(engine.classify({"input_ids": [1, 2, 3]})["embedding"], self.labels, engine)

    def build(self, prm: Prm) -> Verifier:
        bias = self._bias(prm)

        def read(numbers: Sequence[float]) -> float:
            return self.read([n + b for n, b in zip(numbers, bias, strict=True)])

        return HeadVerifier(
            prm.engine,
            self.format(prm),
            read,
            labels=self.labels,
            aggregate=prm.aggregate,
            window=prm.window,
        )

    def _bias(self, prm: Prm) -> list[float]:
        """What SGLang's own head leaves out: told by an overlay, else by the weights."""
        own = prm.config.get("sal_prm") or {}
        bias: list[float] | None = own.get("bias")
        if not own.get(_OVERLAY) and (checkpoint := Checkpoint.of(prm.model)) is not None:
            bias = self.head(checkpoint, prm).bias
        return bias or [0.0] * self.labels


def options_said(options: Any) -> dict[str, Any]:
    """The settings of a family as a config.json says them."""
    if not is_dataclass(options) or isinstance(options, type):
        return {}
    said: dict[str, Any] = json.loads(json.dumps(asdict(options)))
    return said


def shape_of(array: Array | None) -> str:
    """In words, for a message."""
    return "absent" if array is None else f"of shape {list(array.shape)}"


def _fetched(model: str) -> Checkpoint:
    """Its files, from the Hub. Raises ValueError when they cannot be had."""
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(model, allow_patterns=["*.safetensors", "*.json", "*.jinja", "*.model"])
    except Exception as error:  # offline, gated, absent, not a repository name
        reason = " ".join(str(error).split())
        raise ValueError(f"{model} cannot be fetched from the Hub: {reason}") from error
    checkpoint = Checkpoint.of(model)
    if checkpoint is None:
        raise ValueError(f"{model} on the Hub has no weights in safetensors files")
    return checkpoint
