"""Look inside a forward pass without a second one.

A model calls `note(h=h)` at each value worth seeing; `with trace() as log:` collects them.
With no trace open, `note` returns at once and changes nothing.

    with trace(gradients=True) as log:
        loss = loss_of(model(x))
    loss.backward()
    log["h"]            # the h of every step, in order
    log.grads("h")      # d loss / d h of every step
"""

import difflib
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch

_open_logs: ContextVar[tuple["Log", ...]] = ContextVar("open_logs", default=())


def note(**values) -> None:
    """Offer inner values to whoever traces: `note(f=f, i=i)`. Tensors or NumPy arrays."""
    for log in _open_logs.get():
        log._add(values)


@contextmanager
def trace(gradients: bool = False):
    """Collect what is noted inside the block; yields a `Log`.

    gradients: keep noted tensors in the graph, so that `Log.grads` works after `backward()`.
    Without it tensors are detached and the graph can be freed.
    """
    log = Log(gradients)
    token = _open_logs.set((*_open_logs.get(), log))
    try:
        yield log
    finally:
        _open_logs.reset(token)


class Log:
    """Noted values by name, each a list in the order in which they were noted."""

    def __init__(self, gradients: bool = False):
        self._gradients = gradients
        self._values: dict[str, list] = {}

    def _add(self, values):
        """Keep copies: an update in place must not rewrite history."""
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                if not self._gradients:
                    value = value.detach().clone()
                elif value.requires_grad and not value.is_leaf:
                    value.retain_grad()
            else:
                value = np.array(value)
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> list:
        if name not in self._values:
            near = difflib.get_close_matches(name, self._values, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            known = ", ".join(self._values) or "nothing: did a model run inside the `with` block?"
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
            raise RuntimeError(f"no gradient reached {name!r}: call loss.backward() first")
        return [torch.zeros_like(v) if v.grad is None else v.grad for v in values]
