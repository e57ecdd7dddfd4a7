"""What holds for every model of pixels: exact probabilities, exact draws, and who sees whom."""

import math
from itertools import product

import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models.pixels import (
    IndependentPixels,
    LogisticAutoregression,
    bits_per_dim,
    check_images,
    draw,
    fill,
    may_see,
    nats,
    probabilities,
    sample,
    sampling,
    scaled,
    sees,
    sees_all,
)
from tests.models.pixel_networks import binary_images

pytestmark = pytest.mark.usefixtures("float64")

C, H, W, K = 3, 2, 4, 5


@pytest.fixture
def images():
    return torch.randint(K, (7, C, H, W))


# ---------------------------------------------------------------- probability


def test_levels_become_numbers_from_minus_1_to_1():
    levels = torch.arange(5).view(1, 1, 1, 5)
    like = torch.zeros(0, dtype=torch.float32)
    assert scaled(levels, 5, like).tolist() == [[[[-1, -0.5, 0, 0.5, 1]]]]
    assert scaled(levels, 5, like).dtype == torch.float32
    assert scaled(levels.byte(), 5, like).tolist() == [[[[-1, -0.5, 0, 0.5, 1]]]]


def test_nats_are_a_sum_over_all_dimensions(images):
    logits = torch.randn(7, C, H, W, K)
    found = nats(logits, images)
    for b in range(7):
        wanted = 0.0
        for c, i, j in product(range(C), range(H), range(W)):
            p = [math.exp(v) for v in logits[b, c, i, j]]
            wanted -= math.log(p[images[b, c, i, j]] / sum(p))
        assert found[b].item() == pytest.approx(wanted, abs=1e-11)


def test_bits_per_dimension_of_known_cases(images):
    ignorant = torch.zeros(7, C, H, W, K)
    assert_close(bits_per_dim(nats(ignorant, images), C * H * W), torch.full((7,), math.log2(K)))
    assert bits_per_dim(79.2, 784) == pytest.approx(0.1457, abs=5e-5)  # the paper's MNIST


@pytest.mark.parametrize("kind", [IndependentPixels, LogisticAutoregression])
@pytest.mark.parametrize("size", [(1, 3, 3), (3, 1, 3)])
def test_probabilities_of_all_512_images_sum_to_1(kind, size):
    model, everything = kind(size[0], 2, *size[1:]), binary_images(*size)
    if kind is IndependentPixels:
        model.count(everything[torch.randint(512, (20,))])
    else:
        model.W.data.normal_()
    p = torch.exp(-nats(model(everything), everything))
    assert len(p) == 512 and p.std() > 1e-4
    assert p.sum().item() == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------- drawing


def test_a_number_picks_the_level_into_whose_share_it_falls():
    logits = torch.tensor([0.2, 0.5, 0.3]).log()
    numbers = [0, 0.19, 0.21, 0.69, 0.71, 0.99]
    assert draw(logits.expand(6, 3), torch.tensor(numbers)).tolist() == [0, 0, 1, 1, 2, 2]


def test_shares_are_the_probabilities():
    n = 10_000
    numbers = (torch.arange(n) + 0.5) / n
    logits = torch.randn(K) * 2
    counted = draw(logits.expand(n, K), numbers).bincount(minlength=K) / n
    assert_close(counted, torch.softmax(logits, 0), 2 / n)


def test_impossible_levels_are_never_drawn_and_the_last_is_reached():
    logits = torch.tensor([-math.inf, 0, -math.inf, 0, -math.inf]).expand(2, 5)
    assert draw(logits, torch.tensor([0.0, 1 - 2**-53])).tolist() == [1, 3]
    many = torch.randn(1000, 256) * 3
    last = draw(many, torch.full((1000,), 1 - 2**-53))
    assert ((last >= 0) & (last < 256)).all()
    assert (probabilities(many).gather(1, last[:, None]) > 0).all()


