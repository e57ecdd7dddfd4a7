"""A language model of characters: layers of recurrent cells, and a readout.

    x_t   = one_hot(character t)
    h^1_t = cell^1(x_t, h^1_{t-1})
    h^2_t = cell^2(h^1_t, h^2_{t-1})                 likewise for more layers
    p(character t+1 = v) = softmax(W h^2_t + b)_v

B texts, T characters, V in the alphabet, H hidden units. Dropout, where asked for, stands between
the layers and before the readout, never along time (Zaremba, Sutskever and Vinyals, 2014).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lecture_utils.models.fast_layers import along
from lecture_utils.models.lstm import LSTMCell
from lecture_utils.models.recurrent import Stack, State, check_sizes
from lecture_utils.trace import trace

KEEPING_LSTM = partial(LSTMCell, forget_bias=1)


class CharLM(nn.Module):
    """Characters (B, T) -> logits (B, T, V) of each next one, and the last state of each layer.

    cell(input_size, hidden_size): makes a layer's cell; an LSTM that starts out keeping by default.
    Of the first layer, what reads the characters starts as N(0, 1): a one-hot character picks one
    column, as from an embedding, and with the small weights that suit a sum of many numbers the
    network would hardly see its input at first.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        layers: int = 2,
        cell: Callable[[int, int], nn.Module] = KEEPING_LSTM,
        dropout: float = 0.0,
    ):
        super().__init__()
        check_sizes(vocab_size=vocab_size, hidden_size=hidden_size, layers=layers)
        sizes = [vocab_size] + [hidden_size] * (layers - 1)
        self.stack = Stack([cell(size, hidden_size) for size in sizes])
        first = self.stack.cells[0]
        for name in ("W", "W_x", "W_xh"):  # of LSTM, where W is [W_h W_x], GRU and vanilla RNN
            if hasattr(first, name):
                nn.init.normal_(getattr(first, name).data[:, -vocab_size:])
        self.readout = nn.Linear(hidden_size, vocab_size)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, codes: Int[Tensor, "B T"], states: Sequence[State | None] | None = None
    ) -> tuple[Float[Tensor, "B T V"], list[State]]:
        """The fast way: layer by layer, nothing noted."""
        xs, ends = self._one_hot(codes), []
        states = [None] * len(self.stack.cells) if states is None else states
        for cell, state in zip(self.stack.cells, states, strict=True):
            hs, end = along(cell, xs, state)
            xs = self.dropout(hs)
            ends.append(end)
        return self.readout(xs), ends

    def by_steps(
        self, codes: Int[Tensor, "B T"], states: Sequence[State | None] | None = None
    ) -> tuple[Float[Tensor, "B T V"], list[State]]:
        """The same, step by step and without dropout: to trace, to generate.

        Under `trace(model)` the values of layer k are noted as "stack.cells.k.c" and the like.
        """
        hs, ends = self.stack.by_steps(self._one_hot(codes), states)
        return self.readout(hs), ends

    def _one_hot(self, codes):
        V = self.readout.out_features
        _check_codes(codes, V)
        return nn.functional.one_hot(codes, V).to(self.readout.weight)


def _check_codes(codes, V):
    """At least one character, each of the alphabet. codes: of any shape."""
    if codes.numel() == 0:
        raise ValueError(
            f"the text is empty: codes have shape {tuple(codes.shape)}, give at least one character"
        )
    if codes.min() < 0 or codes.max() >= V:
        place = ((codes < 0) | (codes >= V)).nonzero()[0].tolist()
        raise ValueError(
            f"the code at {place} is {codes[tuple(place)]}: the model knows 0 to {V - 1}, so "
            "encode the text with the alphabet that it was trained on"
        )


