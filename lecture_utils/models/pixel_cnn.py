"""PixelCNN and gated PixelCNN: all pixels predicted at once by convolutions that cannot look ahead.

    mask A  1 above, and left in the own row; at the pixel itself only colours below the own one
    mask B  the same, and at the pixel itself the own colour, too
    mask V  1 in the own row and above, all of it: for maps that were moved down by one row

PixelCNN: the first mask is A, so that no pixel sees itself; after that maps know no more than they
may, and B is enough. Feature maps belong to colours, the first third to R and so on.
    h^0 = A_7x7 * x
    h^l = h^(l-1) + B_1x1 * relu(B_3x3 * relu(B_1x1 * relu(h^(l-1))))
    logits = B_1x1 * relu(B_1x1 * relu(B_1x1 * relu(h^L)))

It has a blind spot. A step to the right is a step up as well, so that at any depth (i, j) does not
see (i - r, j + d) with d > r + 2. The gated PixelCNN sees it, by two stacks: v reads whole rows
above, h the own row, and v tells h at each layer. Index f is the first half of the maps, g the
second; S moves an image down by one row.
    v^0 = S x,  h^0 = x
    a_v = V_kxk * v^(l-1),             v^l = tanh(a_v^f) sigma(a_v^g)
    a_h = B_1xk * h^(l-1) + W a_v,     h^l = h^(l-1) + B_1x1 * (tanh(a_h^f) sigma(a_h^g))
At layer 1 B_1xk is A_1xk, and h^0 is not added: it is the pixel itself.

B batch, C colours, H height, W width, K levels, F feature maps. Sources: van den Oord, Kalchbrenner
and Kavukcuoglu (2016); van den Oord et al. (2016b), Conditional Image Generation with PixelCNN
Decoders; for the cache Ramachandran et al. (2017).
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lecture_utils.models.pixels import (
    Step,
    check_form,
    check_images,
    check_uniforms,
    fill,
    last_images,
    scaled,
)
from lecture_utils.models.recurrent import check_sizes
from lecture_utils.trace import note


def mask(
    kind: str, out_channels: int, in_channels: int, kernel: int | tuple[int, int], colours: int = 1
) -> Float[Tensor, "out_channels in_channels height width"]:
    """Which weights of a convolution stay (1) and which are cut (0), for "A", "B" or "V".

    kernel: height and width, odd, so that it has a centre; one number for both. Channels are in
    `colours` groups, side by side: of 6 channels with 3 colours, 0 and 1 belong to R.
    """
    height, width = _pair(kernel)
    if kind not in ("A", "B", "V"):
        raise ValueError(f"the kind of mask is {kind!r}: it is 'A', 'B' or 'V'")
    if min(out_channels, in_channels) < colours:
        raise ValueError(
            f"{in_channels} channels in and {out_channels} out: with {colours} colours each needs "
            f"at least {colours}"
        )
    i, j = height // 2, width // 2  # the pixel itself
    keep = torch.zeros(out_channels, in_channels, height, width)
    keep[:, :, :i] = 1
    keep[:, :, i, :j] = 1
    mine, theirs = colour_of(out_channels, colours)[:, None], colour_of(in_channels, colours)
    if kind == "A":
        keep[:, :, i, j] = (theirs < mine).to(keep)
    if kind == "B":
        keep[:, :, i, j] = (theirs <= mine).to(keep)
    if kind == "V":
        keep[:, :, i] = 1
    return keep


def colour_of(channels: int, colours: int) -> Int[Tensor, "channels"]:
    """The colour that each of the channels belongs to, 0..colours-1."""
    return torch.arange(channels) * colours // channels


class MaskedConv2d(nn.Module):
    """Convolution with a mask: (B, in_channels, H, W) -> (B, gates * out_channels, H, W).

    Borders are filled with 0. gates: so many blocks of out_channels, each masked alike, for
    `.chunk(gates, dim=1)`: each chunk holds all colours.
    """

    def __init__(
        self,
        kind: str,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        colours: int = 1,
        gates: int = 1,
    ):
        super().__init__()
        keep = mask(kind, out_channels, in_channels, kernel, colours)
        self.register_buffer("mask", keep.repeat(gates, 1, 1, 1), persistent=False)
        conv = nn.Conv2d(in_channels, gates * out_channels, _pair(kernel))  # for its first weights
        self.weight, self.bias = conv.weight, conv.bias

    def masked_weight(self) -> Float[Tensor, "out_channels in_channels height width"]:
        return self.mask * self.weight

    def forward(self, x: Float[Tensor, "B N H W"]) -> Float[Tensor, "B M H W"]:
        return nn.functional.conv2d(x, self.masked_weight(), self.bias, padding="same")


def check_network(
    channels: int, levels: int, features: int, layers: int, first_kernel: int, fewest: int
) -> None:
    """ValueError for sizes of which no network can be made. fewest: features it needs."""
    check_form(channels, levels)
    check_sizes(layers=layers)
    if features < fewest:
        raise ValueError(
            f"features is {features}: the narrowest layer needs a map for each of {channels} "
            f"colours; take at least {fewest}"
        )
    if first_kernel < 3:
        raise ValueError(
            f"first_kernel is {first_kernel}: too small to reach another pixel; take 3 or more, odd"
        )


class Readout(nn.Module):
    """Feature maps (B, F, H, W) -> logits (B, C, H, W, K), each pixel by itself.

    As convolutions of 1 x 1 do not look around, one pixel (B, F) will do, too, where `Cached` has
    put others for them: places are H and W, or none.
    """

    def __init__(self, channels: int, levels: int, features: int):
        super().__init__()
        self.channels, self.levels = channels, levels
        self.first = MaskedConv2d("B", features, features, 1, channels)
        self.second = MaskedConv2d("B", features, features, 1, channels)
        self.last = MaskedConv2d("B", features, channels * levels, 1, channels)

    def forward(self, h: Float[Tensor, "B F *places"]) -> Float[Tensor, "B C *places K"]:
        h = self.first(torch.relu(h))
        h = self.second(torch.relu(h))
        logits = self.last(torch.relu(h))
        return logits.unflatten(1, (self.channels, self.levels)).movedim(2, -1)


class ResidualBlock(nn.Module):
    """h (B, F, H, W) -> what is added to it; half as many maps inside."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        self.narrow = MaskedConv2d("B", features, features // 2, 1, channels)
        self.look = MaskedConv2d("B", features // 2, features // 2, 3, channels)
        self.widen = MaskedConv2d("B", features // 2, features, 1, channels)

    def forward(self, h: Float[Tensor, "B F *places"]) -> Float[Tensor, "B F *places"]:
        h = self.narrow(torch.relu(h))
        h = self.look(torch.relu(h))
        return self.widen(torch.relu(h))


def from_levels(model: nn.Module, images: Int[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
    """`forward` of the four networks. Each has `channels`, `levels`, `first` and `from_real`."""
    check_images(images, model.channels, model.levels)
    return model.from_real(scaled(images, model.levels, model.first.weight))


class PixelCNN(nn.Module):
    """Images (B, C, H, W), levels 0..K-1 -> logits (B, C, H, W, K), for any H and W.

    layers: residual blocks. The first convolution is first_kernel x first_kernel.
    """

    def __init__(
        self, channels: int, levels: int, features: int, layers: int, first_kernel: int = 7
    ):
        super().__init__()
        check_network(channels, levels, features, layers, first_kernel, fewest=2 * channels)
        self.channels, self.levels = channels, levels
        self.first = MaskedConv2d("A", channels, features, first_kernel, channels)
        self.blocks = nn.ModuleList(ResidualBlock(channels, features) for _ in range(layers))
        self.readout = Readout(channels, levels, features)

    forward = from_levels

    def from_real(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        return self.after_first(self.first(x))

    def after_first(self, h: Float[Tensor, "B F *places"]) -> Float[Tensor, "B C *places K"]:
        for block in self.blocks:
            h = note(h=h + block(h))
        return self.readout(h)


def gated(a: Float[Tensor, "B FF *places"]) -> Float[Tensor, "B F *places"]:
    """tanh of the first half of the maps, times sigma of the second."""
    a_f, a_g = a.chunk(2, dim=1)
    return torch.tanh(a_f) * torch.sigmoid(a_g)


def move_down(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """S: row i becomes row i + 1, the first one 0; the last one is lost."""
    return nn.functional.pad(x, (0, 0, 1, 0))[:, :, :-1]


class GatedLayer(nn.Module):
    """The four convolutions of a layer. kind: the mask of the horizontal one.

    Whatever v knows lies in rows above, where all colours are known: v and W need no colours.
    """

    def __init__(self, kind: str, channels: int, v_size: int, h_size: int, features: int, k: int):
        super().__init__()
        self.vertical = MaskedConv2d("V", v_size, features, k, gates=2)
        self.horizontal = MaskedConv2d(kind, h_size, features, (1, k), channels, gates=2)
        self.tell = nn.Conv2d(2 * features, 2 * features, 1)
        self.out = MaskedConv2d("B", features, features, 1, channels)


class GatedPixelCNN(nn.Module):
    """Images (B, C, H, W), levels 0..K-1 -> logits (B, C, H, W, K), for any H and W.

    The first layer has kernels of width first_kernel, the others of 3.
    """

    def __init__(
        self, channels: int, levels: int, features: int, layers: int, first_kernel: int = 7
    ):
        super().__init__()
        check_network(channels, levels, features, layers, first_kernel, fewest=channels)
        self.channels, self.levels = channels, levels
        C, F = channels, features
        self.layers = nn.ModuleList([GatedLayer("A", C, C, C, F, first_kernel)])
        self.layers.extend(GatedLayer("B", C, F, F, F, 3) for _ in range(layers - 1))
        self.readout = Readout(channels, levels, features)

    @property
    def first(self) -> nn.Module:
        """The one convolution that reads the image in the pixel's own row."""
        return self.layers[0].horizontal

    forward = from_levels

    def from_real(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        return self.after_first(self.first(x), self.from_above(move_down(x)))

    def from_above(self, v: Float[Tensor, "B C H W"]) -> list[Float[Tensor, "B FF H W"]]:
        """The vertical stack: what it tells the horizontal one at each layer, W a_v."""
        told = []
        for layer in self.layers:
            a_v = layer.vertical(v)
            v = note(v=gated(a_v))
            told.append(layer.tell(a_v))
        return told

    def after_first(
        self, a_h: Float[Tensor, "B FF *places"], told: Sequence[Float[Tensor, "B FF *places"]]
    ) -> Float[Tensor, "B C *places K"]:
        """The horizontal stack, from its first convolution on."""
        h = note(h=self.layers[0].out(gated(a_h + told[0])))
        for layer, from_above in zip(self.layers[1:], told[1:]):
            a_h = layer.horizontal(h) + from_above
            h = note(h=h + layer.out(gated(a_h)))
        return self.readout(h)


# ---------------------------------------------------------------- sampling with a memory


class Remembering(nn.Module):
    """A masked convolution that keeps the map it reads, and is fed only what is new in it.

    New is one pixel (B, N), or one row (B, N, 1, W); so is the result. place: row and column of
    it, one list that `Cached` shares with all of them and sets.
    """

    def __init__(self, conv: MaskedConv2d, place: list[int], B: int, H: int, W: int):
        super().__init__()
        height, self.width = conv.weight.shape[2:]
        self.up, self.side, self.place = height // 2, self.width // 2, place
        self.weight = conv.masked_weight()[:, :, : self.up + 1]  # the rows below are all 0
        self.flat_weight, self.bias = self.weight.flatten(1), conv.bias.detach()
        if self.up or self.side:  # a 1 x 1 has nothing to remember
            N = self.weight.shape[1]
            self.map = self.weight.new_zeros(B, N, H + self.up, W + 2 * self.side)
            self.inside = self.map[:, :, self.up :, self.side : self.side + W]  # without borders

    def forward(self, x: Tensor) -> Tensor:
        if not (self.up or self.side):
            return nn.functional.linear(x, self.flat_weight, self.bias)
        i, j = self.place
        if x.ndim == 2:
            self.inside[:, :, i, j] = x
            return self.at_place()
        self.inside[:, :, i : i + 1] = x
        lines = self.map[:, :, i : i + self.up + 1]
        return nn.functional.conv2d(lines, self.weight, self.bias)

    def at_place(self) -> Float[Tensor, "B M"]:
        i, j = self.place
        patch = self.map[:, :, i : i + self.up + 1, j : j + self.width]
        return nn.functional.linear(patch.flatten(1), self.flat_weight, self.bias)


class Cached:
    """`logits_at` of `fill` for a PixelCNN, plain or gated: only what a new pixel changes.

    The same network, but every convolution remembers what it has read. Positions are to be asked
    for in raster order, as `fill` does; those it skips are read on the way. Logits equal those of
    the whole network up to rounding.
    """

    @torch.inference_mode()
    def __init__(self, model: PixelCNN | GatedPixelCNN, B: int, H: int, W: int):
        if not isinstance(model, PixelCNN | GatedPixelCNN):
            raise ValueError(
                f"only a PixelCNN, plain or gated, has a memory of this kind: for "
                f"{type(model).__name__} take pixels.sampling, or row_sampling for a Row LSTM"
            )
        self.network, self.place = copy.deepcopy(model), [0, 0]
        for name, layer in list(self.network.named_modules()):
            if isinstance(layer, MaskedConv2d):
                self.network.set_submodule(name, Remembering(layer, self.place, B, H, W))
        self.width = W
        self.next = 0  # number of the first pixel that has not been read with all its colours

    @torch.inference_mode()
    def __call__(
        self, images: Int[Tensor, "B C H W"], c: int, i: int, j: int
    ) -> Float[Tensor, "B K"]:
        """Logits of channel c at (i, j)."""
        net, here = self.network, i * self.width + j
        if here < self.next:
            raise ValueError(
                f"({i}, {j}) comes before what is to be read next, "
                f"{divmod(self.next, self.width)}: ask in raster order, and begin new images with "
                "a new Cached"
            )
        x = scaled(images, net.levels, net.first.map)
        if x.shape != net.first.inside.shape:
            raise ValueError(
                f"images have shape {tuple(x.shape)}: this Cached remembers some of shape "
                f"{tuple(net.first.inside.shape)}; begin new images with a new one"
            )
        net.first.inside[:] = x
        for number in range(self.next, here + 1):
            self.place[:] = divmod(number, self.width)
            logits = self._at_place(x)
        self.next = here + (c == net.channels - 1)
        return logits[:, c]

    def _at_place(self, x):
        a = self.network.first.at_place()
        if isinstance(self.network, PixelCNN):
            return self.network.after_first(a)
        i, j = self.place
        if j == 0:  # the vertical stack looks to the right, too, so it goes row by row
            above = x[:, :, i - 1 : i] if i else torch.zeros_like(x[:, :, :1])
            self.told = self.network.from_above(above)
        return self.network.after_first(a, [told[:, :, 0, j] for told in self.told])


def cached_sampling(
    model: PixelCNN | GatedPixelCNN,
    uniforms: Float[Tensor, "B C H W"],
    given: Int[Tensor, "B C H W"] | None = None,
    known: Bool[Tensor, "B C H W"] | None = None,
    temperature: float = 1.0,
) -> Iterator[Step]:
    """As `pixels.sampling`, with a memory. From the same numbers the same images.

    In float32 logits differ by some 1e-6. So about one uniform number in a million (17 levels,
    trained) falls between the two borders and makes another level, and other pixels after it; in
    float64 none does in practice.
    """
    check_uniforms(uniforms, model.channels)
    logits_at = Cached(model, len(uniforms), *uniforms.shape[2:])
    return fill(model, logits_at, uniforms, given, known, temperature)


def cached_sample(
    model: PixelCNN | GatedPixelCNN,
    uniforms: Float[Tensor, "B C H W"],
    given: Int[Tensor, "B C H W"] | None = None,
    known: Bool[Tensor, "B C H W"] | None = None,
    temperature: float = 1.0,
) -> Int[Tensor, "B C H W"]:
    """The images at the end of `cached_sampling`."""
    return last_images(cached_sampling(model, uniforms, given, known, temperature), given)


def _pair(kernel):
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    if min(height, width) < 1 or height % 2 == 0 or width % 2 == 0:
        raise ValueError(f"the kernel is {height} x {width}: both sides have to be odd, as 3 x 3")
    return height, width
