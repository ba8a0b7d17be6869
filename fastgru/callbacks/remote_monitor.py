"""The callback that sends the numbers of every epoch to a server."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from urllib import error, parse, request

import numpy as np

from fastgru import checks
from fastgru.callbacks.callback import Callback, Logs

__all__ = ["RemoteMonitor"]

SECONDS = 10.0  # to answer in: a server that hangs shall not stop a training


class RemoteMonitor(Callback):
    """Posts the numbers of every epoch to a server; one that cannot be reached is a warning.

    Parameters
    ----------
    root, path : str
        Where to.
    field : str
        Name of the field of a form in which the JSON text stands.
    headers : dict, optional
        Of HTTP.
    send_as_json : bool
        Send the JSON text itself instead of a form.
    """

    writes = True

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        for name, value in (("root", root), ("path", path), ("field", field)):
            checks.text(value, "RemoteMonitor", name)
        if headers is not None and not isinstance(headers, Mapping):
            raise ValueError(f"RemoteMonitor: expected a dict as headers, got {headers!r}.")
        if not root.startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor: expected root to begin with http:// or https://, got {root!r}.")
        self.root, self.path, self.field = root, path, field
        self.headers = headers
        self.send_as_json = checks.flag(send_as_json, type(self).__name__, "send_as_json")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        values = {name: np.asarray(value).tolist() for name, value in (logs or {}).items()}
        text = json.dumps({"epoch": epoch, **values})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        body = text if self.send_as_json else parse.urlencode({self.field: text})
        headers = {"Content-Type": kind, **(self.headers or {})}
        try:
            request.urlopen(request.Request(self.root + self.path, body.encode(), headers), timeout=SECONDS).close()
        except error.HTTPError:
            pass  # it was reached, as Keras sees it
        except OSError as problem:
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root} ({problem}).", stacklevel=2)