def test_temperature_divides_the_logits():
    logits = torch.randn(6, K)
    assert_close(probabilities(logits, 0.5), torch.softmax(2 * logits, 1))
    cold = draw(logits, torch.rand(6), temperature=1e-3)
    assert torch.equal(cold, logits.argmax(1))


def test_float32_logits_are_summed_in_float64():
    logits = torch.randn(300, 256)
    numbers = torch.rand(300)
    p = probabilities(logits.float())
    assert p.dtype == torch.float64
    assert_close(p.sum(1), torch.ones(300), 1e-15)
    assert torch.equal(draw(logits.float(), numbers), draw(logits.float().double(), numbers))


# ---------------------------------------------------------------- sampling


@pytest.fixture
def model():
    model = LogisticAutoregression(C, K, H, W)
    model.W.data.normal_()
    model.b.data.normal_()
    return model


def test_samples_have_the_models_distribution():
    model, everything = LogisticAutoregression(1, 2, 2, 2), binary_images(1, 2, 2)
    model.W.data.normal_()
    model.b.data.normal_()
    p = torch.exp(-nats(model(everything), everything))
    n = 40_000
    drawn = sample(model, torch.rand(n, 1, 2, 2))
    number = (drawn.flatten(1) * torch.tensor([8, 4, 2, 1])).sum(1)  # its place in everything
    counted = number.bincount(minlength=16) / n
    assert (counted - p).abs().max() < 4 * (p * (1 - p) / n).sqrt().max()
    assert (counted.flip(0) - p).abs().max() > 0.02  # would notice


def test_one_pass_for_each_pixel_and_channel_in_the_order_of_the_chain_rule(model):
    uniforms = torch.rand(2, C, H, W)
    places, passes, seen = [], [], torch.zeros(2, C, H, W, dtype=torch.long)
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    for step in sampling(model, uniforms):
        places.append((step.i, step.j, step.c))
        passes.append(step.passes)
        assert len(calls) == step.passes
        before = seen.clone()
        seen[:, step.c, step.i, step.j] = step.images[:, step.c, step.i, step.j]
        assert torch.equal(step.images, seen)  # nothing else has changed
        with torch.no_grad():
            wanted = torch.softmax(model(before)[:, step.c, step.i, step.j], 1)
        calls.pop()
        assert_close(step.p, wanted)
        assert torch.equal(
            seen[:, step.c, step.i, step.j],
            draw(wanted.log(), uniforms[:, step.c, step.i, step.j]),
        )
    assert places == sorted(product(range(H), range(W), range(C)))
    assert passes == list(range(1, C * H * W + 1))


def test_the_sample_is_the_end_of_sampling(model):
    uniforms = torch.rand(2, C, H, W)
    *_, last = sampling(model, uniforms)
    assert torch.equal(sample(model, uniforms), last.images)
    assert not torch.equal(sample(model, uniforms), sample(model, uniforms, temperature=0.1))
    assert not any(step.p.requires_grad for step in sampling(model, uniforms))


def test_a_completion_leaves_known_pixels_as_they_are(model, images):
    known = torch.rand(7, C, H, W) < 0.5
    known[:, :, 0] = True
    known[:, 1, 1, 2] = True
    known[:, :, 1, 0] = False
    uniforms = torch.rand(7, C, H, W)
    *_, last = sampling(model, uniforms, images, known)
    assert torch.equal(last.images[known], images[known])
    assert not torch.equal(last.images, images)
    assert last.passes == (~known.all(0)).sum() < C * H * W
    other = torch.where(known, images, (images + 1) % K)  # what is not known does not count
    assert torch.equal(sample(model, uniforms, other, known), last.images)


def test_a_completion_is_drawn_from_what_is_known(model, images):
    """By hand: the first unknown pixel after a known row."""
    known = torch.zeros(7, C, H, W, dtype=torch.bool)
    known[:, :, 0] = True
    uniforms = torch.rand(7, C, H, W)
    first = next(sampling(model, uniforms, images, known))
    assert (first.c, first.i, first.j, first.passes) == (0, 1, 0, 1)
    assert_close(first.p, torch.softmax(model(images)[:, 0, 1, 0], 1).detach())


