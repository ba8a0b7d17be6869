"""Writes the golden files of PyTorch: needs torch and safetensors.

The state dict of one module as `torch_gru.pt`, as torch before 1.6 wrote it (`torch_gru_old.pt`) and as
`torch_gru.safetensors`; the module answers `y` to `x` in `torch_gru.npz`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

SEED = 20261128
FOLDER = Path(__file__).parent


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.out = torch.nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.out(self.gru(x)[0])


def main() -> None:
    torch.manual_seed(SEED)
    model, x = Model(), torch.randn(2, 5, 3)
    torch.save(model.state_dict(), FOLDER / "torch_gru.pt")
    torch.save(model.state_dict(), FOLDER / "torch_gru_old.pt", _use_new_zipfile_serialization=False)
    save_file(model.state_dict(), FOLDER / "torch_gru.safetensors")
    meta = json.dumps({"torch": torch.__version__, "seed": SEED})
    with torch.inference_mode():
        np.savez_compressed(FOLDER / "torch_gru.npz", x=x.numpy(), y=model(x).numpy(), meta=meta)


if __name__ == "__main__":
    main()
