"""Functions of ``backend as K`` do what Keras 2 said they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import backend as K

RNG = np.random.default_rng(2)
A, B, C = (RNG.normal(size=shape).astype("float32") for shape in ((2, 3, 4), (2, 4, 5), (2, 4)))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: K.batch_dot(A, B), A @ B),
        (lambda: K.batch_dot(A, C, axes=(2, 1)), (A @ C[..., None])[..., 0]),
        (lambda: K.batch_dot(C, C, axes=1), (C * C).sum(1, keepdims=True)),
        (lambda: K.batch_dot(A, A, axes=[2, 2]), A @ A.swapaxes(1, 2)),
        (lambda: K.pow(K.constant(A), 2), A**2),
        (lambda: K.clip(A, None, 0.5), np.minimum(A, 0.5)),
        (lambda: K.relu(A, alpha=0.1, max_value=1), np.minimum(np.where(A > 0, A, 0.1 * A), 1)),
        (lambda: K.l2_normalize(A, -1), A / np.linalg.norm(A, axis=-1, keepdims=True)),
        (lambda: K.permute_dimensions(A, (0, 2, 1)), A.swapaxes(1, 2)),
        (lambda: K.repeat(C, 3), np.repeat(C[:, None], 3, 1)),
        (lambda: K.repeat_elements(A, 2, 1), np.repeat(A, 2, 1)),
        (lambda: K.reverse(A, 1), A[:, ::-1]),
        (lambda: K.gather(A, [1, 0]), A[[1, 0]]),
        (lambda: K.flatten(A), A.ravel()),
        (lambda: K.batch_flatten(A), A.reshape(2, -1)),
        (lambda: K.bias_add(A, K.variable(np.arange(4.0))), A + np.arange(4.0)),
        (lambda: K.bias_add(A, np.arange(3.0, dtype="float32"), "channels_first"), A + np.arange(3.0)[:, None]),
        (lambda: K.switch(K.sum(A) > 100, lambda: A, lambda: -A), -A),
        (lambda: K.switch(np.array([[True], [False]]), C, -C), C * [[1], [-1]]),
        (lambda: K.mean(K.square(K.variable(A)), axis=-1), (A**2).mean(-1)),
        (lambda: K.all(A > 100, axis=0), np.zeros((3, 4), bool)),
        (lambda: K.any(A), True),
    ],
)
def test_a_function_computes_what_it_says(call: Any, expected: Any) -> None:
    np.testing.assert_allclose(K.eval(call()), expected, rtol=1e-5, atol=1e-6)


def test_variables_hold_numbers() -> None:
    v = K.zeros((2, 3))
    K.set_value(v, 2)
    assert K.get_value(v).tolist() == [[2] * 3] * 2
    assert (K.int_shape(v), K.dtype(v), K.ndim(v)) == ((2, 3), "float32", 2)
    assert K.is_keras_tensor(fastgru.Input((3,)))
    assert not K.is_keras_tensor(v)
    assert (K.floatx(), K.epsilon(), K.image_data_format()) == ("float32", 1e-7, "channels_last")


def test_a_layer_and_a_loss_of_an_old_program_train() -> None:
    class Attention(fastgru.Layer):
        def build(self, input_shape: Any) -> None:
            self.W = self.add_weight(name="W", shape=(input_shape[-1], 1), initializer="normal")
            super().build(input_shape)

        def call(self, x: Any) -> Any:
            a = K.softmax(K.squeeze(K.tanh(K.dot(x, self.W)), axis=-1))
            return K.sum(x * K.expand_dims(a, axis=-1), axis=1)

    def loss(y_true: Any, y_pred: Any) -> Any:
        return K.mean(K.square(y_pred - y_true), axis=-1)

    model = fastgru.Sequential([fastgru.Input((3, 4)), Attention(), fastgru.layers.Dense(1)])
    model.compile("adam", loss)
    history = model.fit(A, np.ones((2, 1)), epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