class Carried(nn.Module):
    """A language model on B texts at once, chunk after chunk: each begins where the last ended.

    The state between chunks belongs to what is saved, so that a run can stop and go on.
    """

    def __init__(self, model: CharLM, batch_size: int):
        super().__init__()
        self.model = model
        for name, part in self._names([cell.start(batch_size) for cell in model.stack.cells]):
            self.register_buffer(name, part.clone())  # h and c may start as one tensor

    def loss(self, chunk: Int[Tensor, "B T_and_1"]) -> Float[Tensor, ""]:
        """Mean cross-entropy in nats of characters 1 to T; the gradient stops before the chunk."""
        states = [cell.start(len(chunk)) for cell in self.model.stack.cells]  # for their form
        states = [  # cloned: the gradient needs them, and they are about to be overwritten
            tuple(getattr(self, f"state_{k}_{j}").clone() for j in range(len(state)))
            if isinstance(state, tuple)
            else getattr(self, f"state_{k}_0").clone()
            for k, state in enumerate(states)
        ]
        logits, ends = self.model(chunk[:, :-1], states)
        for name, part in self._names(ends):
            getattr(self, name).copy_(part.detach())
        return nn.functional.cross_entropy(logits.flatten(0, 1), chunk[:, 1:].flatten())

    @staticmethod
    def _names(states):
        for k, state in enumerate(states):
            for j, part in enumerate(state if isinstance(state, tuple) else (state,)):
                yield f"state_{k}_{j}", part


