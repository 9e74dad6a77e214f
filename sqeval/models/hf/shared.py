"""LLaVA checkpoints of transformers on the shared-prefix engine of `sqllava`: the same answers, computed once an image.

The engine computes transformers' own layers on a tree of prompts and proves, when it is made, that it can; here it is
given the checkpoint's processor and chat template instead of SQ-LLaVA's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import GenerationConfig, LlavaForConditionalGeneration, LlavaProcessor

from sqeval.model import Completion, Group, Identity, Work
from sqeval.models.hf.checkpoint import Loaded
from sqeval.models.hf.decoding import end_ids
from sqeval.models.hf.prompts import Prompts, shapes

if TYPE_CHECKING:
    from sqllava.engine import Engine

CHOICES = ("repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "suppress_tokens", "min_new_tokens",
           "min_length", "begin_suppress_tokens", "forced_eos_token_id", "sequence_bias", "guidance_scale")  # fmt: skip
"""Settings of `generate` that change which token is chosen, and that the engine does not have."""


def shared(
    loaded: Loaded,
    prompts: Prompts,
    who: Identity,
    *,
    batch_tokens: int | None,
    workers: int | None,
    note: Callable[[str], None],
) -> SharedModel | None:
    """The model on the engine; None if it is another architecture, or generates in a way that the engine does not."""
    model, processor = loaded.model, loaded.processor
    ends = end_ids(model, processor.tokenizer)
    if type(model) is not LlavaForConditionalGeneration or type(processor) is not LlavaProcessor or len(ends) > 1:
        return None
    if (
        len({shapes(blank) for blank in prompts.blanks()}) > 1
    ):  # images keep their size, and so take more tokens or less
        return None
    usual, own = GenerationConfig(), model.generation_config
    if any(getattr(own, name, None) != getattr(usual, name, None) for name in CHOICES):
        return None
    from sqeval.models.sqllava import told, usual_workers
    from sqllava.engine import Engine

    workers = usual_workers(model.device.type) if workers is None else workers
    with told(note):
        engine = Engine(
            model, Inputs(prompts), template="plain", end_id=next(iter(ends), None), batch_tokens=batch_tokens,
            workers=workers,
        )  # fmt: skip
    return SharedModel(who, engine, prompts, note)


class Inputs:
    """A LLaVA processor as the engine wants one."""

    def __init__(self, prompts: Prompts) -> None:
        processor = prompts.processor
        self.tokenizer, self.image_processor = processor.tokenizer, processor.image_processor.inner
        self._prompts, self._token = prompts, processor.image_token
        (blank, *_) = prompts.blanks()
        self.image_seq_length = int((blank.text["input_ids"] == processor.image_token_id).sum())
        pad, end = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        self.pad_id = int(pad if pad is not None else end if end is not None else 0)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """As the processor does, with the image's placeholder repeated for each of its tokens."""
        whole = [text.replace(self._token, self._token * self.image_seq_length) for text in texts]
        found: list[list[int]] = [self.tokenizer(text, **self._prompts.special(text))["input_ids"] for text in whole]
        return found


@dataclass(frozen=True)
class SharedModel:
    """A LLaVA checkpoint on the engine, behind the model protocol."""

    identity: Identity
    engine: Engine
    prompts: Prompts
    note: Callable[[str], None]

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        """Answer every request of `groups` once, in the order in which the engine finishes them."""
        from sqeval.models.sqllava import completions, engine_request
        from sqllava.engine import Group as EngineGroup

        asked = []
        for group in groups:
            image, ready = group.image is not None, []
            for request in group.requests:
                fault = self.prompts.fault(request, image=image)
                if fault is None:
                    ready.append(engine_request(request, self.prompts.render(request.prompt, image=image)))
                else:
                    yield Completion(request.task, request.id, "", "error", error=fault)
            if ready:
                asked.append(EngineGroup(tuple(ready), None if group.image is None else group.image.open))
        yield from completions(self.engine, asked, self.note)

    def work(self) -> Work:
        """What the engine counted."""
        from sqeval.models.sqllava import work

        return work(self.engine)
