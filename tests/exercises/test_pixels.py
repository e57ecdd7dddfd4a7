"""Lesson 07: the answers against independent witnesses, and what is said of what learners write."""

import inspect
import math

import numpy as np
import pytest
import torch

from lecture_utils.exercises import pixels as ex
from lecture_utils.exercises.exercise import Exercise
from lecture_utils.models.pixel_cnn import GatedPixelCNN, PixelCNN, mask
from lecture_utils.models.pixel_rnn import DiagonalBiLSTM, RowLSTM
from lecture_utils.models.pixels import (
    LogisticAutoregression,
    bits_per_dim,
    check_images,
    may_see,
    sampling,
    sees,
)

EXERCISES = {name: v for name, v in vars(ex).items() if isinstance(v, Exercise)}


# bits per dimension ------------------------------------------------------------------------------


def test_the_bits_are_those_of_the_package_and_of_the_paper():
    for nats, C, H, W in ex.bits_per_dimension.cases:
        assert ex.bits_per_dimension(nats, C, H, W) == pytest.approx(bits_per_dim(nats, C * H * W))
    assert ex.bits_per_dimension(79.2, 1, 28, 28) == pytest.approx(0.1457, abs=5e-5)
    assert ex.bits_per_dimension(math.log(2), 1, 1, 1) == 1
    assert ex.bits_per_dimension(64 * math.log(17), 1, 8, 8) == pytest.approx(math.log2(17))


@pytest.mark.parametrize("way", [
    lambda n, C, H, W: bits_per_dim(n, C * H * W),
    lambda n, C, H, W: n * math.log2(math.e) / C / H / W,
    lambda n, C, H, W: np.float64(n) / np.log(2) / np.prod([C, H, W]),
    lambda n, C, H, W: math.log2(math.exp(n / (C * H * W))),
])  # fmt: skip
def test_every_way_to_the_bits_is_right(way):
    assert ex.bits_per_dimension.judge(way) is None


@pytest.mark.parametrize("attempt, said", [
    (lambda n, C, H, W: n / (C * H * W), "That is nats per dimension"),
    (lambda n, C, H, W: n / (C * H * W) / math.log2(2), "(math.log2(2) is 1)"),
    (lambda n, C, H, W: n / (C * H * W) * math.log(2), "Multiplied by log 2, not divided"),
    (lambda n, C, H, W: n / (H * W) / math.log(2), "The channels are missing. A colour image"),
    (lambda n, C, H, W: n / (H * W), "and so is the step from nats to bits"),
    (lambda n, C, H, W: n / math.log(2), "bits of the whole image"),
    (lambda n, C, H, W: n / C * H * W / np.log(2), "`nats / C * H * W / log 2` multiplies"),
    (lambda n, C, H, W: n / (C * H * W) / math.log10(2), "to the base 10"),
    (lambda n, C, H, W: -n / (C * H * W) / math.log(2), "The sign is turned"),
    (lambda n, C, H, W: n / (C * H * 1 * math.log(2)), "`bits per dimension` differs: it is"),
    (lambda n, C, H: n, "Its arguments are (n, C, H), and should be (nats, channels, height, wid"),
    (lambda n, C, H, W: torch.tensor(n / C / H / W / math.log(2)), "call .item()"),
    (lambda n, C, H, W: n / (C * H * W) / torch.log(torch.tensor(2.0)), "or use math.log."),
    (lambda n, C, H, W: n / math.log(2) * C * H * W, "`nats / log 2 * C * H * W` multiplies by"),
    (lambda n, C, H, W: math.log2(math.exp(-n)), ex._P_ITSELF),
    (lambda n, C, H, W: -math.log2(math.exp(-n)) / (C * H * W), ex._P_ITSELF),
    (lambda n, C, H, W: math.log2(math.exp(n)) / (C * H * W), ex._P_ITSELF),
    (lambda n, C, H, W: math.log2(-n), "It raised ValueError: "),
])  # fmt: skip
def test_what_is_wrong_with_the_bits_is_said(attempt, said):
    verdict = ex.bits_per_dimension.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


