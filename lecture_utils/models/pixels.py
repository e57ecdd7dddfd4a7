"""Images pixel by pixel: probability, sampling, and what one pixel may know of the others.

    p(x) = prod_(i,j,c) p(x_cij | all before it)       the chain rule: nothing is assumed
    nats(x) = sum_(i,j,c) -log softmax(logits_cij)[x_cij]
    bits per dimension = nats / (C H W log 2)

Before (c, i, j) come the rows above i, the columns left of j in row i, and at (i, j) the colours
before c. A model is a module with the attributes `channels` and `levels` and two methods:

    forward(images) -> logits (B, C, H, W, K)          images: integers 0..K-1
    from_real(x)    -> the same logits                 x: the images as real numbers, `scaled`

Two of them are here, as the least that a network has to beat:

    IndependentPixels       p(x_d) = (count_d(x_d) + 1) / (N + K)         no pixel knows another
    LogisticAutoregression  logits_d = b_d + sum_(d' before d) W_dd' x_d'     one linear layer

B batch, C colours (1, or 3 in the order R, G, B), H height, W width, K levels, d = (c, i, j) and
D = C H W of these, N images counted.
Sources: the factorisation as in van den Oord, Kalchbrenner and Kavukcuoglu (2016); the second model
is a fully visible belief network, for two levels that of Frey, Hinton and Dayan (1996).
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lecture_utils.models.recurrent import check_sizes


def check_images(images: Tensor, channels: int, levels: int) -> None:
    """ValueError unless these are integers (B, channels, H, W), each 0..levels-1."""
    shape = tuple(images.shape)
    if images.ndim != 4 or images.shape[1] != channels or 0 in shape:
        raise ValueError(
            f"images have shape {shape}: expected (B, {channels}, H, W); one image: images[None], "
            "no channel axis: images[:, None]"
        )
    if images.is_floating_point() or images.is_complex():
        raise ValueError(
            f"images are {images.dtype}: give levels, integers 0..{levels - 1}; from numbers in "
            f"[0, 1]: (images * {levels - 1}).round().long()"
        )
    outside = (images < 0) | (images.long() >= levels)  # in bytes 256 would be 0
    if outside.any():
        b, c, i, j = outside.nonzero()[0].tolist()
        raise ValueError(
            f"level {images[b, c, i, j].item()} in image {b}, channel {c}, row {i}, column {j}: "
            f"expected 0..{levels - 1}; build the model with more levels, or round the images"
        )


def check_form(channels: int, levels: int) -> None:
    """ValueError for a model of no channels, or of pixels that can only be one thing."""
    check_sizes(channels=channels)
    if levels < 2:
        raise ValueError(f"levels is {levels}: a pixel has at least 2")


def scaled(images: Tensor, levels: int, like: Tensor) -> Float[Tensor, "B C H W"]:
    """Levels as real numbers: 0 is -1, levels - 1 is 1. Number type and device of `like`."""
    return images.to(like) / (levels - 1) * 2 - 1


# ---------------------------------------------------------------- how probable


def nats(logits: Float[Tensor, "B C H W K"], images: Int[Tensor, "B C H W"]) -> Float[Tensor, "B"]:
    """-log p of each image, summed over its C H W dimensions."""
    check_images(images, logits.shape[1], logits.shape[-1])
    log_p = torch.log_softmax(logits, dim=-1)
    return -log_p.gather(-1, images[..., None].long()).flatten(1).sum(1)


def bits_per_dim(nats: Tensor | float, dims: int) -> Tensor | float:
    """nats / (dims log 2). dims: C H W. Whoever knows nothing pays log2 K."""
    check_sizes(dims=dims)
    return nats / (dims * math.log(2))


# ---------------------------------------------------------------- sampling


def probabilities(
    logits: Float[Tensor, "*shape K"], temperature: float = 1.0
) -> Float[Tensor, "*shape K"]:
    """softmax(logits / temperature), in float64. Towards 0 always the likeliest level."""
    _check_temperature(temperature)
    logits = logits.double()
    p = torch.softmax((logits - logits.amax(-1, keepdim=True)) / temperature, dim=-1)
    if p.isnan().any():
        raise ValueError("the logits hold nan, or no finite number at all: nothing can be drawn")
    return p


def _check_temperature(temperature):
    if not temperature > 0:
        raise ValueError(
            f"temperature is {temperature}: it has to be above 0 (0.01 is near greedy)"
        )


def draw(
    logits: Float[Tensor, "*shape K"], uniforms: Float[Tensor, "*shape"], temperature: float = 1.0
) -> Int[Tensor, "*shape"]:
    """One level for each uniform number in [0, 1): level k if it falls into k's share of [0, 1).

    The shares lie side by side in the order of the levels, so that the same number gives the same
    level whoever computed the logits: all but when it falls within their rounding error of a border
    (sums are taken in float64, and do not add to that).
    """
    _check_range(uniforms)
    return _pick(probabilities(logits, temperature), uniforms)


def check_uniforms(uniforms: Tensor, channels: int) -> None:
    """ValueError unless these are numbers (B, channels, H, W) in [0, 1)."""
    if uniforms.ndim != 4 or uniforms.shape[1] != channels or 0 in uniforms.shape:
        raise ValueError(
            f"uniform numbers have shape {tuple(uniforms.shape)}: expected (B, {channels}, H, W), "
            "one for each level to be drawn"
        )
    _check_range(uniforms)


def _check_range(uniforms):
    outside = ~((uniforms >= 0) & (uniforms < 1))
    if outside.any():
        raise ValueError(
            f"uniform number {uniforms[outside][0].item()}: expected 0 <= u < 1, as of torch.rand"
        )


def _pick(p, uniforms):
    ends = p.cumsum(dim=-1)  # the last one is 1 up to rounding: all is measured against it
    return (uniforms.double()[..., None] * ends[..., -1:] >= ends[..., :-1]).sum(dim=-1)


class Step(NamedTuple):
    """What sampling hands out after each pixel and channel."""

    passes: int  # how often the logits were asked for so far
    c: int
    i: int
    j: int
    p: Float[Tensor, "B K"]  # the distribution the level was drawn from
    images: Int[Tensor, "B C H W"]  # the live one, 0 where nothing is yet: copy what is to be kept


LogitsAt = Callable[[Int[Tensor, "B C H W"], int, int, int], Float[Tensor, "B K"]]


def fill(
    model: nn.Module,
    logits_at: LogitsAt,
    uniforms: Float[Tensor, "B C H W"],
    given: Int[Tensor, "B C H W"] | None = None,
    known: Bool[Tensor, "B C H W"] | None = None,
    temperature: float = 1.0,
) -> Iterator[Step]:
    """Draw one pixel and channel after the other; yields after each that had to be drawn.

    model: asked for its channels and levels only. logits_at(images, c, i, j) -> (B, K): how it is
        run; asked for in the order of the chain rule.
    uniforms: a number in [0, 1) for each level to be drawn. given: images, of which the pixels stay
        where known is True; a dimension known in all images costs no pass.
    """
    check_uniforms(uniforms, model.channels)
    _check_temperature(temperature)
    C = model.channels
    images = torch.zeros_like(uniforms, dtype=torch.long)
    if (given is None) != (known is None):
        raise ValueError("given and known belong together: images, and which of their pixels stay")
    if given is None:
        known = torch.zeros_like(images, dtype=torch.bool)
    else:
        check_images(given, C, model.levels)
        if known.dtype != torch.bool:
            raise ValueError(f"known holds {known.dtype}: give truths, say known.bool()")
        if not given.shape == known.shape == uniforms.shape:
            raise ValueError(
                f"given has shape {tuple(given.shape)}, known {tuple(known.shape)}: both need that "
                f"of the uniform numbers, {tuple(uniforms.shape)}"
            )
        images[known] = given[known].long()
    return _steps(logits_at, uniforms, images, known, temperature)  # checked at once, not at step 1


def _steps(logits_at, uniforms, images, known, temperature):
    _, C, H, W = uniforms.shape
    nothing_to_draw = known.all(0).tolist()
    passes = 0
    for i, j, c in product(range(H), range(W), range(C)):
        if nothing_to_draw[c][i][j]:
            continue
        here = known[:, c, i, j]
        with torch.no_grad():  # not around the yield: whoever looks on may want gradients
            p = probabilities(logits_at(images, c, i, j), temperature)
        passes += 1
        drawn = _pick(p, uniforms[:, c, i, j])
        images[:, c, i, j] = torch.where(here, images[:, c, i, j], drawn)
        yield Step(passes, c, i, j, p, images)


def sampling(
    model: nn.Module,
    uniforms: Float[Tensor, "B C H W"],
    given: Int[Tensor, "B C H W"] | None = None,
    known: Bool[Tensor, "B C H W"] | None = None,
    temperature: float = 1.0,
) -> Iterator[Step]:
    """`fill` the plain way: the whole network for each pixel and channel, C H W times in all."""
    return fill(
        model,
        lambda images, c, i, j: model(images)[:, c, i, j],
        uniforms,
        given,
        known,
        temperature,
    )


def sample(
    model: nn.Module,
    uniforms: Float[Tensor, "B C H W"],
    given: Int[Tensor, "B C H W"] | None = None,
    known: Bool[Tensor, "B C H W"] | None = None,
    temperature: float = 1.0,
) -> Int[Tensor, "B C H W"]:
    """The images at the end of `sampling`."""
    return last_images(sampling(model, uniforms, given, known, temperature), given)


def last_images(
    steps: Iterator[Step], given: Int[Tensor, "B C H W"] | None
) -> Int[Tensor, "B C H W"]:
    """Run to the end. Where all was known there is no step, and `given` is the result."""
    last = deque(steps, maxlen=1)
    return last[0].images if last else given.long().clone()


# ---------------------------------------------------------------- what a pixel knows


def may_see(c: int, i: int, j: int, shape: tuple[int, int, int]) -> Bool[Tensor, "C H W"]:
    """What may say something about channel c of pixel (i, j): all that comes before it."""
    C, H, W = shape
    _check_place(c, i, j, C, H, W)
    rank = torch.arange(C * H * W).view(H, W, C).movedim(2, 0)  # the order of drawing
    return rank < rank[c, i, j]


def sees(
    model: nn.Module, images: Int[Tensor, "B C H W"], c: int, i: int, j: int
) -> Float[Tensor, "C H W"]:
    """What does say something: |d logits at (c, i, j) / d pixel|, for each pixel and channel.

    Summed over the levels, averaged over the images; pixels are real numbers here, from -1 to 1.
    """
    check_images(images, model.channels, model.levels)
    _check_place(c, i, j, *images.shape[1:])
    x = scaled(images, model.levels, next(model.parameters())).requires_grad_()
    with torch.enable_grad():
        logits = model.from_real(x)[:, c, i, j].sum(0)  # images do not touch each other
    total = torch.zeros_like(x)
    for logit in logits.unbind() if logits.requires_grad else ():
        total += torch.autograd.grad(logit, x, retain_graph=True)[0].abs()
    return total.mean(0)


def sees_all(model: nn.Module, images: Int[Tensor, "B C H W"]) -> Float[Tensor, "numbers numbers"]:
    """`sees` for all at once: at [d, e] how much number d depends on number e; exactly 0: not.

    The D = C H W numbers of an image in the order of drawing. Needs room for D copies of the
    images: for small ones.
    """
    check_images(images, model.channels, model.levels)
    B, C, H, W = images.shape
    D = C * H * W
    x = scaled(images, model.levels, next(model.parameters())).repeat(D, 1, 1, 1).requires_grad_()
    with torch.enable_grad():
        logits = model.from_real(x).movedim(1, 3).reshape(D, B, D, model.levels)
    own = logits.diagonal(dim1=0, dim2=2).sum(0)  # of copy d those of number d: a pass serves all
    total = torch.zeros_like(x)
    for logit in own if own.requires_grad else ():
        total += torch.autograd.grad(logit.sum(), x, retain_graph=True)[0].abs()
    return total.view(D, B, C, H, W).mean(1).movedim(1, 3).flatten(1)


def _check_place(c, i, j, C, H, W):
    if not (0 <= c < C and 0 <= i < H and 0 <= j < W):
        raise ValueError(
            f"channel {c}, row {i}, column {j} lies outside an image of {C} x {H} x {W}: "
            "count from 0"
        )


# ---------------------------------------------------------------- two models without layers


class IndependentPixels(nn.Module):
    """A histogram for each pixel and channel; uniform until it has counted."""

    def __init__(self, channels: int, levels: int, height: int, width: int):
        super().__init__()
        check_form(channels, levels)
        check_sizes(height=height, width=width)
        self.channels, self.levels = channels, levels
        uniform = torch.full((channels, height, width, levels), -math.log(levels))
        self.log_p = nn.Parameter(uniform, requires_grad=False)

    def count(self, images: Int[Tensor, "N C H W"]) -> "IndependentPixels":
        """Fit: one more than each level was seen, so that none is impossible."""
        _check_size(self, images, self.log_p.shape[:3])
        D, K = images[0].numel(), self.levels
        seen = torch.ones(D * K, dtype=torch.long, device=images.device)
        for part in images.split(1000):  # all at once would take room for each number of each image
            places = torch.arange(D, device=images.device) * K + part.flatten(1)
            seen += places.flatten().bincount(minlength=D * K)
        self.log_p.copy_((seen.view(self.log_p.shape) / (len(images) + K)).log())
        return self

    def forward(self, images: Int[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        _check_size(self, images, self.log_p.shape[:3])
        return self.from_real(scaled(images, self.levels, self.log_p))

    def from_real(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        return self.log_p.expand(len(x), *self.log_p.shape)


class LogisticAutoregression(nn.Module):
    """Each pixel and channel by a softmax regression of its own on all before it."""

    def __init__(self, channels: int, levels: int, height: int, width: int):
        super().__init__()
        check_form(channels, levels)
        check_sizes(height=height, width=width)
        self.channels, self.levels, self.size = channels, levels, (channels, height, width)
        D = channels * height * width
        places = product(range(channels), range(height), range(width))
        before = torch.stack([may_see(*place, self.size).flatten() for place in places])
        self.register_buffer("before", before[:, None], persistent=False)  # (D, 1, D)
        self.W = nn.Parameter(torch.empty(D, levels, D).uniform_(-1 / D, 1 / D))
        self.b = nn.Parameter(torch.zeros(D, levels))

    def forward(self, images: Int[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        _check_size(self, images, self.size)
        return self.from_real(scaled(images, self.levels, self.W))

    def from_real(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W K"]:
        W = self.before * self.W
        logits = self.b + (x.flatten(1) @ W.flatten(0, 1).T).unflatten(1, self.b.shape)
        return logits.unflatten(1, self.size)


def _check_size(model, images, size):
    check_images(images, model.channels, model.levels)
    if images.shape[1:] != size:
        raise ValueError(
            f"images are {tuple(images.shape[2:])}: this model was built for {tuple(size[1:])}, "
            "with numbers of its own for each pixel; build another one"
        )
