"""Serves one page to the browsers of this machine alone."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["serve"]

HOST = "127.0.0.1"


def serve(page: str, port: int = 0, ready: Callable[[str], object] = print) -> None:
    """Serve a page until KeyboardInterrupt.

    Parameters
    ----------
    page : str
        HTML, at ``/``.
    port : int
        0 for any that is free.
    ready : callable
        Called with the address when the page can be fetched there.

    Raises
    ------
    OSError
        The port is taken.
    """
    content = page.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")  # the next model may be served at the same port
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged: the terminal has the address alone."""

    with ThreadingHTTPServer((HOST, port), Handler) as server:
        ready(f"http://{HOST}:{server.server_port}/")
        server.serve_forever()
