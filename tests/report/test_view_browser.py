"""The served report in a real browser: every request goes to the server, thumbnails beside the page are shown."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import chromium
import html_runs

from sqeval.report.html.page import write_report
from sqeval.serving import Server, report_files


def test_the_browser_asks_for_nothing_else(tmp_path: Path) -> None:
    root = html_runs.vqav2_root(tmp_path / "root", 4, 2, {})
    run = html_runs.answered(tmp_path / "out" / "run", root, lambda number: "red")
    written = write_report([run], tmp_path / "report.html", embed_mb=0)
    assert written.files
    requests: list[Any] = []
    with chromium.running() as browser, Server(report_files(written.path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_context().new_page()
        page.on("request", lambda request: requests.append(request))
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{server.url}#view=samples")
        image = page.locator(".detail figure img")
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        served = {request.url for request in requests}
        shown = {url for url in served if url.endswith(".webp")}
        assert shown
        assert all(url.startswith(server.url) for url in served)
        assert errors in ([], ["Failed to load resource: the server responded with a status of 404 (Not Found)"])
        server.shutdown()
