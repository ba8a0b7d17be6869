"""Who may ask a service at all."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from fastgru.serving.refusal import Refusal

__all__ = ["Admission", "is_loopback"]

_OPEN = ("/v2/health/live", "/v2/health/ready")  # who asks for them has no token
_ANY = "*"


class Admission:
    """What a request's head must say.

    Parameters
    ----------
    token : str, optional
        Behind ``Authorization: Bearer``.
    hosts : iterable of str
        Names that the service may be asked by, and whose pages may ask it; ``"*"`` is any name to ask it by.
    is_local : bool
        Whether it listens to its own machine alone, and is asked by no other name than that, an address or one of
        `hosts`: by a name of its own that leads to 127.0.0.1, a page of another site would be no other site's any more
        (DNS rebinding). A token, which a browser does not know, says more than a name.
    """

    def __init__(self, token: str | None = None, hosts: Iterable[str] = (), is_local: bool = False) -> None:
        self._token = None if token is None else f"Bearer {token}".encode()
        self._hosts = {name for host in hosts if (name := host.lower().rstrip("."))}
        self._is_any = token is not None or not is_local or _ANY in self._hosts
        self._is_known = lru_cache(256)(self._is_known_host)  # clients ask by a few names, again and again

    def check(self, scope: Any) -> None:
        """Whether who asks may.

        Raises
        ------
        Refusal
            The token is not right, or a page of another site asks through somebody's browser, which a service that
            listens to its own machine would take for a program there.
        """
        headers = dict(scope["headers"])
        host, origin = headers.get(b"host"), headers.get(b"origin")
        if not (self._is_any or host is None or self._is_known(host)):  # a browser always names its host
            raise Refusal(
                403,
                "Host: expected localhost or an address; the service takes other names with --allow-host, or a token.",
            )
        if origin is not None and not self._is_own(origin, host):
            raise Refusal(
                403, "a page of another site asks; let its own server ask, or allow its name with --allow-host."
            )
        if self._token is None or scope["path"] in _OPEN:
            return
        if not hmac.compare_digest(headers.get(b"authorization", b""), self._token):
            raise Refusal(
                401, "expected the service's token in the header Authorization: Bearer TOKEN.",
                (b"www-authenticate", b"Bearer"),
            )  # fmt: skip

    def _is_known_host(self, host: bytes) -> bool:
        """Whether a name leads here by itself, and not because somebody's DNS says so."""
        name = _name(b"//" + host)
        return name in self._hosts or name == "localhost" or name.endswith(".localhost") or _address(name) is not None

    def _is_own(self, origin: bytes, host: bytes | None) -> bool:
        """Whether a page comes from where it asks, or from one of the hosts."""
        return origin.partition(b"://")[2] == host or _name(origin) in self._hosts - {_ANY}


def _name(url: bytes) -> str:
    """The host of a URL, without its port; empty where there is none."""
    try:
        return (urlsplit(url.decode("latin-1")).hostname or "").rstrip(".")
    except ValueError:  # [ without ]
        return ""


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether an address that a socket is bound to is reached from its own machine alone."""
    address = _address(host)
    return address is not None and address.is_loopback
