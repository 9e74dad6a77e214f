"""Any other kind with the images withheld: what a checkpoint knows from the question alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sqeval.config import RunConfig
from sqeval.errors import UserError
from sqeval.model import Completion, Group, Measured, Model, Work
from sqeval.models.kinds import ModelKind, Note

OF = "of"


class Blind:
    """`model` without its eyes: the same prompts, and no image."""

    work: Callable[[], Work | None]
    """There if the model has it."""

    def __init__(self, model: Model) -> None:
        """Raises UserError for a model that sees no images anyway."""
        who = model.identity
        if not who.sees_images:
            raise UserError(f"--model blind: {who.name} sees no images anyway; run it as it is")
        self.identity = replace(
            who, name=f"{who.name}-blind", kind="blind", sees_images=False, details={**who.details, OF: who.kind}
        )
        self._model = model
        if isinstance(model, Measured):
            self.work = model.work

    def generate(self, groups: Sequence[Group]) -> Iterator[Completion]:
        yield from self._model.generate([replace(group, image=None) for group in groups])


def _load(config: RunConfig, note: Note) -> Model:
    """``of`` names the kind that is blinded; all other settings are that kind's."""
    from sqeval.models.kinds import get_kind
    from sqeval.models.loading import USUAL, model_kind

    args = dict(config.model_args)
    of = args.pop(OF, USUAL)
    if of in ("blind", "replay"):
        raise UserError(f"--model-args {OF}={of}: expected a kind of model that looks at images")
    inner = config.model_copy(update={"model": of, "model_args": args})
    return Blind(get_kind(model_kind(inner)).load(inner, note))


KIND = ModelKind(
    "a floor: another kind of model with the images withheld",
    _load,
    ckpt="what the kind that is blinded takes",
    args=None,
    flags=("base", "vision_tower"),
)
