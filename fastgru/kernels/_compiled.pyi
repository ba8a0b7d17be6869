"""What the compiled modules `_float32` and `_float64` offer, see setup.py.

Arrays are C-contiguous, aligned and of the module's element type; `mask` is boolean, seen as uint8. The .pxi files give
shapes.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

Array = npt.NDArray[Any]
T = TypeVar("T")

class GRUCall:
    """See gru_call.pxi for shapes; what must be an array before a pass runs is None at first, too."""

    x: Array | None
    mask: Array | None
    kernel: Array | None
    recurrent_kernel: Array | None
    bias: Array | None
    packed: Array | None
    h0: Array | None
    memory: Array | None
    y: Array | None
    last: Array | None
    dy: Array | None
    d_last: Array | None
    dx: Array | None
    dh0: Array | None
    d_kernel: Array | None
    d_recurrent_kernel: Array | None
    d_bias: Array | None
    def __init__(
        self,
        *,
        activation: int,
        recurrent_activation: int,
        reset_after: bool,
        go_backwards: bool,
        zero_output_for_mask: bool,
        training: bool,
    ) -> None: ...
    def put_gates(self, out: Array) -> None: ...

class RNNCall:
    """See rnn.pxi."""

    x: Array | None
    mask: Array | None
    kernel: Array | None
    recurrent_kernel: Array | None
    bias: Array | None
    packed: Array | None
    h0: Array | None
    c0: Array | None
    memory: Array | None
    y: Array | None
    last: Array | None
    last_cell: Array | None
    dy: Array | None
    d_last: Array | None
    d_last_cell: Array | None
    dx: Array | None
    dh0: Array | None
    dc0: Array | None
    d_kernel: Array | None
    d_recurrent_kernel: Array | None
    d_bias: Array | None
    def __init__(
        self,
        *,
        activation: int,
        recurrent_activation: int,
        go_backwards: bool,
        zero_output_for_mask: bool,
        training: bool,
    ) -> None: ...
    def put_gates(self, out: Array) -> None: ...

class StreamLayers:
    """See stream_plan_call.pxi."""

    tokens: int
    def __init__(self, *, inputs: int, states: int, tokens: int = 0) -> None: ...
    def add_gru(
        self,
        value: int,
        kernel: Array,
        recurrent_kernel: Array,
        bias: Array | None,
        packed: Array,
        *,
        state: int,
        activation: int,
        recurrent_activation: int,
        reset_after: bool,
        zero_output_for_mask: bool = False,
        mask: int = -1,
    ) -> int: ...
    def add_rnn(
        self,
        value: int,
        kernel: Array,
        recurrent_kernel: Array,
        bias: Array | None,
        packed: Array,
        *,
        state: int,
        activation: int,
        recurrent_activation: int,
        zero_output_for_mask: bool = False,
        mask: int = -1,
    ) -> int: ...
    def add_dense(self, value: int, kernel: Array, bias: Array | None, packed: Array, *, activation: int) -> int: ...
    def add_convolution(
        self,
        value: int,
        kernel: Array,
        bias: Array | None,
        packed: Array,
        *,
        state: int,
        dilation: int,
        activation: int,
    ) -> int: ...
    def add_embedding(self, value: int, table: Array, mask_zero: bool) -> tuple[int, int]: ...
    def add_masking(self, value: int, mask_value: float) -> tuple[int, int]: ...
    def add_activation(self, value: int, activation: int, by_input: bool) -> int: ...
    def add_normalization(self, value: int, epsilon: float) -> int: ...
    def add_affine(self, value: int, scale: Array, shift: Array) -> int: ...
    def add_concatenation(self, values: list[int]) -> int: ...
    def add_relu(self, value: int, negative_slope: float, max_value: float, threshold: float) -> int: ...
    def add_prelu(self, value: int, alpha: Array) -> int: ...
    def add_word_mask(self, word: int) -> int: ...
    def add_either_mask(self, value: int, mask: int, other: int) -> int: ...
    def add_merge(self, values: list[int], name: str) -> int: ...
    def add_quotient(self, value: int, divisor: float) -> int: ...
    def end(self, values: list[int]) -> None: ...

class Slots:
    """See stream_slots_call.pxi."""

    states: Array
    ids: Array
    in_use: Array
    last_steps: Array
    ttl: float | None
    def __init__(self, capacity: int, numbers: int, ttl: float | None, clock: Callable[[], float]) -> None: ...
    def count(self) -> int: ...
    def open(self) -> int: ...
    def open_from(self, states: Array) -> list[int]: ...
    def close(self, ids: object) -> None: ...
    def reset(self, ids: object) -> None: ...
    def read(self, ids: object, where: str) -> Array: ...
    def hold(self, ids: object, work: Callable[[Array], T]) -> T: ...

class Stream(StreamLayers):
    """See stream_call.pxi."""

    def bind(self, sessions: Slots) -> None: ...
    def step(self, ids: object, x: object, out: object = None) -> Any: ...
    def run(self, slots: Array, x: Array, y: Array, threads: int) -> None: ...
    def capsule(self) -> object: ...

_GRU = GRUCall  # which the protocol's own attribute hides
_RNN = RNNCall
_Slots = Slots
_Stream = Stream
_StreamLayers = StreamLayers

class Kernels(Protocol):
    activation_ids: dict[str, int]
    input_activation_ids: dict[str, int]
    read_padding: int
    def use(self, isa: str) -> None: ...
    def apply_activation(self, kind: int, x: Array) -> None: ...
    def apply_derivative(self, kind: int, y: Array, dy: Array) -> None: ...
    def activate_input(self, kind: int, x: Array, y: Array) -> None: ...
    def input_derivative(self, kind: int, dy: Array, x: Array, dx: Array) -> None: ...
    def dense_pack_size(self, F: int, O: int) -> int: ...
    def dense_pack(self, kernel: Array, packed: Array) -> None: ...
    def dense_forward(
        self,
        x: Array,
        kernel: Array,
        packed: Array | None,
        stale: bool,
        bias: Array | None,
        activation: int,
        y: Array,
        threads: int,
    ) -> None: ...
    def dense_backward(
        self,
        x: Array,
        kernel: Array,
        packed: Array | None,
        activation: int,
        y: Array,
        dy: Array,
        d: Array,
        dx: Array | None,
        d_kernel: Array | None,
        d_bias: Array | None,
        threads: int,
    ) -> None: ...
    def binary_crossentropy(self, t: Array, p: Array, losses: Array, gradient: Array) -> None: ...
    def categorical_crossentropy(self, t: Array, p: Array, losses: Array, gradient: Array) -> None: ...
    def sparse_categorical_crossentropy(self, labels: Array, p: Array, losses: Array, gradient: Array) -> bool: ...
    def gru_pack_size(self, F: int, H: int, reset_after: bool) -> int: ...
    def gru_pack(
        self, kernel: Array, recurrent_kernel: Array, bias: Array | None, reset_after: bool, packed: Array
    ) -> None: ...
    def gru_memory(self, B: int, T: int, F: int, H: int, reset_after: bool, packed: bool, training: bool) -> int: ...
    GRUCall: type[_GRU]
    def gru_forward(self, calls: list[_GRU], threads: int) -> None: ...
    def gru_backward(self, call: _GRU, threads: int) -> None: ...
    def rnn_pack_size(self, F: int, H: int, N: int) -> int: ...
    def rnn_pack(self, kernel: Array, recurrent_kernel: Array, packed: Array) -> None: ...
    def rnn_memory(self, B: int, T: int, F: int, H: int, N: int, training: bool) -> int: ...
    RNNCall: type[_RNN]
    def rnn_forward(self, calls: list[_RNN], threads: int) -> None: ...
    def rnn_backward(self, call: _RNN, threads: int) -> None: ...
    def normalize_rows(self, x: Array, epsilon: float, normal: Array, inverse: Array) -> None: ...
    StreamLayers: type[_StreamLayers]
    Slots: type[_Slots]
    Stream: type[_Stream]
    xla_handlers: dict[str, object]  # capsules of functions, see xla_call.pxi
    update_rules: dict[str, int]
    def update(
        self,
        rule: str,
        values: Array,
        updated: Array,
        gradients: Array,
        m: Array | None,
        v: Array | None,
        a: Array | None,
        decay: float,
        threads: int,
        *,
        rate: float = ...,
        gradient_rate: float = ...,
        momentum: float = ...,
        nesterov: float = ...,
        rho: float = ...,
        beta_1: float = ...,
        beta_2: float = ...,
        epsilon: float = ...,
        correction: float = ...,
        share: float = ...,
        power: float = ...,
        l1: float = ...,
        l2: float = ...,
        shrinkage: float = ...,
    ) -> None: ...
    def adafactor(
        self,
        values: Array,
        updated: Array,
        gradients: Array,
        v: Array,
        rows: Array | None,
        columns: Array | None,
        decay: float,
        rate: float,
        beta: float,
        epsilon_1: float,
        epsilon_2: float,
        clip_threshold: float,
    ) -> None: ...
