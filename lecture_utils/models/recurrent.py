"""Any cell along time, and several cells in depth.

    state_t   = cell(x_t, state_{t-1})                       the same cell at every step
    h_t^l     = cell_l(h_t^(l-1), state_{t-1}^l)             layer l reads layer l - 1; h_t^0 = x_t

A cell is a module with two methods: `start(batch_size)` gives its first state, `forward(x, state)`
the next one. A state is one tensor h (B, H), or a tuple of which h is the first part, such as the
(h, c) of an LSTM. Time and depth form a grid: node (t, l) needs only (t - 1, l) and (t, l - 1), so
a stack may be run layer by layer or step by step, with the same result.
B batch, T time, D input, H hidden.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = Tensor | tuple[Tensor, ...]


def hidden(state: State) -> Float[Tensor, "B H"]:
    """What others read of a state: h."""
    return state[0] if isinstance(state, tuple) else state


def unroll(
    cell: nn.Module, xs: Float[Tensor, "B T D"], state: State | None = None
) -> tuple[Float[Tensor, "B T H"], State]:
    """Apply one cell along time: h after each input, and the last state.

    state: where to start; `cell.start(B)` if not given. Raises ValueError for a sequence of length
    0, an input that is not finite, or a state of another form than the cell's.
    """
    check_inputs(xs)
    return _run(cell, xs, check_state(cell, state, len(xs)))


def _run(cell, xs, state):
    hs = []
    for x in xs.unbind(dim=1):
        state = cell(x, state)
        hs.append(hidden(state))
    return torch.stack(hs, dim=1), state


def input_gradients(
    cell: nn.Module, xs: Float[Tensor, "B T D"], v: Float[Tensor, "B H"]
) -> Float[Tensor, "T"]:
    """How much the last state listens to each input: |d (v . h_T) / d x_t|, whatever the state.

    v: a direction for each sequence, such as random ones; lengths are root mean squares over the
    sequences. Raises ValueError as `unroll` does.
    """
    xs = xs.detach().requires_grad_()
    with torch.enable_grad():
        last = unroll(cell, xs)[0][:, -1]
        if v.shape != last.shape:  # it would be stretched over the batch without a word
            raise ValueError(
                f"v has shape {tuple(v.shape)}: expected {tuple(last.shape)}, one direction for "
                "each sequence"
            )
        (gradient,) = torch.autograd.grad((v * last).sum(), xs)
    return gradient.square().sum(2).mean(0).sqrt()


def reach(gradients: Float[Tensor, "T"], share: float = 0.01) -> int:
    """How many steps back the gradient stays above `share` of what reaches the last input.

    At most T - 1. gradients: of `input_gradients`, oldest input first.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}: a number between 0 and 1")
    if gradients.ndim != 1 or not len(gradients) or not gradients[-1] > 0:
        raise ValueError(
            f"gradients {tuple(gradients.shape)} end with "
            f"{gradients.flatten()[-1:].tolist()}: expected norms (T,), the last above 0"
        )
    above = gradients.flip(0) > share * gradients[-1]
    return int(above.long().cumprod(0).sum()) - 1


class Stack(nn.Module):
    """Layers of cells: xs (B, T, D) -> h of the top layer (B, T, H), and the last state of each."""

    def __init__(self, cells: Sequence[nn.Module]):
        super().__init__()
        if not cells:
            raise ValueError("no cells: a stack has at least one layer")
        self.cells = nn.ModuleList(cells)

    def forward(
        self, xs: Float[Tensor, "B T D"], states: Sequence[State | None] | None = None
    ) -> tuple[Float[Tensor, "B T H"], list[State]]:
        """Layer by layer, as PyTorch does it: the whole of time, then the next layer."""
        states, ends = self._checked(xs, states), []
        for cell, state in zip(self.cells, states):
            xs, end = _run(cell, xs, state)
            ends.append(end)
        return xs, ends

    def by_steps(
        self, xs: Float[Tensor, "B T D"], states: Sequence[State | None] | None = None
    ) -> tuple[Float[Tensor, "B T H"], list[State]]:
        """Step by step, all layers at each: what generating text needs. The same result."""
        states, hs = self._checked(xs, states), []
        for x in xs.unbind(dim=1):
            for depth, cell in enumerate(self.cells):
                states[depth] = cell(x, states[depth])
                x = hidden(states[depth])
            hs.append(x)
        return torch.stack(hs, dim=1), states

    def _checked(self, xs, states):
        check_inputs(xs)
        states = [None] * len(self.cells) if states is None else list(states)
        if len(states) != len(self.cells):
            raise ValueError(f"{len(states)} states for {len(self.cells)} layers: give one each")
        return [check_state(cell, state, len(xs)) for cell, state in zip(self.cells, states)]


def check_inputs(xs: Tensor) -> None:
    """ValueError for inputs that are not (B, T, D), of length 0, or not finite."""
    if xs.ndim != 3:
        raise ValueError(
            f"inputs have shape {tuple(xs.shape)}: expected (B, T, D); one sequence: xs[None], "
            "token ids: one-hot first"
        )
    if xs.shape[1] == 0:
        raise ValueError("the sequence has length 0: give at least one step")
    if not torch.isfinite(xs).all():
        b, t, d = (~torch.isfinite(xs)).nonzero()[0].tolist()
        raise ValueError(
            f"input {xs[b, t, d].item()} in sequence {b} at step {t}: every later state would be "
            "nan; clean the data"
        )


def check_state(cell: nn.Module, state: State | None, batch_size: int) -> State:
    """The state, or the cell's first one; ValueError if its form is not that of the cell's."""
    first = cell.start(batch_size)
    if state is None:
        return first
    if _form(state) != _form(first):  # (1, H) would be stretched over the batch without a word
        raise ValueError(
            f"the state has the form {_form(state)}: {type(cell).__name__} expects {_form(first)}, "
            "(B, H) each"
        )
    if not all(torch.isfinite(part).all() for part in _parts(state)):
        raise ValueError("the state holds a number that is not finite: so would every later one")
    return state


def check_step(
    cell: nn.Module, x: Tensor, input_size: int, state: State, hidden_size: int, parts: int = 1
) -> None:
    """ValueError unless x is (B, input_size) and the state `parts` tensors (B, hidden_size).

    Adding would stretch a state of shape (1, H) over the batch and say nothing.
    """
    given = (state,) if parts == 1 else state
    if isinstance(given, (tuple, list)) and len(given) == parts and x.ndim == 2:
        shape = (len(x), hidden_size)
        if x.shape[1] == input_size and all(_shape(part) == shape for part in given):
            return
    wanted = "(B, H)" if parts == 1 else f"({', '.join(['(B, H)'] * parts)})"
    raise ValueError(
        f"x has the form {_form(x)} and the state {_form(state)}: {type(cell).__name__} expects x "
        f"(B, {input_size}) and a state {wanted} with H = {hidden_size}"
    )


def _form(state):
    if isinstance(state, (tuple, list)):
        return f"({', '.join(_form(part) for part in state)})"
    return str(_shape(state)) if isinstance(state, Tensor) else type(state).__name__


def _shape(part):
    return tuple(part.shape) if isinstance(part, Tensor) else None


def _parts(state):
    return state if isinstance(state, (tuple, list)) else (state,)


def check_sizes(**sizes: int) -> None:
    """ValueError naming the first size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}: it has to be at least 1")