def chunks(codes: np.ndarray, batch_size: int, length: int) -> list[Int[Tensor, "B T_and_1"]]:
    """Cut a text into `batch_size` long streams, and these into chunks that follow on one another.

    Character T of a chunk is the first of the next. What does not fill a chunk is left out.
    """
    steps = (len(codes) // batch_size - 1) // length
    if steps < 1:
        raise ValueError(
            f"{len(codes)} characters are too few for {batch_size} streams of {length} + 1: "
            "take a longer text, or fewer or shorter streams"
        )
    width = len(codes) // batch_size
    streams = torch.as_tensor(codes[: batch_size * width]).view(batch_size, width)
    return [streams[:, k * length : (k + 1) * length + 1] for k in range(steps)]


@torch.no_grad()
def bits_per_character(model: CharLM, codes: np.ndarray, streams: int = 16) -> float:
    """Mean -log2 p of a text, read in `streams` parts side by side, each from an empty memory.

    All characters count but the first of each part, and fewer than `streams` at the end.
    """
    width = len(codes) // streams
    if width < 2:
        raise ValueError(f"{len(codes)} characters are too few for {streams} parts: take fewer")
    text = torch.as_tensor(codes[: streams * width])
    _check_codes(text, model.readout.out_features)
    parts = text.view(streams, width)
    states, total, count = None, 0.0, 0
    with _not_training(model):
        for start in range(0, width - 1, 250):
            chunk = parts[:, start : start + 251]
            logits, states = model(chunk[:, :-1], states)
            target = chunk[:, 1:].flatten().to(logits.device)
            total += nn.functional.cross_entropy(
                logits.flatten(0, 1), target, reduction="sum"
            ).item()
            count += target.numel()
    return total / count / math.log(2)


class Watched(NamedTuple):
    """What `watch` saw: T characters, all cells of all layers side by side, V in the alphabet."""

    values: dict[str, Float[np.ndarray, "T cells"]]
    log_probabilities: Float[np.ndarray, "T V"]  # of the character after each, in nats

    def of_next(self, codes: Int[np.ndarray, "T"]) -> Float[np.ndarray, "T_minus_1"]:
        """log p that each character gave to the one that came after it."""
        return self.log_probabilities[np.arange(len(codes) - 1), codes[1:]]


@torch.no_grad()
def watch(
    model: CharLM,
    codes: Int[np.ndarray, "T"],
    names: Sequence[str] = ("c",),
    change: Mapping[str, Callable] | None = None,
    stretch: int = 1000,
    warm: int = 300,
) -> Watched:
    """Read a text step by step and keep what the cells note, such as c, or the gates i, f and o.

    change: as in `trace`, to set cells to other values on their way.
    stretch, warm: a text of more than stretch + warm characters is read in stretches side by side,
        each begun `warm` characters earlier to fill the memory: much faster, and all but the same.
    ValueError for an empty text, a code outside the alphabet, stretch below 1 or warm below 0.
    """
    places = _stretches(model, codes, stretch, warm)
    with _not_training(model), trace(model, only=names, change=change) as log:
        logits, _ = model.by_steps(torch.as_tensor(codes[places]))

    def in_order(seen):
        return _in_order(seen.cpu().numpy(), places, warm)

    layers = range(len(model.stack.cells))
    return Watched(
        {
            name: np.concatenate(
                [in_order(log.stack(f"stack.cells.{k}.{name}", dim=1)) for k in layers], axis=1
            )
            for name in names
        },
        in_order(torch.log_softmax(logits, dim=2)),
    )


@torch.no_grad()
def with_cells_held(
    model: CharLM,
    codes: Int[np.ndarray, "T"],
    held: Sequence[Mapping[int, float]],
    stretch: int = 500,
    warm: int = 250,
) -> Float[np.ndarray, "variants T V"]:
    """log p of the character after each one, the text read once per variant, all side by side.

    held: of each variant, cell -> the value at which its c stays; {} for none. Cells are numbered
        as `watch` puts them side by side, those of the first layer first.
    stretch, warm: as in `watch`, and so are the errors; one more for a cell that there is not.
    """
    layers, H = len(model.stack.cells), model.readout.in_features
    for cell in {cell for cells in held for cell in cells}:
        if not 0 <= cell < layers * H:
            raise ValueError(f"there is no cell {cell}: give 0 to {layers * H - 1}")
    places = _stretches(model, codes, stretch, warm)
    at = torch.full((len(held), len(places), layers * H), torch.nan)  # nan: as it goes
    for variant, cells in zip(at, held):
        for cell, value in cells.items():
            variant[:, cell] = value
    at = at.flatten(0, 1).to(model.readout.weight)

    def holding(layer):
        wanted = at[:, layer * H : (layer + 1) * H]
        return lambda c: torch.where(wanted.isnan(), c, wanted)

    touched = {cell // H for cells in held for cell in cells}
    change = {f"stack.cells.{layer}.c": holding(layer) for layer in touched}
    with _not_training(model), trace(model, only=(), change=change):
        logits, _ = model.by_steps(torch.as_tensor(codes[places]).repeat(len(held), 1))
    log_p = torch.log_softmax(logits, dim=2).unflatten(0, (len(held), len(places))).cpu().numpy()
    return np.stack([_in_order(variant, places, warm) for variant in log_p])


def _stretches(model, codes, stretch, warm):
    """Places in the text, a row for each stretch with the warm-up before it."""
    if stretch < 1:
        raise ValueError(f"stretch is {stretch}: read at least 1 character per stretch")
    if warm < 0:
        raise ValueError(f"warm is {warm}: give 0 (no warm-up) or more characters")
    _check_codes(torch.tensor(codes), model.readout.out_features)  # whole, for its place in errors
    T = len(codes)
    length = min(T, stretch + warm)
    starts = np.append(np.arange(0, T - length, stretch), T - length)
    return starts[:, None] + np.arange(length)


def _in_order(seen, places, warm):
    """(stretches, length, N), side by side -> (T, N); of the first also the warm-up."""
    result = np.empty((places.max() + 1, seen.shape[2]), np.float32)
    result[:warm] = seen[0, :warm]
    result[places[:, warm:]] = seen[:, warm:]
    return result


@contextmanager
def _not_training(model):
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def sample(
    model: CharLM,
    prompt: Sequence[int] | Int[np.ndarray, "T"],
    length: int,
    rng: np.random.Generator,
    temperature: float = 1.0,
) -> Iterator[int]:
    """`length` characters after the prompt, each drawn from softmax(logits / temperature).

    temperature 0 takes the likeliest. ValueError for an empty prompt or a negative temperature.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature is {temperature}: give 0 (the likeliest) or more")
    codes, states = torch.tensor([list(prompt)], dtype=torch.long), None
    for _ in range(length):
        with torch.no_grad():
            logits, states = model.by_steps(codes, states)
        scores = logits[0, -1].cpu().double().numpy()
        if temperature:
            p = np.exp((scores - scores.max()) / temperature)
            code = int(rng.choice(len(p), p=p / p.sum()))
        else:
            code = int(scores.argmax())
        yield code
        codes = torch.tensor([[code]])
