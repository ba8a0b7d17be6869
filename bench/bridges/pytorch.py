"""A torch.nn.GRU with a loss on its last outputs, as it is and by `fastgru.torch.accelerate`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from bench.network import Arrays, Floats
from bench.variants import Variant, inference, updates


def variants(accelerated: bool, arrays: Arrays, threads: int) -> dict[str, Variant]:
    torch.set_num_threads(threads)
    units, layers, directions = (int(arrays[name]) for name in ("units", "layers", "directions"))
    x, lengths = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["lengths"])
    torch.manual_seed(0)
    gru = nn.GRU(x.shape[2], units, layers, batch_first=True, bidirectional=directions == 2)
    if accelerated:
        from fastgru.torch import accelerate

        accelerate(gru)
    packed = bool((lengths < x.shape[1]).any())

    def last() -> Any:
        """The last states (B, D H) of the last layer."""
        sequences = nn.utils.rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False) if packed else x
        return gru(sequences)[1][-directions:].transpose(0, 1).flatten(1)

    def predict() -> Floats:
        with torch.inference_mode():
            return last().numpy()

    if not arrays["trains"]:
        return {"inference_mode": inference(predict)}
    optimizer = torch.optim.Adam(gru.parameters())

    def train() -> None:
        optimizer.zero_grad()
        last().square().mean().backward()
        optimizer.step()

    return {"a step with Adam": updates(predict, train)}
