"""Exercises of lesson 07, and the suspects of the third one."""

import copy
import math
from collections.abc import Callable

import torch
from torch import nn

from lecture_utils.exercises.by_what_it_does import ByWhatItDoes, Wrong, doing, form, takes
from lecture_utils.exercises.exercise import Exercise
from lecture_utils.models.pixel_cnn import GatedPixelCNN, PixelCNN

# bits per dimension ------------------------------------------------------------------------------


def bits_per_dimension(nats, channels, height, width):
    return nats / (channels * height * width * math.log(2))


_LOG_2 = math.log(2)


def _bits(dims=lambda C, H, W: C * H * W, per_nat=_LOG_2):
    """bits_per_dimension with one thing done another way. per_nat: what nats are divided by."""
    return lambda nats, C, H, W: nats / (dims(C, H, W) * per_nat)


_P_ITSELF = (
    "p = exp(-nats) is too small for a float: of a large image it is 0, and 0 has no logarithm. It "
    "takes no exp: nats are the logarithm already, only the base is another."
)


class _FromNats(Exercise):
    """Knows two slips by their kind: p itself, and a tensor in place of a number."""

    def _answer(self, function, arguments):
        try:
            return super()._answer(function, arguments)
        except (ValueError, OverflowError):
            if arguments[0] < 700:  # so far exp(-nats) and exp(nats) are floats above 0
                raise
            return math.inf

    def _known_mistake(self, answers):
        if any(isinstance(got, float) and not math.isfinite(got) for got in answers):
            return _P_ITSELF
        return super()._known_mistake(answers)

    def _difference(self, got, want):
        if torch.is_tensor(got):
            return "It returns a tensor. Return a number: call .item(), or use math.log."
        return super()._difference(got, want)


bits_per_dimension = _FromNats(
    bits_per_dimension,
    cases=[
        (math.log(2), 1, 1, 1),
        (79.2, 1, 28, 28),
        (181.3, 1, 8, 8),
        (8 * 3 * 5 * 7 * math.log(2), 3, 5, 7),
        (6390.5, 3, 32, 32),
    ],
    values=("bits per dimension",),
    mistakes={
        "That is nats per dimension. A nat is more than a bit: divide by math.log(2) as well "
        "(math.log2(2) is 1).": _bits(per_nat=1),
        "Multiplied by log 2, not divided. A nat is more than a bit, so there are more bits than "
        "nats.": _bits(per_nat=1 / _LOG_2),
        "The channels are missing. A colour image has three numbers at each pixel: C H W "
        "dimensions.": _bits(lambda C, H, W: H * W),
        "The channels are missing, and so is the step from nats to bits: divide by C H W log 2.": (
            _bits(lambda C, H, W: H * W, per_nat=1)
        ),
        "These are the bits of the whole image. Per dimension: divide by C H W as well.": _bits(
            lambda C, H, W: 1
        ),
        "Divided by the channels only. An image has C H W dimensions.": _bits(lambda C, H, W: C),
        "Divided by C + H + W. An image has as many dimensions as the product, C H W.": _bits(
            lambda C, H, W: C + H + W
        ),
        "`nats / C * H * W * log 2` divides by C alone and multiplies by all the rest. It takes "
        "parentheses: nats / (C * H * W * log 2).": lambda nats, C, H, W: nats / C * H * W * _LOG_2,
        "`nats / C * H * W / log 2` multiplies by H and W. It takes parentheses: nats / (C * H * W "
        "* log 2).": lambda nats, C, H, W: nats / C * H * W / _LOG_2,
        "Divided by the logarithm of 2 to the base 10. Nats belong to the natural one, math.log.": (
            _bits(per_nat=math.log10(2))
        ),
        "`nats / log 2 * C * H * W` multiplies by the dimensions, and more of them would make more "
        "bits for each. Divide by all: nats / (C * H * W * log 2).": _bits(
            lambda C, H, W: 1 / (C * H * W)
        ),
        _P_ITSELF: lambda nats, C, H, W: -math.log2(math.exp(-nats)) / (C * H * W),
        "The logarithm of the nats was taken. They are logarithms already; only the base is "
        "another.": lambda nats, C, H, W: math.log2(nats) / (C * H * W),
        "The sign is turned. Nats are -log p, so that they are above 0, and bits are, too.": _bits(
            per_nat=-_LOG_2
        ),
    },
    hints=(
        "Two divisions: one makes bits of nats, the other shares them out among the dimensions.",
        "log2 p = log p / log 2. And how many numbers does a model predict for a colour image?",
        "nats / (channels * height * width * math.log(2))",
    ),
)