def test_what_is_wrong_is_said_before_the_first_step(model, images):
    with pytest.raises(ValueError, match="expected 0 <= u < 1"):
        sampling(model, torch.ones(1, C, H, W))
    with pytest.raises(ValueError, match="temperature is 0: it has to be above 0"):
        sampling(model, torch.rand(1, C, H, W), temperature=0)
    with pytest.raises(ValueError, match="given and known belong together"):
        sampling(model, torch.rand(7, C, H, W), images)


def test_with_all_known_there_is_nothing_to_do(model, images):
    known = torch.ones(7, C, H, W, dtype=torch.bool)
    result = sample(model, torch.rand(7, C, H, W), images, known)
    assert torch.equal(result, images) and result is not images
    assert sample(model, torch.rand(7, C, H, W), images.int(), known).dtype == torch.long


def test_sampling_does_not_leave_gradients_switched_off(model):
    steps = sampling(model, torch.rand(1, C, H, W))
    next(steps)  # the generator is kept: one that is dropped would switch them on again
    assert torch.is_grad_enabled()
    assert next(steps).passes == 2


def test_a_float64_model_gets_its_images_in_float64():
    images = torch.arange(17).view(1, 1, 1, 17)
    exact = torch.linspace(-1, 1, 17, dtype=torch.double).view(1, 1, 1, 17)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # else the division would be in float64 anyway
    try:
        assert_close(scaled(images, 17, exact), exact, tolerance=1e-15)
    finally:
        torch.set_default_dtype(before)


def test_bytes_of_256_levels_are_taken(as_a_reader_runs_it):
    check_images(torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16), 1, 256)
    with pytest.raises(ValueError, match="level 255 in image 0"):
        check_images(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8), 1, 17)


def test_nothing_to_draw_and_numbers_for_truths_are_refused(model, images, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=r"shape \(0, 3, 2, 4\)"):
        sample(model, torch.rand(0, C, H, W))
    with pytest.raises(ValueError, match="say known.bool()"):
        sample(model, torch.rand(7, C, H, W), images, torch.ones(7, C, H, W, dtype=torch.long))


def test_near_zero_temperatures_take_the_likeliest(model):
    p = probabilities(torch.tensor([1.0, 3.0, 2.0]), temperature=1e-320)
    assert p.tolist() == [0, 1, 0]


# ---------------------------------------------------------------- who sees whom


