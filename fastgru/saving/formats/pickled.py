"""A pickle, read and not run.

A pickle is a program; here its instructions are read as data (`pickletools.genops` runs nothing), and only those that
describe plain values are understood. What it would import is a `Name`, if it is on a list; what it would call is handed
to `make`, which looks at the name and makes a value of its own, or refuses.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from io import BytesIO
from typing import Any

MAX_INSTRUCTIONS = 1_000_000

_MARK = object()
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_DICT": {},
    "EMPTY_LIST": [],
}
_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES",
    "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
_NOTHING = ("PROTO", "FRAME", "STOP")


@dataclass(frozen=True)
class Name:
    """What a pickle names to import, `module.attribute`."""

    name: str


@dataclass
class Made:
    """What a pickle would make by a call, with the state that it would give it then."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def _refuse(identity: Any) -> Any:
    raise ValueError("holds a pickle with a reference to something outside of it")


def value(
    content: bytes | BytesIO,
    names: Collection[str],
    make: Callable[[str, tuple[Any, ...]], Any] = Made,
    persistent: Callable[[Any], Any] = _refuse,
) -> Any:
    """The value that a pickle describes.

    Parameters
    ----------
    content : bytes or BytesIO
        Of a stream, what stands up to the pickle's end is read.
    names : collection of str
        What it may name, with the module.
    make : callable
        Gets the name of what the pickle would call and the arguments, and returns what stands for the result.
    persistent : callable
        Returns what stands for a thing outside of the pickle; gets how the pickle calls it.

    Raises
    ------
    ValueError
        The pickle has an instruction that no plain value needs, names something else, or is damaged.
    """
    return _Reader(names, make, persistent).value(content)


class _Reader:
    def __init__(
        self,
        names: Collection[str],
        make: Callable[[str, tuple[Any, ...]], Any],
        persistent: Callable[[Any], Any],
    ) -> None:
        self.names = names
        self.make = make
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def value(self, content: bytes | BytesIO) -> Any:
        for count, (code, argument, _) in enumerate(pickletools.genops(content)):
            if count > MAX_INSTRUCTIONS:
                raise ValueError(f"holds a pickle of more than {MAX_INSTRUCTIONS} instructions, which are not accepted")
            try:
                self._follow(code.name, argument)
            except (IndexError, KeyError, StopIteration, AttributeError, TypeError) as error:
                raise ValueError("holds a pickle that is damaged") from error
        (outer,) = self.stack
        return outer

    def _follow(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            empty = _CONSTANTS[name]
            stack.append(empty.copy() if isinstance(empty, (dict, list)) else empty)
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            if len(stack) < count:
                raise IndexError
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in ("APPEND", "APPENDS"):
            values = self._since_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = self._since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            keys = [of_kind((str, int), key) for key in values[::2]]
            stack[-1].update(zip(keys, values[1::2], strict=True))
        elif name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            self.memory[len(self.memory) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memory[argument])
        elif name not in _NOTHING:
            self._follow_call(name, argument)

    def _follow_call(self, name: str, argument: Any) -> None:
        """An instruction that would import or call something."""
        stack = self.stack
        if name in ("GLOBAL", "STACK_GLOBAL"):
            module, attribute = argument.split(" ") if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            full = f"{of_kind(str, module)}.{of_kind(str, attribute)}"
            if full not in self.names:
                raise ValueError(f"names {full} in a pickle, which is code and never run")
            stack.append(Name(full))
        elif name == "REDUCE":
            arguments = of_kind(tuple, stack.pop())
            stack[-1] = self.make(of_kind(Name, stack[-1]).name, arguments)
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], Made):
                stack[-1].state = state
        elif name == "BINPERSID":
            stack.append(self.persistent(stack.pop()))
        else:
            raise ValueError(f"holds a pickle with the instruction {name}, which no array needs")

    def _since_mark(self) -> list[Any]:
        stack = self.stack
        place = len(stack) - 1 - next(index for index, value in enumerate(reversed(stack)) if value is _MARK)
        values = stack[place + 1 :]
        del stack[place:]
        return values


def of_kind(kind: Any, value: Any) -> Any:
    """The value itself, if it is what it should be.

    A pickle can build a tuple of two times the same tuple of two times the same, and so on: whoever hashes it, compares
    it or prints it does not come back.
    """
    if not isinstance(value, kind):
        raise ValueError(f"holds a pickle with a {type(value).__name__} where no array has one")
    return value
