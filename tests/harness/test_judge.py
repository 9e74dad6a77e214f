"""The client of a judge, and the cache of its replies: against a server of this machine."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from judge_server import judging

from sqeval.errors import UserError
from sqeval.judge import ATTEMPTS, DEFAULT_URL, Judge, JudgeError, Reply, judge_from_environment
from sqeval.judged import Inquiry
from sqeval.judgements import Judgements

INQUIRY = Inquiry((("system", "Be fair."), ("user", "ü?")), max_tokens=3, temperature=0.5)


class Unhurried(Event):
    """Never set, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []
        """Seconds that would have been waited."""

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return False


@pytest.fixture
def unhurried() -> Unhurried:
    return Unhurried()


def test_what_is_sent_and_what_comes_back() -> None:
    with judging(lambda question, number: "0.7") as court:
        assert Judge("gpt", court.url + "/", "sk-secret").ask(INQUIRY, Event()) == Reply("0.7", "judge-0613")
        Judge("gpt", court.url).ask(INQUIRY, Event())
    messages = [{"role": "system", "content": "Be fair."}, {"role": "user", "content": "ü?"}]
    asked = {"model": "gpt", "messages": messages, "max_tokens": 3, "temperature": 0.5}
    assert court.asked[0] == {"path": "/v1/chat/completions", **asked}
    assert court.keys == ["Bearer sk-secret", None]


@pytest.mark.parametrize("trouble", [(429, "slow down"), (500, "oops"), (503, "busy"), b"<html>", b'{"choices": []}'])
def test_what_passes_is_tried_again(trouble: tuple[int, str] | bytes, unhurried: Unhurried) -> None:
    with judging(lambda question, number: trouble if number < 3 else "1.0") as court:
        assert Judge("gpt", court.url).ask(INQUIRY, unhurried).text == "1.0"
    assert unhurried.pauses == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("trouble", "tries", "message", "fatal"),
    [
        ((500, "oops"), ATTEMPTS, "HTTP 500: oops", False),
        ((400, "too long"), 1, "HTTP 400: too long", False),
        ((401, "bad key sk-secret"), 1, r"HTTP 401: bad key \*\*\*", True),
        ((404, "no such model"), 1, "HTTP 404: no such model", True),
        ((302, "elsewhere"), 1, "HTTP 302", False),  # the key stays here
        (b"{}", ATTEMPTS, "not a chat completion: {}", False),
        (b'{"choices": [{"message": {"content": 3}}]}', ATTEMPTS, "not a chat completion", False),
    ],
)
def test_what_does_not_pass(
    trouble: tuple[int, str] | bytes, tries: int, message: str, fatal: bool, unhurried: Unhurried
) -> None:
    with judging(lambda question, number: trouble) as court, pytest.raises(JudgeError, match=message) as caught:
        Judge("gpt", court.url, "sk-secret").ask(INQUIRY, unhurried)
    assert len(court.asked) == tries == len(unhurried.pauses) + 1
    assert caught.value.fatal is fatal
    assert "secret" not in str(caught.value)


def test_nobody_is_there(unhurried: Unhurried) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(JudgeError, match=r"no answer .*refused") as caught:
            Judge("gpt", url).ask(INQUIRY, unhurried)
    assert caught.value.fatal
    assert len(unhurried.pauses) == ATTEMPTS - 1


def test_a_refusal_to_speak_is_a_reply_without_text() -> None:
    with judging(lambda question, number: b'{"choices": [{"message": {"content": null}}]}') as court:
        assert Judge("gpt", court.url).ask(INQUIRY, Event()) == Reply("", "gpt")


def test_who_is_stopped_does_not_ask_again() -> None:
    stopped = Event()

    def busy(question: dict[str, Any], number: int) -> tuple[int, str]:
        stopped.set()
        return 503, "busy"

    with judging(busy) as court:
        judge = Judge("gpt", court.url)
        with pytest.raises(JudgeError, match="HTTP 503: busy"):
            judge.ask(INQUIRY, stopped)
        with pytest.raises(JudgeError, match="not asked"):
            judge.ask(INQUIRY, stopped)
    assert len(court.asked) == 1


def test_the_place_tells_judges_apart_and_not_where_they_are() -> None:
    judges = [Judge("gpt", "http://host/v1"), Judge("gpt", "http://b/v1"), Judge("other", "http://host/v1")]
    assert len({judge.place for judge in judges}) == 3
    assert judges[0].place == Judge("gpt", "http://host/v1/", "sk-secret").place
    assert not any("host" in judge.place for judge in judges)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "set OPENAI_API_KEY, or OPENAI_BASE_URL"),
        ({"OPENAI_BASE_URL": "localhost:8000"}, "OPENAI_BASE_URL: expected an address"),
        ({"OPENAI_BASE_URL": "https://me:sk-x@host/v1"}, "OPENAI_BASE_URL: expected an address"),
        ({"OPENAI_API_KEY": "sk-a\nb"}, "OPENAI_API_KEY: holds characters"),
    ],
)
def test_surroundings_that_cannot_work(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        judge_from_environment("gpt", environment)
    assert "sk-" not in str(caught.value)


def test_the_address_and_the_key_come_from_the_environment() -> None:
    assert judge_from_environment("gpt", {"OPENAI_API_KEY": " k\n"}).url == DEFAULT_URL
    assert judge_from_environment("gpt", {"OPENAI_BASE_URL": "http://host:1/v1/"}).url == "http://host:1/v1"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SQEVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_replies_are_kept_by_content(cache: Path) -> None:
    judge = Judge("gpt", "http://host/v1", "sk-secret")
    kept = Judgements(judge)
    keys = {kept.key(INQUIRY, 0), kept.key(INQUIRY, 1), kept.key(Inquiry(INQUIRY.messages, 3, 0.6), 0)}
    keys |= {Judgements(Judge(*who)).key(INQUIRY, 0) for who in [("other", "http://host/v1"), ("gpt", "http://b/v1")]}
    assert len(keys) == 5
    kept.put("a", Reply("0.5\n", "v"))
    kept.put("a", Reply("0.6 ü", "v"))
    assert Judgements(judge).get("a") == kept.get("a") == Reply("0.6 ü", "v")
    assert Judgements(judge, reuse=False).get("a") is None
    assert Judgements(Judge("other", "http://host/v1")).get("a") is None
    assert b"secret" not in kept.path.read_bytes()


@pytest.mark.parametrize("torn", [1, 5, 30])
def test_a_torn_line_is_lost_alone(cache: Path, torn: int) -> None:
    judge = Judge("gpt", "http://host/v1")
    kept = Judgements(judge)
    kept.put("a", Reply("1", "v"))
    kept.put("b", Reply("2", "v"))
    kept.path.write_bytes(kept.path.read_bytes()[:-torn])
    again = Judgements(judge)
    again.put("c", Reply("3", "v"))
    found = Judgements(judge)
    assert (found.get("a"), found.get("c")) == (Reply("1", "v"), Reply("3", "v"))
    assert found.get("b") == (None if torn > 1 else Reply("2", "v"))


def test_a_cache_that_cannot_be_written_is_a_message(cache: Path) -> None:
    cache.write_text("a file, not a folder")
    with pytest.raises(UserError, match="judgements"):
        Judgements(Judge("gpt", "http://host/v1")).put("a", Reply("1", "v"))