# masks -------------------------------------------------------------------------------------------


def mask_place_by_place(kind, size):
    middle = (size - 1) // 2
    rows = [
        [float((i, j) < (middle, middle) or ((i, j) == (middle, middle) and kind == "B"))
         for j in range(size)]
        for i in range(size)
    ]  # fmt: skip
    return torch.tensor(rows)


def mask_by_counting(kind, size):
    kept = (size**2 - 1) // 2 + (kind == "B")
    return (torch.arange(size**2) < kept).float().view(size, size)


@pytest.mark.parametrize("way", [
    mask_place_by_place, mask_by_counting, lambda kind, size: mask(kind, 1, 1, size)[0, 0],
])  # fmt: skip
def test_every_way_to_the_masks_is_right(way):
    assert ex.build_mask.judge(way) is None


def test_as_many_weights_stay_as_the_paper_says():
    for k in (1, 3, 5, 7):
        assert ex.build_mask("A", k).sum() == (k * k - 1) / 2
        assert ex.build_mask("B", k).sum() == (k * k + 1) / 2
    kinds, sizes = zip(*ex.build_mask.cases)
    assert {*zip(kinds, sizes)} >= {("A", 3), ("B", 3), ("A", 5), ("B", 5), ("A", 1), ("B", 1)}


def changed_mask(change):
    def attempt(kind, size):
        found = mask_by_counting(kind, size)
        m = size // 2
        change(found, m, kind)
        return found

    return attempt


def and_to_the_right(found, m, kind):
    found[m, m + 1 :] = 1


def without_the_one_before(found, m, kind):
    found[m, m - 1 : m] = 0


def middle_at(at):
    def attempt(kind, size):
        found, m = torch.zeros(size, size), at(size)
        found[:m] = 1
        found[m, :m] = 1
        if kind == "B":
            found[m, m] = 1
        return found

    return attempt


def the_two_neighbours(kind, size):
    found, m = torch.zeros(size, size), size // 2
    found[m - 1, m] = 1
    found[m, m - 1] = 1
    if kind == "B" or size == 1:
        found[m, m] = 1
    return found


def all_of_the_middle_row(found, m, kind):
    found[m] = kind == "B"