# masks -------------------------------------------------------------------------------------------


def build_mask(kind, size):
    middle = size // 2
    mask = torch.zeros(size, size)
    mask[:middle] = 1
    mask[middle, :middle] = 1
    if kind == "B":
        mask[middle, middle] = 1
    return mask


_solve_mask = build_mask


def _of_mask(change):
    """build_mask, and then change(mask, middle, kind) -> mask."""
    return lambda kind, size: change(_solve_mask(kind, size), size // 2, kind)


def _put(where, value):
    """build_mask, and then `value` at the places where(middle)."""

    def change(mask, middle, kind):
        mask[where(middle)] = value
        return mask

    return _of_mask(change)


def _with_middle(at):
    """build_mask with the middle at `at(size)`."""

    def attempt(kind, size):
        middle = at(size)
        mask = torch.zeros(size, size)
        mask[:middle] = 1
        mask[middle, :middle] = 1
        mask[middle, middle] = float(kind == "B")
        return mask

    return attempt


def _two_neighbours(mask, middle, kind):
    found = torch.zeros_like(mask)
    found[middle - 1, middle] = found[middle, middle - 1] = 1
    found[middle, middle] = float(kind == "B")
    return found


def _other(kind):
    return "A" if kind == "B" else "B"


class _Mask(Exercise):
    """What a mask is multiplied by says why its dtype and its shape matter."""

    def _known_mistake(self, answers):
        # Without the two of size 1: there middle - 1 is an index from the other end.
        return super()._known_mistake(answers[:-2])

    def _difference(self, got, want):
        text = super()._difference(got, want)
        if torch.is_tensor(got) and got.dtype == torch.bool:
            text += " Weights are multiplied by it: make numbers of the truths, .float()."
        elif torch.is_tensor(got) and got.ndim == 4:
            text += " One plane is enough: what is multiplied by it has one for each pair of maps."
        return text


build_mask = _Mask(
    build_mask,
    cases=[("A", 3), ("B", 3), ("A", 5), ("B", 5), ("B", 7), ("A", 1), ("B", 1)],
    values=("mask",),
    mistakes={
        "A and B are swapped. A is for the first layer, which must not see the pixel itself.": (
            lambda kind, size: _solve_mask(_other(kind), size)
        ),
        "Mask B is right, and A is the same. In mask A the pixel in the middle is 0.": (
            lambda kind, size: _solve_mask("B", size)
        ),
        "Mask A is right, and B is the same. In mask B the pixel in the middle stays: 1.": (
            lambda kind, size: _solve_mask("A", size)
        ),
        "The rows are right but for the own one: what is left of the middle is before it, too.": (
            _put(lambda m: (m, slice(m)), 0)
        ),
        "The own row is right, and the rows above are missing: all of them come before it.": _put(
            lambda m: slice(m), 0
        ),
        "Above, only what is straight above or to the left is kept. Rows above are before the "
        "pixel in all their length, to the upper right as well.": _put(
            lambda m: (slice(m), slice(m + 1, None)), 0
        ),
        "Above, only what is to the left is kept. Rows above are before the pixel in all their "
        "length.": _put(lambda m: (slice(m), slice(m, None)), 0),
        "Only the row right above is kept. Every row above comes before the pixel.": _of_mask(
            lambda mask, m, kind: torch.cat([0 * mask[: max(m - 1, 0)], mask[max(m - 1, 0) :]])
        ),
        "The own row is kept in all its length. What is right of the middle comes later: 0.": (
            _put(lambda m: (m, slice(m + 1, None)), 1)
        ),
        "That is the lower triangle of a matrix, torch.tril: for a row of pixels that look. Here "
        "one pixel looks, from the middle: whole rows above it, and the own row to its left.": (
            lambda kind, size: torch.tril(torch.ones(size, size), diagonal=0 if kind == "B" else -1)
        ),
        "That is the upper triangle of a matrix. Here one pixel looks, from the middle: whole rows "
        "above it, and the own row to its left.": (
            lambda kind, size: torch.triu(torch.ones(size, size), diagonal=0 if kind == "B" else 1)
        ),
        "Turned the other way round: 1 is for what comes later. 1 keeps a weight, 0 cuts it.": (
            _of_mask(lambda mask, m, kind: mask.flip(0, 1))
        ),
        "1 and 0 are swapped: 1 keeps a weight, 0 cuts it.": _of_mask(
            lambda mask, m, kind: 1 - mask
        ),
        "Rows and columns are swapped: yours keeps whole columns to the left. The first index is "
        "the row.": _of_mask(lambda mask, m, kind: mask.T.clone()),
        "Upside down: rows below are kept. Row 0 is the top one, so above the middle is "
        "mask[:middle].": _of_mask(lambda mask, m, kind: mask.flip(0)),
        "Left and right are swapped in the own row: before the middle is mask[middle, :middle].": (
            _of_mask(lambda mask, m, kind: torch.cat([mask[:m], mask[m:].flip(1)]))
        ),
        "The middle is at size // 2, as rows are counted from 0. Yours is one farther down and "
        "to the right.": _with_middle(lambda size: min(size // 2 + 1, size - 1)),
        "The middle is at size // 2, as rows are counted from 0. Yours is one farther up and to "
        "the left.": _with_middle(lambda size: size // 2 - 1),
        "In the own row the pixel right before the middle is missing. A slice leaves out its end: "
        "mask[middle, :middle].": _put(lambda m: (m, slice(max(m - 1, 0), m)), 0),
        "Only the two neighbours, left and above, are kept. All rows above come before the pixel "
        "in all their length, and so does all of the own row to its left.": (
            _of_mask(_two_neighbours)
        ),
    },
    hints=(
        "A mask is size x size numbers, and the pixel that looks is in the middle, at size // 2. "
        "Begin with torch.zeros(size, size) and put ones where a weight may stay.",
        "Two kinds of places come before it: all of the rows above, mask[:middle], and in the own "
        "row what is to the left. Masks A and B differ in one number.",
        "mask[:middle] = 1; mask[middle, :middle] = 1; and for B also mask[middle, middle] = 1.",
    ),
)


# find the leak -----------------------------------------------------------------------------------


def leaks(model, levels, height, width):
    images = torch.randint(levels, (1, 1, height, width))
    x = (2 * images / (levels - 1) - 1).requires_grad_()
    found = torch.zeros(height * width, height * width, dtype=torch.bool)
    for d, logits in enumerate(model.from_real(x).flatten(0, 3)):
        for logit in logits:
            (gradient,) = torch.autograd.grad(logit, x, retain_graph=True)
            found[d, d:] |= gradient.flatten()[d:] != 0
    return found


def suspects() -> list[nn.Module]:
    """Four models of black-and-white images, always the same; in three of them something is off.

    Each as any other model of pixels: `model(images)`, `model.from_real(x)`. Any height and width.
    """
    return [_made(make) for make in (_rolled_down, _honest, _wrong_first_mask, _not_moved_down)]


def _honest():
    return PixelCNN(1, 2, 8, 2, first_kernel=3)


def _wrong_first_mask(at_the_pixel=1.0):
    model = _honest()
    model.first.mask[:, :, 1, 1] = at_the_pixel
    return model


def _almost_masked():
    return _wrong_first_mask(at_the_pixel=1e-5)


class _Moved(GatedPixelCNN):
    """A gated PixelCNN whose vertical stack reads move(x), where it should read S x."""

    def __init__(self, move):
        super().__init__(1, 2, 8, 2, first_kernel=3)
        self.move = move

    def from_real(self, x):
        return self.after_first(self.first(x), self.from_above(self.move(x)))


def _not_moved_down():
    return _Moved(lambda x: x)


def _rolled_down():
    """What falls out at the bottom comes in again at the top."""
    return _Moved(lambda x: x.roll(1, dims=2))


class _OneBefore(nn.Module):
    """Each pixel by the one before it, which `roll` finds even where there is none.

    along: axes of the image (B, 1, H, W) that are read as one line. slopes: of the levels' logits;
    each is its slope times a number that rises with the pixel before, and with slope 0 it is 9, the
    largest. That number has no bias, so that on an image of zeros no derivative is left.
    """

    channels = 1

    def __init__(self, along, *slopes):
        super().__init__()
        self.along, self.levels = along, len(slopes)
        slopes = torch.tensor(slopes)
        self.register_buffer("slopes", slopes)
        self.register_buffer("always", 9.0 * (slopes == 0))

    def from_real(self, x):
        before = x.flatten(*self.along).roll(1, dims=-1).reshape(x.shape)
        rising = torch.relu(before) - 0.5 * torch.relu(-before)
        return rising[..., None] * self.slopes + self.always

    def forward(self, images):
        return self.from_real(2 * images / (self.levels - 1) - 1)


_RASTER, _ROWS = (1, 3), (0, 2)  # all rows as one line, each row as a line

_FOUR = "leaks takes four things: `def leaks(model, levels, height, width)`."
_FORM = (
    "Return truths, one for each pair of pixels: a bool tensor of shape (height * width, height * "
    "width), True at [d, e] where pixel d sees pixel e and must not."
)
_NUMBERS = "Return truths, not sizes: gradient != 0 is True wherever there is any dependence."
_LOGITS = (
    "model.from_real(x) takes x (1, 1, height, width) and gives logits (1, 1, height, width, "
    "levels)."
)
_NO_INTEGERS = (
    "integers have no gradient, so model.from_real(x) takes the image as numbers, x = 2 * images / "
    "(levels - 1) - 1."
)
_NO_GRADIENT = (
    "x.grad is None: x.requires_grad_() is missing, or x was computed further after it, or no "
    "backward() has reached x."
)
_TWO_TYPES = (
    "x and the weights are of two number types. A model's weights are float32, and so is 2 * "
    "images / (levels - 1) - 1."
)
_REMEDIES = {
    "does not require grad": f"x.requires_grad_() is missing. If it is refused: {_NO_INTEGERS}",
    "floating point": f"Here {_NO_INTEGERS}",
    "Input type (long": f"Here {_NO_INTEGERS}",
    "scalar type Long": f"Here {_NO_INTEGERS}",
    "give levels": "model(images) takes levels; numbers x go into model.from_real(x).",
    "'NoneType' object": _NO_GRADIENT,
    "not have been used in the graph": "The logits were not computed from the x that the derivative"
    " is asked for: it takes the very x of model.from_real(x).",
    "a second time": "Several derivatives of one run need retain_graph=True.",
    "only for scalar outputs": f"A derivative is one of a single number: of one logit. {_LOGITS}",
    "view size": f"Where .view refuses, .reshape and .flatten work. {_LOGITS}",
    "'tuple' object": "torch.autograd.grad gives a tuple, here of one: (gradient,) = "
    "torch.autograd.grad(logit, x, retain_graph=True).",
    "should be the same": _TWO_TYPES,
    "expected scalar type": _TWO_TYPES,
}
"""What helps, by what the error says."""

_ITSELF = (
    "A pixel that sees itself is a leak, too: d and all after it, [d:] or .triu(), not [d + 1:] or "
    ".triu(1)."
)
_ONLY_ITSELF = (
    "Only whether a pixel sees itself is looked at. It must not see what comes after it either: "
    "[d:] or .triu()."
)
_ALL = (
    "These are all pairs, those in which a pixel sees an earlier one as well. That is no leak: "
    "keep d itself and what comes after, [d:] or .triu()."
)
_EARLIER = (
    "These are the pairs in which a pixel sees an earlier one. That is what it may do; a leak is d "
    "itself and what comes after, [d:] or .triu()."
)
_EARLIER_AND_ITSELF = (
    "The wrong triangle: .tril() keeps d itself and what comes before. A leak is d itself and what "
    "comes after, .triu()."
)
_TURNED = (
    "Rows and columns are swapped: the row is the pixel that looks, the column the one that it "
    "sees."
)
_AND = (
    "A row below comes later in all its length, what is farther left in it, too. Compare numbers "
    "row * width + column, not rows and columns one by one."
)
_OR = (
    "What is farther right, but in a row above, comes before. Compare numbers row * width + "
    "column, not rows and columns one by one."
)
_TURNED_BEFORE = (
    "Rows and columns were swapped before .triu(): these are the earlier pixels that are seen, "
    "turned. Row d is the pixel that looks; then keep [d:] or .triu()."
)
_ADDED_UP = (
    "The gradients add up: what pixel d sees is still there when d + 1 is asked. backward() adds "
    "to x.grad, so set x.grad = None before each, or take torch.autograd.grad."
)
_ONE_FOR_ALL = (
    "All pixels have the same answer: the derivative of the sum of all logits says what somebody "
    "sees, not who. Take each pixel's logits by themselves."
)
_SUM = (
    "Of one of the models tried you find no leak: one of its logits falls as the other rises, and "
    "their sum knows nothing. Take the derivative of each level by itself."
)
_ONE_LEVEL = (
    "Of one of the models tried you find no leak: its first and last logits are always 9, and "
    "those between tell. The first, the last or the largest logit is not enough: take the "
    "derivative of each level."
)
_ZEROS = (
    "On an image of zeros some leaks do not show: the derivative of relu is 0 there. Take a random "
    "image."
)
_SIGN = "A derivative below 0 is a dependence, too: != 0, not > 0."
_THRESHOLD = (
    "A faint leak is a leak. What is masked has a derivative of exactly 0, so it needs no "
    "threshold: != 0."
)


def _made(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return make().eval()


# What it is, the model, height and width. Small, as each logit takes a backward pass.
_TRIED = {
    "honest": ("an honest PixelCNN", _made(_honest), 2, 3),
    "B": ("a PixelCNN whose first mask is B", _made(_wrong_first_mask), 2, 3),
    "unmoved": ("a gated PixelCNN without its shift down", _made(_not_moved_down), 2, 3),
    "rolled": ("a gated PixelCNN that rolls where it should shift", _made(_rolled_down), 4, 2),
    "faint": ("a PixelCNN with 0.00001 for 0 in its first mask", _made(_almost_masked), 3, 2),
    "opposite": ("a model whose logits a, -a read the pixel before", _OneBefore(_RASTER, 1, -1), 3,
                 2),
    "middle": ("a model whose logits 9, a, 2a, 9 read the pixel before",
               _OneBefore(_ROWS, 0, 1, 2, 0), 2, 3),
    "falling": ("a model whose logits -a, -2a read the pixel before", _OneBefore(_ROWS, -1, -2), 2,
                3),
}  # fmt: skip


def _check_leaks(attempt, tried):
    """Raises Wrong unless the attempt finds exactly the leaks of all the models."""
    found = {key: _findings(attempt, *tried[key]) for key in tried}
    seen = {key: _seen(*tried[key][1:]) for key in tried}
    true = {key: pairs.triu() for key, pairs in seen.items()}
    right = {key: torch.equal(found[key], true[key]) for key in tried}
    if all(right.values()):
        return
    widths = {key: width for key, (*_, width) in tried.items()}
    for message, change in _OF_WHAT_IS_SEEN.items():
        # Where gradients add up, those of a and -a leave nothing.
        keys = tried.keys() - {"opposite"} if message == _ADDED_UP else tried
        if all(torch.equal(found[key], change(seen[key], widths[key])) for key in keys):
            raise Wrong(message)
    missed = {key for key in tried if true[key].any() and not found[key].any()}
    invented = any((found[key] & ~true[key]).any() for key in tried)
    if not invented and all(right[key] or key in missed for key in _TOYS) and "B" not in missed:
        for message, models in _OVERLOOKED.items():
            if missed == models:
                raise Wrong(message)
    key = next(key for key in tried if not right[key])
    raise Wrong(_difference(found[key], true[key], tried[key][0], widths[key]))


def _findings(attempt, what, model, height, width):
    if not takes(attempt, model, model.levels, height, width):
        raise Wrong(_FOUR)
    try:  # on a copy: a model.double() in the attempt stays there
        found = attempt(copy.deepcopy(model), model.levels, height, width)
    except Exception as error:
        with doing(f"leaks of {what}", _remedy(error)):
            raise
    D = height * width
    if not torch.is_tensor(found):
        raise Wrong(f"It returns {form(found)}. {_FORM}")
    if found.shape != (D, D):
        raise Wrong(f"For images of {height} x {width} it returns {form(found)}. {_FORM}")
    if found.dtype != torch.bool:
        raise Wrong(f"It returns a tensor of {found.dtype}. {_NUMBERS}")
    return found


def _remedy(error):
    said = str(error)
    return next((remedy for part, remedy in _REMEDIES.items() if part in said), _LOGITS)


def _seen(model, height, width):
    """(D, D): does pixel d see pixel e? All derivatives at once: a copy of the image for each."""
    D, K = height * width, model.levels
    images = torch.randint(K, (1, 1, height, width))
    x = (2 * images / (K - 1) - 1).repeat(D * K, 1, 1, 1).requires_grad_()
    logits = model.from_real(x).reshape(D * K, D * K)
    (gradient,) = torch.autograd.grad(logits.diagonal().sum(), x)
    return (gradient.reshape(D, K, D) != 0).any(1)


def _by_rows_and_columns(join):
    """What is seen and later, if later is join(not in a row above, not farther left)."""

    def change(seen, width):
        row, column = torch.arange(len(seen)) // width, torch.arange(len(seen)) % width
        return seen & join(row >= row[:, None], column >= column[:, None])

    return change


_OF_WHAT_IS_SEEN = {
    _ITSELF: lambda seen, width: seen.triu(1),
    _ONLY_ITSELF: lambda seen, width: seen.triu().tril(),
    _ALL: lambda seen, width: seen,
    _EARLIER: lambda seen, width: seen.tril(-1),
    _EARLIER_AND_ITSELF: lambda seen, width: seen.tril(),
    _TURNED: lambda seen, width: seen.triu().T,
    _TURNED_BEFORE: lambda seen, width: seen.T.triu(),
    _AND: _by_rows_and_columns(torch.logical_and),
    _OR: _by_rows_and_columns(torch.logical_or),
    _ADDED_UP: lambda seen, width: seen.int().cummax(0).values.bool().triu(),
    _ONE_FOR_ALL: lambda seen, width: seen.any(0).expand_as(seen).triu(),
}
"""What was found instead, from what is seen (D, D)."""

_TOYS = {"opposite", "middle", "falling"}
_OVERLOOKED = {
    _ZEROS: _TOYS,
    _SUM: {"opposite"},
    _ONE_LEVEL: {"middle"},
    _SIGN: {"falling"},
    _THRESHOLD: {"faint"},
}
"""The models whose leaks are all missed, while those of the other toys are found."""


def _difference(found, true, what, width):
    """The first pair on which the two differ, as a sentence."""
    wrong = (found != true).nonzero()
    d, e = wrong[0].tolist()
    pair = f"pixel {divmod(d, width)} sees {'itself' if d == e else divmod(e, width)}"
    if true[d, e]:
        said = f"In {what} {pair}, and you do not find it"
    elif e >= d:
        said = f"In {what} you find that {pair}, and it does not"
    else:
        said = f"In {what} you find that {pair}, which comes before it and is no leak"
    return f"{said}. {len(wrong)} of {true.numel()} pairs are wrong there."


class _LeakHunt(ByWhatItDoes):
    """`use` knows the mistakes by what was found: nothing is left to be compared with them."""

    def _known_mistake(self, answers):
        return None


def _hunt(keep=None, image=None, of=lambda logits: logits, far=lambda gradient: gradient != 0):
    """leaks with one thing done another way.

    keep: from all that is seen (D, D) and the width to the answer. image: in place of a random one.
    of: from logits (D, K) those that are differentiated. far: from a gradient (D,) to what is seen.
    """

    def attempt(model, levels, height, width):
        random = 2 * torch.randint(levels, (1, 1, height, width)) / (levels - 1) - 1
        x = (random if image is None else image(random)).requires_grad_()
        rows = of(model.from_real(x).flatten(0, 3))
        found = torch.zeros(len(rows), height * width, dtype=torch.bool)
        for d, logits in enumerate(rows):
            for logit in logits.reshape(-1):
                (gradient,) = torch.autograd.grad(logit, x, retain_graph=True)
                found[d] |= far(gradient.flatten())
        return keep(found, width) if keep else found.triu()

    return attempt


leaks = _LeakHunt(
    leaks,
    cases=[(_TRIED,)],
    values=("the leaks",),
    use=_check_leaks,
    mistakes={
        **{message: _hunt(keep=change) for message, change in _OF_WHAT_IS_SEEN.items()},
        _ZEROS: _hunt(image=torch.zeros_like),
        _SUM: _hunt(of=lambda logits: logits.sum(1)),
        _ONE_LEVEL: _hunt(of=lambda logits: logits[:, :1]),
        _SIGN: _hunt(far=lambda gradient: gradient > 0),
        _THRESHOLD: _hunt(far=lambda gradient: gradient.abs() > 1e-4),
        _FOUR: lambda model, height, width: torch.zeros(height * width),
        f"It returns a tensor of torch.float32. {_NUMBERS}": _hunt(
            keep=lambda found, width: found.triu().float()
        ),
    },
    hints=(
        "Turn a random image into numbers x, ask for x.requires_grad_(), and run "
        "model.from_real(x): logits (1, 1, H, W, levels). Pixel (i, j) is number d = i * width + "
        "j, also after .flatten().",
        "torch.autograd.grad(logit, x, retain_graph=True) gives the derivative of one logit with "
        "respect to all pixels, in a tuple of one. Take every level of every pixel d, and look at "
        "places d and later: gradient.flatten()[d:].",
        "found = torch.zeros(D, D, dtype=torch.bool), D = height * width; and for each d and each "
        "of its logits found[d, d:] |= gradient.flatten()[d:] != 0.",
    ),
)

# passes ------------------------------------------------------------------------------------------


def passes(height, width, channels):
    return height * width * channels


passes = Exercise(
    passes,
    cases=[(64, 64, 3), (32, 32, 3), (32, 32, 1), (8, 8, 1), (5, 7, 3), (7, 5, 1)],
    values=("passes",),
    mistakes={
        "The channels are missing. Green waits for red, and blue for both: three passes for a "
        "pixel in colour.": lambda H, W, C: H * W,
        "One pass for each row. A pixel waits for the one to its left, so each needs its own.": (
            lambda H, W, C: H
        ),
        "One pass for each row and channel. A pixel waits for the one to its left, so each needs "
        "its own.": lambda H, W, C: H * C,
        "One pass for each column. Each pixel needs its own: it waits for all before it.": (
            lambda H, W, C: W
        ),
        "One pass for each diagonal. That is how a Diagonal BiLSTM reads an image that is there; "
        "when it draws one, each pixel waits for all before it.": lambda H, W, C: H + W - 1,
        "One pass for each channel. Each pixel waits for all before it, too.": lambda H, W, C: C,
        "One pass is enough where the image is there, as in training. When it is drawn, each pixel "
        "and colour has to be known before the next can be asked for.": lambda H, W, C: 1,
        "One less than there are. The first pixel needs a pass as well: what the network says when "
        "nothing is known.": lambda H, W, C: H * W * C - 1,
        "One less than there are pixels, and the channels are missing: one pass for each pixel and "
        "colour, the first one as well.": lambda H, W, C: H * W - 1,
        **{
            f"A pass gives the probabilities of all levels at once: do not multiply by {K}.": (
                lambda H, W, C, K=K: H * W * C * K
            )
            for K in (2, 17, 256)
        },
        "Rows and columns are added. There are height * width pixels, and one pass for each pixel "
        "and colour.": lambda H, W, C: H + W,
        "Added, where it should be multiplied: channels times pixels.": lambda H, W, C: H * W + C,
        "Not 1 + 2 + 3 + ...: what has been drawn stays, and each pixel and colour takes one "
        "pass of its own.": lambda H, W, C: H * W * C * (H * W * C + 1) // 2,
        "The image need not be a square: height times width.": lambda H, W, C: H * H * C,
    },
    hints=(
        "A pass gives the logits of every pixel. How many of them are worth something while the "
        "image is empty?",
        "After each number that is drawn, all later logits change. And the colours of a pixel are "
        "drawn one after the other.",
        "height * width * channels: 12,288 for 64 x 64 in colour.",
    ),
)
