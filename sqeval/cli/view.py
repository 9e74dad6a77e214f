"""`sqeval view`: the report in the browser, without a file to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    paths: Annotated[list[Path], typer.Argument(help="One run folder, several, or a results folder.")],
    baseline: Annotated[str | None, typer.Option(help="Name or folder of the run to compare with.")] = None,
    data: Annotated[
        str | None, typer.Option(help="Data root that has the images.", show_default="the one the run was about")
    ] = None,
    port: Annotated[int, typer.Option(help="Port to serve at.", min=0, max=65535, show_default="one that is free")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    margin: Annotated[float, typer.Option(min=0.0, help="Loss, in points, that a pass must exclude.")] = 1.0,
    alpha: Annotated[float, typer.Option(min=1e-6, max=0.5, help="Rate of false alarms, over all tasks.")] = 0.05,
) -> None:
    """Show the page of `sqeval report` in the browser, until Ctrl-C.

    It is served to this machine alone, at 127.0.0.1: the page with its thumbnails, no other file. Nothing is kept.

    Example: sqeval view results/try

    On a machine elsewhere: ssh -L 8000:127.0.0.1:8000 HOST, and there: sqeval view RUN --port 8000 --no-browser
    """
    import sys
    import tempfile
    import threading
    import webbrowser

    from sqeval.cli.report import write
    from sqeval.serving import Server, report_files

    with tempfile.TemporaryDirectory(prefix="sqeval-") as folder:
        page = Path(folder) / "report.html"
        write(paths, page, baseline=baseline, data=data, embed_mb=EMBED_MB, margin=margin, alpha=alpha)
        with Server(report_files(page), port) as server:
            print(server.url, flush=True)
            print("open it in a browser, if none opens; Ctrl-C ends it", file=sys.stderr, flush=True)
            if browser:  # aside: one in this terminal keeps who opens it waiting until it is left
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print(file=sys.stderr)


EMBED_MB = 25.0
"""Megabytes of thumbnails within the page; a browser fetches the others when they come into sight."""
