"""`predict` over the blocks of Dask's collections."""

from __future__ import annotations

import os
import pickle
from typing import Any

import cloudpickle
import dask

from fastgru.dask.arrays import predict_arrays
from fastgru.dask.frames import is_frame, predict_frame
from fastgru.models import Model
from fastgru.saving import load_model
from fastgru.training.intake import is_stateful

__all__ = ["predict"]


def predict(
    model: Model | str | os.PathLike[str], collection: Any, batch_size: int | None = None, num_threads: int = 1
) -> Any:
    """Predictions of a collection that need not fit into memory, computed where its blocks are.

    Each worker has one model, of the weights of the moment of the call, and predicts block by block. Nothing is
    computed before the answer's ``compute``, ``to_zarr`` and the like.

    Parameters
    ----------
    model : Model or path
        A file is read here, once; the workers need not see it.
    collection
        What the model takes: a `dask.array.Array`, samples along the first axis, or a list, tuple or dict of them, one
        for each input. Or a `dask.dataframe` with a row for each sample: its columns are the numbers of a sample in the
        order of the model's input; a series holds numbers, or the texts of a model that reads text.
    batch_size : int, optional
        As in `Model.predict`.
    num_threads : int
        Threads of each block's prediction: 1, since a worker computes as many blocks at a time as it has processors.

    Returns
    -------
    dask.array.Array
        Of the model's answers, in blocks of as many samples; in a list or dict where the model has several. Of a frame
        a frame with its index, and a column for each number that answers a sample.

    Raises
    ------
    TypeError, ValueError
        The collection is none of these, or not what the model takes, or the model is stateful; told before anything
        is computed.
    """
    network = model if isinstance(model, Model) else load_model(model)
    if is_stateful(network):
        raise ValueError(
            f"fastgru.dask.predict: model {network.name!r} is stateful, and blocks are predicted in any order, by "
            "workers of which each would have states of its own; take layers without stateful=True."
        )
    # a task that makes it: whoever loses it makes it anew; pickle alone cannot carry the classes of a script
    on_worker = dask.delayed(pickle.loads, pure=True)(cloudpickle.dumps(network))
    options = {"batch_size": batch_size, "num_threads": num_threads}
    predict_collection = predict_frame if is_frame(collection) else predict_arrays
    return predict_collection(network, on_worker, collection, options)
