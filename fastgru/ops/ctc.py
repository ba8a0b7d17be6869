"""Connectionist temporal classification (Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru import activations, checks
from fastgru.ops import ctc_beams
from fastgru.ops.op import floating, primitive, values
from fastgru.types import Array

__all__ = ["ctc_decode", "ctc_loss"]

_NEVER = -1e30  # the logarithm of no probability, which adds and subtracts without a NaN


@primitive(arrays=2)
def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> tuple[Array, Any]:
    """``-log p(target | output)`` of each sequence, over all ways in which its labels can be spread over the steps.

    Parameters
    ----------
    target : (B, L) int array_like
        Labels.
    output : (B, T, C) array_like
        Logits of the classes at each step.
    target_length, output_length : (B,) int array_like
        How many labels and steps count.
    mask_index : int
        The class that stands for no label.

    Returns
    -------
    (B,) Tensor.
    """
    logits = floating(output)
    labels = np.asarray(target).astype(np.intp)
    n_labels, n_steps = (np.asarray(values(x)).astype(np.intp) for x in (target_length, output_length))
    if labels.ndim != 2 or logits.ndim != 3 or len(labels) != len(logits):
        raise ValueError(
            f"ctc_loss: expected a target (B, L) and an output (B, T, C), got shapes {labels.shape} and {logits.shape}."
        )
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    # blanks stand before, between and behind the labels: S = 2 L + 1 states
    states = np.full((len(labels), 2 * labels.shape[1] + 1), mask_index, np.intp)
    states[:, 1::2] = labels
    skips = np.zeros(states.shape, bool)  # whether a state follows the one two before it: another label, over a blank
    skips[:, 3::2] = labels[:, 1:] != labels[:, :-1]  # as in Keras, also where a label is the class of the blanks
    emitted = np.take_along_axis(log_p, states[:, np.newaxis, :].repeat(log_p.shape[1], 1), axis=2)  # (B, T, S)
    ends = 2 * n_labels  # the last state that counts
    alpha = _forwards(emitted, skips)
    rows, last = np.arange(len(labels)), n_steps - 1
    before = np.where(ends > 0, alpha[rows, last, np.maximum(ends - 1, 0)], _NEVER)
    log_likelihood = np.logaddexp(alpha[rows, last, ends], before)

    def pull(d: Array) -> Array:
        # d loss / d logits = p - the expected count of the class at the step, given the labels
        beta = _backwards(emitted, skips, n_steps, ends)
        occupied = np.exp(np.minimum(alpha + beta - log_likelihood[:, np.newaxis, np.newaxis], 0.0))
        counts = np.zeros_like(log_p)
        steps = np.arange(log_p.shape[1])
        np.add.at(counts, (rows[:, np.newaxis, np.newaxis], steps[:, np.newaxis], states[:, np.newaxis]), occupied)
        inside = steps < n_steps[:, np.newaxis]
        return (np.exp(log_p) - counts) * (inside * d[:, np.newaxis])[..., np.newaxis]

    return -log_likelihood, (None, pull)


def _forwards(emitted: Array, skips: Array) -> Array:
    """log p of being in each state after each step (B, T, S), the step's own class included."""
    alpha = np.full_like(emitted, _NEVER)
    alpha[:, 0, :2] = emitted[:, 0, :2]
    for step in range(1, emitted.shape[1]):
        alpha[:, step] = emitted[:, step] + _arrivals(alpha[:, step - 1], skips)
    return alpha


def _arrivals(before: Array, skips: Array) -> Array:
    """log of the sum over the states that a state is reached from: itself, the one before, and over a blank."""
    total = before.copy()
    total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
    over = np.where(skips[:, 2:], before[:, :-2], _NEVER)
    total[:, 2:] = np.logaddexp(total[:, 2:], over)
    return total


