"""What the page takes from the code, and whether anything that the code has is missing on the page."""

from __future__ import annotations

import ast
import importlib
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from fastgru import activations, registry, saving
from fastgru.registry import OPERATIONS
from fastgru.saving import api, build, sniff
from fastgru.saving.legacy import operations, words

from .decisions import DECISIONS
from .markdown import Template, code, rows

SAVING = Path(saving.__file__).parent
KINDS = ("optimizers", "losses", "metrics", "initializers", "regularizers", "constraints")


def values() -> dict[str, str]:
    """What stands in the places of the template that need no trying of layers."""
    foreign = [(f"`{start.decode('latin-1').encode('unicode_escape').decode()}`", f"The file {reason}.")
               for start, reason in sniff.FOREIGN]  # fmt: skip
    return {
        "written_version": api.KERAS_VERSION,
        "foreign": rows(foreign),
        "operations": code(sorted(registry.known(OPERATIONS))),
        **old_words(),
        **{f"decision.{name}": sentences for name, sentences in decisions()},
        "names.activations": code(sorted(activations.KNOWN)),
        **{f"names.{kind}": code(sorted(registry.known(f"keras.{kind}"))) for kind in KINDS},
        **{f"limit.{name}": f"{value:,}" for name, value in limits().items()},
    }


def layer_names() -> list[str]:
    return sorted(registry.known("keras.layers"))


def old_words() -> dict[str, str]:
    classes = sorted((old, new) for old, new in words.CLASSES.items() if old not in ("Model", "Container"))
    ignored = [("every layer", code(sorted(words.IGNORED)))]
    ignored += [(f"`{layer}`", code(sorted(keys))) for layer, keys in sorted(words.IGNORED_IN.items())]
    absent = [
        (f"`{layer}`", f"before {version[0]}.{version[1]}", f"`{key}`", f"`{value!r}`")
        for version, layer, options in words.DEFAULTS
        for key, value in options.items()
    ]
    cudnn = [(f"`{layer}`", code(f"{key}={value!r}" for key, value in options.items()))
             for layer, options in words.CUDNN.items()]  # fmt: skip
    return {
        "renamed_layers": rows((f"`{old}`", f"`{new}`") for old, new in classes),
        "renamed_options": rows(renamed_options()),
        "ignored_options": rows(ignored),
        "absent_options": rows(absent),
        "cudnn_options": rows(cudnn),
        "merge_modes": pairs(words.MERGED_BY.items(), "is"),
        "tensorflow_classes": code(operations.CLASSES),
        "tensorflow_operations": pairs(((old, new[0]) for old, new in sorted(operations.OPERATION.items())), "as"),
        "tensorflow_layers": pairs(((old, new[0]) for old, new in sorted(operations.LAYERS.items())), "as"),
        "tensorflow_activations": code(operations.ACTIVATIONS),
    }


def pairs(names: Iterable[tuple[str, str]], word: str) -> str:
    return ", ".join(f"`{old}` {word} `{new}`" for old, new in names)


def renamed_options() -> Iterator[tuple[str, str, str]]:
    """The layers, and the old and the new name of an option; layers that renamed it alike stand in one row."""
    for old, new in sorted(words.RENAMED.items()):
        yield "every layer", f"`{old}`", f"`{new}`"
    owners: dict[tuple[str, str], list[str]] = {}
    for layer, names in words.RENAMED_IN.items():
        if layer in registry.known("keras.layers"):
            for pair in names.items():
                owners.setdefault(pair, []).append(layer)
    for (old, new), layers in sorted(owners.items()):
        yield code(layers), f"`{old}`", f"`{new}`"


def decisions() -> Iterator[tuple[str, str]]:
    """The name of each decision, and its sentences as they stand in a cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, sentences in DECISIONS.items():
            yield name, "<br>".join("`" + sentence.replace("`", "'") + "`" for sentence in sentences())


def limits() -> dict[str, int]:
    """Every constant of fastgru.saving that is a limit by its module and name, and the bound on weights."""
    bounds: dict[str, int] = {}
    for path in sorted(SAVING.rglob("*.py")):
        module = ".".join(path.relative_to(SAVING.parent).with_suffix("").parts).removesuffix(".__init__")
        names = vars(importlib.import_module(f"fastgru.{module}"))
        bounds |= {f"{path.stem}.{name}": value for name, value in names.items() if name.startswith("MAX_")}
    least = build.weight_limit(0)
    return bounds | {"weights_least": least, "weights_factor": build.weight_limit(1) - least}


def missing(page: str) -> list[str]:
    """What the code knows, decides or bounds and the page does not tell."""
    flat = " ".join(page.split())
    sentences = [f"the sentence {pattern!r}" for pattern in report_patterns() if not re.search(pattern, flat)]
    names = [*layer_names(), *registry.known(OPERATIONS), *activations.KNOWN]
    names += [name for kind in ("optimizers", "losses", "metrics") for name in registry.known(f"keras.{kind}")]
    template = Template("page.md").template
    return [
        *sentences,
        *(f"the name {name}" for name in names if f"`{name}`" not in page),
        *(f"what {name} limits" for name in limits() if f"${{limit.{name}}}" not in template),
        *(f"the decision {name}" for name in DECISIONS if f"${{decision.{name}}}" not in template),
    ]


def report_patterns() -> Iterator[str]:
    """A pattern for each sentence that the code can put into a report."""
    for path in sorted(SAVING.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "decide":
                sentence = node.args[0]
                for part in (sentence.body, sentence.orelse) if isinstance(sentence, ast.IfExp) else (sentence,):
                    yield pattern_of(part)


def pattern_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    assert isinstance(node, ast.JoinedStr), ast.dump(node)
    return "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[^`]+?" for part in node.values)
