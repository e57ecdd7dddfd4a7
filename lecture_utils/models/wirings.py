"""Five wirings of one recurrent cell: what differs is only where inputs enter and outputs leave.

    one-to-one      y     = g(x)                 no recurrence: the contrast
    one-to-many     h_0   = from x,   each output is the next input
    many-to-one     y     = g(h_T)
    many-to-many    y_t   = g(h_t)               in step
    many-to-one + one-to-many                    read all, then write all, through one vector h_T

The cell is `torch.nn.RNN`, which lesson 01 proves equal to the hand-written one. Each wiring notes
its states as `hs` (B, T, H).
B batch, T time, D input, H hidden, V outputs.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from lecture_utils.trace import note


class OneToOne(nn.Module):
    """The whole input at once: x (B, D) -> y (B, V)."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int):
        super().__init__()
        self.hidden = nn.Linear(input_size, hidden_size)
        self.readout = nn.Linear(hidden_size, output_size)

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B V"]:
        return self.readout(torch.tanh(self.hidden(x)))


class OneToMany(nn.Module):
    """A class -> a sequence: the class sets h_0, then each output is fed back as the next input."""

    def __init__(self, classes: int, hidden_size: int, output_size: int):
        super().__init__()
        self.start = nn.Embedding(classes, hidden_size)
        self.cell = nn.RNN(output_size, hidden_size, batch_first=True)
        self.readout = nn.Linear(hidden_size, output_size)

    def forward(self, label: Int[Tensor, "B"], steps: int) -> Float[Tensor, "B T V"]:
        h = self.start(label)[None]  # nn.RNN wants (layers, B, H)
        y = torch.zeros(len(label), 1, self.readout.out_features, device=label.device)
        ys = []
        for _ in range(steps):
            hs, h = self.cell(y, h)
            hs = note(hs=hs)
            y = self.readout(hs)
            ys.append(y)
        return torch.cat(ys, dim=1)


class ManyToOne(nn.Module):
    """A sequence -> one answer: read everything, answer from the last state."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int):
        super().__init__()
        self.cell = nn.RNN(input_size, hidden_size, batch_first=True)
        self.readout = nn.Linear(hidden_size, output_size)

    def forward(self, xs: Float[Tensor, "B T D"]) -> Float[Tensor, "B V"]:
        hs, _ = self.cell(xs)
        hs = note(hs=hs)
        return self.readout(hs[:, -1])


class ManyToMany(nn.Module):
    """A sequence -> an answer after every step."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int):
        super().__init__()
        self.cell = nn.RNN(input_size, hidden_size, batch_first=True)
        self.readout = nn.Linear(hidden_size, output_size)

    def forward(self, xs: Float[Tensor, "B T D"]) -> Float[Tensor, "B T V"]:
        hs, _ = self.cell(xs)
        hs = note(hs=hs)
        return self.readout(hs)


class ThroughOneVector(nn.Module):
    """Many-to-one, then one-to-many: the last state of the reader is the first of the writer.

    While training, the writer is fed the right symbols (teacher forcing); without `targets` it is
    fed its own.
    """

    def __init__(self, symbols: int, hidden_size: int):
        super().__init__()
        self.go = symbols  # one more symbol, that starts the writer
        self.embed = nn.Embedding(symbols + 1, hidden_size)
        self.reader = nn.RNN(hidden_size, hidden_size, batch_first=True)
        self.writer = nn.RNN(hidden_size, hidden_size, batch_first=True)
        self.readout = nn.Linear(hidden_size, symbols)

    def forward(
        self, word: Int[Tensor, "B T"], targets: Int[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T V"]:
        hs, _ = self.reader(self.embed(word))
        h = note(hs=hs)[None, :, -1].contiguous()  # all that is known of the word, H numbers
        go = torch.full_like(word[:, :1], self.go)
        if targets is not None:
            hs, _ = self.writer(self.embed(torch.cat([go, targets[:, :-1]], dim=1)), h)
            hs = note(hs=hs)
            return self.readout(hs)
        ys, symbol = [], go
        for _ in range(word.shape[1]):
            hs, h = self.writer(self.embed(symbol), h)
            hs = note(hs=hs)
            ys.append(self.readout(hs))
            symbol = ys[-1].argmax(-1)
        return torch.cat(ys, dim=1)
