"""Gradients of anything: tensors, what is recorded of them, and the tape."""

from fastgru.autodiff.operators import Operators, Symbolic, Watchable
from fastgru.autodiff.recording import Part, Recording, is_recorded, nobody_records, record
from fastgru.autodiff.tape import GradientTape, custom_gradient, with_pullback
from fastgru.autodiff.tensor import Tensor, plain, tensor

__all__ = [
    "GradientTape",
    "Operators",
    "Part",
    "Recording",
    "Symbolic",
    "Tensor",
    "Watchable",
    "custom_gradient",
    "is_recorded",
    "nobody_records",
    "plain",
    "record",
    "tensor",
    "with_pullback",
]
