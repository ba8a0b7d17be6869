"""Kernels that PyTorch's programs call run on PyTorch's threads, safely."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import fastgru.torch as ours
from fastgru.torch.openmp import IS_SHARED

pytestmark = pytest.mark.slow

on_openmp = pytest.mark.skipif(not IS_SHARED, reason="this PyTorch has no OpenMP with GNU's entry points")


def output_of(program: str) -> str:
    """What a program puts out in a process of its own, with three threads."""
    start = "import torch, fastgru.torch\ntorch.set_num_threads(3)\ntorch.manual_seed(0)\n"
    command = [sys.executable, "-c", start + program]
    outside = Path(__file__).parent  # of the checkout, whose package need not be compiled
    return subprocess.run(command, cwd=outside, capture_output=True, text=True, timeout=60, check=True).stdout


@on_openmp
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_no_thread_is_started_beside_those_of_pytorch() -> None:
    counts = output_of(
        """
import os
torch.randn(1000, 1000) @ torch.randn(1000, 1000)
torch.randn(2000000).sin_()
before = len(os.listdir("/proc/self/task"))
layer = fastgru.torch.GRU(28, 128)
layer(torch.randn(28, 128, 28))[0].sum().backward()
print(before, len(os.listdir("/proc/self/task")))
fastgru.layers.GRU(128)(torch.randn(128, 28, 28).numpy())
print(len(os.listdir("/proc/self/task")))
"""
    ).split()
    before, after, with_own_pool = map(int, counts)
    assert after == before
    assert with_own_pool > after  # a fastgru model in the same process keeps its own


def test_a_forked_child_computes_and_ends() -> None:
    """On fastgru's own pool: libgomp hangs there, and so does torch.nn.LSTM. Nothing here is large enough for PyTorch
    itself to take several threads."""
    lines = output_of(
        """
import os
layer, x = fastgru.torch.LSTM(8, 64, batch_first=True), torch.randn(128, 28, 8)
with torch.no_grad():
    expected = layer(x)[1][0]
    if os.fork() == 0:
        torch.set_num_threads(2)
        print(torch.equal(layer(x)[1][0], expected), flush=True)
        os._exit(0)
print(os.wait()[1])
"""
    ).split()
    assert lines == ["True", "0"]


def test_workers_of_a_data_loader_run_a_layer() -> None:
    text = output_of(
        """
from torch.utils.data import DataLoader, Dataset
class Rows(Dataset):
    def __init__(self, layer): self.layer = layer
    def __len__(self): return 4
    def __getitem__(self, index):
        with torch.no_grad():
            return self.layer(torch.full((28, 64, 28), float(index)))[1].sum()
layer = fastgru.torch.GRU(28, 128)
data = Rows(layer)
here = torch.stack([data[index] for index in range(4)])
there = torch.cat(list(DataLoader(data, num_workers=2, multiprocessing_context="fork")))
print(torch.allclose(here, there, rtol=1e-5))
"""
    )
    assert text.split() == ["True"]


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2, 5, 1):
            torch.set_num_threads(count)
            torch.manual_seed(0)
            for shape in ((28, 128, 28), (28, 1, 28)):
                layer = ours.GRU(28, 128, bidirectional=True)
                y, last = layer(torch.randn(shape))
                (y.sin().sum() + last.sum()).backward()
                results.append([y.detach(), *(parameter.grad for parameter in layer.parameters())])
    finally:
        torch.set_num_threads(before)
    for index, each in enumerate(results):
        assert all(map(torch.equal, each, results[index % 2]))


def test_several_python_threads_at_once() -> None:
    layer, parts = ours.GRU(12, 96), [torch.randn(20, 64, 12) for _ in range(4)]
    expected = [torch.autograd.grad(layer(part)[0].sum(), [*layer.parameters()]) for part in parts]
    failures: list[int] = []

    def run(number: int) -> None:
        for _ in range(5):
            gradients = torch.autograd.grad(layer(parts[number])[0].sum(), [*layer.parameters()])
            if not all(map(torch.equal, gradients, expected[number])):
                failures.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(parts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_error_leaves_the_threads_as_they_were() -> None:
    layer: Any = ours.GRU(5, 64)
    x = torch.randn(20, 64, 5)
    expected = layer(x)[0]
    with pytest.raises(RuntimeError):
        layer(torch.randn(20, 64, 4))
    assert torch.equal(layer(x)[0], expected)