@pytest.mark.parametrize("attempt, said", [
    (lambda kind, k: mask_by_counting("AB"[kind == "A"], k), "A and B are swapped"),
    (lambda kind, k: mask_by_counting("B", k), "In mask A the pixel in the middle is 0"),
    (lambda kind, k: mask_by_counting("A", k), "In mask B the pixel in the middle stays"),
    (lambda kind, k: torch.tril(torch.ones(k, k), -(kind == "A")), "lower triangle of a matrix"),
    (lambda kind, k: mask_by_counting(kind, k).T.contiguous(), "Rows and columns are swapped"),
    (lambda kind, k: mask_by_counting(kind, k).flip(0), "Upside down"),
    (lambda kind, k: mask_by_counting(kind, k).rot90(2), "1 is for what comes later"),
    (lambda kind, k: 1 - mask_by_counting(kind, k), "1 and 0 are swapped"),
    (changed_mask(and_to_the_right), "What is right of the middle comes later"),
    (changed_mask(all_of_the_middle_row), "`mask` differs: it is 0 at [1, 0], expected 1"),
    (lambda kind, k: mask_by_counting(kind, k).bool(), "it is of dtype bool, expected dtype float"),
    (lambda kind, k: mask_by_counting(kind, k).bool(), "make numbers of the truths, .float()"),
    (lambda kind, k: mask(kind, 1, 1, k), "(3, 3). One plane is enough"),
    (middle_at(lambda k: k // 2 - 1), "Yours is one farther up and to the left"),
    (middle_at(lambda k: min(k // 2 + 1, k - 1)), "Yours is one farther down and to the right"),
    (changed_mask(without_the_one_before), "A slice leaves out its end"),
    (the_two_neighbours, "Only the two neighbours, left and above"),
    (lambda kind, k: the_two_neighbours(kind, k) * (k > 1), "Only the two neighbours"),
    (lambda kind, k: mask_by_counting(kind, k).long(), "its dtype is int64, expected float32"),
    (lambda kind, k: mask_by_counting(kind, k).double(), "its dtype is float64, expected float32"),
    (lambda kind, k: mask_by_counting(kind, k).numpy(), "an ndarray, expected a PyTorch tensor of"),
    (lambda kind, k: mask_by_counting(kind, k).tolist(), "a list, expected a PyTorch tensor of"),
    (lambda kind, k: mask(kind, 1, 1, k), "its shape is (1, 1, 3, 3), expected (3, 3)"),
    (lambda kind, k: mask_by_counting(kind, k).flatten(), "its shape is (9,), expected (3, 3)"),
    (lambda size: torch.ones(size, size), "Its arguments are (size), and should be (kind, size)"),
])  # fmt: skip
def test_what_is_wrong_with_a_mask_is_said(attempt, said):
    verdict = ex.build_mask.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


# leaks -------------------------------------------------------------------------------------------


def leaks_by_jacobian(model, levels, height, width):
    D = height * width
    x = 2 * torch.rand(1, 1, height, width) - 1
    jacobian = torch.autograd.functional.jacobian(model.from_real, x).view(D, levels, D)
    return jacobian.abs().amax(1).triu() > 0


def leaks_by_trial(model, levels, height, width):
    """No derivative at all: another level at one pixel, and who notices?"""
    D = height * width
    found = torch.zeros(D, D, dtype=torch.bool)
    images = torch.randint(levels, (1, 1, height, width))
    with torch.no_grad():
        usual = model(images).view(D, levels)
        for e in range(D):
            other = images.clone()
            other.view(-1)[e] = (other.view(-1)[e] + 1) % levels
            found[: e + 1, e] = (model(other).view(D, levels) != usual).any(1)[: e + 1]
    return found


def leaks_by_backward(model, levels, height, width):
    D = height * width
    x = torch.randn(1, 1, height, width, requires_grad=True)
    rows = []
    for d in range(D):
        row = torch.zeros(D, dtype=torch.bool)
        for k in range(levels):
            x.grad = None
            model.from_real(x)[0, 0, d // width, d % width, k].backward()
            row |= x.grad.flatten().bool()
        rows.append(row & (torch.arange(D) >= d))
    return torch.stack(rows)


def leaks_of_the_package(model, levels, height, width):
    """`sees` asks for parameters to know the number type; a model without any is given one."""
    if not list(model.parameters()):
        model.p = torch.nn.Parameter(torch.zeros(()))
    images = torch.randint(levels, (3, 1, height, width))
    rows = []
    for i, j in np.ndindex(height, width):
        seen = sees(model, images, 0, i, j)[0] > 0
        rows.append((seen & ~may_see(0, i, j, (1, height, width))[0]).flatten())
    return torch.stack(rows)


@pytest.mark.parametrize("way", [
    leaks_by_jacobian, leaks_by_trial, leaks_by_backward, leaks_of_the_package,
])  # fmt: skip
def test_every_way_to_the_leaks_is_right(way):
    assert ex.leaks.judge(way) is None


def test_honest_models_have_none():
    torch.manual_seed(0)
    for model in (
        PixelCNN(1, 4, 8, 2), GatedPixelCNN(1, 4, 6, 2), RowLSTM(1, 4, 8, 1),
        DiagonalBiLSTM(1, 4, 8, 1), LogisticAutoregression(1, 4, 3, 4),
    ):  # fmt: skip
        assert not ex.leaks(model, 4, 3, 4).any()


def pairs(found):
    return {tuple(pair) for pair in found.nonzero().tolist()}


def test_the_planted_leaks_are_where_they_were_planted():
    """Worked out by hand, pixel by pixel."""
    H, W = 4, 4
    D = H * W

    def later(condition):
        return {
            (d, e) for d in range(D) for e in range(d, D) if condition(*divmod(d, W), *divmod(e, W))
        }

    wanted = {
        ex._honest: set(),
        ex._wrong_first_mask: {(d, d) for d in range(D)},
        ex._almost_masked: {(d, d) for d in range(D)},
        # Two layers of width 3, so two places to either side, in the own row and below none.
        ex._not_moved_down: later(lambda i, j, k, m: i == k and m - j <= 2),
        # The top row reads the bottom row, and each of two layers takes it down by one.
        ex._rolled_down: later(lambda i, j, k, m: k == H - 1 and i <= 2 and abs(m - j) <= 2),
    }
    for make, leaks in wanted.items():
        assert pairs(ex.leaks(ex._made(make), 2, H, W)) == leaks, make
    assert pairs(ex.leaks(ex._OneBefore(ex._RASTER, 1, -1), 2, H, W)) == {(0, D - 1)}  # one place
    rolled_rows = {(i * W, i * W + W - 1) for i in range(H)}
    assert pairs(ex.leaks(ex._OneBefore(ex._ROWS, 0, 1, 2, 0), 4, H, W)) == rolled_rows


def test_the_suspects_are_always_the_same_and_three_of_four_leak():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    suspects = ex.suspects()
    assert torch.equal(before, torch.get_rng_state())
    for one, again in zip(suspects, ex.suspects()):
        images = torch.randint(2, (2, 1, 4, 5))
        assert torch.equal(one(images), again(images)) and one.levels == 2
    counts = [int(ex.leaks(model, 2, 5, 5).sum()) for model in suspects]
    assert [count > 0 for count in counts] == [True, False, True, True]
    assert counts[2] == 25  # each pixel itself


def test_any_random_image_shows_every_leak():
    """Or an attempt would be right or wrong by luck."""
    for what, model, height, width in ex._TRIED.values():
        first = ex._seen(model, height, width)
        for n in range(25):
            torch.manual_seed(n)
            assert torch.equal(ex._seen(model, height, width), first), what


def pair_set(model, levels, height, width):
    return {(d, d) for d in range(height * width)}


def with_integers(model, levels, height, width):
    images = torch.randint(levels, (1, 1, height, width))
    logits = model(images)
    return torch.autograd.grad(logits.sum(), images)


def wants_gradients_of_integers(model, levels, height, width):
    torch.randint(levels, (1, 1, height, width)).requires_grad_()


def graph_lost(model, levels, height, width):
    x = torch.rand(1, 1, height, width, requires_grad=True)
    for logit in model.from_real(x).flatten():
        logit.backward()


def adds_up(model, levels, height, width):
    x = torch.rand(1, 1, height, width, requires_grad=True)
    logits = model.from_real(x).view(height * width, levels)
    rows = []
    for d, row in enumerate(logits):
        for logit in row:
            logit.backward(retain_graph=True)
        rows.append((x.grad.flatten() != 0) & (torch.arange(len(logits)) >= d))
    return torch.stack(rows)


def one_gradient(model, levels, height, width):
    x = torch.rand(1, 1, height, width, requires_grad=True)
    model.from_real(x).sum().backward()
    return x.grad.flatten() != 0


def one_gradient_for_all(model, levels, height, width):
    x = torch.rand(1, 1, height, width, requires_grad=True)
    seen = sum(
        torch.autograd.grad(logit, x, retain_graph=True)[0].abs()
        for logit in model.from_real(x).flatten()
    )
    return (seen.flatten() != 0).expand(height * width, -1).triu()


def jacobian_of(function, keep=torch.triu):
    """leaks from function(Jacobian (D, K, D)) -> (D, D)."""

    def attempt(model, levels, height, width):
        D = height * width
        x = 2 * torch.randint(levels, (1, 1, height, width)) / (levels - 1) - 1
        J = torch.autograd.functional.jacobian(model.from_real, x).view(D, levels, D)
        return keep(function(J))

    return attempt


def on_the_empty_image(model, levels, height, width):
    x = torch.zeros(1, 1, height, width)
    J = torch.autograd.functional.jacobian(model.from_real, x)
    return (J.view(height * width, levels, -1) != 0).any(1).triu()


def derivative_of(
    x=lambda image: image.requires_grad_(),
    logits=lambda model, x: model.from_real(x),
    gradient=lambda logit, x: torch.autograd.grad(logit, x, retain_graph=True)[0],
):
    """leaks with one step done another way."""

    def attempt(model, levels, height, width):
        mine = x(2 * torch.randint(levels, (1, 1, height, width)) / (levels - 1) - 1)
        rows = logits(model, mine).reshape(height * width, levels)
        return torch.stack([
            torch.stack([gradient(logit, mine).flatten() != 0 for logit in row]).any(0)
            for row in rows
        ]).triu()  # fmt: skip

    return attempt


def through_backward(logit, x):
    logit.backward(retain_graph=True)
    return x.grad


@pytest.mark.parametrize("attempt, said", [
    (derivative_of(x=lambda x: x), ". x.requires_grad_() is missing."),
    (derivative_of(x=lambda x: x, gradient=through_backward), "x.grad is None"),
    (derivative_of(gradient=lambda logit, x: torch.autograd.grad(logit, x.clone())),
     "it takes the very x of model.from_real(x)"),
    (derivative_of(gradient=lambda logit, x: torch.autograd.grad(logit[None].repeat(2), x)),
     f"of one logit. {ex._LOGITS}"),
    (derivative_of(gradient=lambda logit, x: torch.autograd.grad(logit, x, retain_graph=True)),
     "gives a tuple, here of one"),
    (derivative_of(logits=lambda model, x: model.from_real(x).transpose(2, 3).view(-1)),
     f"Where .view refuses, .reshape and .flatten work. {ex._LOGITS}"),
    (derivative_of(logits=lambda model, x: model.from_real(x)[0, 0, 0, 0, 99]), ex._LOGITS),
    (derivative_of(x=lambda x: x.double().requires_grad_()), ex._TWO_TYPES),
    (derivative_of(logits=lambda model, x: model.double().from_real(x)), ex._TWO_TYPES),
])  # fmt: skip
def test_an_error_in_a_hunt_for_leaks_is_told_with_what_helps(attempt, said):
    verdict = ex.leaks.judge(attempt)
    assert "leaks of " in verdict and said in verdict, verdict
    if said != ex._LOGITS and not said.endswith(ex._LOGITS):
        assert ex._LOGITS not in verdict


@pytest.mark.parametrize("call, said", [
    (lambda: torch.conv2d(torch.ones(1, 1, 3, 3).long(), torch.ones(1, 1, 1, 1)),
     "Here integers have no gradient"),
    (lambda: check_images(torch.rand(1, 1, 2, 2), 1, 2), "numbers x go into model.from_real(x)"),
])  # fmt: skip
def test_an_error_that_the_shape_checks_of_a_test_forestall_has_a_remedy_too(call, said):
    with pytest.raises(Exception) as caught:
        call()
    assert said in ex._remedy(caught.value)


def test_what_an_attempt_does_to_its_model_stays_there():
    def in_double(model, x):
        return model.double().from_real(x)

    assert ex.leaks.judge(derivative_of(lambda x: x.double().requires_grad_(), in_double)) is None
    for _, model, *_ in ex._TRIED.values():
        assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize("seed", range(4))
def test_the_largest_logit_is_not_enough_whatever_the_image(seed):
    torch.manual_seed(seed)
    assert ex.leaks.use(jacobian_of_the_largest, ex._TRIED) == ex._ONE_LEVEL


def jacobian_of_the_largest(model, levels, height, width):
    x = 2 * torch.randint(levels, (1, 1, height, width)) / (levels - 1) - 1
    J = torch.autograd.functional.jacobian(lambda x: model.from_real(x).amax(-1).flatten(), x)
    return (J.flatten(1) != 0).triu()


def two_levels_only(model, levels, height, width):
    return jacobian_of(lambda J: (J[:, :2] != 0).any(1))(model, levels, height, width)


def any_level(J):
    return (J != 0).any(1)


@pytest.mark.parametrize("attempt, said", [
    (jacobian_of(any_level, keep=lambda found: found), ex._ALL),
    (jacobian_of(any_level, keep=lambda found: found.triu(1)), ex._ITSELF),
    (jacobian_of(any_level, keep=lambda found: found.T.tril()), "not yet. Rows and columns are sw"),
    (jacobian_of(any_level, keep=lambda found: found.triu().T), ex._TURNED),
    (jacobian_of(any_level, keep=lambda found: found.T.triu()), ex._TURNED_BEFORE),
    (jacobian_of(any_level, keep=lambda found: found.tril(-1)), ex._EARLIER),
    (jacobian_of(lambda J: J.sum(1) != 0), ex._SUM),
    (jacobian_of(lambda J: J[:, 0] != 0), ex._ONE_LEVEL),
    (jacobian_of(lambda J: J[:, -1] != 0), ex._ONE_LEVEL),
    (jacobian_of(lambda J: (J > 0).any(1)), ex._SIGN),
    (jacobian_of(lambda J: J.amax(1) > 0), ex._SIGN),
    (jacobian_of(lambda J: (J.abs() > 1e-3).any(1)), ex._THRESHOLD),
    (jacobian_of(lambda J: ~torch.isclose(J, 0 * J, atol=1e-5).all(1)), ex._THRESHOLD),
    (on_the_empty_image, ex._ZEROS),
    (adds_up, ex._ADDED_UP),
    (one_gradient_for_all, ex._ONE_FOR_ALL),
    (one_gradient, "For images of 2 x 3 it returns a tensor of shape (6,). Return truths"),
    (pair_set, "It returns something of type set. Return truths, one for each pair"),
    (lambda *_: [], "It returns something of type list. Return truths"),
    (jacobian_of(lambda J: J.abs().sum(1)), "a tensor of torch.float32. Return truths, not sizes"),
    (jacobian_of(lambda J: any_level(J).int()), "It returns a tensor of torch.int32."),
    (with_integers, "raises RuntimeError: "), (with_integers, "model.from_real(x) takes the image"),
    (wants_gradients_of_integers, "of an honest PixelCNN raises RuntimeError: only Tensors of fl"),
    (graph_lost, "raises RuntimeError: Trying to backward through the graph a second time"),
    (graph_lost, "need retain_graph=True"),
    (jacobian_of(lambda J: any_level(J) & False), "In a PixelCNN whose first mask is B pixel "
     "(0, 0) sees itself, and you do not find it. 6 of 36 pairs are wrong there."),
    (jacobian_of(lambda J: any_level(J) | True), "In an honest PixelCNN you find that pixel "
     "(0, 0) sees itself, and it does not."),
    (jacobian_of(lambda J: any_level(J) | True, keep=lambda found: found.tril(-1)),
     "In an honest PixelCNN you find that pixel (0, 1) sees (0, 0), which comes before it and is "
     "no leak."),
    (lambda model, levels: {model, levels}, ex._FOUR),
    (lambda *_: torch.zeros(6, 6, dtype=torch.bool), "For images of 4 x 2 it returns a tensor of"),
])  # fmt: skip
def test_what_is_wrong_with_a_hunt_for_leaks_is_said(attempt, said):
    verdict = ex.leaks.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


def test_two_of_four_levels_are_enough_only_where_they_tell():
    """Levels 0 and 1 of the four are one that is always 9 and one that tells."""
    assert ex.leaks.judge(two_levels_only) is None


def test_a_stricter_model_would_be_noticed_by_each_trial():
    """Without one of them, some mistake would pass."""
    mistakes = {
        "opposite": jacobian_of(lambda J: J.sum(1) != 0),
        "middle": jacobian_of(lambda J: J[:, 0] != 0),
        "falling": jacobian_of(lambda J: (J[:, :1] > 0).any(1) | (J[:, 1:] > 0).any(1)),
        "faint": jacobian_of(lambda J: (J.abs() > 1e-4).any(1)),
    }
    for key, wrong in mistakes.items():
        what, model, height, width = ex._TRIED[key]
        torch.manual_seed(0)
        assert not wrong(model, model.levels, height, width).any(), what


# passes ------------------------------------------------------------------------------------------


def test_passes_are_those_that_sampling_takes():
    for C, H, W in ((1, 2, 3), (3, 2, 2)):
        torch.manual_seed(0)
        *_, last = sampling(PixelCNN(C, 2, 6, 1), torch.rand(1, C, H, W))
        assert last.passes == ex.passes(H, W, C)
    assert ex.passes(64, 64, 3) == 12_288
    assert ex.passes(32, 32, 3) == 3072 and ex.passes(32, 32, 1) == 1024
    assert ex.passes(8, 8, 1) == 64


@pytest.mark.parametrize("attempt, said", [
    (lambda H, W, C: H * W, "Green waits for red"),
    (lambda H, W, C: 1024 * H * W // 1024, "The channels are missing"),
    (lambda H, W, C: H, "One pass for each row. A pixel waits"),
    (lambda H, W, C: H * C, "One pass for each row and channel"),
    (lambda H, W, C: H + W - 1, "One pass for each diagonal"),
    (lambda H, W, C: sum(1 for _ in range(1, H * W * C)), "The first pixel needs a pass as well"),
    (lambda H, W, C: H * W * C * 256, "do not multiply by 256"),
    (lambda H, W, C: H * W * C * 17, "do not multiply by 17"),
    (lambda H, W, C: H * W * C * 2, "do not multiply by 2."),
    (lambda H, W, C: H * W - 1, "One less than there are pixels, and the channels are missing"),
    (lambda H, W, C: H + W, "Rows and columns are added"),
    (lambda H, W, C: H**2 * C, "need not be a square"),
    (lambda H, W, C: sum(range(1, H * W * C + 1)), "Not 1 + 2 + 3"),
    (lambda H, W, C: 12_288, "`passes` differs: it is 12288, expected 3072"),
    (lambda H, W, C: float(H * W * C), "it is 12288.0, and should be an integer: 12288"),
    (lambda H, W: H * W, "Its arguments are (H, W), and should be (height, width, channels)"),
])  # fmt: skip
def test_what_is_wrong_with_passes_is_said(attempt, said):
    verdict = ex.passes.judge(attempt)
    assert verdict.startswith("not yet. ") and said in verdict, verdict


@pytest.mark.parametrize("way", [
    lambda H, W, C: math.prod((H, W, C)),
    lambda H, W, C: len(list(np.ndindex(H, W, C))),
    lambda H, W, C: np.int64(H) * W * C,
])  # fmt: skip
def test_every_way_to_the_passes_is_right(way):
    assert ex.passes.judge(way) is None


def test_passes_are_told_for_each_pixel_and_colour():
    """A level is one of the 17 greys, and takes no pass of its own."""
    said = " ".join([*ex.passes.mistakes, *ex.passes.hints])
    assert "each level" not in said and said.count("each pixel and colour") >= 3


# Nonsense, and mistakes --------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_a_mistake_is_known_by_its_name(exercise):
    assert exercise.judge(exercise.reference) is None
    assert len(exercise.mistakes) >= 12
    for message, wrong in exercise.mistakes.items():
        assert exercise.judge(wrong) == f"not yet. {message}"
        assert len(message) < 250 and message[-1] in ".?"


def test_the_messages_of_the_hunt_come_from_what_an_attempt_finds():
    for message, wrong in ex.leaks.mistakes.items():
        torch.manual_seed(1)
        assert ex.leaks.use(wrong, ex._TRIED) == message


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_the_stub_of_the_notebook_is_told_how_to_go_on(exercise):
    names = ", ".join(inspect.signature(exercise.reference).parameters)
    space = {}
    exec(f"def {exercise.name}({names}):\n    ...\n", space)
    assert exercise.judge(space[exercise.name]).startswith("not yet. Replace the `...`")
