"""Group G at tier 2: similarity of question and picture by a CLIP-style model of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sqeval.data.images import ImageRef
from sqeval.data.text import is_file
from sqeval.errors import UserError
from sqeval.questions.files import ImageQuestions
from sqeval.questions.relevance import Floats

BATCH = 64


class Clip:
    """Cosine of text and image features. The text is cut off where the model's context ends (77 tokens for CLIP)."""

    needs = "image files"

    def __init__(self, checkpoint: str, device: str = "auto") -> None:
        """Raises UserError for a checkpoint that cannot be loaded or has no text and image features."""
        import torch
        from transformers import AutoModel, AutoProcessor

        self.name = f"clip {Path(checkpoint).name}"
        self._known_texts: dict[str, Floats] = {}
        self._known_pictures: dict[str, Floats] = {}
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        try:
            self._model: Any = AutoModel.from_pretrained(checkpoint).eval().to(self._device)
            self._processor: Any = AutoProcessor.from_pretrained(checkpoint)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"--clip {checkpoint}: {str(error).splitlines()[0]}") from None
        if not (hasattr(self._model, "get_text_features") and hasattr(self._model, "get_image_features")):
            raise UserError(
                f"--clip {checkpoint}: {type(self._model).__name__} is no CLIP-style model; name one, or use --vlm"
            )

    def knows(self, image: ImageQuestions) -> bool:
        return image.image is not None and is_file(Path(image.image))

    def similarities(self, questions: Sequence[str], images: Sequence[ImageQuestions], own: Sequence[int]) -> Floats:
        texts = self._features(questions, self._texts, self._known_texts)
        pictures = self._features([str(image.image) for image in images], self._pictures, self._known_pictures)
        cosines: Floats = texts @ pictures.T
        return cosines

    def _features(
        self, items: Sequence[str], encode: Callable[[Sequence[str]], Any], known: dict[str, Floats]
    ) -> Floats:
        """(N, D) of unit length; `known` has those of earlier calls, so that a picture is looked at once."""
        import torch

        with torch.inference_mode():
            for batch in _batches([item for item in dict.fromkeys(items) if item not in known]):
                features = np.asarray(encode(batch).float().cpu(), dtype=np.float64)
                known |= zip(batch, features / np.linalg.norm(features, axis=1, keepdims=True), strict=True)
        return np.stack([known[item] for item in items])

    def _texts(self, texts: Sequence[str]) -> Any:
        inputs = self._processor(text=list(texts), return_tensors="pt", padding=True, truncation=True)
        return _pooled(self._model.get_text_features(**inputs.to(self._device)))

    def _pictures(self, paths: Sequence[str]) -> Any:
        pictures = []
        for path in paths:
            try:
                pictures.append(ImageRef(path, Path(path)).open())
            except (OSError, ValueError) as error:
                raise UserError(f"{path}: not an image that can be read ({error})") from None
        inputs = self._processor(images=pictures, return_tensors="pt")
        return _pooled(self._model.get_image_features(**inputs.to(self._device)))


def _pooled(features: Any) -> Any:
    """Newer versions of transformers wrap the features."""
    return getattr(features, "pooler_output", features)


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    yield from (items[i : i + BATCH] for i in range(0, len(items), BATCH))
