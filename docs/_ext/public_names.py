"""``.. public:: MODULE``: all that a module offers, a table of it first, from the names that the module declares."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from fastgru.activations import Activation


class Public(SphinxDirective):
    """Options: `within` takes only what lives in these modules, `but` leaves names out, `members` shows the methods of
    these classes, and `names` the table alone; where the package that `needs` names is absent, it says so."""

    required_arguments = 1
    option_spec = {  # noqa: RUF012 - as docutils declares it
        "within": directives.unchanged,
        "but": directives.unchanged,
        "members": directives.unchanged,
        "names": directives.flag,
        "needs": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        package = self.options.get("needs")
        if package and importlib.util.find_spec(package) is None:
            return [nodes.paragraph(text=f"Shown where {package} is installed when these pages are built.")]
        module = importlib.import_module(self.arguments[0])
        names = [name for name in module.__all__ if self._is_shown(getattr(module, name), name)]
        lines = StringList(list(self._lines(module.__name__, self._by_object(module, names))), source=module.__name__)
        node = nodes.container()
        self.state.nested_parse(lines, self.content_offset, node)
        return node.children

    def _is_shown(self, value: Any, name: str) -> bool:
        if inspect.ismodule(value) or name in self.options.get("but", "").split():
            return False
        rooms = self.options.get("within", "").split()
        home = getattr(value, "__module__", "")
        return not rooms or any(f"{home}.".startswith(f"{self.arguments[0]}.{room}.") for room in rooms)

    @staticmethod
    def _by_object(module: Any, names: list[str]) -> dict[str, list[str]]:
        """Of each object its own name, and the others that it has."""
        objects: dict[int, list[str]] = {}
        for name in names:
            objects.setdefault(id(getattr(module, name)), []).append(name)
        shown = {}
        for several in objects.values():
            own = getattr(getattr(module, several[0]), "__name__", several[0])
            first = own if own in several else several[0]
            shown[first] = [name for name in several if name != first]
        return shown

    def _lines(self, module: str, names: dict[str, list[str]]) -> Iterator[str]:
        yield f".. currentmodule:: {module}"
        yield from ("", ".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in sorted(names)), "")
        if others := {name: several for name, several in names.items() if several}:
            said = (f"``{name}``: {', '.join(f'``{other}``' for other in several)}" for name, several in others.items())
            yield from (f"Other names, of {'; '.join(said)}.", "")
        if "names" in self.options:
            return
        for name in sorted(names):
            value = getattr(importlib.import_module(module), name)
            if isinstance(value, Activation):
                yield from (f".. function:: {name}(x)", "")
                yield from (f"   {line}" for line in (inspect.getdoc(value.function) or "").splitlines())
                yield ""
                continue
            kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
            yield f".. auto{kind}:: {module}.{name}"
            if kind == "data":
                yield "   :no-value:"
            elif name in self.options.get("members", "").split():
                yield from ("   :members:", "   :inherited-members:")
            yield ""


def write_endings(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """`.keras` in single backticks is the ending of a file, and no name that Sphinx should look for."""
    lines[:] = [re.sub(r"(?<!`)`(\.[\w.]+)`(?!`)", r"``\1``", line) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", write_endings)
    app.add_directive("public", Public)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
