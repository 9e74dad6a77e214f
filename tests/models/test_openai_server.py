"""A served model behind the protocol, against a server on real sockets."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import numpy as np
import pytest
from chat_server import VERSION, Fault, serving
from PIL import Image

from sqeval.config import RunConfig
from sqeval.data.images import ImageRef
from sqeval.errors import IncompleteError, UserError
from sqeval.model import Completion, Group, Request, Settings
from sqeval.models.loading import load_model
from sqeval.progress import Silent

Make = Callable[..., RunConfig]
KEY = "sk-a-key-that-nobody-may-see"


class Notes(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, what: str) -> None:
        self.lines.append(what)


@pytest.fixture
def model(asking: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The model `eye` at an address, with its notes; no pause is longer than a moment."""
    monkeypatch.setattr("sqeval.models.openai.calling.pause", lambda attempt, header=None: float(header or 0.001))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def make(url: str, notes: Notes | None = None, **args: str) -> Any:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        return load_model(asking(args.pop("ckpt", "eye"), model="openai", model_args=args), notes)

    return make


def asked(images: Sequence[ImageRef | None], *texts: str, **settings: Any) -> list[Group]:
    how = Settings(**settings)
    return [
        Group(image, tuple(Request("t", f"{place}/{text}", text, how) for text in texts))
        for place, image in enumerate(images)
    ]


def by_id(answers: Sequence[Completion]) -> dict[str, Completion]:
    found = {answer.id: answer for answer in answers}
    assert len(found) == len(answers)
    return found


def content(question: dict[str, Any]) -> list[dict[str, Any]]:
    (turn,) = question["messages"]
    assert turn["role"] == "user"
    return list(turn["content"])


def text_of(question: dict[str, Any]) -> str:
    return str(content(question)[-1]["text"])


def test_a_question_is_sent_with_its_image_and_settings(model: Callable[..., Any], images: list[ImageRef]) -> None:
    with serving(lambda question, number: f" {text_of(question)}! zebra. more") as server:
        groups = asked([images[0], None], "is it red", max_new_tokens=7, temperature=0.5, stop=(".", "zebra"), seed=3)
        found = by_id(list(model(server.url, detail="low").generate(groups)))
    assert found["0/is it red"] == Completion("t", "0/is it red", "is it red!", "stop", 2)
    seen, blind = sorted(server.asked, key=lambda question: -len(content(question)))
    picture, text = content(seen)
    assert picture["image_url"]["detail"] == "low"
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    assert images[0].path is not None
    assert base64.b64decode(data) == images[0].path.read_bytes()
    assert text == {"type": "text", "text": "is it red"}
    assert [part["type"] for part in content(blind)] == ["text"]
    for question in server.asked:
        assert question["model"] == "eye"
        assert (question["max_tokens"], question["temperature"], question["stop"]) == (7, 0.5, [".", "zebra"])
    assert seen["seed"] != blind["seed"]  # each question draws for itself
    assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)


def test_greedy_questions_bring_no_seed_and_names_of_limits_differ(model: Callable[..., Any]) -> None:
    with serving(lambda question, number: "yes") as server:
        list(model(server.url, tokens_as="max_completion_tokens").generate(asked([None], "q", max_new_tokens=5)))
    (question,) = server.asked
    assert question["max_completion_tokens"] == 5
    assert not {"seed", "stop", "max_tokens", "logprobs"} & set(question)


def test_so_many_questions_are_with_the_server_at_a_time(model: Callable[..., Any], images: list[ImageRef]) -> None:
    """The server answers none of the first six before it has all six; with fewer at a time the barrier breaks."""
    barrier = Barrier(6)

    def together(question: dict[str, Any], number: int) -> str:
        if number < 6:
            barrier.wait(timeout=20)
        return "yes"

    with serving(together) as server:
        found = list(model(server.url, concurrency="6").generate(asked(images, *"abcdefg")))
    assert [answer.text for answer in found] == ["yes"] * 21
    assert server.most == 6


def test_answers_arrive_as_they_come(model: Callable[..., Any]) -> None:
    """One question waits until the others have been taken."""
    rest = Event()

    def slow(question: dict[str, Any], number: int) -> str:
        if text_of(question) == "slow":
            assert rest.wait(timeout=20)
        return text_of(question)

    with serving(slow) as server:
        answers = model(server.url, concurrency="2").generate(asked([None], "slow", "b", "c", "d"))
        assert {next(answers).text for _ in range(3)} == {"b", "c", "d"}
        rest.set()
        assert [answer.text for answer in answers] == ["slow"]