def _backwards(emitted: Array, skips: Array, n_steps: Array, ends: Array) -> Array:
    """log p of what follows each state behind each step (B, T, S), up to the ends of each sequence."""
    beta = np.full_like(emitted, _NEVER)
    rows = np.arange(len(emitted))
    final = np.full_like(emitted[:, 0], _NEVER)
    final[rows, ends] = 0.0
    final[rows, np.maximum(ends - 1, 0)] = 0.0
    # a step back is a step forward of the states in reverse; a skip belongs to the state that it arrives at
    skips_back = np.zeros_like(skips)
    skips_back[:, 2:] = skips[:, ::-1][:, :-2]
    for step in range(emitted.shape[1] - 1, -1, -1):
        if step + 1 < emitted.shape[1]:
            after = (beta[:, step + 1] + emitted[:, step + 1])[:, ::-1]
            beta[:, step] = _arrivals(after, skips_back)[:, ::-1]
        is_last = step == n_steps - 1
        beta[is_last, step] = final[is_last]
    return beta


@primitive()
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Any, Any]:
    """The labels that scores of classes spell, -1 behind them: of the most likely class of each step, or the likeliest.

    Parameters
    ----------
    inputs : (B, T, C) array_like
        Scores of the classes at each step.
    sequence_lengths : (B,) int array_like
    strategy : {"greedy", "beam_search"}
    beam_width : int
        How many prefixes the search for the likeliest labels goes on with at each step.
    top_paths : int
        How many of the likeliest labels it returns.
    merge_repeated : bool
        Whether a class that follows itself is one label; a search always takes it for one.
    mask_index : int
        The class that stands for no label.

    Returns
    -------
    (1, B, T) int32 Tensor, (B, 1) Tensor
        The labels, and minus the sum of the scores. Of a search (top_paths, B, T) and (B, top_paths), the log
        probabilities, which have no gradient.
    """
    scores = floating(inputs)
    if strategy == "beam_search":
        return _beam_search(scores, values(sequence_lengths), beam_width, top_paths, mask_index), None
    checks.choice(strategy, ("greedy", "beam_search"), "ctc_decode", "strategy")
    best = scores.argmax(axis=-1)
    inside = np.arange(scores.shape[1]) < np.asarray(values(sequence_lengths))[:, np.newaxis]
    counts = inside & (best != mask_index)
    if merge_repeated:
        counts[:, 1:] &= best[:, 1:] != best[:, :-1]
    decoded = np.full(best.shape, -1, np.int32)
    for row, (labels, counted) in enumerate(zip(best, counts, strict=True)):
        spelled = labels[counted]
        decoded[row, : len(spelled)] = spelled
    total = -(scores.max(axis=-1) * inside).sum(axis=1, keepdims=True)

    def pull(_d_decoded: Any, d_total: Array | None) -> list[Array | None]:
        if d_total is None:
            return [None]
        d_scores = np.zeros_like(scores)
        np.put_along_axis(d_scores, best[..., np.newaxis], (-d_total * inside)[..., np.newaxis], axis=-1)
        return [d_scores]

    return (decoded[np.newaxis], total), pull


def _beam_search(
    scores: Array, lengths: Any, beam_width: int, top_paths: int, mask_index: int | None
) -> tuple[Array, Array]:
    """The labels (top_paths, B, T) and log probabilities (B, top_paths) of `ctc_decode`."""
    width, count = (
        checks.positive_integer(value, "ctc_decode", name)
        for name, value in (("beam_width", beam_width), ("top_paths", top_paths))
    )
    if count > width:
        raise ValueError(f"ctc_decode: top_paths must be at most beam_width, got {count} and {width}.")
    rows, steps, classes = scores.shape
    blank = classes - 1 if mask_index is None else int(mask_index)
    log_p = activations.log_softmax(scores)
    decoded, total = np.full((count, rows, steps), -1, np.int32), np.full((rows, count), _NEVER, scores.dtype)
    for row, length in enumerate(np.asarray(lengths)):
        paths, likely = ctc_beams.search(log_p[row, :length], blank, width, count)
        total[row, : len(likely)] = likely
        for place, labels in enumerate(paths):
            decoded[place, row, : len(labels)] = labels
    return decoded, total
