"""Open a page where one draws a digit and sees a GRU read it."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastgru.cli.arguments import file_named, whole_number

EXAMPLE = "fastgru playground digits.keras --out page.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a Sequential of GRU and Dense layers for 28x28 or 8x8 images (default: one trained on MNIST)",
    )
    port = whole_number("from 0 to 65535", 0, 65535)
    parser.add_argument("--port", type=port, metavar="N", default=0, help="of the local page (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--out", type=file_named(".html"), metavar="PAGE.html", help="write the page, which needs no server, and end"
    )


def run(options: argparse.Namespace) -> None:
    from fastgru import atomic
    from fastgru.playground import page, serve

    text = page(options.model)
    if options.out:
        atomic.write(Path(options.out), text.encode())
        print(f"Saved: {options.out}, {len(text.encode()):,} bytes")
        return

    def ready(address: str) -> None:
        print(f"Playground: {address} (Ctrl-C ends)", flush=True)
        if not options.no_browser:
            import webbrowser

            webbrowser.open(address)

    try:
        serve(text, options.port, ready)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the playground is closed") from None
    except OSError as error:
        raise OSError(f"--port {options.port}: {error.strerror}; without --port a free one is taken.") from None
