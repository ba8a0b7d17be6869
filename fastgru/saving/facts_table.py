"""What `describe.described` says of a model file, printed for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from fastgru.text import printable


def print_facts(facts: dict[str, Any]) -> None:
    """Print facts as a table of the layers, the training setup and the decisions."""
    console = Console(highlight=False)

    def print_line(text: str) -> None:
        # what is not read by eye, but by a program, has a sentence on one line
        console.print(text, soft_wrap=not console.is_terminal)

    print_line(f"[bold]{shown(facts['file'])}[/]\n{facts['format']}, written by {shown(facts['written_by'])}")
    console.print(_layer_table(facts["layers"]))
    if facts.get("parameters"):
        print_line(f"{facts['parameters']:,} parameters")
    if facts["training"]:
        settings = "; ".join(f"{key} {value}" for key, value in facts["training"].items())
        print_line(f"\n[bold]Training setup[/]\n{shown(settings)}")
    if facts["decisions"]:
        print_line("\n[bold]Decisions[/]")
        for decision in facts["decisions"]:
            print_line(f"- {shown(decision)}")


def _layer_table(layers: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Layer", "Output shape", "Weights"):
        table.add_column(title, overflow="fold")
    table.add_column("Parameters", justify="right")
    for layer in layers:
        options = ", ".join(f"{key}={value}" for key, value in layer.get("options", {}).items())
        kind = f" [cyan]{shown(layer['class'])}[/]" if "class" in layer else ""
        below = [Padding(f"[dim]{shown(options)}[/]", (0, 0, 0, 2))] if options else []
        name = Group(f"{shown(layer['name'])}{kind}", *below)
        shape = _shape_text(layer.get("output_shape"))
        weights = " ".join("x".join(map(str, one)) or "1" for one in layer["weights"])
        count = layer.get("parameters")
        table.add_row(name, shape, weights, f"{count:,}" if count else "")
    return table


def shown(value: Any) -> str:
    """The value as text that neither the terminal nor rich takes for commands."""
    return escape(printable(str(value)))


def _shape_text(shape: Any) -> str:
    if not isinstance(shape, (tuple, list)):
        return ""
    if any(isinstance(axis, (tuple, list)) for axis in shape):
        return "\n".join(map(_shape_text, shape))
    return f"({', '.join(map(str, shape))})"
