"""The few addresses of the hub that a download needs, served from a folder by a server of this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "a" * 40
REFUSALS = {
    "org/private": (401, "RepoNotFound"),
    "org/gated": (403, "GatedRepo"),
    "org/broken": (500, ""),
}


@contextmanager
def serving(files: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of a hub whose only repository ``org/model`` (revision ``main``) holds `files`; and what was fetched."""
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            for name, (status, code) in REFUSALS.items():
                if path.startswith((f"/api/models/{name}", f"/{name}/")):
                    return self.answer(status, b"{}", {"X-Error-Code": code})
            if path.startswith("/api/models/org/model/revision/"):
                if path.endswith(("/main", COMMIT)):
                    return self.answer(200, json.dumps({"id": "org/model", "sha": COMMIT, "siblings": []}).encode())
                return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
            if path == f"/api/models/org/model/tree/{COMMIT}":
                listed = [p for p in sorted(files.rglob("*")) if p.is_file()]
                entries = [
                    {"type": "file", "path": p.relative_to(files).as_posix(), "size": p.stat().st_size, "oid": etag(p)}
                    for p in listed
                ]
                return self.answer(200, json.dumps(entries).encode())
            name = path.removeprefix(f"/org/model/resolve/{COMMIT}/")
            if name != path and (files / name).is_file():
                if self.command == "GET":
                    fetched.append(name)
                headers = {"ETag": f'"{etag(files / name)}"', "X-Repo-Commit": COMMIT}
                return self.answer(200, (files / name).read_bytes(), headers)
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for key, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", fetched
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()
