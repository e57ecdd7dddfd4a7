"""Look inside a forward pass without a second one.

A model calls `note(h=h)` at each value worth seeing; `with trace() as log:` collects them.
With no trace open, `note` returns at once and changes nothing.

    with trace(gradients=True) as log:
        loss = loss_of(model(x))
    loss.backward()
    log["h"]            # the h of every step, in order
    log.grads("h")      # d loss / d h of every step

With the model, `trace(model)`, each value also goes by the path of the layer that noted it:
`log["cells.0.h"]`.

A value that is noted alone is taken back, `c = note(c=f * c + i * g)`, so that it can be changed
on its way: what would the model do if this cell were 0?

    with trace(model, change={"cells.1.c": lambda c: c.index_fill(1, torch.tensor([7]), 0)}):
        model(x)
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

import numpy as np
import torch
from torch import nn

_open_logs: ContextVar[tuple["Log", ...]] = ContextVar("open_logs", default=())


def note(**values):
    """Offer inner values to whoever traces: `note(f=f, i=i)`. Tensors or NumPy arrays.

    A value alone is returned, as it is or as a trace changes it: `h = note(h=h)`.
    """
    logs = _open_logs.get()
    for log in logs:
        values = log._changed(values)
    for log in logs:  # what the model goes on with, in all of them
        log._add(values)
    if len(values) == 1:
        (value,) = values.values()
        return value


@contextmanager
def trace(
    model: nn.Module | None = None,
    *,
    gradients: bool = False,
    only: Collection[str] | None = None,
    change: Mapping[str, Callable] | None = None,
):
    """Collect what is noted inside the block; yields a `Log`.

    model: keep the values under the paths of its layers too, `log["cells.0.h"]`, as the same
        objects. The hooks that this takes are gone when the block ends.
    gradients: keep noted tensors in the graph, so that `Log.grads` works after `backward()`. Such
        tensors are the model's own, not copies: a later update in place shows in the log. All
        else is copied (and without `gradients` detached, so that the graph can be freed).
    only: names worth the memory, such as {"c", "f"}; the rest is not kept. None keeps all.
    change: by name or path, a function of a value that gives what the model is to go on with, of
        the same shape. Only for values that are noted alone; ValueError for others, and at the end
        of the block for a name under which nothing came.
    """
    log = Log(gradients, only, change)
    hooks = []
    for path, layer in model.named_modules() if model is not None else ():
        hooks.append(layer.register_forward_pre_hook(partial(log._enter, path)))
        hooks.append(layer.register_forward_hook(log._leave, always_call=True))
    token = _open_logs.set((*_open_logs.get(), log))
    try:
        yield log
    finally:
        _open_logs.reset(token)
        for hook in hooks:
            hook.remove()
    log._check_all_changed()


class Log:
    """Noted values by name, each a list in the order in which they were noted."""

    def __init__(
        self,
        gradients: bool = False,
        only: Collection[str] | None = None,
        change: Mapping[str, Callable] | None = None,
    ):
        self._gradients = gradients
        self._change = dict(change or {})
        self._seen: set[str] = set()  # names and paths, for the message of a change that never came
        self._only = {only} if isinstance(only, str) else only
        self._paths = [""]  # of the layers that run now, innermost last
        self._values: dict[str, list] = {}

    def __repr__(self):
        counts = ", ".join(f"{name} ({len(v)})" for name, v in self._values.items())
        return f"Log: {counts or 'nothing noted'}"

    def _enter(self, path, *_):
        self._paths.append(path)

    def _leave(self, *_):  # returns None: else the result would replace the layer's output
        self._paths.pop()

    def _changed(self, values):
        if not self._change:
            return values
        for name, value in values.items():
            for known in dict.fromkeys((name, f"{self._paths[-1]}.{name}".lstrip("."))):
                self._seen.add(known)
                if known in self._change:
                    if len(values) > 1:
                        others = ", ".join(other for other in values if other != name)
                        raise ValueError(
                            f"{known!r} cannot be changed: it is noted together with "
                            f"{others}, to be looked at only"
                        )
                    new = self._change[known](value)
                    if _form(new) != _form(value):
                        raise ValueError(
                            f"the change of {known!r} gives {_form(new)}: expected "
                            f"{_form(value)}, as it is given"
                        )
                    value = new
            values = values | {name: value}
        return values

    def _check_all_changed(self):
        never = self._change.keys() - self._seen
        if never:
            raise ValueError(
                f"nothing was changed under {', '.join(sorted(never))}: noted were "
                f"{', '.join(sorted(self._seen)) or 'no values'}. A path such as 'cells.1.c' needs "
                "the model: trace(model, change=...)"
            )

    def _add(self, values):
        """Keep copies: an update in place must not rewrite history."""
        for name, value in values.items():
            if self._only is not None and name not in self._only:
                continue
            if not isinstance(value, torch.Tensor):
                value = np.array(value)
            elif not (self._gradients and value.requires_grad):
                value = value.detach().clone()
            elif not value.is_leaf:
                value.retain_grad()
            self._values.setdefault(name, []).append(value)
            if self._paths[-1]:
                self._values.setdefault(f"{self._paths[-1]}.{name}", []).append(value)

    def __getitem__(self, name: str) -> list:
        if name not in self._values:
            near = difflib.get_close_matches(name, self._values, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(self._values) or "nothing: did a model run inside the `with` block?"
            if self._only is not None:
                guess += f" This trace keeps only {', '.join(sorted(self._only))}."
            raise KeyError(f"no value {name!r} was noted.{guess} Noted: {known}")
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """What was noted, in order of first appearance."""
        return list(self._values)

    def stack(self, name: str, dim: int = 0):
        """All values of one name as one tensor (or array), stacked along `dim`."""
        values = self[name]
        return torch.stack(values, dim) if torch.is_tensor(values[0]) else np.stack(values, dim)

    def grads(self, name: str) -> list[torch.Tensor]:
        """d loss / d value for each noted value; zeros where no gradient arrived."""
        if not self._gradients:
            raise RuntimeError("gradients were not kept: open the block as trace(gradients=True)")
        values = self[name]
        if not all(torch.is_tensor(v) for v in values):
            raise RuntimeError(f"{name!r} are NumPy arrays: only tensors have gradients")
        if all(v.grad is None for v in values):
            raise RuntimeError(
                f"no gradient reached {name!r}: call loss.backward() first, or the noted tensor "
                "is not the one the model goes on with"
            )
        return [torch.zeros_like(v) if v.grad is None else v.grad for v in values]


def _form(value) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" + ("" if shape is None else f" of shape {tuple(shape)}")
