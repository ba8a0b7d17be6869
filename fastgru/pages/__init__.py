"""Self-contained HTML pages: what fastgru's reports are written with.

A page is one file of text with its style, its charts (inline SVG) and its script inside. It asks nothing of a network,
and making it takes numpy alone. `element` escapes every text that is not `Markup` already.
"""

from fastgru import lazy

__getattr__, __dir__, __all__ = lazy.exports(__spec__)
