"""PixelRNN: an LSTM crosses the image line by line and remembers the pixels before.

    x^0    = A * image                            k x k, mask A: only what is before each pixel
    x^l    = x^(l-1) + B_1x1 * h^l                h^l: an LSTM over the lines of x^(l-1)
    logits = B_1x1 * relu(B_1x1 * relu(B_1x1 * relu(x^L)))

    a_t = B_is * x_t + K_ss * h_(t-1)             all places of line t at once
    i_t = sigma(a_i),  f_t = sigma(a_f),  o_t = sigma(a_o),  g_t = tanh(a_g)
    c_t = f_t c_(t-1) + i_t g_t
    h_t = o_t tanh(c_t)

Row LSTM: the lines are the rows. B_is is 1 x 3, and K_ss reads three states of the row above, at
(i-1, j-1), (i-1, j) and (i-1, j+1). So a pixel sees a triangle above it, not all that is before.

Diagonal BiLSTM: the lines are the diagonals t = i + j. B_is is 1 x 1, and K_ss reads two states,
above at (i-1, j) and to the left at (i, j-1): both lie on diagonal t - 1. `skew` makes columns of
the diagonals:

    a b c        a b c . .
    d e f   ->   . d e f .
    u v w        . . u v w

A second LSTM does the same from the right. At (i, j) it knows what is to the right in row i, which
is the future: its h moves down by one row before the two are added.

    h[i, j] = left[i, j] + right[i-1, j]          row i up to j, and all of row i - 1

Almost all: x^0 at the last pixel of a row does not hold that pixel itself. So the maps are one
column wider than the image: there x^0 does, and the LSTM from the right takes it to the row below.

With three colours the maps are in three groups, and masks A and B say what a group may read of its
own pixel. K_ss needs no mask: where it reads, all colours are known.
B batch (beside a mask's name: mask B), C colours, H height, W width, K levels, F feature maps (h
has F // 2), T lines of N places. Source: van den Oord, Kalchbrenner and Kavukcuoglu (2016); the
column beside the image is an addition. That the Row LSTM looks at the row above by a convolution of
three states, and at its own row by its input alone, is how we read the paper.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import pad

from lecture_utils.models.pixel_cnn import (
    MaskedConv2d,
    Readout,
    check_network,
    from_levels,
    move_down,
)
from lecture_utils.models.pixels import Step, fill, scaled
from lecture_utils.trace import note


def skew(rows: Float[Tensor, "*batch H W"]) -> Float[Tensor, "*batch H diagonals"]:
    """Row i moved right by i, 0 around it: column t holds the diagonal i + j = t of H + W - 1."""
    H, W = rows.shape[-2:]
    flat = pad(rows, (0, H)).flatten(-2)  # rows of W + H; read as W + H - 1, each starts 1 later
    return flat[..., : H * (W + H - 1)].unflatten(-1, (H, W + H - 1))


def unskew(skewed: Float[Tensor, "*batch H diagonals"]) -> Float[Tensor, "*batch H W"]:
    """`skew` undone: row i moved left by i. ValueError for fewer columns than `skew` gives."""
    H, diagonals = skewed.shape[-2:]
    W = diagonals - H + 1
    if W < 1:
        raise ValueError(
            f"a skewed map of {H} rows has {H} columns or more, H + W - 1: this one has {diagonals}"
        )
    return pad(skewed.flatten(-2), (0, H)).unflatten(-1, (H, W + H))[..., :W]


class LineLSTM(nn.Module):
    """B_is * x of all lines -> h of all lines; one step is one line.

    half: the maps of h, F // 2. reads: how many states of the line before K_ss reads: 3 around the
    place, or 2, the place and the one before it. Beyond its ends a line is 0. The 4 blocks of a are
    in the order i, f, o, g.
    """

    def __init__(self, half: int, reads: int):
        super().__init__()
        # No bias, B_is has one: in the empty corners of a skewed map h has to stay 0.
        self.K_ss = nn.Conv1d(half, 4 * half, reads, padding=1, bias=False)

    def step(
        self, b_is_x: Float[Tensor, "B gates N"], state: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "B half N"], Float[Tensor, "B half N"]]:
        """One line: (h, c) of the line before -> (h, c)."""
        h, c = state
        a_i, a_f, a_o, a_g = (b_is_x + self.K_ss(h)[..., : b_is_x.shape[2]]).chunk(4, dim=1)
        i, f, o = torch.sigmoid(a_i), torch.sigmoid(a_f), torch.sigmoid(a_o)
        g = torch.tanh(a_g)
        c = f * c + i * g
        h = o * torch.tanh(c)
        return h, c

    def start(self, b_is_x: Float[Tensor, "B gates N"]) -> tuple[Tensor, Tensor]:
        """The (h, c) before the first line, 0."""
        nothing = torch.zeros_like(b_is_x[:, : self.K_ss.in_channels])
        return nothing, nothing

    def forward(self, b_is_x: Float[Tensor, "B gates T N"]) -> Float[Tensor, "B half T N"]:
        lines, hs = b_is_x.unbind(2), []
        state = self.start(lines[0])
        for line in lines:
            state = self.step(line, state)
            hs.append(state[0])
        return torch.stack(hs, dim=2)


class RowLayer(nn.Module):
    """The LSTM from row to row: x (B, F, H, W) -> x + B_1x1 * h. Notes h (B, F // 2, H, W)."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        self.B_is = MaskedConv2d("B", features, features // 2, (1, 3), channels, gates=4)
        self.lstm = LineLSTM(features // 2, reads=3)
        self.widen = MaskedConv2d("B", features // 2, features, 1, channels)

    def forward(self, x: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        h = note(h=self.lstm(self.B_is(x)))
        return x + self.widen(h)


class DiagonalLayer(nn.Module):
    """The LSTMs from both sides: x (B, F, H, W) -> x + B_1x1 * h. Notes h (B, F // 2, H, W)."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        self.left = DiagonalLSTM(channels, features)
        self.right = DiagonalLSTM(channels, features)
        self.widen = MaskedConv2d("B", features // 2, features, 1, channels)

    def forward(self, x: Float[Tensor, "B F H W"]) -> Float[Tensor, "B F H W"]:
        right = self.right(x.flip(3)).flip(3)
        h = note(h=self.left(x) + move_down(right))
        return x + self.widen(h)


class DiagonalLSTM(nn.Module):
    """The LSTM from diagonal to diagonal, from the upper left: x (B, F, H, W) -> h, half the F."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        self.B_is = MaskedConv2d("B", features, features // 2, 1, channels, gates=4)
        self.lstm = LineLSTM(features // 2, reads=2)

    def forward(self, x: Float[Tensor, "B F H W"]) -> Float[Tensor, "B half H W"]:
        lines = skew(self.B_is(x)).mT  # (B, gates, T, N): a diagonal has a place in each row
        return unskew(self.lstm(lines).mT)


class RowLSTM(nn.Module):
    """Images (B, C, H, W), levels 0..K-1 -> logits (B, C, H, W, K), for any H and W.

    layers: LSTMs, at least 1. The first convolution is first_kernel x first_kernel.
    """

    def __init__(
        self, channels: int, levels: int, features: int, layers: int, first_kernel: int = 7
    ):
        super().__init__()
        check_network(channels, levels, features, layers, first_kernel, fewest=2 * channels)
        self.channels, self.levels = channels, levels
        self.first = MaskedConv2d("A", channels, features, first_kernel, channels)
        self.layers = nn.ModuleList(RowLayer(channels, features) for _ in range(layers))
        self.readout = Readout(channels, levels, features)

    forward = from_levels

    def from_real(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        x = self.first(image)
        for layer in self.layers:
            x = layer(x)
        return self.readout(x)


class DiagonalBiLSTM(nn.Module):
    """Images (B, C, H, W), levels 0..K-1 -> logits (B, C, H, W, K), for any H and W.

    layers: pairs of LSTMs, at least 1. The first convolution is first_kernel x first_kernel.
    """

    def __init__(
        self, channels: int, levels: int, features: int, layers: int, first_kernel: int = 7
    ):
        super().__init__()
        check_network(channels, levels, features, layers, first_kernel, fewest=2 * channels)
        self.channels, self.levels = channels, levels
        self.first = MaskedConv2d("A", channels, features, first_kernel, channels)
        self.layers = nn.ModuleList(DiagonalLayer(channels, features) for _ in range(layers))
        self.readout = Readout(channels, levels, features)

    forward = from_levels

    def from_real(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        x = self.first(one_wider(image))
        for layer in self.layers:
            x = layer(x)
        return self.readout(x[..., :-1])


def one_wider(image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H wider"]:
    """A column of 0, the middle of the levels, to the right of the image."""
    return pad(image, (0, 1))


# ---------------------------------------------------------------- sampling row by row


class RowByRow:
    """`logits_at` of `fill` for a Row LSTM: the state of the row above stands for all rows above.

    Each call runs one row of the network, not the whole image; the logits are the same up to
    rounding. Positions are to be asked for in raster order, as `fill` does.
    """

    def __init__(self, model: RowLSTM):
        self.model = model
        self.row = 0  # the one that is being drawn
        self.above: list[tuple[Tensor, Tensor] | None] = [None] * len(model.layers)

    @torch.no_grad()
    def __call__(
        self, images: Int[Tensor, "B C H W"], c: int, i: int, j: int
    ) -> Float[Tensor, "B K"]:
        """Logits of channel c at (i, j)."""
        if i < self.row:
            raise ValueError(
                f"row {i} comes before row {self.row}, which is being drawn: ask in raster order, "
                "and begin new images with a new RowByRow"
            )
        while self.row < i:
            _, self.above = self._run(images, self.row)
            self.row += 1
        logits, _ = self._run(images, i)
        return logits[:, c, 0, j]

    def _run(self, images, i):
        """Logits of row i, and the layers' states there."""
        model, states = self.model, []
        highest = max(0, i - model.first.weight.shape[2] // 2)
        covered = scaled(images[:, :, highest : i + 1], model.levels, model.first.weight)
        x = model.first(covered)[:, :, -1:]
        for layer, above in zip(model.layers, self.above):
            b_is_x = layer.B_is(x)[:, :, 0]
            h, c = layer.lstm.step(b_is_x, above or layer.lstm.start(b_is_x))
            x = x + layer.widen(h[:, :, None])
            states.append((h, c))
        return model.readout(x), states


def row_sampling(
    model: RowLSTM,
    uniforms: Float[Tensor, "B C H W"],
    given: Int[Tensor, "B C H W"] | None = None,
    known: Bool[Tensor, "B C H W"] | None = None,
    temperature: float = 1.0,
) -> Iterator[Step]:
    """As `pixels.sampling`, by `RowByRow`: from the same numbers the same images. A
    pass costs a row, not H of them.

    Different only where a uniform number falls within rounding error of a border (see `draw`).
    """
    return fill(model, RowByRow(model), uniforms, given, known, temperature)
