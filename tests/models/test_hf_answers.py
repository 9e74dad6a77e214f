"""Models of transformers behind the protocol, against transformers' own `generate` on each question alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_hf
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from sqeval.config import RunConfig
from sqeval.data.images import ImageRef
from sqeval.model import Completion, Group, Request, Settings
from sqeval.models.hf.decoding import Choice, cut
from sqeval.models.hf.prompts import Row
from sqeval.models.hf.rows import HfModel, windows
from sqeval.models.hf.shared import SharedModel
from sqeval.models.loading import load_model

Make = Callable[..., RunConfig]
TEXTS = ("is it red", "what colour is the large square on the left?", "is it", "how many green triangles are there")
WRITERS: dict[str, Callable[..., Path]] = {
    "llava": tiny_hf.write_llava,
    "idefics3": tiny_hf.write_idefics3,
    "llava_next": tiny_hf.write_llava_next,
    "paligemma": tiny_hf.write_paligemma,
    "gemma3": tiny_hf.write_gemma3,
}


def grouped(images: Sequence[ImageRef], **settings: Any) -> list[Group]:
    """All questions about each image, and two about none, of different lengths."""
    groups = []
    for place, image in enumerate([*images, None]):
        texts = TEXTS if image else TEXTS[:2]
        how = [Settings(**{"max_new_tokens": 3 + (number % 2) * 4, **settings}) for number in range(len(texts))]
        groups.append(Group(image, tuple(Request("t", f"{place}/{n}", text, how[n]) for n, text in enumerate(texts))))
    return groups


def alone(folder: Path, groups: Sequence[Group]) -> dict[str, tuple[list[int], str, float]]:
    """Tokens, text and log-probability of each request, as transformers has them."""
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    answers = {}
    for group in groups:
        picture = [] if group.image is None else [{"type": "image", "image": group.image.open()}]
        for request in group.requests:
            turn = {"role": "user", "content": [*picture, {"type": "text", "text": request.prompt}]}
            inputs = processor.apply_chat_template(
                [[turn]], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
            found = model.generate(
                **inputs, do_sample=False, max_new_tokens=request.settings.max_new_tokens, output_logits=True,
                return_dict_in_generate=True,
            )  # fmt: skip
            tokens = found.sequences[0, inputs["input_ids"].shape[1] :].tolist()
            logs = [
                step[0].float().log_softmax(-1)[token].item() for step, token in zip(found.logits, tokens, strict=True)
            ]
            answers[request.id] = tokens, processor.decode(tokens, skip_special_tokens=True).strip(), sum(logs)
    return answers


def answered(model: Any, groups: Sequence[Group]) -> dict[str, Completion]:
    found = list(model.generate(groups))
    assert Counter(done.id for done in found) == {r.id: 1 for group in groups for r in group.requests}
    return {done.id: done for done in found}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # PaliGemma's processor
@pytest.mark.parametrize(
    ("name", "engine", "kind", "budget"),
    [
        *(("llava", "auto", SharedModel, budget) for budget in (1, 200, None)),
        *(("llava", "rows", HfModel, budget) for budget in (1, 200, None)),
        *(("idefics3", "auto", HfModel, budget) for budget in (1, 500, None)),
        *((name, "auto", HfModel, 500) for name in ("llava_next", "paligemma", "gemma3")),
    ],
)
def test_every_answer_is_that_of_generate(
    name: str, engine: str, kind: type, budget: int | None, images: list[ImageRef], asking: Make, tmp_path: Path
) -> None:
    groups = [group for group in grouped(images) if group.image is not None or name != "paligemma"]
    before = alone(WRITERS[name](tmp_path / "before"), groups)
    said = Counter(token for tokens, _, _ in before.values() for token in set(tokens[1:])).most_common()
    end = said[len(said) // 4][0]
    folder = WRITERS[name](tmp_path / "ends", ends=end)  # so that some answers end early
    model = load_model(asking(folder, model="hf", engine=engine, batch_tokens=budget))
    assert isinstance(model, kind)
    found = answered(model, groups)
    wanted = alone(folder, groups)
    assert len({wanted[f"{place}/1"][1] for place in range(len(images))}) > 1  # it does look
    for key, (tokens, text, logprob) in wanted.items():
        done = found[key]
        reason = "stop" if tokens[-1] == end else "length"
        assert (done.text, done.tokens, done.finish_reason, done.error) == (text, len(tokens), reason, None)
        assert done.logprob == pytest.approx(logprob, abs=1e-3)
    assert {done.finish_reason for done in found.values()} == {"stop", "length"}


def test_any_of_several_end_tokens_ends_an_answer(images: list[ImageRef], asking: Make, tmp_path: Path) -> None:
    groups = grouped(images)
    before = alone(tiny_hf.write_llava(tmp_path / "before"), groups)
    ends = sorted({tokens[place] for tokens, _, _ in before.values() for place in (1, 2)})[:4]
    folder = tiny_hf.write_llava(tmp_path / "ends", ends=ends)
    model = load_model(asking(folder, model="hf"))
    assert isinstance(model, HfModel)  # the engine knows one end token
    found = answered(model, groups)
    assert {key: done.text for key, done in found.items()} == {
        k: text for k, (_, text, _) in alone(folder, groups).items()
    }
    assert len({done.tokens for done in found.values() if done.finish_reason == "stop"}) > 1


def test_the_checkpoint_s_own_settings_for_generation_count(
    images: list[ImageRef], asking: Make, tmp_path: Path
) -> None:
    """A repetition penalty, which the engine does not have."""
    folder = tiny_hf.write_llava(tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model.generation_config.update(repetition_penalty=3.0, do_sample=True, temperature=0.2, top_p=0.9)
    model.generation_config.save_pretrained(folder)
    groups = grouped(images, max_new_tokens=8)
    model = load_model(asking(folder, model="hf"))
    assert isinstance(model, HfModel)
    assert {k: done.text for k, done in answered(model, groups).items()} == {
        key: text for key, (_, text, _) in alone(folder, groups).items()
    }


@pytest.mark.parametrize("engine", ["auto", "rows"])
def test_stop_texts_are_cut_off(engine: str, llava: Path, images: list[ImageRef], asking: Make) -> None:
    whole = answered(load_model(asking(llava, model="hf", engine=engine)), grouped(images, max_new_tokens=7))
    stop = (max(whole.values(), key=lambda done: len(done.text)).text[2:4], "zebra")
    found = answered(load_model(asking(llava, model="hf", engine=engine)), grouped(images, max_new_tokens=7, stop=stop))
    ended = {key for key, done in whole.items() if cut(done.text, stop) is not None}
    assert ended
    for key, done in found.items():
        assert done.text == whole[key].text[: cut(whole[key].text, stop)].strip()
        assert (done.finish_reason == "stop") == (key in ended)
        assert done.tokens < 7 if key in ended else done.tokens == 7


def test_samples_do_not_depend_on_what_is_computed_beside_them(
    llava: Path, images: list[ImageRef], asking: Make
) -> None:
    def said(seed: int, **settings: Any) -> dict[str, str]:
        groups = grouped(images, temperature=1.0, seed=seed)
        return {
            key: done.text for key, done in answered(load_model(asking(llava, model="hf", **settings)), groups).items()
        }

    for engine in ("rows", "auto"):
        together = said(0, engine=engine)
        assert together == said(0, engine=engine, batch_tokens=1)
        assert together != said(1, engine=engine)


def test_samples_are_drawn_from_the_model_s_distribution() -> None:
    logits = torch.tensor([0.5, -1.0, 2.0, 0.0])
    requests = [Request("t", str(number), "", Settings()) for number in range(4000)]
    choice = Choice(requests, Settings(temperature=2.0))
    left = choice(torch.empty(4000, 0, dtype=torch.long), logits.repeat(4000, 1))
    drawn = Counter(left.argmax(-1).tolist())
    for token, share in enumerate((logits / 2).softmax(-1).tolist()):
        assert abs(drawn[token] - 4000 * share) < 5 * (4000 * share * (1 - share)) ** 0.5
    assert torch.isinf(left).sum() == 3 * 4000
    wanted = logits.log_softmax(-1)[left.argmax(-1)]
    torch.testing.assert_close(choice.logprobs[0], wanted)


def test_an_image_is_opened_and_processed_once(
    idefics3: Path, images: list[ImageRef], asking: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load_model(asking(idefics3, model="hf"))
    counts = Counter[str]()
    opening, processing = ImageRef.open, model.prompts.processor.image_processor.inner.preprocess

    def opened(self: ImageRef) -> Any:
        counts["opened"] += 1
        return opening(self)

    def processed(*arguments: Any, **options: Any) -> Any:
        counts["processed"] += 1
        return processing(*arguments, **options)

    monkeypatch.setattr(ImageRef, "open", opened)
    monkeypatch.setattr(model.prompts.processor.image_processor.inner, "preprocess", processed)
    assert all(done.error is None for done in answered(model, grouped(images)).values())
    assert counts == {"opened": len(images), "processed": len(images)}
    for group in grouped(images)[:-1]:  # and its pixels are in memory once
        assert len({row.image["pixel_values"].data_ptr() for row in model.prompts.rows(group)}) == 1


def test_windows_hold_so_many_rows_or_so_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqeval.models.hf.rows.WINDOW", 5)
    monkeypatch.setattr("sqeval.models.hf.rows.WINDOW_BYTES", 300)
    small, large = torch.zeros(1, 25), torch.zeros(1, 50)  # 100 and 200 bytes
    asked = Request("t", "x", "", Settings())
    order = [small] * 6 + [large, small, small, torch.zeros(1, 100)]
    rows = [Row(asked, {}, {"pixel_values": picture}) for picture in order]
    assert [len(window) for window in windows(rows)] == [5, 2, 3]
    assert [row for window in windows(rows) for row in window] == rows
