from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from shades import Shades, Tints

from sqeval.data.images import ImageRef
from sqeval.model import Identity, Settings
from sqeval.planner import digest, groups, prompts_hash, questions, select
from sqeval.task import Sample

WHO = Identity("m", "kind", "place", "f" * 64, details={"dtype": "float32"})


def sample(number: int, image: int | None) -> Sample:
    ref = None if image is None else ImageRef(f"i{image}", Path(f"/nowhere/{image}.png"))
    return Sample(str(number), ref, f"question {number}", "yes", f"c{number if image is None else image}")


SAMPLES = st.lists(st.none() | st.integers(0, 12), max_size=60).map(
    lambda images: [sample(number, image) for number, image in enumerate(images)]
)


@given(SAMPLES, st.integers(1, 80), st.integers(0, 5))
def test_limit_takes_whole_clusters_in_data_order(samples: list[Sample], limit: int, seed: int) -> None:
    chosen = select(samples, limit, seed)
    clusters = {s.cluster for s in chosen}
    assert chosen == [s for s in samples if s.cluster in clusters]
    assert len(chosen) >= min(limit, len(samples))
    for cluster in clusters:  # never more clusters than needed: without some one of them there are too few
        sizes = [sum(s.cluster == c for s in samples) for c in clusters]
        assert len(chosen) - max(sizes) < limit, cluster
    assert select(samples, limit, seed) == chosen


@given(SAMPLES, st.integers(1, 40), st.integers(0, 40), st.integers(0, 5))
def test_a_larger_limit_contains_the_smaller(samples: list[Sample], limit: int, more: int, seed: int) -> None:
    small, large = select(samples, limit, seed), select(samples, limit + more, seed)
    assert {s.id for s in small} <= {s.id for s in large}


