"""The open inference protocol v2, spoken by Triton's own client, against `predict`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

for package in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")
triton: Any = pytest.importorskip("tritonclient.http", reason="the client is Triton's own")

import httpx
from services import Running, serving
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from fastgru.layers import GRU, Dense, Embedding, Input, TextVectorization
from fastgru.models import Model, Sequential

DRAW = np.random.default_rng(17)


def sequential() -> Sequential:
    return Sequential([Input((None, 3), name="seq"), GRU(8), Dense(2, activation="softmax", name="answer")])


def branched() -> Model:
    u, v = Input((4, 2), name="u"), Input((3,), name="v")
    return Model([u, v], [Dense(2, name="p")(GRU(3)(u)), Dense(1, name="q")(v)])


def of_words() -> Sequential:
    return Sequential([Input((None,), dtype="int32", name="words"), Embedding(50, 4), GRU(3, name="read")])


def of_texts() -> Sequential:
    words = TextVectorization(vocabulary=["the", "cat", "sat"], output_sequence_length=4)
    return Sequential([Input((), dtype="string", name="text"), words, Embedding(6, 3), GRU(2, name="read")])


MODELS = {
    "sequential": sequential(),
    "branched": branched(),
    "of_words": of_words(),
    "of_texts": of_texts(),
    "double": Sequential([Input((2, 3), name="seq", dtype="float64"), GRU(4, dtype="float64", name="read")]),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving(MODELS) as service:
        yield service


@pytest.fixture
def client(running: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(running.address, concurrency=4) as client:
        yield client


def tensor(name: str, array: Any, binary: bool = True) -> Any:
    tensor = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    return tensor.set_data_from_numpy(array, binary_data=binary)


def test_the_server_and_its_models_describe_themselves(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert all(client.is_model_ready(name) for name in MODELS)
    assert not client.is_model_ready("nobody")
    assert client.get_model_metadata("branched", "1") == {
        "name": "branched",
        "versions": ["1"],
        "platform": "fastgru",
        "inputs": [
            {"name": "u", "datatype": "FP32", "shape": [-1, 4, 2]},
            {"name": "v", "datatype": "FP32", "shape": [-1, 3]},
        ],
        "outputs": [
            {"name": "p", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "q", "datatype": "FP32", "shape": [-1, 1]},
        ],
    }
    described = {name: client.get_model_metadata(name)["inputs"][0] for name in MODELS}
    assert [described[name]["datatype"] for name in ("of_words", "of_texts", "double")] == ["INT32", "BYTES", "FP64"]
    assert described["of_texts"]["shape"] == [-1]
    assert described["sequential"]["shape"] == [-1, -1, 3]


@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32", "int64", "uint8", "bool"])
def test_an_answer_is_that_of_predict(client: Any, dtype: str, binary_in: bool, binary_out: bool) -> None:
    x = DRAW.integers(0, 2, (5, 7, 3)).astype(dtype)
    outputs = [triton.InferRequestedOutput("answer", binary_data=binary_out)]
    result = client.infer("sequential", [tensor("seq", x, binary_in)], outputs=outputs, request_id="a7")
    assert result.get_response()["id"] == "a7"
    answer = result.as_numpy("answer")
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, MODELS["sequential"].predict(x, verbose=0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("algorithm", [None, "gzip", "deflate"])
def test_several_inputs_and_outputs(client: Any, algorithm: str | None) -> None:
    u, v = DRAW.standard_normal((6, 4, 2)).astype("f4"), DRAW.standard_normal((6, 3)).astype("f4")
    result = client.infer("branched", [tensor("v", v), tensor("u", u)], request_compression_algorithm=algorithm)
    p, q = MODELS["branched"].predict([u, v], verbose=0)
    np.testing.assert_allclose(result.as_numpy("p"), p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(result.as_numpy("q"), q, rtol=0, atol=1e-6)
    only = client.infer(
        "branched", [tensor("u", u), tensor("v", v)], outputs=[triton.InferRequestedOutput("q")], model_version="1"
    )
    assert [one["name"] for one in only.get_response()["outputs"]] == ["q"]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_words_and_texts(client: Any, binary: bool, dtype: str) -> None:
    words = DRAW.integers(0, 50, (3, 6)).astype(dtype)
    answer = client.infer("of_words", [tensor("words", words, binary)]).as_numpy("read")
    np.testing.assert_allclose(answer, MODELS["of_words"].predict(words, verbose=0), rtol=0, atol=1e-6)
    texts = np.array(["the cat", "sat é", ""], object)
    answer = client.infer("of_texts", [tensor("text", texts, binary)]).as_numpy("read")
    np.testing.assert_allclose(answer, MODELS["of_texts"].predict(texts, verbose=0), rtol=0, atol=1e-6)


def test_float64_stays_float64(client: Any) -> None:
    x = DRAW.standard_normal((2, 2, 3))
    answer = client.infer("double", [tensor("seq", x)]).as_numpy("read")
    assert answer.dtype == np.float64
    np.testing.assert_allclose(answer, MODELS["double"].predict(x, verbose=0), rtol=0, atol=1e-14)


@pytest.mark.parametrize("binary", [True, False])
def test_no_rows_are_answered_by_none(client: Any, binary: bool) -> None:
    result = client.infer("sequential", [tensor("seq", np.empty((0, 7, 3), "f4"), binary)])
    assert result.as_numpy("answer").shape == (0, 2)


def test_requests_at_the_same_time_each_have_their_own_rows(client: Any) -> None:
    inputs = [DRAW.standard_normal((1 + index % 3, 5 + index % 2, 3)).astype("f4") for index in range(60)]
    pending = [client.async_infer("sequential", [tensor("seq", x)]) for x in inputs]
    for x, request in zip(inputs, pending, strict=True):
        answer = request.get_result().as_numpy("answer")
        np.testing.assert_allclose(answer, MODELS["sequential"].predict(x, verbose=0), rtol=0, atol=1e-6)


X = np.zeros((2, 4, 3), "f4")


@pytest.mark.parametrize(
    "name, inputs, status, sentence",
    [
        ("nobody", [tensor("seq", X)], "404", "there is no model 'nobody'"),
        ("sequential", [tensor("x", X)], "400", "expected 'seq', got 'x'"),
        ("sequential", [tensor("seq", X[0])], "400", r"expected shape \[-1, -1, 3\]"),
        ("sequential", [tensor("seq", X[..., :2])], "400", r"got \[2, 4, 2\]"),
        ("sequential", [tensor("seq", X[:, :0])], "400", r"got \[2, 0, 3\]"),
        ("sequential", [tensor("seq", np.array([["a"]], object))], "400", r"expected shape"),
        ("of_texts", [tensor("text", np.zeros(3, "f4"))], "400", "expected BYTES, got FP32"),
        ("of_words", [tensor("words", np.full((1, 2), 50, "i4"))], "400", "from 0 to 49"),
        ("branched", [tensor("u", X[:, :, :2]), tensor("v", X[0])], "400", "as many rows in each"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    client: Any, name: str, inputs: Any, status: str, sentence: str
) -> None:
    with pytest.raises(InferenceServerException, match=sentence) as caught:
        client.infer(name, inputs)
    assert caught.value.status() == status


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"outputs": [triton.InferRequestedOutput("seq")]}, "output 'seq': there is none"),
        ({"outputs": [triton.InferRequestedOutput("answer", class_count=2)]}, "'binary_data' is supported"),
        ({"sequence_id": 3, "sequence_start": True}, "stream"),
        ({"priority": 1}, "'priority' is not supported"),
        ({"parameters": {"greedy": True}}, "'greedy' is not supported"),
        ({"model_version": "2"}, "no model 'sequential' of version '2'; there is version '1'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(client: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InferenceServerException, match=sentence):
        client.infer("sequential", [tensor("seq", X)], **options)


def test_numbers_that_json_has_no_word_for_come_as_bytes(client: Any) -> None:
    x = np.full((1, 2, 3), np.nan, "f4")
    assert np.isnan(client.infer("sequential", [tensor("seq", x)]).as_numpy("answer")).all()
    with pytest.raises(InferenceServerException, match="ask for binary data"):
        client.infer(
            "sequential", [tensor("seq", x)], outputs=[triton.InferRequestedOutput("answer", binary_data=False)]
        )


def test_other_methods_and_addresses_have_their_codes(running: Running) -> None:
    for method, path, status, sentence in (
        ("GET", "/v2/models/sequential/infer", 405, "expected POST"),
        ("POST", "/v2", 405, "GET"),
        ("GET", "/v2/models", 404, "nothing at '/v2/models'; at /v2/models/NAME are 'sequential', "),
        ("GET", "/v2/models/sequential/stream", 404, "a stream is a websocket"),
    ):
        response = httpx.request(method, running.url + path)
        assert response.status_code == status
        assert sentence in response.json()["error"]


def test_metrics_count_what_was_answered(running: Running, client: Any) -> None:
    client.infer("branched", [tensor("u", X[:, :, :2]), tensor("v", X[:, 0])])
    text = httpx.get(f"{running.url}/metrics").text
    for name in ("requests_total", "rows_total", "batch_rows_bucket", "queue_requests", "request_seconds_bucket"):
        assert f"fastgru_{name}{{" in text
    assert 'fastgru_requests_total{model="branched",status="200"}' in text
