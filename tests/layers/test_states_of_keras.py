"""Which layers are built at once, pass masks on and name their weights as Keras's do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import layers

MADE = [
    ("Activation", {"activation": "relu"}), ("AlphaDropout", {"rate": 0.1}), ("AveragePooling1D", {"pool_size": 2}),
    ("Conv1D", {"filters": 2, "kernel_size": 2}), ("Cropping1D", {}), ("Dense", {"units": 2}),
    ("DepthwiseConv1D", {"kernel_size": 2}), ("Dropout", {"rate": 0.1}), ("ELU", {}),
    ("Embedding", {"input_dim": 3, "output_dim": 2}), ("Flatten", {}), ("GRU", {"units": 2}), ("GRUCell", {"units": 2}),
    ("GaussianNoise", {"stddev": 0.1}), ("GlobalAveragePooling1D", {}), ("GlobalAveragePooling2D", {}),
    ("GlobalMaxPooling1D", {}), ("LayerNormalization", {}), ("LeakyReLU", {}), ("Masking", {}), ("MaxPooling2D", {}),
    ("Permute", {"dims": (2, 1)}), ("RepeatVector", {"n": 2}), ("Reshape", {"target_shape": (2,)}), ("Softmax", {}),
    ("UpSampling1D", {}), ("UpSampling2D", {}), ("ZeroPadding1D", {}), ("Add", {}), ("Concatenate", {}),
]  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("name, options", MADE, ids=[name for name, _ in MADE])
def test_a_layer_passes_masks_on_where_keras_does(keras: Any, name: str, options: dict[str, Any]) -> None:
    ours, theirs = (getattr(library, name)(**options) for library in (layers, keras.layers))
    assert ours.supports_masking == theirs.supports_masking


@pytest.mark.keras
@pytest.mark.parametrize("name, options", MADE, ids=[name for name, _ in MADE])
def test_what_keras_builds_at_once_is_built_at_once(keras: Any, name: str, options: dict[str, Any]) -> None:
    ours, theirs = (getattr(library, name)(**options) for library in (layers, keras.layers))
    assert ours.built or not theirs.built


def test_a_class_with_a_build_of_its_own_is_not_built_at_once() -> None:
    class Counted(layers.Dropout):
        def build(self, input_shape: Any) -> None:
            self.built = True

    assert not Counted(0.5).built


def test_masks_of_merged_inputs_are_lists_of_their_length() -> None:
    x = np.ones((2, 3, 4), "float32")
    merge = layers.Add()
    for inputs, mask, message in (
        ([x, x], x, "`mask` should be a list"),
        (x, [None, None], "`inputs` should be a list"),
        ([x, x], [None], "should have the same length"),
    ):
        with pytest.raises(ValueError, match=message):
            merge.compute_mask(inputs, mask)


def test_what_an_activity_regularizer_adds_stands_in_the_losses() -> None:
    layer = layers.ActivityRegularization(l1=0.2, l2=0.3)
    layer(np.full((1, 1), 2.0))
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(2 * 0.2 + 4 * 0.3)


def test_separable_convolutions_name_their_kernels_as_keras_does() -> None:
    layer = layers.SeparableConv1D(5, 3, depth_multiplier=2)
    layer.build((None, 8, 4))
    assert (layer.depthwise_kernel.shape, layer.pointwise_kernel.shape) == ((3, 4, 2), (1, 8, 5))


def test_a_mask_may_be_the_second_argument_of_a_global_average() -> None:
    x, mask = np.arange(6.0).reshape(1, 3, 2), np.array([[True, True, False]])
    layer = layers.GlobalAveragePooling1D()
    np.testing.assert_allclose(layer(x, mask), layer(x, mask=mask))
