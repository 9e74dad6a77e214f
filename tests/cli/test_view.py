"""`sqeval view` as a process, asked over a socket as a browser does, and as a browser must not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sqeval
from sqeval.cli.app import app
from sqeval.serving import LOOPBACK, Server, report_files

COMMAND = [sys.executable, "-c", "from sqeval.cli.app import main; main()", "view"]


@dataclass
class Viewer:
    process: subprocess.Popen[str]
    port: int

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(LOOPBACK, self.port, timeout=30)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("view")
    return sqeval.run("pope", model="majority", data="mini", limit=20, name="seen", out=out).path


def started(*arguments: object, **environment: str) -> Viewer:
    command = [*COMMAND, *map(str, arguments)]
    where = {**os.environ, **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=where)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith(f"http://{LOOPBACK}:"), process.communicate(timeout=60)
    return Viewer(process, int(address.rstrip("/").rpartition(":")[2]))


@pytest.fixture(scope="module")
def viewer(run: Path) -> Iterator[Viewer]:
    viewer = started(run, "--no-browser")
    yield viewer
    viewer.process.kill()
    viewer.process.communicate()


def test_serves_the_report(viewer: Viewer, run: Path, tmp_path: Path) -> None:
    answer, page = viewer.get()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    done = CliRunner().invoke(app, ["report", str(run), "-o", str(tmp_path / "report.html")])
    assert done.exit_code == 0
    assert page == (tmp_path / "report.html").read_bytes()


def test_localhost_is_the_same(viewer: Viewer) -> None:
    assert viewer.get(Host=f"localhost:{viewer.port}")[0].status == 200


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "/../../../../etc/passwd", "//etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/run.json",
     "/seen/run.json", "/report_files/../report.html", "/report_files/", "/report.html"],
)  # fmt: skip
def test_no_other_file_is_served(viewer: Viewer, path: str) -> None:
    answer, body = viewer.get(path)
    assert answer.status == 404
    assert b"root:" not in body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_a_name_that_was_made_to_lead_here_is_refused(viewer: Viewer, host: str) -> None:
    answer, body = viewer.get(Host=host.format(port=viewer.port))
    assert answer.status == 421
    assert b"majority" not in body


def test_without_a_host_nothing_is_served(viewer: Viewer) -> None:
    with socket.create_connection((LOOPBACK, viewer.port), timeout=30) as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert line.makefile("rb").readline().split()[1] == b"421"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_but_reading_is_possible(viewer: Viewer, method: str) -> None:
    assert viewer.get(method=method)[0].status == 501


def test_no_other_machine_can_reach_it(viewer: Viewer) -> None:
    """Linux has all of 127.0.0.0/8 for itself: a socket that is bound to any address answers at 127.0.0.2, too."""
    if sys.platform != "linux":
        pytest.skip("needs a second address of the machine's own")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", viewer.port), timeout=30)


def test_other_sites_cannot_show_it_or_read_it(viewer: Viewer) -> None:
    headers = viewer.get()[0].headers
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Python" not in headers["Server"]


def test_a_port_that_is_taken_is_bad_input(viewer: Viewer, run: Path) -> None:
    done = CliRunner().invoke(app, ["view", str(run), "--port", str(viewer.port), "--no-browser"])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(f"sqeval: --port {viewer.port}: ")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["view", str(tmp_path / "nothing"), "--no-browser"])
    assert done.exit_code == 2
    assert "nothing" in done.stderr


def test_opens_the_browser_and_ends_with_control_c(run: Path, tmp_path: Path) -> None:
    """A browser that writes down where it was sent."""
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/told.part && mv {tmp_path}/told.part {tmp_path}/told\n')
    script.chmod(0o755)
    viewer = started(run, BROWSER=f"{script} %s", TMPDIR=str(tmp_path))
    for _ in range(600):
        if (tmp_path / "told").is_file():
            break
        time.sleep(0.1)
    assert (tmp_path / "told").read_text() == f"http://{LOOPBACK}:{viewer.port}/"
    assert viewer.get()[0].status == 200
    viewer.process.send_signal(signal.SIGINT)
    _, said = viewer.process.communicate(timeout=60)
    assert viewer.process.returncode == 0
    assert "Traceback" not in said
    assert list(tmp_path.glob("sqeval-*")) == []


def test_thumbnails_beside_the_page_are_served(tmp_path: Path) -> None:
    page, beside = tmp_path / "report.html", tmp_path / "report_files"
    page.write_text("page")
    beside.mkdir()
    (beside / "a.webp").write_bytes(b"picture")
    (beside / "notes.txt").write_text("private")
    assert report_files(page) == {"/": page, "/report_files/a.webp": beside / "a.webp"}
    with Server(report_files(page)) as server:
        assert server.server_address[0] == LOOPBACK
