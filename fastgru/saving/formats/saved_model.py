"""TensorFlow's SavedModel, a folder, and its checkpoints: objects, each of which lists others, down to variables.

The layers of a SavedModel of Keras 2 have their configs beside them, in `keras_metadata.pb` (TensorFlow 2.5 and later)
or in `saved_model.pb`; each lists its variables in the order of a legacy `.h5` file. What has no configs, such as a
checkpoint or an export of Keras 3, holds variables alone, by their owners in order. The functions are not looked at.
The messages: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph,trackable_object_graph}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastgru.saving.formats import json_text, legacy_h5, tensor_bundle
from fastgru.saving.formats.protobuf import INT, TEXT, Message, Record, decode, field, repeated
from fastgru.saving.formats.tensor_bundle import BundleArray
from fastgru.saving.report import reading
from fastgru.saving.stored import KERAS_3, FilePath, StoredArray, StoredModel, short_version

GRAPH, METADATA, VARIABLES = "saved_model.pb", "keras_metadata.pb", "variables/variables"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"  # the key of the graph of objects among the tensors
MAX_GRAPH = 1 << 31  # of protobuf itself
# what Keras and TensorFlow hang on an object beside its parts: the same variables once more, or none of the model's
BESIDE = (
    "variables", "trainable_variables", "non_trainable_variables", "_all_variables", "regularization_losses",
    "keras_api", "signatures", "optimizer", "save_counter",
)  # fmt: skip
LAYER = "layer-"  # and a number: a layer of a model
OF_OPTIMIZER_2_10 = ("m", "v", "vhat", "rms", "mg", "accumulator", "accum_grad", "accum_var", "linear", "momentum")

REFERENCE = Message("ObjectReference", node_id=field(1, INT), local_name=field(2, TEXT))
ATTRIBUTE = Message("SerializedTensor", full_name=field(2, TEXT), checkpoint_key=field(3, TEXT))
SLOT = Message(
    "SlotVariableReference",
    original_variable_node_id=field(1, INT),
    slot_name=field(2, TEXT),
    slot_variable_node_id=field(3, INT),
)
TRACKED = Message(
    "TrackableObject",
    children=repeated(1, REFERENCE),
    attributes=repeated(2, ATTRIBUTE),
    slot_variables=repeated(3, SLOT),
)
TRACKED_GRAPH = Message("TrackableObjectGraph", nodes=repeated(1, TRACKED))

USER_OBJECT = Message("SavedUserObject", metadata=field(3, TEXT))
OBJECT = Message("SavedObject", children=repeated(1, REFERENCE), user_object=field(4, USER_OBJECT))
OBJECT_GRAPH = Message("SavedObjectGraph", nodes=repeated(1, OBJECT))
META_INFO = Message("MetaInfoDef", tensorflow_version=field(5, TEXT))
META_GRAPH = Message("MetaGraphDef", meta_info_def=field(1, META_INFO), object_graph_def=field(7, OBJECT_GRAPH))
SAVED_MODEL = Message("SavedModel", meta_graphs=repeated(2, META_GRAPH))

KERAS_OBJECT = Message("keras.SavedObject", node_id=field(2, INT), metadata=field(5, TEXT))
KERAS_METADATA = Message("keras.SavedMetadata", nodes=repeated(1, KERAS_OBJECT))


def stored_model(file: str, path: FilePath) -> StoredModel:
    """The SavedModel in a folder, or its variables alone; `file` is its name in error messages."""
    folder = Path(path)
    with reading(file, GRAPH):
        graphs = decode(SAVED_MODEL, _content(folder / GRAPH))["meta_graphs"]
        graph = next((graph for graph in graphs if graph["object_graph_def"]), None)
        if graph is None:
            raise ValueError("has no graph of objects: TensorFlow 1 saved it, or it is damaged")
        objects = graph["object_graph_def"]["nodes"]
        version = (graph["meta_info_def"] or {}).get("tensorflow_version")
        if (folder / VARIABLES).parent.is_symlink():
            raise ValueError("has its variables behind a link, which fastgru does not follow")
    written_by = f"TensorFlow {short_version(version or '2')}"
    variables = _Variables(file, folder / VARIABLES)
    texts = {number: node["user_object"]["metadata"] for number, node in enumerate(objects) if node["user_object"]}
    if (folder / METADATA).exists():
        with reading(file, METADATA):
            nodes = decode(KERAS_METADATA, _content(folder / METADATA))["nodes"]
            texts.update((node["node_id"], node["metadata"]) for node in nodes)
    model = json_text.parsed(texts.get(0) or None, file, "the model's metadata") or {}
    layers = _children(objects, 0)
    names = {}
    for name, node in layers.items():
        if name.startswith(LAYER):
            metadata = json_text.parsed(texts.get(node) or None, file, f"metadata of {name}") or {}
            names[name] = str(metadata.get("name", name))
    if not names or "class_name" not in model:
        return variables.by_order(file, "SavedModel", written_by)
    return variables.by_layer(file, f"Keras {short_version(model.get('keras_version'))} on {written_by}", model, names)


def checkpoint(file: str, prefix: FilePath) -> StoredModel:
    """The variables of the layers in a checkpoint of TensorFlow 2; `prefix` is its name up to `.index`."""
    return _Variables(file, Path(prefix)).by_order(file, "TensorFlow checkpoint", "TensorFlow 2")


def _content(path: Path) -> bytes:
    if path.is_symlink():
        raise ValueError("is a link, which fastgru does not follow")
    if path.stat().st_size > MAX_GRAPH:
        raise ValueError(f"has {path.stat().st_size} bytes; at most {MAX_GRAPH} are accepted")
    return path.read_bytes()


def _children(nodes: Sequence[Record], number: int) -> dict[str, int]:
    """The objects that one lists, by the names that it has for them."""
    if not 0 <= number < len(nodes):
        raise ValueError(f"refers to object {number} of {len(nodes)}")
    return {child["local_name"]: child["node_id"] for child in nodes[number]["children"]}


class _Variables:
    """The variables in a tensor bundle and the objects that own them."""

    def __init__(self, file: str, prefix: Path) -> None:
        self.file = file
        self.place = prefix.name
        self.tensors = tensor_bundle.arrays(file, prefix)
        with reading(file, OBJECTS):
            if OBJECTS not in self.tensors:
                raise ValueError("is missing: the variables were saved by TensorFlow 1, and their order is not known")
            self.nodes = decode(TRACKED_GRAPH, self.tensors[OBJECTS].text())["nodes"]
            self.root = self.children(0)

    def children(self, number: int) -> dict[str, int]:
        return _children(self.nodes, number)

    def full_name(self, number: int) -> str:
        """What TensorFlow calls a variable."""
        return str(self.nodes[number]["attributes"][0]["full_name"])

    def array(self, number: int) -> BundleArray | None:
        """The tensor of an object; None where it is no variable."""
        self.children(number)  # of which there is one with this number
        attributes = self.nodes[number]["attributes"]
        key = attributes[0]["checkpoint_key"] if len(attributes) == 1 else ""
        if key and key not in self.tensors:
            raise ValueError(f"the variable {key!r} is missing")
        return self.tensors[key] if key else None

    def listed(self, number: int) -> list[StoredArray]:
        """The variables in a list."""
        arrays = [self.array(child) for _, child in sorted(self.children(number).items(), key=_by_number)]
        return [array for array in arrays if array is not None]

    # --- a model of Keras 2 -------------------------------------------------------------------------------------------

    def by_layer(self, file: str, written_by: str, metadata: dict[str, Any], names: dict[str, str]) -> StoredModel:
        """A stored model whose layers have their own configs; `names` has theirs by those in the graph."""
        arrays = {}
        with reading(file, self.place):
            for child, name in sorted(names.items(), key=_by_number):
                if child not in self.root:
                    raise ValueError(f"has no object {child!r}, which is the layer {name!r}")
                variables = self.children(self.root[child]).get("variables")
                arrays[name] = [] if variables is None else self.listed(variables)
        config = metadata.get("model_config") or {key: metadata.get(key) for key in ("class_name", "config")}
        training = metadata.get("training_config")
        return StoredModel(
            file=file,
            format="SavedModel",
            written_by=written_by,
            arrays=arrays,
            by_layer=True,
            version=json_text.version(str(metadata.get("keras_version"))),
            backend="tensorflow",
            config=config,
            training=legacy_h5.training_of(training) if isinstance(training, dict) else None,
            optimizer_arrays=self.of_optimizer,
            weights_file=file,
            place=self.place,
        )

    def of_optimizer(self) -> list[StoredArray]:
        """What the optimizer has, in the order of a legacy file."""
        with reading(self.file, "optimizer"):
            if "optimizer" not in self.root:
                return []
            number = self.root["optimizer"]
            parts = self.children(number)
            if "_variables" in parts:  # Keras 2.11 and later
                rate = [parts["_learning_rate"]] if "_learning_rate" in parts else []
                arrays = self.listed(parts["_variables"])
                return [*arrays[:1], *(array for node in rate if (array := self.array(node))), *arrays[1:]]
            steps = [array for name in ("iter",) if name in parts and (array := self.array(parts[name]))]
            slots: dict[str, dict[int, BundleArray]] = {}
            for slot in self.nodes[number]["slot_variables"]:
                array = self.array(slot["slot_variable_node_id"])
                if array is not None:
                    slots.setdefault(slot["slot_name"], {})[slot["original_variable_node_id"]] = array
            trained = self.children(self.root.get("trainable_variables", number))
            order = [node for _, node in sorted(trained.items(), key=_by_number)]
            kinds = sorted(slots, key=lambda name: OF_OPTIMIZER_2_10.index(name) if name in OF_OPTIMIZER_2_10 else 99)
            return [*steps, *(slots[kind][node] for kind in kinds for node in order if node in slots[kind])]

    # --- variables alone ----------------------------------------------------------------------------------------------

    def by_order(self, file: str, format: str, written_by: str) -> StoredModel:
        """A stored model without a config: variables of real numbers, by the objects that own them, in order."""
        arrays: dict[str, list[StoredArray]] = {}
        with reading(file, self.place):
            for owner, array in self._walk():
                if array.is_real:
                    arrays.setdefault(owner, []).append(array)
        return StoredModel(
            file=file,
            format=format,
            written_by=f"{written_by} (variables alone)",
            arrays=arrays,
            in_order=True,
            version=KERAS_3,
            weights_file=file,
            place=self.place,
        )

    def _walk(self) -> Iterator[tuple[str, BundleArray]]:
        """Each variable with the path of the object that owns it; those of an export of Keras 3 by their own names."""
        visited: set[int] = set()
        stack = [(0, "")]
        some = False
        while stack:
            number, path = stack.pop()
            if number in visited:
                continue
            visited.add(number)
            array = self.array(number)
            if array is not None:
                some = True
                yield path.rpartition("/")[0] or "/", array
            parts = self.children(number)
            layers = {name: node for name, node in parts.items() if name.startswith((LAYER, "layer_with_weights-"))}
            inner = layers or {name: node for name, node in parts.items() if name not in BESIDE}
            stack += [(node, f"{path}/{name}" if path else name) for name, node in reversed(inner.items())]
        if not some and "variables" in self.root:
            for _, number in sorted(self.children(self.root["variables"]).items(), key=_by_number):
                array = self.array(number)
                if array is not None:
                    yield self.full_name(number).rpartition("/")[0] or "/", array


def _by_number(item: tuple[str, object]) -> int:
    """For names such as `12` and `layer-12`."""
    digits = item[0].rpartition("-")[2]
    return int(digits) if digits.isdecimal() and len(digits) < 10 else -1
