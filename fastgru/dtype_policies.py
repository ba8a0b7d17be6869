"""Dtypes in Keras's form: what a layer keeps its weights in, and what it computes in."""

from __future__ import annotations

from typing import Any

__all__ = ["DTypePolicy"]


class DTypePolicy:
    """The dtype of a layer in Keras's form: weights and arithmetic have the same here."""

    def __init__(self, name: str) -> None:
        self.name = self.compute_dtype = self.variable_dtype = name

    def get_config(self) -> dict[str, Any]:
        """Keras's config."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """The policy that `get_config` described."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


def __dir__() -> list[str]:
    return __all__
