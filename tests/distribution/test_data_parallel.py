"""Several processes come to what one does: weights, numbers of every epoch, evaluations and predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rank_cases as cases
import ranks_run as processes

processes.need_mpi()
pytestmark = pytest.mark.slow

PROGRAM = Path(cases.__file__)
CASES = [case.__name__ for case in cases.CASES if case is not cases.rows_computed]


def outcome(count: int, folder: Path) -> list[dict[str, np.ndarray]]:
    """What each process wrote."""
    folder.mkdir()
    done = processes.run(count, PROGRAM, folder / "{rank}.npz")
    assert done.returncode == 0, done.stdout + done.stderr
    return [dict(np.load(folder / f"{rank}.npz")) for rank in range(count)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return outcome(1, tmp_path_factory.mktemp("ranks") / "one")[0]


@pytest.fixture(scope="module", params=[2, 3])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, np.ndarray]]:
    return outcome(request.param, tmp_path_factory.mktemp("ranks") / "several")


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_those_of_one_process(case: str, alone: dict, shared: list[dict]) -> None:
    names = [name for name in alone if name.startswith(f"{case}: ")]
    assert names
    for name in names:
        expected = alone[name]
        for numbers in shared:
            assert np.abs(numbers[name] - expected).max() <= 1e-5 * np.abs(expected).max(), name


@pytest.mark.parametrize("case", CASES)
def test_all_processes_have_the_same_bits(case: str, shared: list[dict]) -> None:
    for name, expected in shared[0].items():
        if name.startswith(f"{case}: "):
            for numbers in shared[1:]:
                np.testing.assert_array_equal(numbers[name], expected, err_msg=name)


def test_each_process_computes_its_rows_alone(alone: dict, shared: list[dict]) -> None:
    whole, count = alone["rows_computed: rows"], len(shared)
    assert list(whole) == [12, 12, 12, 1, 5]
    for rank, numbers in enumerate(shared):
        shares = [size * (rank + 1) // count - size * rank // count for size in whole]
        # one without a row in a batch computes the first once more, which then does not count
        assert list(numbers["rows_computed: rows"]) == [max(share, 1) for share in shares]
