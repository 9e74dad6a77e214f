"""A report on this machine's own address: the page and its thumbnails, for this machine alone, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

from sqeval.errors import UserError

LOOPBACK = "127.0.0.1"
TYPES = {".html": "text/html; charset=utf-8", ".webp": "image/webp"}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page itself forbids all else, requests included
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server(ThreadingHTTPServer):
    """Serves `files`, a file by the path that is asked for, until `shutdown`.

    port: 0 is any that is free. Raises UserError for one that is taken or not allowed.
    """

    daemon_threads = True

    def __init__(self, files: Mapping[str, Path], port: int = 0) -> None:
        self.files = files
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise UserError(f"--port {port}: {why}; give another one, or leave it out for one that is free") from None

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service for the name of the address.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser that was sent here by `url` names as the host.

        A site whose own name was made to lead here (DNS rebinding) has its browser name that one.
        """
        return frozenset(f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost"))


def report_files(page: Path) -> dict[str, Path]:
    """What a report consists of, by the path that it is asked for: the page, and the thumbnails in its folder."""
    beside = page.with_name(f"{page.stem}_files")
    thumbnails = {f"/{beside.name}/{file.name}": file for file in sorted(beside.glob("*.webp"))}
    return {"/": page, **thumbnails}


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "sqeval", ""

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        file = self.server.files.get(self.path.partition("?")[0])
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content = file.read_bytes()
        self.send_response(HTTPStatus.OK)
        for name, value in {**HEADERS, "Content-Type": TYPES[file.suffix], "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what a person looks at is no news to them."""
