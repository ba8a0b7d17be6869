"""PyTorch's nn.GRU in a plain training loop, with Adam's numbers as in Keras."""

from __future__ import annotations

import torch
from torch import nn

from bench.engines import Floats, Labels


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


class trainer:
    def __init__(self, units: int, classes: int, shape: tuple[int, int], batch_size: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.batch_size = batch_size
        self.gru = nn.GRU(shape[1], units, batch_first=True)
        self.dense = nn.Linear(units, classes)
        self.optimizer = torch.optim.Adam([*self.gru.parameters(), *self.dense.parameters()], lr=1e-3, eps=1e-7)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.gru(x)[1][0])

    def epoch(self, x: Floats, y: Labels) -> None:
        inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
        for rows in torch.randperm(len(inputs)).split(self.batch_size):
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(self.logits(inputs[rows]), labels[rows]).backward()
            self.optimizer.step()

    def accuracy(self, x: Floats, y: Labels) -> float:
        with torch.no_grad():
            predicted = [self.logits(rows).argmax(1) for rows in torch.from_numpy(x).split(1000)]
        return float((torch.cat(predicted) == torch.from_numpy(y)).float().mean())
