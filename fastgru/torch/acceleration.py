"""`accelerate`: torch.nn's recurrent layers in a whole module become fastgru's, in place."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from fastgru.torch.modules import GRU, LSTM

__all__ = ["Acceleration", "accelerate"]

_OURS = {nn.GRU: GRU, nn.LSTM: LSTM}


class Acceleration(NamedTuple):
    """What `accelerate` did.

    Attributes
    ----------
    module
        The module itself.
    replaced : list of str
        Names of the layers that are fastgru's now, "" for the module itself.
    left : dict of str to str
        Names of recurrent layers that stay as they were, and why.
    """

    module: Any
    replaced: list[str]
    left: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{name or 'the module itself'}: fastgru.torch" for name in self.replaced]
        lines += [f"{name or 'the module itself'}: left alone, {why}" for name, why in self.left.items()]
        return "\n".join(lines) or "no recurrent layer"


def accelerate(module: Any) -> Acceleration:
    """Run every `torch.nn.GRU` and `torch.nn.LSTM` in a module on fastgru's kernels.

    The layers stay the objects that they are, with their parameters, hooks, device and mode, wherever they are referred
    to; only their class changes. What the class is of cannot be seen from the outside, so subclasses are left alone.

    Parameters
    ----------
    module : torch.nn.Module
        With all that is in it; a recurrent layer itself, too.

    Returns
    -------
    Acceleration
        Which layers were replaced, and which recurrent layers were left alone and why; printed, it says so.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"accelerate: expected a torch.nn.Module, got {type(module).__name__}.")
    done = Acceleration(module, [], {})
    for name, layer in module.named_modules():
        if not isinstance(layer, (nn.RNNBase, nn.RNNCellBase)) or isinstance(layer, (GRU, LSTM)):
            continue
        why = _obstacle(layer)
        if why is None:
            layer.__class__ = _OURS[type(layer)]
            done.replaced.append(name)
        else:
            done.left[name] = why
    return done


def _obstacle(layer: Any) -> str | None:
    kind = type(layer)
    if kind not in _OURS:
        derived = any(isinstance(layer, each) for each in _OURS)
        return (
            f"a class derived from torch.nn's: {kind.__name__}"
            if derived
            else f"of a kind not done here: {kind.__name__}"
        )
    return "its proj_size is not 0" if layer.proj_size else None
