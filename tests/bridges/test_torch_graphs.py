"""torch.compile sees a layer as an operator, and DistributedDataParallel trains one."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn

import fastgru.torch as ours
from fastgru.torch import operators

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("mode", ["GRU", "LSTM"])


@pytest.fixture(autouse=True)
def nothing_compiled() -> None:
    """Each test compiles anew: PyTorch counts how often it did so for a function, and stops."""
    torch.compiler.reset()


class Network(nn.Module):  # type: ignore[misc]
    def __init__(self, mode: str) -> None:
        super().__init__()
        self.layer = getattr(ours, mode)(5, 24, 2, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(48, 3)

    def forward(self, x: Any) -> Any:
        y, last = self.layer(x)
        return self.dense(y[:, -1]) + (last if self.layer.mode == "GRU" else last[1]).mean()


def results(network: Any, compiled: Any, x: Any) -> list[Any]:
    network.zero_grad()
    x = x.clone().requires_grad_()
    answer = compiled(x)
    answer.square().sum().backward()
    return [answer.detach(), x.grad, *(parameter.grad.clone() for parameter in network.parameters())]


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_compiled_graph_has_no_break_and_the_same_numbers(mode: str, backend: str) -> None:
    network = Network(mode)
    compiled = torch.compile(network, fullgraph=True, backend=backend)
    x = torch.randn(4, 7, 5)
    for one, other in zip(results(network, compiled, x), results(network, network, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            torch.testing.assert_close(compiled(x), network(x), rtol=1e-5, atol=1e-6)
    gc.collect()
    assert not operators._passes  # their memory went back with their graph


@BOTH
def test_a_compiled_graph_takes_shapes_that_change(mode: str) -> None:
    network = Network(mode)
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (3, 5, 8):
        x = torch.randn(rows, rows + 2, 5)
        for one, other in zip(results(network, compiled, x), results(network, network, x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@BOTH
def test_a_packed_sequence_in_a_compiled_graph(mode: str) -> None:
    rnn = nn.utils.rnn
    layer = getattr(ours, mode)(5, 24)
    packed = rnn.pack_padded_sequence(torch.randn(7, 4, 5), torch.tensor([7, 5, 4, 2]))

    def run(data: Any, batch_sizes: Any) -> Any:
        return layer(rnn.PackedSequence(data, batch_sizes))[0].data

    compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(packed.data, packed.batch_sizes), run(packed.data, packed.batch_sizes))


@BOTH
def test_the_operator_keeps_what_torch_asks_of_operators(mode: str) -> None:
    gates = 3 if mode == "GRU" else 4
    tensors = [torch.randn(gates * 6, columns, requires_grad=True) for columns in (4, 6)]
    states = [torch.randn(1, 2, 6, requires_grad=True) for _ in range(gates - 2)]
    arguments = mode, 1, None, torch.randn(2, 3, 4, requires_grad=True), states, tensors, True
    checks = "test_schema", "test_faketensor", "test_autograd_registration"
    torch.library.opcheck(torch.ops.fastgru.layer.default, arguments, test_utils=checks)


def test_a_pass_that_is_gone_is_run_again() -> None:
    tensors = [torch.randn(18, columns, requires_grad=True) for columns in (4, 6)]
    x = torch.randn(2, 3, 4)
    gradients = []
    for loses in (False, True):
        y, *_ = operators.layer("GRU", 1, None, x, [], tensors, True)
        if loses:
            operators._passes.clear()
        gradients.append(torch.autograd.grad(y.sin().sum(), tensors))
    assert all(map(torch.equal, *gradients))


@pytest.mark.slow
def test_two_processes_with_distributed_data_parallel_train_as_one(tmp_path: Any) -> None:
    program = """
import sys, torch, torch.distributed as dist, fastgru.torch
from torch import nn
rank, count, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
torch.manual_seed(0)
layer = fastgru.torch.GRU(5, 16, batch_first=True)
x = torch.randn(8, 6, 5)
if count > 1:
    dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=count)
    network, x = nn.parallel.DistributedDataParallel(layer), x.chunk(count)[rank]
else:
    network = layer
optimizer = torch.optim.SGD(layer.parameters(), 0.5)
for _ in range(3):
    optimizer.zero_grad()
    network(x)[0].square().mean().backward()
    optimizer.step()
if rank == 0:
    print(*torch.cat([parameter.flatten() for parameter in layer.parameters()]).tolist())
"""

    def start(rank: int, count: int) -> Any:
        command = [sys.executable, "-c", program, str(rank), str(count), str(tmp_path / "rendezvous")]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)

    alone, first, second = start(0, 1), start(0, 2), start(1, 2)
    texts = [process.communicate(timeout=120)[0] for process in (alone, first, second)]
    assert [process.returncode for process in (alone, first, second)] == [0, 0, 0]
    one, two = ([float(word) for word in text.split()] for text in texts[:2])
    assert one == pytest.approx(two, rel=1e-4, abs=1e-6)
    assert len(one) == 3 * 16 * (5 + 16 + 2)
