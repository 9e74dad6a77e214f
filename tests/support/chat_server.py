"""An OpenAI-compatible server of this machine, on real sockets, which answers or fails as a test wishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

VERSION = "eye-2026-01"


@dataclass(frozen=True)
class Fault:
    """What comes instead of an answer: a refusal, some bytes, or nothing and the connection is cut."""

    status: int = 200
    message: str = ""
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: bool = False


Replying = Callable[[dict[str, Any], int], str | dict[str, Any] | Fault]
"""From a question, and how many came before it, to the text of a reply, a choice of one's own, or a fault."""


class Served:
    """The server's address and what it was sent."""

    def __init__(self, replying: Replying) -> None:
        self.replying = replying
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.now = self.most = 0
        """Questions that are being answered, and the most that ever were."""
        self.url = ""
        self.lock = Lock()


@contextmanager
def serving(replying: Replying) -> Iterator[Served]:
    served = Served(replying)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in ("eye", "ear")]
            self.send(200, json.dumps({"object": "list", "data": models}).encode())

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                number = len(served.asked)
                served.asked.append(question)
                served.headers.append({name.lower(): value for name, value in self.headers.items()})
                served.now += 1
                served.most = max(served.most, served.now)
            try:
                wish = served.replying(question, number)
            finally:
                with served.lock:
                    served.now -= 1
            if isinstance(wish, Fault):
                return self.fail(wish)
            said = wish if isinstance(wish, str) else "so to say"
            choice: dict[str, Any] = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
            choice |= wish if isinstance(wish, dict) else {}
            usage = {"prompt_tokens": 100, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 60}}
            return self.send(200, json.dumps({"model": VERSION, "choices": [choice], "usage": usage}).encode())

        def fail(self, fault: Fault) -> None:
            if fault.cut:
                self.close_connection = True
                self.connection.close()
            elif fault.body is not None:
                self.send(fault.status, fault.body)
            else:
                told = {"error": {"message": fault.message, "code": fault.code}}
                self.send(fault.status, json.dumps(told).encode(), fault.headers)

        def send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(OSError, ValueError):  # cut by us, or by a client that had waited long enough
                super().handle()

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
