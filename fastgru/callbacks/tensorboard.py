"""The callback that writes what TensorBoard shows."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastgru import checks
from fastgru.callbacks import event_file
from fastgru.callbacks.callback import Callback, Logs
from fastgru.callbacks.event_file import EventFile
from fastgru.callbacks.learning_rate import rates
from fastgru.types import Array

__all__ = ["TensorBoard"]

TENSOR = "layer_with_weights-0/embeddings/.ATTRIBUTES/VARIABLE_VALUE"  # under which name Keras lists an Embedding


class TensorBoard(Callback):
    """Writes losses, metrics, the learning rate and weights for TensorBoard, under Keras's names.

    Show them with ``tensorboard --logdir logs``; nothing of TensorFlow is needed to write them.

    Parameters
    ----------
    log_dir : path
        What is of training goes to ``train`` in it, what is of validation to ``validation``.
    histogram_freq : int
        After every so many epochs histograms of all weights; 0: none.
    write_graph : bool
        The model's layers. There is no graph of operations.
    write_images : bool
        With the histograms, the weights as images.
    write_steps_per_second : bool
    update_freq : "epoch", "batch" or int
        Also the numbers of every so many batches.
    profile_batch : int
        0: there is no profiler.
    embeddings_freq : int
        After every so many epochs the weights in a file for the projector; 0: none.
    embeddings_metadata : str or dict, optional
        A file with the names of the tokens, or one for each Embedding by its name.
    """

    writes = True
    state_names = ("_global_train_batch",)

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ) -> None:
        where = type(self).__name__
        if profile_batch not in (0, "0", None, False):
            raise ValueError(f"{where}: fastgru has no profiler; expected profile_batch=0, got {profile_batch!r}.")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = checks.count(histogram_freq, where, "histogram_freq")
        self.write_graph = checks.flag(write_graph, type(self).__name__, "write_graph")
        self.write_images = checks.flag(write_images, type(self).__name__, "write_images")
        self.write_steps_per_second = checks.flag(write_steps_per_second, type(self).__name__, "write_steps_per_second")
        every_batch = 1 if update_freq == "batch" else update_freq
        is_epoch = every_batch == "epoch"
        self.update_freq = "epoch" if is_epoch else checks.positive_integer(every_batch, where, "update_freq")
        self.embeddings_freq = checks.count(embeddings_freq, where, "embeddings_freq")
        self.embeddings_metadata = embeddings_metadata
        self._global_train_batch = 0
        self._files: dict[str, EventFile] = {}

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._files = {}
        if self.write_graph and type(model).__name__ in ("Functional", "Sequential"):
            try:
                described = model.to_json()
            except Exception as error:  # the model may train although a part of it has no config
                warnings.warn(f"TensorBoard: the model's layers are not written: {error}", stacklevel=2)
            else:
                self._file("train").add(0, event_file.text("keras", "graph_keras_model", described, b"1"))
        if self.embeddings_freq:
            self._write_projector_config()

    def on_train_begin(self, logs: Logs = None) -> None:
        self._global_train_batch = 0
        self._file("train").flush()

    def on_train_end(self, logs: Logs = None) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}

    def on_test_end(self, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        if optimizer is not None:
            for name, value in (logs or {}).items():
                tag = f"evaluation_{name}_vs_iterations"
                self._file("validation").add(int(optimizer.iterations), event_file.scalar(tag, value))
            self._file("validation").flush()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._global_train_batch += 1
        self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        step = self._global_train_batch
        if not isinstance(self.update_freq, int) or step % self.update_freq:
            return
        numbers = dict(logs or {})
        if self.write_steps_per_second:
            numbers["steps_per_second"] = 1 / (time.perf_counter() - self._batch_began)
        self._write("train", "batch", numbers, step)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch_began = time.perf_counter(), int(self.model.optimizer.iterations)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs:
            trained = {name: value for name, value in logs.items() if not name.startswith("val_")}
            optimizer = self.model.optimizer
            trained.update(rates(getattr(optimizer, "inner_optimizer", optimizer)))
            if self.write_steps_per_second:
                began, iterations = self._epoch_began
                steps = int(self.model.optimizer.iterations) - iterations
                trained["steps_per_second"] = steps / (time.perf_counter() - began)
            self._write("train", "epoch", trained, epoch)
            validated = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
            if validated:
                self._write("validation", "epoch", validated, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self.model.save_weights(Path(self.log_dir) / "train" / f"keras_embedding.ckpt-{epoch}.weights.h5")
        for file in self._files.values():
            file.flush()

    def _file(self, name: str) -> EventFile:
        if name not in self._files:
            self._files[name] = EventFile(Path(self.log_dir) / name)
        return self._files[name]

    def _write(self, run: str, prefix: str, numbers: Mapping[str, float], step: int) -> None:
        file = self._file(run)
        for name, value in numbers.items():
            file.add(step, event_file.scalar(f"{prefix}_{name}", value))

    def _write_weights(self, epoch: int) -> None:
        file = self._file("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                name, values = weight.path.replace(":", "_"), weight.numpy()
                file.add(epoch, event_file.histogram(f"{name}/histogram", values))
                pixels = _pixels(values) if self.write_images else None
                if pixels is not None:
                    file.add(epoch, event_file.images(f"{name}/image", pixels))

    def _write_projector_config(self) -> None:
        """Which Embeddings the projector shows, as the text of a message."""
        labels, entries = self.embeddings_metadata, []
        names = [layer.name for layer in self.model.layers if type(layer).__name__ == "Embedding"]
        if isinstance(labels, Mapping) and (unknown := [name for name in labels if name not in names]):
            raise ValueError(f"TensorBoard: expected names of Embedding layers in embeddings_metadata, got {unknown}.")
        for name in names:
            path = labels.get(name) if isinstance(labels, Mapping) else labels
            entries.append(f'embeddings {{\n  tensor_name: "{TENSOR}"\n')
            entries.append("}\n" if path is None else f'  metadata_path: "{path}"\n}}\n')
        folder = Path(self.log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "projector_config.pbtxt").write_text("".join(entries))


def _pixels(values: Array) -> Array | None:
    """A weight as images, as Keras lays it out; None for one of too many axes."""
    image = np.squeeze(values)
    if image.ndim == 1:
        return image.reshape(1, -1, 1, 1)
    if image.ndim == 2:
        image = image.T if image.shape[0] > image.shape[1] else image
        return image[np.newaxis, :, :, np.newaxis]
    if image.ndim == 3:  # an image for each filter
        return image.transpose(2, 0, 1)[..., np.newaxis]
    return None