def test_may_see_is_the_order_of_the_chain_rule():
    order = sorted(product(range(H), range(W), range(C)))
    for n, (i, j, c) in enumerate(order):
        seen = may_see(c, i, j, (C, H, W))
        for m, (y, x, colour) in enumerate(order):
            assert seen[colour, y, x].item() == (m < n)
    picture = [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert may_see(0, 1, 2, (1, 3, 4)).int()[0].tolist() == picture


def test_the_logistic_model_sees_what_its_weights_say(model, images):
    order = list(product(range(C), range(H), range(W)))
    for d, place in enumerate(order):
        found = sees(model, images, *place)
        wanted = model.W[d].detach().abs().sum(0).view(C, H, W) * may_see(*place, (C, H, W))
        assert_close(found, wanted)
        assert torch.equal(found > 0, may_see(*place, (C, H, W)))


def test_sees_agrees_with_finite_differences():
    class Wavy(torch.nn.Module):
        channels, levels = 1, 3

        def __init__(self):
            super().__init__()
            self.W = torch.nn.Parameter(torch.randn(3, 4))

        def from_real(self, x):
            return torch.sin(x.flatten(1) @ self.W.T)[:, None, None, None].expand(-1, 1, 2, 2, 3)

    wavy, some = Wavy(), torch.randint(3, (5, 1, 2, 2))
    x, eps = scaled(some, 3, wavy.W), 1e-6
    slopes = torch.zeros(4)
    for pixel in range(4):
        step = torch.zeros(4)
        step[pixel] = eps
        step = step.view(1, 1, 2, 2)
        up, down = wavy.from_real(x + step), wavy.from_real(x - step)
        slopes[pixel] = ((up - down)[:, 0, 1, 0].detach() / (2 * eps)).abs().sum(1).mean()
    assert_close(sees(wavy, some, 0, 1, 0), slopes.view(1, 2, 2), 1e-8)


def test_sees_all_is_sees_of_each(model, images):
    some, places = images[:2], list(product(range(H), range(W), range(C)))
    found = sees_all(model, some)
    assert found.shape == (len(places),) * 2
    for row, (i, j, c) in zip(found, places):
        expected = sees(model, some, c, i, j).movedim(0, -1).flatten()
        assert_close(row, expected, 1e-12)
        assert torch.equal(row == 0, expected == 0)  # exactly


def test_independent_pixels_see_nothing(images):
    independent = IndependentPixels(C, K, H, W).count(images)
    assert not sees(independent, images, 2, 1, 3).any()
    assert not sees_all(independent, images).any()


# ---------------------------------------------------------------- two models without layers


def test_independent_pixels_count(images):
    model = IndependentPixels(C, K, H, W)
    assert_close(model(images), torch.full((7, C, H, W, K), -math.log(K)))
    model.count(images)
    many = IndependentPixels(C, K, H, W).count(images.repeat(300, 1, 1, 1))  # in three parts
    for c, i, j, k in product(range(C), range(H), range(W), range(K)):
        p = ((images[:, c, i, j] == k).sum().item() + 1) / (7 + K)
        assert model.log_p[c, i, j, k].item() == pytest.approx(math.log(p), abs=1e-14)
        often = ((images[:, c, i, j] == k).sum().item() * 300 + 1) / (2100 + K)
        assert many.log_p[c, i, j, k].item() == pytest.approx(math.log(often), abs=1e-14)
    assert_close(model(images[:2]), model.log_p.expand(2, C, H, W, K))


def test_the_logistic_model_pixel_by_pixel(model, images):
    x, logits = scaled(images, K, model.W), model(images)
    order = list(product(range(C), range(H), range(W)))
    for d, (c, i, j) in enumerate(order):
        wanted = model.b[d].expand(7, K).clone()
        for e, (colour, y, z) in enumerate(order):
            if (y, z, colour) < (i, j, c):
                wanted = wanted + x[:, colour, y, z, None] * model.W[d, :, e]
        assert_close(logits[:, c, i, j], wanted, 1e-12)


def test_the_logistic_model_learns_a_rule_that_a_histogram_cannot():
    """The second pixel repeats the first: 1 bit for two pixels instead of 2."""
    pairs = torch.randint(2, (200, 1, 1, 1)).expand(200, 1, 1, 2)
    histogram = IndependentPixels(1, 2, 1, 2).count(pairs)
    model = LogisticAutoregression(1, 2, 1, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        nats(model(pairs), pairs).mean().backward()
        optimizer.step()
    bits = [nats(m(pairs), pairs).mean().item() / math.log(2) for m in (histogram, model)]
    assert bits[0] == pytest.approx(2, abs=0.02) and bits[1] == pytest.approx(1, abs=0.02)


# ---------------------------------------------------------------- bad input


def zeros(*shape):
    return torch.zeros(shape, dtype=torch.long)


def a_model():
    return LogisticAutoregression(1, 2, 2, 2)


def some(value):
    return torch.full((1, 1, 2, 2), value)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: check_images(zeros(8, 8), 1, 2), r"shape \(8, 8\): .* images\[None\]"),
        (lambda: check_images(zeros(2, 8, 8), 1, 2), r"expected \(B, 1, H, W\)"),
        (lambda: check_images(zeros(2, 3, 8, 8), 1, 2), r"\(2, 3, 8, 8\): expected \(B, 1"),
        (lambda: check_images(zeros(2, 1, 0, 8), 1, 2), r"\(2, 1, 0, 8\)"),
        (lambda: check_images(some(0.5), 1, 17), r"float64: give levels.* \* 16\)\.round"),
        (lambda: check_images(some(2), 1, 2), r"level 2 in image 0, .*expected 0\.\.1"),
        (lambda: check_images(some(-1), 1, 2), "level -1 in image 0, channel 0, row 0, column 0"),
        (lambda: bits_per_dim(1.0, 0), "dims is 0"),
        (lambda: draw(torch.zeros(1, 2), torch.ones(1)), r"uniform number 1\.0: expected 0 <= u"),
        (lambda: draw(torch.zeros(1, 2), torch.full((1,), math.nan)), "uniform number nan"),
        (lambda: draw(torch.zeros(1, 2), torch.zeros(1), 0.0), r"temperature is 0\.0: .*above 0"),
        (lambda: draw(torch.full((1, 2), math.nan), torch.zeros(1)), "the logits hold nan"),
        (lambda: sample(a_model(), torch.rand(1, 1, 2, 2), temperature=-1), "temperature is -1"),
        (lambda: sample(a_model(), torch.rand(1, 3, 2, 2)), r"\(1, 3, 2, 2\): expected \(B, 1"),
        (lambda: sample(a_model(), torch.rand(2, 2)), r"uniform numbers have shape \(2, 2\)"),
        (lambda: sample(a_model(), torch.rand(1, 1, 2, 2) + 1), "uniform number 1"),
        (lambda: sample(a_model(), torch.rand(1, 1, 2, 2), some(0)), "belong together"),
        (
            lambda: sample(a_model(), torch.rand(2, 1, 2, 2), some(0), some(True)),
            r"given has shape \(1, 1, 2, 2\), .*\(2, 1, 2, 2\)",
        ),
        (lambda: sample(a_model(), torch.rand(1, 1, 2, 2), some(3), some(True)), "level 3 in"),
        (lambda: may_see(0, 2, 0, (1, 2, 2)), "row 2, column 0 lies outside .* 1 x 2 x 2"),
        (lambda: sees(a_model(), some(0), 1, 0, 0), "channel 1, row 0"),
        (lambda: sees(a_model(), some(2), 0, 0, 0), "level 2"),
        (lambda: a_model()(zeros(1, 1, 3, 2)), r"\(3, 2\): .*built for \(2, 2\)"),
        (lambda: IndependentPixels(1, 2, 2, 2)(zeros(1, 1, 3, 2)), r"built for \(2, 2\)"),
        (lambda: IndependentPixels(1, 2, 2, 2).count(zeros(1, 1, 3, 2)), r"built for \(2, 2\)"),
        (lambda: IndependentPixels(1, 2, 2, 2)(some(2)), "level 2"),
        (lambda: IndependentPixels(1, 0, 2, 2), "levels is 0"),
        (lambda: LogisticAutoregression(0, 2, 2, 2), "channels is 0"),
        (lambda: LogisticAutoregression(1, 1, 2, 2), "levels is 1"),
        (lambda: nats(torch.zeros(1, 1, 2, 2, 2), some(2)), "level 2"),
    ],
)
def test_bad_input_is_named_with_its_remedy(as_a_reader_runs_it, call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_fill_needs_only_logits():
    """Any way to get them will do: here without a network."""

    class Sizes(torch.nn.Module):
        channels, levels = 1, 4

    steps = fill(
        Sizes(),
        lambda images, c, i, j: torch.eye(4)[[(2 * i + j) % 4]] * 1e3,
        torch.rand(1, 1, 2, 2),
    )
    *_, last = steps
    assert last.images.flatten().tolist() == [0, 1, 2, 3]
