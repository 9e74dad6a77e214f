"""A judge of this machine: an OpenAI-compatible address that answers as a test wishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Wish = str | tuple[int, str] | bytes
"""A reply; or a status and the message of a refusal; or the whole body of an answer."""


class Court:
    """The server's address, what it was asked, and the model that it says it is."""

    def __init__(self, replying: Callable[[dict[str, Any], int], Wish]) -> None:
        self.replying = replying
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.version = "judge-0613"
        self.url = ""
        self.lock = Lock()


@contextmanager
def judging(replying: Callable[[dict[str, Any], int], Wish]) -> Iterator[Court]:
    """`replying` is given the question and how many there were before it."""
    court = Court(replying)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with court.lock:
                number = len(court.asked)
                court.asked.append({"path": self.path, **question})
                court.keys.append(self.headers["Authorization"])
            wish = court.replying(question, number)
            if isinstance(wish, tuple):
                return self.answer(wish[0], json.dumps({"error": {"message": wish[1]}}).encode())
            if isinstance(wish, bytes):
                return self.answer(200, wish)
            said = {"model": court.version, "choices": [{"message": {"role": "assistant", "content": wish}}]}
            return self.answer(200, json.dumps(said).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status in (301, 302, 307):
                self.send_header("Location", f"{court.url}/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    court.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield court
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