FAULTS = [
    Fault(429, "slow down", headers={"Retry-After": "0.01"}),
    Fault(500, "oh dear"),
    Fault(cut=True),
    Fault(body=b"<html>gateway</html>"),
    Fault(body=b'{"choices": []}'),
    Fault(body=b'{"choices": [{"message": {"content": ["a list"]}}]}'),
]


def test_what_passes_is_asked_again(model: Callable[..., Any]) -> None:
    with serving(lambda question, number: FAULTS[number % 6] if number < 5 else "yes") as server:
        (answer,) = model(server.url, concurrency="1").generate(asked([None], "q"))
    assert (answer.text, answer.error) == ("yes", None)
    assert len(server.asked) == 6


def test_a_wish_to_wait_is_heeded(model: Callable[..., Any]) -> None:
    times: list[float] = []

    def busy(question: dict[str, Any], number: int) -> str | Fault:
        times.append(time.monotonic())
        return "yes" if number else Fault(429, "slow down", headers={"Retry-After": "0.3"})

    with serving(busy) as server:
        list(model(server.url).generate(asked([None], "q")))
    assert times[1] - times[0] >= 0.3


def test_so_many_questions_a_minute(model: Callable[..., Any]) -> None:
    times: list[float] = []
    with serving(lambda question, number: times.append(time.monotonic()) or "yes") as server:
        list(model(server.url, rpm="1200").generate(asked([None], *"abcdef")))
    assert max(times) - min(times) >= 5 * 60 / 1200 * 0.8


def test_an_answer_that_takes_too_long_is_asked_for_again(model: Callable[..., Any]) -> None:
    late = Event()

    def once(question: dict[str, Any], number: int) -> str:
        if number == 0:
            late.wait(timeout=20)
        return "yes"

    with serving(once) as server:
        (answer,) = model(server.url, timeout="0.5").generate(asked([None], "q"))
        late.set()
    assert (answer.text, len(server.asked)) == ("yes", 2)


def test_refusals_of_a_question_are_its_errors(model: Callable[..., Any], images: list[ImageRef]) -> None:
    def filtering(question: dict[str, Any], number: int) -> Any:
        return {
            "bad": Fault(400, f"filtered {KEY}", code="content_filter"),
            "cut": {"finish_reason": "content_filter"},
            "long": {"finish_reason": "length"},
            "no": {"message": {"content": None, "refusal": "I would rather not."}},
        }.get(text_of(question), "yes")

    gone = ImageRef("gone.png", path=Path("gone.png"))
    with serving(filtering) as server:
        groups = asked([images[0], gone], "bad", "cut", "long", "no", "good")
        found = by_id(list(model(server.url).generate(groups)))
    assert sorted(map(text_of, server.asked)) == ["bad", "cut", "good", "long", "no"]
    assert found["0/good"].error is None
    assert found["0/long"].finish_reason == "length"
    assert found["0/no"].text == "I would rather not."
    assert found["0/bad"].error == "HTTP 400: filtered ***"
    assert "content filter" in str(found["0/cut"].error)
    assert all("image cannot be opened" in str(found[f"1/{text}"].error) for text in ("bad", "good"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(401, f"Incorrect API key: {KEY}"), r"HTTP 401: Incorrect API key: \*\*\*; set OPENAI_API_KEY"),
        (Fault(403, "not yours"), "HTTP 403: not yours; set OPENAI_API_KEY"),
        (Fault(404, "no such model"), "HTTP 404: no such model; did you mean 'eye'.*the server has: eye, ear"),
        (Fault(429, "broke", code="insufficient_quota"), "HTTP 429: broke; the account of OPENAI_API_KEY"),
    ],
)
def test_what_every_question_would_meet_stops_the_run(fault: Fault, words: str, model: Callable[..., Any]) -> None:
    with serving(lambda question, number: fault) as server, pytest.raises(UserError, match=words) as caught:
        list(model(server.url, ckpt="eyes", concurrency="2").generate(asked([None], *map(str, range(50)))))
    assert len(server.asked) < 10
    assert KEY not in str(caught.value)


