"""How fast a run went, and what the model did meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sqeval.model import Measured, Model, Shared, Work


class Meter:
    """Counts questions and the time that asking them takes, and asks the model, if it is `Measured`, what it did."""

    def __init__(self, model: Model) -> None:
        self._model, self._before = model, _work(model)
        self.questions = 0
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time inside the block is spent asking."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - began

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time inside the block, which lies in one of `running`, is not."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds -= time.monotonic() - began

    def throughput(self) -> dict[str, Any] | None:
        """As it stands in run.json; None if nothing was asked."""
        if not self.questions:
            return None
        seconds = max(self.seconds, 1e-9)
        rates = {
            "questions": self.questions,
            "seconds": round(seconds, 3),
            "questions_per_second": round(self.questions / seconds, 3),
        }
        after = _work(self._model)
        if self._before is not None and after is not None:
            rates |= difference(self._before, after, seconds)
        return rates | ({"workers": shares(self._model)} if isinstance(self._model, Shared) else {})


def shares(model: Shared) -> list[dict[str, Any]]:
    """What each worker did, as it stands in run.json."""
    return [{**asdict(share), "seconds": round(share.seconds, 3)} for share in model.shares()]


def sentences(throughput: Mapping[str, Any]) -> Iterator[str]:
    """Lines for the person who waited: one of all, and one of each worker if there are several."""
    yield _sentence(throughput)
    for number, share in enumerate(throughput.get("workers", ()), 1):
        busy = min(1.0, share["seconds"] / throughput["seconds"])
        rate = share["questions"] / share["seconds"] if share["seconds"] else 0.0
        parts = [f"{share['questions']:,} questions ({_speed(rate)}), busy {100 * busy:.0f} %"]
        parts += [f"lost: {share['lost']}"] if share["lost"] else []
        yield f"worker {number} on {share['node']}: {'; '.join(parts)}"


def _speed(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def _sentence(throughput: Mapping[str, Any]) -> str:
    speed = _speed(throughput["questions_per_second"])
    parts = [f"{throughput['questions']:,} questions in {throughput['seconds']:,.1f} s ({speed})"]
    if throughput.get("prompt_tokens"):
        shared = max(0, throughput["saved_tokens"]) / throughput["prompt_tokens"]
        parts += [f"{100 * shared:.0f} % of prompt tokens shared", f"model busy {100 * throughput['busy']:.0f} %"]
    return "; ".join(parts)


def difference(before: Work, after: Work, seconds: float) -> dict[str, Any]:
    """What was done between two moments, `seconds` apart, as it stands in run.json."""
    prompt = after.prompt_tokens - before.prompt_tokens
    prefilled = after.prefilled_tokens - before.prefilled_tokens
    return {
        "prompt_tokens": prompt,
        "prefilled_tokens": prefilled,
        "saved_tokens": prompt - prefilled,
        "generated_tokens": after.generated_tokens - before.generated_tokens,
        "images_encoded": after.images_encoded - before.images_encoded,
        "busy": round(min(1.0, (after.seconds - before.seconds) / seconds), 4),
        "batch_tokens": after.batch_tokens,
        "shared_prefixes": after.shared_prefixes,
        "notes": list(after.notes),
    }


def _work(model: Model) -> Work | None:
    return model.work() if isinstance(model, Measured) else None
