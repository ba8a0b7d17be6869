"""Sessions answer the same whether the kernels step a model by themselves or its layers run one by one."""

from __future__ import annotations

import pytest

from fastgru.streaming.passes import Passes


@pytest.fixture(params=["compiled", "layers"], autouse=True)
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "layers":
        monkeypatch.setattr(Passes, "stream", lambda passes: None)
    return request.param
