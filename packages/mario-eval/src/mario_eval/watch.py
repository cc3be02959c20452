"""Serves the report of a folder while it grows: one page, on this machine only unless told otherwise.

No file of the folder is served by name; the page is made from what :mod:`mario_eval.report` reads, so no path
in a request can reach anything.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mario_eval.errors import EvaluationError
from mario_eval.report.page import render, render_waiting
from mario_eval.report.subjects import open_subject

#: Seconds that a client may take to send its request.
_PATIENCE = 10.0


class LivePage:
    """The report of a folder, made anew when it changed and was asked for.

    Args:
        folder: the folder; it need not hold anything yet.
        every: the least seconds between two looks at it.
    """

    def __init__(self, folder: Path, every: float) -> None:
        self._folder, self._every = folder, every
        self._lock = threading.Lock()
        self._page, self._mark, self._looked_at = b"", "", float("-inf")

    def current(self) -> tuple[bytes, str]:
        """Return the page and a mark that changes when the page does."""
        with self._lock:
            if time.monotonic() - self._looked_at >= self._every:
                mark = self._state()
                if mark != self._mark:
                    self._page, self._mark = self._make().encode(), mark
                self._looked_at = time.monotonic()
            return self._page, self._mark

    def _make(self) -> str:
        try:
            return render([open_subject(self._folder)], replays=False, refresh_seconds=self._every)
        except EvaluationError as error:
            return render_waiting(str(error), self._every)

    def _state(self) -> str:
        """Return a number that changes with any file that a report reads."""
        files = [
            *self._folder.glob("training/*monitor.csv"),
            *self._folder.glob("*monitor.csv"),
            *self._folder.glob("**/episodes/part-*.parquet"),
            *self._folder.glob("**/manifest.json"),
        ]
        seen = []
        for file in sorted(files):
            try:
                about = file.stat()
            except OSError:
                continue
            seen.append((str(file), about.st_mtime_ns, about.st_size))
        return f"{hash(tuple(seen)) & (2**64 - 1):016x}"


class Handler(BaseHTTPRequestHandler):
    """Answers ``/`` with the page and ``/mark`` with its mark; everything else does not exist."""

    server: LiveServer
    server_version, sys_version = "mario-eval", ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Answer a GET request."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer a HEAD request."""
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        # A page elsewhere could make a browser ask here under a name of its own (DNS rebinding).
        if not self.server.is_own_name(self.headers.get("Host", "")):
            self._send(HTTPStatus.FORBIDDEN, b"unknown host name\n", "text/plain", with_body)
            return
        path = self.path.partition("?")[0]
        if path not in ("/", "/mark"):
            self._send(HTTPStatus.NOT_FOUND, b"only / is served\n", "text/plain", with_body)
            return
        page, mark = self.server.page.current()
        if path == "/":
            self._send(HTTPStatus.OK, page, "text/html; charset=utf-8", with_body)
        else:
            self._send(HTTPStatus.OK, mark.encode(), "text/plain", with_body)

    def _send(self, status: HTTPStatus, body: bytes, kind: str, with_body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the terminal belongs to whoever trains."""


class LiveServer(ThreadingHTTPServer):
    """The server of one live page.

    Args:
        address: host and port.
        page: what to serve.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], page: LivePage) -> None:
        self.page = page
        super().__init__(address, Handler)

    def is_own_name(self, host_header: str) -> bool:
        """Return whether a request's Host header names this server."""
        host = host_header.rsplit(":", 1)[0].strip("[]")
        bound = str(self.server_address[0])
        return host in ("localhost", bound) or _is_address(host)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that break off."""


def serve(
    folder: Path, *, host: str, port: int, allow_remote: bool, every: float, tell: Callable[[str], None]
) -> None:
    """Serve a folder's report until interrupted.

    Args:
        folder: the folder.
        host: address to listen on.
        port: 0 takes a free one.
        allow_remote: permit an address that other machines can reach.
        every: seconds between looks at the folder.
        tell: called with the page's address once it can be opened.

    Raises:
        EvaluationError: the folder does not exist, or the address is not local or taken.
    """
    if not folder.is_dir():
        raise EvaluationError(
            f"{folder} is not a folder; give the run folder of a training or of an evaluation"
        )
    if not allow_remote and not _is_local(host):
        raise EvaluationError(
            f"{host} can be reached from other machines, and the page has no password; "
            "leave --host out, or add --allow-remote if that is what you want"
        )
    try:
        server = LiveServer((host, port), LivePage(folder, every))
    except (OSError, UnicodeError) as error:
        raise EvaluationError(f"cannot listen on {host}:{port}: {error}; choose another --port") from error
    with server:
        tell(f"http://{host}:{server.server_address[1]}/ shows {folder}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            tell("ended")


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