def test_a_server_that_is_gone_stops_the_run(model: Callable[..., Any], images: list[ImageRef]) -> None:
    with serving(lambda question, number: "yes") as server:
        url = server.url
    answers = model(url, concurrency="2").generate(asked(images * 5, *"abc"))
    with pytest.raises(IncompleteError, match=r"nothing was answered 5 times in a row.*no answer"):
        list(answers)


def test_one_refused_image_is_no_dead_server(model: Callable[..., Any], images: list[ImageRef]) -> None:
    """Eight questions about an image that a filter refuses are errors; five such images in a row are the end."""

    def filtering(question: dict[str, Any], number: int) -> str | Fault:
        return Fault(400, "filtered") if len(content(question)) > 1 else "yes"

    with serving(filtering) as server:
        found = list(model(server.url, concurrency="2").generate(asked([images[0], None], *map(str, range(8)))))
        assert sum(answer.error is None for answer in found) == 8
        with pytest.raises(IncompleteError, match="HTTP 400"):
            list(model(server.url, concurrency="2").generate(asked(images * 2, *map(str, range(3)))))


def test_stopping_waits_for_no_pause(model: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops reading need not wait until a server has had its rest."""
    monkeypatch.setattr("sqeval.models.openai.calling.pause", lambda attempt, header=None: 3600.0)

    def busy(question: dict[str, Any], number: int) -> str | Fault:
        return "yes" if text_of(question) == "good" else Fault(500, "busy")

    with serving(busy) as server:
        answers = model(server.url, concurrency="2").generate(asked([None], "bad", "good", "also bad"))
        assert next(answers).text == "yes"
        closing = Thread(target=answers.close)
        closing.start()
        closing.join(timeout=30)
        assert not closing.is_alive()


def test_what_it_will_take_is_told_first_and_what_it_took_last(
    model: Callable[..., Any], images: list[ImageRef]
) -> None:
    notes = Notes()
    with serving(lambda question, number: "yes") as server:
        served = model(server.url, notes, price_in="2.5", price_out="10", detail="low")
        list(served.generate(asked(images, "abcdefgh", "ijklmnop", max_new_tokens=50)))
    sent = sum(2 * (path.stat().st_size * 4 / 3 + 8) for path in (image.path for image in images) if path) / 1e6
    tokens = 6 * (8 / 4 + 85)
    roughly, exactly = (tokens * 2.5 + 300 * 10) / 1e6, (600 * 2.5 + 12 * 10) / 1e6
    assert notes.lines == [
        f"eye: 6 questions about 3 images; {sent:,.1f} MB to send, roughly {tokens:,.0f} tokens; at most 300 come "
        f"back, which costs at most roughly {roughly:,.2f}",
        f"eye: 600 tokens sent and 12 received, by the server; cost {exactly:,.2f}; it says that it is {VERSION}",
    ]
    work = served.work()
    assert (work.prompt_tokens, work.prefilled_tokens, work.generated_tokens, work.images_encoded) == (600, 240, 12, 3)
    assert work.notes == (f"the server says that it is {VERSION}",)


def sent_picture(server: Any) -> Image.Image:
    url = content(server.asked[-1])[0]["image_url"]["url"]
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@pytest.mark.parametrize(
    ("name", "exif", "same"), [("a.jpg", False, True), ("b.jpg", True, False), ("c.bmp", False, False)]
)
def test_images_are_sent_as_they_are_unless_a_server_could_read_them_otherwise(
    name: str, exif: bool, same: bool, model: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / name
    options = {}
    if exif:
        turned = Image.Exif()
        turned[0x0112] = 6
        options["exif"] = turned
    rows, columns = np.mgrid[0:30, 0:40]
    Image.fromarray(np.stack([rows * 8, columns * 6, rows + columns], axis=-1).astype("uint8")).save(file, **options)
    image = ImageRef(name, path=file)
    with serving(lambda question, number: "yes") as server:
        list(model(server.url).generate(asked([image], "q")))
        whole = content(server.asked[0])[0]["image_url"]["url"]
        assert (base64.b64decode(whole.partition(",")[2]) == file.read_bytes()) is same
        picture = sent_picture(server)
        assert picture.size == (40, 30)
        assert picture.getexif().get(0x0112, 1) == 1
        near = np.abs(np.asarray(picture.convert("RGB"), int) - np.asarray(image.open(), int))
        assert near.mean() < 2
        list(model(server.url, max_side="20").generate(asked([image], "q")))
        assert sent_picture(server).size == (20, 15)
