"""The colours of charts: a map for values, and one for each of several series.

The map is a straight line in OKLab (Ottosson, 2020) from a dark blue to a light yellow. Its lightness rises evenly, so
it reads in grey, and blue and yellow stay apart in every common form of colour blindness.
"""

from __future__ import annotations

import base64
import struct
import zlib
from functools import lru_cache

import numpy as np

from fastgru.pages.markup import Markup, element
from fastgru.pages.numbers import number
from fastgru.types import Array

__all__ = ["SERIES", "color_bar", "color_map", "picture"]

# lightness, green to red, blue to yellow
DARK, LIGHT = (0.25, -0.01, -0.10), (0.93, -0.02, 0.15)
TO_CONES = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)

# Names of the style sheet, each with the dashes that tell its line apart without colour.
SERIES = (
    ("--series-1", ""),
    ("--series-2", "6 3"),
    ("--series-3", "2 3"),
    ("--series-4", "9 3 2 3"),
    ("--series-5", "1 5"),
    ("--series-6", "12 3"),
)


@lru_cache(maxsize=1)
def color_map() -> Array:
    """The map's 256 colours (256, 3) uint8, the lowest value's first."""
    path = np.linspace(DARK, LIGHT, 256)
    linear = np.clip((path @ TO_CONES.T) ** 3 @ TO_RGB.T, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * curved), np.uint8)


def shades(values: Array, low: float, high: float) -> Array:
    """Which colour of the map each value has, uint8 from 1 on; 0, which no number has, is for what is none."""
    scaled = (np.asarray(values, np.float64) - low) / ((high - low) or 1.0)
    return np.where(np.isnan(scaled), 0, np.rint(1 + 254 * np.clip(np.nan_to_num(scaled), 0, 1))).astype(np.uint8)


def picture(values: Array, low: float, high: float) -> str:
    """An array (rows, columns) as the address of an image of as many pixels, clear where there is no number.

    The image is a PNG with the map as its palette.
    """
    pixels = shades(values, low, high)
    rows, columns = pixels.shape
    lines = np.hstack([np.zeros((rows, 1), np.uint8), pixels])  # each line says that it is not filtered
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        (b"PLTE", color_map().tobytes()),
        (b"tRNS", b"\0"),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n"
    for kind, body in parts:
        png += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return "data:image/png;base64," + base64.b64encode(png).decode()


def color_bar(low: float, high: float) -> Markup:
    """The map from its lowest to its highest value, for a caption."""
    address = picture(np.arange(255)[None], 0, 254)
    bar = element("img", src=address, alt="", class_="color-bar")
    return element("span", number(low, 3), bar, number(high, 3), class_="legend")
