"""Two hashes of texts, all texts of one length at a time: FarmHash's Fingerprint64 and SipHash-2-4.

FarmHash (G. Pike, Google, 2014) is what TensorFlow calls the fast hash, SipHash (J.-P. Aumasson and D. J. Bernstein,
2012) the strong one, which takes a key. Arithmetic is that of 64-bit words, which wrap around.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fastgru.types import Array

__all__ = ["buckets", "checked_salt", "farmhash", "siphash"]

K0, K1, K2 = (np.uint64(k) for k in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
SEED = 81


def farmhash(texts: Sequence[bytes]) -> Array:
    """The 64-bit fingerprint of each text, as (n,) uint64."""
    return _by_length(texts, _farmhash)


def siphash(texts: Sequence[bytes], key: Sequence[int]) -> Array:
    """SipHash-2-4 of each text under a key of two 64-bit words, as (n,) uint64."""
    first, second = (np.uint64(int(word) % (1 << 64)) for word in key)
    return _by_length(texts, lambda rows: _siphash(rows, first, second))


def checked_salt(salt: int | Sequence[int], where: str) -> list[int]:
    """The key of a hash: two whole numbers, or one that is taken twice."""
    if isinstance(salt, (int, np.integer)) and not isinstance(salt, bool):
        return [int(salt), int(salt)]
    if not isinstance(salt, (tuple, list)) or len(salt) != 2:
        raise ValueError(
            f"{where}: The `salt` argument can only be a tuple of size 2 integers, or a single integer, got {salt!r}."
        )
    return [int(word) for word in salt]


def buckets(texts: Sequence[bytes], count: int, salt: Sequence[int] | None) -> Array:
    """The number from 0 to `count` that a text hashes to: FarmHash, or with a salt SipHash."""
    hashed = farmhash(texts) if salt is None else siphash(texts, salt)
    return (hashed % np.uint64(count)).astype(np.int64)


def _by_length(texts: Sequence[bytes], hashed: Callable[[Array], Array]) -> Array:
    """`hashed` of the (n, length) bytes of all texts of a length, put together."""
    lengths = np.fromiter(map(len, texts), np.intp, len(texts))
    hashes = np.empty(len(texts), np.uint64)
    order = np.argsort(lengths, kind="stable")
    starts = np.flatnonzero(np.diff(lengths[order], prepend=-1))
    for places in np.split(order, starts[1:]) if len(texts) else ():
        rows = np.frombuffer(b"".join([texts[place] for place in places]), np.uint8)
        with np.errstate(over="ignore"):
            hashes[places] = hashed(rows.reshape(len(places), lengths[places[0]]))
    return hashes


def _word(rows: Array, start: int, size: int = 8) -> Array:
    """The little-endian words that begin at a byte, as uint64."""
    return np.ascontiguousarray(rows[:, start : start + size]).view(f"<u{size}")[:, 0].astype(np.uint64)


def _rotated_right(x: Array, bits: int) -> Array:
    return x >> np.uint64(bits) | x << np.uint64(64 - bits)


def _rotated_left(x: Array, bits: int) -> Array:
    return _rotated_right(x, 64 - bits)


def _shift_mix(x: Array) -> Array:
    return x ^ x >> np.uint64(47)


def _of_two(u: Array, v: Array, factor: Array | np.uint64) -> Array:
    a = _shift_mix((u ^ v) * factor)
    return _shift_mix((v ^ a) * factor) * factor


def _farmhash(rows: Array) -> Array:
    length = rows.shape[1]
    if length > 64:
        return _farmhash_of_long(rows)
    if length > 32:
        return _farmhash_to_64(rows)
    if length > 16:
        return _farmhash_to_32(rows)
    factor = K2 + np.uint64(2 * length)
    if length >= 8:
        a, b = _word(rows, 0) + K2, _word(rows, length - 8)
        return _of_two(_rotated_right(b, 37) * factor + a, (_rotated_right(a, 25) + b) * factor, factor)
    if length >= 4:
        a = np.uint64(length) + (_word(rows, 0, 4) << np.uint64(3))
        return _of_two(a, _word(rows, length - 4, 4), factor)
    if length:
        a, b, c = (rows[:, place].astype(np.uint64) for place in (0, length >> 1, length - 1))
        y, z = a + (b << np.uint64(8)), np.uint64(length) + (c << np.uint64(2))
        return _shift_mix(y * K2 ^ z * K0) * K2
    return np.full(len(rows), K2)


def _farmhash_to_32(rows: Array) -> Array:
    length = rows.shape[1]
    factor = K2 + np.uint64(2 * length)
    a, b = _word(rows, 0) * K1, _word(rows, 8)
    c, d = _word(rows, length - 8) * factor, _word(rows, length - 16) * K2
    u = _rotated_right(a + b, 43) + _rotated_right(c, 30) + d
    return _of_two(u, a + _rotated_right(b + K2, 18) + c, factor)


def _farmhash_to_64(rows: Array) -> Array:
    length = rows.shape[1]
    factor = K2 + np.uint64(2 * length)
    a, b = _word(rows, 0) * K2, _word(rows, 8)
    c, d = _word(rows, length - 8) * factor, _word(rows, length - 16) * K2
    y = _rotated_right(a + b, 43) + _rotated_right(c, 30) + d
    z = _of_two(y, a + _rotated_right(b + K2, 18) + c, factor)
    e, f = _word(rows, 16) * factor, _word(rows, 24)
    g, h = (y + _word(rows, length - 32)) * factor, (z + _word(rows, length - 24)) * factor
    return _of_two(_rotated_right(e + f, 43) + _rotated_right(g, 30) + h, e + _rotated_right(f + a, 18) + g, factor)


Pair = tuple[Array, Array]


def _weak(rows: Array, start: int, a: Array, b: Array) -> Pair:
    """The weak hash of 32 bytes with two seeds."""
    first, second, third, last = (_word(rows, start + 8 * place) for place in range(4))
    a = a + first
    b = _rotated_right(b + a + last, 21)
    both = a + second + third
    return both + last, b + _rotated_right(both, 44) + a


def _farmhash_of_long(rows: Array) -> Array:
    count, length = rows.shape
    seed = np.full(count, SEED, np.uint64)
    y = seed * K1 + np.uint64(113)
    z = _shift_mix(y * K2 + np.uint64(113)) * K2
    x = seed * K2 + _word(rows, 0)
    zero = np.zeros(count, np.uint64)
    v: Pair = (zero, zero)
    w: Pair = (zero, zero)
    rest = (length - 1) & 63
    end = length - 1 - rest
    for start in range(0, end, 64):
        x, y, z, v, w = _round(rows, start, K1, np.uint64(1), x, y, z, v, w)
    factor = K1 + ((z & np.uint64(0xFF)) << np.uint64(1))
    w = (w[0] + np.uint64(rest), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    x, y, z, v, w = _round(rows, end + rest - 63, factor, np.uint64(9), x, y, z, v, w)
    return _of_two(_of_two(v[0], w[0], factor) + _shift_mix(y) * K0 + z, _of_two(v[1], w[1], factor) + x, factor)


def _round(
    rows: Array,
    start: int,
    factor: Array | np.uint64,
    weight: np.uint64,
    x: Array,
    y: Array,
    z: Array,
    v: Pair,
    w: Pair,
) -> tuple[Array, Array, Array, Pair, Pair]:
    """The state after 64 bytes more; those of the last round weigh more."""
    x = _rotated_right(x + y + v[0] + _word(rows, start + 8), 37) * factor
    y = _rotated_right(y + v[1] + _word(rows, start + 48), 42) * factor
    x = x ^ w[1] * weight
    y = y + v[0] * weight + _word(rows, start + 40)
    z = _rotated_right(z + w[0], 33) * factor
    v = _weak(rows, start, v[1] * factor, x + w[0])
    w = _weak(rows, start + 32, z + w[1], y + _word(rows, start + 16))
    return z, y, x, v, w


def _siphash(rows: Array, first: np.uint64, second: np.uint64) -> Array:
    count, length = rows.shape
    words = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [np.full(count, np.uint64(word) ^ key) for word, key in zip(words, (first, second) * 2, strict=True)]
    padded = np.zeros((count, length // 8 * 8 + 8), np.uint8)
    padded[:, :length] = rows
    padded[:, -1] = length & 0xFF
    for start in range(0, padded.shape[1], 8):
        message = _word(padded, start)
        state[3] = state[3] ^ message
        _sip_rounds(state, 2)
        state[0] = state[0] ^ message
    state[2] = state[2] ^ np.uint64(0xFF)
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(state: list[Array], rounds: int) -> None:
    a, b, c, d = state
    for _ in range(rounds):
        a, c = a + b, c + d
        b, d = _rotated_left(b, 13) ^ a, _rotated_left(d, 16) ^ c
        a, c = _rotated_left(a, 32) + d, c + b
        d, b = _rotated_left(d, 21) ^ a, _rotated_left(b, 17) ^ c
        c = _rotated_left(c, 32)
    state[:] = a, b, c, d