def test_the_seed_draws_and_the_order_of_rows_does_not() -> None:
    samples = [sample(i, i // 3) for i in range(300)]
    draws = {seed: {s.id for s in select(samples, 30, seed)} for seed in range(20)}
    assert len({frozenset(ids) for ids in draws.values()}) == 20
    assert all({s.id for s in select(samples[::-1], 30, seed)} == ids for seed, ids in draws.items())
    drawn = [int(key) for ids in draws.values() for key in ids]
    assert 120 < sum(drawn) / len(drawn) < 180  # from everywhere, not from the first rows


@given(SAMPLES)
def test_groups_hold_every_question_once_and_an_image_once(samples: list[Sample]) -> None:
    asked = questions(Shades(), samples, WHO)
    planned = groups([(Shades(), asked)])
    requests = [request for group in planned for request in group.requests]
    assert sorted(r.id for r in requests) == sorted(s.id for s in samples)
    keys = [group.image.key for group in planned if group.image]
    assert len(keys) == len(set(keys))
    by_id = {s.id: s for s in samples}
    for group in planned:
        assert {by_id[r.id].image for r in group.requests} == {group.image}
        assert group.image is not None or len(group.requests) == 1


@given(SAMPLES, SAMPLES)
def test_tasks_that_share_an_image_share_its_group(mine: list[Sample], others: list[Sample]) -> None:
    asked = [(task, questions(task, samples, WHO)) for task, samples in ((Shades(), mine), (Tints(), others))]
    planned = groups(asked)
    requests = [request for group in planned for request in group.requests]
    expected = [("shades", s.id) for s in mine] + [("tints", s.id) for s in others]
    assert sorted((r.task, r.id) for r in requests) == sorted(expected)
    assert all(r.settings == {"shades": Shades, "tints": Tints}[r.task].settings for r in requests)
    images = [group.image for group in planned if group.image]
    assert len(images) == len(set(images)) == len({s.image for s in (*mine, *others) if s.image})


def test_images_that_merely_have_the_same_name_stay_apart() -> None:
    images = [ImageRef("1", Path("a/1.png")), ImageRef("1", Path("b/1.png")), ImageRef("1", data=b"1")]
    samples = [Sample(str(number), image, "q", "yes", "c") for number, image in enumerate(images)]
    planned = groups((task, questions(task, samples, WHO)) for task in (Shades(), Tints()))
    assert [(group.image, len(group.requests)) for group in planned] == [(image, 2) for image in images]


def hashes(samples: Sequence[Sample], who: Identity = WHO) -> list[str]:
    return [question.hash for question in questions(Shades(), samples, who)]


def test_the_request_hash_follows_what_determines_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (4, 4)).save(path)
    asked = [Sample("1", ImageRef("a.png", path), "q", "yes", "c")]
    [before] = hashes(asked)
    assert hashes([Sample("1", ImageRef("a.png", path), "q", "no", "other cluster")]) == [before]
    assert hashes(asked, Identity("another name", "kind", "moved", "f" * 64, details={"dtype": "float32"})) == [before]
    others = [
        hashes([Sample("1", ImageRef("a.png", path), "q?", "yes", "c")]),
        hashes([Sample("1", ImageRef("b.png", path), "q", "yes", "c")]),
        hashes([Sample("1", None, "q", "yes", "c")]),
        hashes([Sample("2", ImageRef("a.png", path), "q", "yes", "c")]),
        hashes(asked, Identity("m", "kind", "place", "0" * 64, details={"dtype": "float32"})),
        hashes(asked, Identity("m", "kind", "place", "f" * 64, details={"dtype": "bfloat16"})),
        hashes(asked, Identity("m", "other", "place", "f" * 64, details={"dtype": "float32"})),
    ]
    Image.new("L", (40, 40)).save(path)
    others.append(hashes(asked))
    assert len({before, *(h for [h] in others)}) == 9


def test_prompts_hash_is_about_prompts_and_settings() -> None:
    class Longer(Shades):
        settings = Settings(max_new_tokens=Shades.settings.max_new_tokens + 1)

    samples = [sample(i, i) for i in range(5)]
    mine = prompts_hash(Shades(), samples)
    assert mine == prompts_hash(Shades(), list(samples))
    assert mine != prompts_hash(Shades(), samples[1:])
    assert mine != prompts_hash(Longer(), samples)


TEXT = st.text(st.characters())


@given(st.lists(st.tuples(TEXT, TEXT, st.none() | TEXT)))
@example([("\ud800", "\x7f", "é"), ("\x7f", "a", None), ("\\", '"\n', "\x00")])
def test_hashes_are_digests_of_what_they_are_about(texts: list[tuple[str, str, str | None]]) -> None:
    """Whatever characters there are: half a surrogate pair, and the one that only Python escapes."""
    samples = [Sample(key, None if image is None else ImageRef(image), text, "", "c") for key, text, image in texts]
    asked = questions(Shades(), samples, WHO)
    settings = {**asdict(Shades.settings)}
    del settings["seed"]
    how = digest([WHO.kind, WHO.checkpoint_hash or WHO.checkpoint, WHO.details], settings)
    for sample, question in zip(samples, asked, strict=True):
        seen = None if sample.image is None else [sample.image.key, None]
        assert question.hash == digest(how, sample.id, seen, Shades().prompt(sample))
    expected = digest([[sample.id, Shades().prompt(sample)] for sample in samples], settings)
    assert prompts_hash(Shades(), samples) == prompts_hash(Shades(), samples, asked) == expected
    again = [*asked, *questions(Shades(), samples[:1], WHO)]
    assert prompts_hash(Shades(), samples, again) == prompts_hash(Shades(), samples, asked[:-1]) == expected


def test_answers_that_exist_depend_on_the_file_alone() -> None:
    samples = [sample(i, i) for i in range(3)]
    one, *others = {question.hash for question in questions(Shades(), samples, WHO, answered=True)}
    assert not others
    other = Identity("other", WHO.kind, checkpoint_hash="e" * 64)
    assert {question.hash for question in questions(Shades(), samples, other, answered=True)} != {one}


def test_digest_ignores_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})
