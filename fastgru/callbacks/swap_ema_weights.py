"""The callback that evaluates with the running means of the weights (Polyak averaging)."""

from __future__ import annotations

from typing import Any

from fastgru import checks
from fastgru.callbacks.callback import Callback, Logs
from fastgru.layers.weight import publish

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Puts the running means of an optimizer with ``use_ema=True`` in the place of the weights to evaluate them.

    During `evaluate`, validation and `predict` the weights are the means; then they are back. (Keras leaves the means
    in place after `predict`.)

    Parameters
    ----------
    swap_on_epoch : bool
        The means are in place at the end of each epoch as well, so that a ModelCheckpoint behind this callback saves
        them, until the next epoch begins.

    Raises
    ------
    ValueError
        In the run, where the optimizer has no means.
    """

    state_names = ("_ema_weights_in_model",)

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = checks.flag(swap_on_epoch, type(self).__name__, "swap_on_epoch")
        self._ema_weights_in_model = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch:
            self._swap(means_in_model=False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch:
            self._swap(means_in_model=True)
            if self.params and epoch == self.params["epochs"] - 1:
                # `fit` ends by putting the means into the model: they are there
                for weight, mean in self._pairs():
                    mean.assign(weight.value)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._swap(means_in_model=True)

    def on_test_end(self, logs: Logs = None) -> None:
        self._swap(means_in_model=False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._swap(means_in_model=True)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._swap(means_in_model=False)

    def _swap(self, means_in_model: bool) -> None:
        if self._ema_weights_in_model != means_in_model:
            pairs = self._pairs()
            weights = [weight.numpy() for weight, _ in pairs]
            publish({weight: mean.numpy() for weight, mean in pairs})
            for (_, mean), values in zip(pairs, weights, strict=True):
                mean.assign(values)
            self._ema_weights_in_model = means_in_model

    def _pairs(self) -> list[tuple[Any, Any]]:
        """Each trainable weight and its mean."""
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        inside = getattr(optimizer, "optimizers", None)  # of a MultiOptimizer, those without means leave their weights
        means = {variable.name: variable for one in inside or [optimizer] for variable in one.variables}
        named = [(weight, f"{weight.path.replace('/', '_')}_average") for weight in self.model.trainable_weights]
        pairs = [(weight, means[name]) for weight, name in named if name in means]
        if not pairs or (inside is None and len(pairs) < len(named)):
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer, and once that has trained; "
                f"got use_ema={[one.use_ema for one in inside] if inside else optimizer.use_ema}."
            )
        return pairs
