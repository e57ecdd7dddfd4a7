"""PixelCNN: masks by their definition, nothing of the future, the blind spot, and the memory."""

from itertools import product

import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models import pixel_cnn
from lecture_utils.models.pixel_cnn import (
    Cached,
    GatedPixelCNN,
    MaskedConv2d,
    PixelCNN,
    cached_sample,
    cached_sampling,
    colour_of,
    mask,
    move_down,
)
from lecture_utils.models.pixels import may_see, sample, sampling, sees
from tests.models.pixel_networks import assert_no_future

MODELS = PixelCNN, GatedPixelCNN

pytestmark = pytest.mark.usefixtures("float64")


# ---------------------------------------------------------------- masks


def test_masks_of_one_colour_as_pictures():
    pictures = {
        "A": [[1, 1, 1], [1, 0, 0], [0, 0, 0]],
        "B": [[1, 1, 1], [1, 1, 0], [0, 0, 0]],
        "V": [[1, 1, 1], [1, 1, 1], [0, 0, 0]],
    }
    for kind, picture in pictures.items():
        assert mask(kind, 1, 1, 3).tolist() == [[picture]]
    assert mask("A", 1, 1, (1, 5)).tolist() == [[[[1, 1, 0, 0, 0]]]]
    assert mask("B", 1, 1, (3, 1)).tolist() == [[[[1], [1], [0]]]]


@pytest.mark.parametrize("k", [1, 3, 5, 7])
def test_half_of_a_square_is_kept(k):
    assert mask("A", 1, 1, k).sum() == (k * k - 1) / 2
    assert mask("B", 1, 1, k).sum() == (k * k + 1) / 2
    assert mask("V", 1, 1, k).sum() == k * (k + 1) / 2


def test_masks_of_three_colours_at_the_pixel_itself():
    """Rows: R, G, B of what comes out; columns: of what goes in."""
    assert mask("A", 3, 3, 1, 3)[..., 0, 0].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert mask("B", 3, 3, 1, 3)[..., 0, 0].tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    wide = mask("B", 6, 3, 1, 3)[..., 0, 0]
    assert wide.tolist() == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]


def may_read(kind, out_colour, in_colour, di, dj):
    """The definition, for a pixel di rows below and dj columns to the right."""
    if (di, dj) == (0, 0):
        return {"A": in_colour < out_colour, "B": in_colour <= out_colour, "V": True}[kind]
    return di < 0 or (di == 0 and (dj < 0 or kind == "V"))


def test_each_weight_is_kept_or_cut_by_the_definition():
    sizes = [(1, 4, 2, (3, 5)), (3, 7, 3, (5, 3)), (3, 3, 8, (1, 7)), (3, 5, 4, (3, 1))]
    for kind, (colours, out, into, (k, m)) in product("ABV", sizes):
        found = mask(kind, out, into, (k, m), colours)
        assert found.shape == (out, into, k, m)
        mine, theirs = colour_of(out, colours).tolist(), colour_of(into, colours).tolist()
        for o, n, i, j in product(range(out), range(into), range(k), range(m)):
            wanted = may_read(kind, mine[o], theirs[n], i - k // 2, j - m // 2)
            assert found[o, n, i, j] == wanted


def test_each_colour_has_its_share_of_the_maps():
    assert colour_of(6, 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert colour_of(8, 3).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert colour_of(3, 3).tolist() == [0, 1, 2] and colour_of(4, 1).tolist() == [0, 0, 0, 0]


# ---------------------------------------------------------------- by hand


def by_hand(conv, kind, x, colours, gates=1):
    """A masked convolution as a sum over what it may read; no mask, no convolution."""
    (B, N, H, W), (M, _, k, m) = x.shape, conv.weight.shape
    mine = colour_of(M // gates, colours).repeat(gates)
    theirs = colour_of(N, colours)
    y = conv.bias.view(1, M, 1, 1).repeat(B, 1, H, W)
    for i, j, di, dj in product(
        range(H), range(W), range(-(k // 2), k // 2 + 1), range(-(m // 2), m // 2 + 1)
    ):
        if not (0 <= i + di < H and 0 <= j + dj < W):
            continue
        for o, n in product(range(M), range(N)):
            if may_read(kind, mine[o], theirs[n], di, dj):
                weight = conv.weight[o, n, k // 2 + di, m // 2 + dj]
                y[:, o, i, j] += weight * x[:, n, i + di, j + dj]
    return y


@pytest.mark.parametrize("kind", "ABV")
@pytest.mark.parametrize("colours, gates", [(1, 1), (3, 2)])
def test_a_masked_convolution_by_hand(kind, colours, gates):
    conv, x = MaskedConv2d(kind, 3, 4, (3, 5), colours, gates), torch.randn(2, 3, 2, 4)
    assert conv(x).shape == (2, 4 * gates, 2, 4)
    assert_close(conv(x), by_hand(conv, kind, x, colours, gates), 1e-12)
    for other in set("ABV") - {kind}:  # would notice
        with pytest.raises(AssertionError):
            assert_close(conv(x), by_hand(conv, other, x, colours, gates), 1e-3)


def test_weights_under_the_mask_never_count():
    conv, x = MaskedConv2d("A", 2, 3, 3), torch.randn(1, 2, 4, 5)
    before = conv(x)
    conv(x).square().sum().backward()
    assert torch.equal(conv.weight.grad != 0, conv.mask.bool())
    conv.weight.data[conv.mask == 0] = 1e6  # as weight decay or a careless load might
    assert torch.equal(conv(x), before)
    assert "mask" not in conv.state_dict()


def readout_by_hand(readout, h, C, K):
    for conv in (readout.first, readout.second, readout.last):
        h = by_hand(conv, "B", torch.relu(h), C)
    return torch.stack([h[:, c * K : (c + 1) * K] for c in range(C)], 1).permute(0, 1, 3, 4, 2)


def plain_by_hand(model, x, C, K):
    h = by_hand(model.first, "A", x, C)
    for block in model.blocks:
        a = by_hand(block.narrow, "B", torch.relu(h), C)
        a = by_hand(block.look, "B", torch.relu(a), C)
        h = h + by_hand(block.widen, "B", torch.relu(a), C)
    return readout_by_hand(model.readout, h, C, K)


def gated_by_hand(model, x, C, K):
    v, h = torch.zeros_like(x), x
    v[:, :, 1:] = x[:, :, :-1]
    for number, layer in enumerate(model.layers):
        F = layer.out.weight.shape[0]
        a_v = by_hand(layer.vertical, "V", v, 1, gates=2)
        v = torch.tanh(a_v[:, :F]) * torch.sigmoid(a_v[:, F:])
        a_h = by_hand(layer.horizontal, "B" if number else "A", h, C, gates=2)
        W, b = layer.tell.weight[:, :, 0, 0], layer.tell.bias
        a_h = a_h + torch.einsum("mn, bnhw -> bmhw", W, a_v) + b[:, None, None]
        new = by_hand(layer.out, "B", torch.tanh(a_h[:, :F]) * torch.sigmoid(a_h[:, F:]), C)
        h = h + new if number else new
    return readout_by_hand(model.readout, h, C, K)


@pytest.mark.parametrize("channels, features", [(1, 4), (3, 6)])
@pytest.mark.parametrize("Model, hand", [(PixelCNN, plain_by_hand), (GatedPixelCNN, gated_by_hand)])
def test_the_network_by_hand(Model, hand, channels, features):
    model, images = Model(channels, 3, features, 2, 3), torch.randint(3, (2, channels, 2, 4))
    with torch.no_grad():
        wanted = hand(model, images - 1.0, channels, 3)  # levels 0, 1, 2 enter as -1, 0, 1
        assert_close(model(images), wanted, 1e-12)


# ---------------------------------------------------------------- what a pixel knows


@pytest.mark.parametrize("wrong", [lambda x: x, lambda x: x.roll(-1, 2)])
def test_a_vertical_stack_that_is_not_moved_down_is_caught(monkeypatch, wrong):
    model = GatedPixelCNN(1, 2, 12, 1, 3)
    monkeypatch.setattr(pixel_cnn, "move_down", wrong)
    with pytest.raises(AssertionError, match="or on a later one"):
        assert_no_future(model, 3, 4)


def test_moving_down_loses_the_last_row():
    rows = torch.arange(1.0, 7.0).view(1, 1, 3, 2)
    assert move_down(rows).tolist() == [[[[0, 0], [1, 2], [3, 4]]]]


# ---------------------------------------------------------------- the blind spot


def plain_reach(r, layers, k):
    """Columns that PixelCNN sees r rows above, from the left to the right; None if none.

    A block goes one step left, or one up and up to one aside; the first convolution goes up to
    k // 2 up and aside, or left. So the way up gives the way right.
    """
    side = k // 2
    if r == 0:
        return -side - layers, -1
    if r > layers + side:
        return None
    return -side - layers, side + min(layers, r - 1)


def gated_reach(r, layers, k):
    """The same of the gated one: the vertical stack goes aside at no cost."""
    reach = k // 2 + layers - 1
    if r == 0:
        return -reach, -1
    return None if r > reach + 1 else (-reach, reach)


def seen_within(reach, i, j, H, W):
    wanted = torch.zeros(H, W, dtype=torch.bool)
    for r, span in ((r, reach(r)) for r in range(i + 1)):
        if span:
            wanted[i - r, max(j + span[0], 0) : max(j + span[1] + 1, 0)] = True
    return wanted


@pytest.mark.parametrize("layers, k", [(1, 3), (2, 3), (1, 5), (3, 7)])
@pytest.mark.parametrize("Model, reach", [(PixelCNN, plain_reach), (GatedPixelCNN, gated_reach)])
def test_each_sees_exactly_what_its_kernels_reach(Model, reach, layers, k):
    H, W = 6, 15
    model, images = Model(1, 2, 24, layers, k), torch.randint(2, (6, 1, H, W))
    for i, j in [(5, 7), (5, 0), (5, 14), (4, 3), (0, 9)]:
        wanted = seen_within(lambda r: reach(r, layers, k), i, j, H, W)
        assert torch.equal(sees(model, images, 0, i, j)[0] > 0, wanted)


@pytest.mark.parametrize("layers", [5, 10])
def test_no_depth_cures_the_blind_spot(layers):
    """With 7 x 7 first, (i, j) never sees (i - r, j + d) with d > r + 2; all else in the end."""
    H, W = 4, 12
    model, images = PixelCNN(1, 2, 32, layers), torch.randint(2, (8, 1, H, W))
    for i, j in [(3, 0), (3, 4), (1, 5)]:
        rows, columns = torch.arange(H)[:, None], torch.arange(W)
        blind = (columns - j > i - rows + 2) & (rows < i)
        before = may_see(0, i, j, (1, H, W))[0]
        assert (blind & before).any()
        seen = sees(model, images, 0, i, j)[0] > 0
        assert not (seen & blind).any()
        if layers == 10:
            assert torch.equal(seen, before & ~blind)


@pytest.mark.parametrize("channels, H, W, layers", [(1, 4, 12, 9), (3, 3, 6, 3)])
def test_the_gated_one_sees_all_that_is_before(channels, H, W, layers):
    model = GatedPixelCNN(channels, 2, 24, layers)
    images = torch.randint(2, (4, channels, H, W))
    for c, i, j in [(0, H - 1, 0), (channels - 1, H - 1, W - 1), (0, 1, 5), (channels - 1, 0, 0)]:
        seen = sees(model, images, c, i, j) > 0
        assert torch.equal(seen, may_see(c, i, j, (channels, H, W)))
    for layer in model.layers:  # would notice: the vertical stack that tells nothing
        layer.tell.weight.data.zero_()
    assert not sees(model, images, 0, H - 1, 0).any()


# ---------------------------------------------------------------- sampling with a memory


KINDS = [(1, 1, 3), (1, 3, 7), (3, 2, 5)]  # channels, layers, first kernel


@pytest.mark.parametrize("channels, layers, k", KINDS)
@pytest.mark.parametrize("Model", MODELS)
def test_remembered_logits_are_those_of_the_whole_network(Model, channels, layers, k):
    H, W = 5, 4
    model, images = Model(channels, 4, 12, layers, k), torch.randint(4, (2, channels, H, W))
    wanted, cached = model(images), Cached(model, 2, H, W)
    for i, j, c in product(range(H), range(W), range(channels)):
        assert_close(cached(images, c, i, j), wanted[:, c, i, j], 1e-10)
    skipping = Cached(model, 2, H, W)
    for i, j in [(1, 2), (1, 3), (4, 0)]:  # as where others are known
        assert_close(skipping(images, 0, i, j), wanted[:, 0, i, j], 1e-10)


@pytest.mark.parametrize("channels, layers, k", KINDS)
@pytest.mark.parametrize("Model", MODELS)
def test_with_a_memory_the_images_are_the_same(Model, channels, layers, k):
    model = Model(channels, 4, 12, layers, k)
    for p in model.parameters():
        p.data *= 2  # away from fair dice
    uniforms = torch.rand(3, channels, 5, 4)
    slow = list(sampling(model, uniforms, temperature=0.7))
    fast = list(cached_sampling(model, uniforms, temperature=0.7))
    assert len(slow) == len(fast) == channels * 5 * 4
    for a, b in zip(slow, fast):
        assert a[:4] == b[:4]  # passes, c, i, j
        assert_close(a.p, b.p, 1e-10)
    assert torch.equal(a.images, b.images)
    assert torch.equal(cached_sample(model, uniforms, temperature=0.7), b.images)
    assert not torch.equal(cached_sample(model, uniforms.flip(0), temperature=0.7), b.images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("Model", MODELS)
def test_a_completion_is_the_same(Model, channels):
    model, uniforms = Model(channels, 4, 12, 2), torch.rand(3, channels, 5, 4)
    given, known = torch.randint(4, uniforms.shape), torch.rand(uniforms.shape) < 0.5
    known[:, :, 1] = known[:, :, :, -1] = known[:, 0, 3] = True  # a row, the ends, a colour
    found = cached_sample(model, uniforms, given, known)
    assert torch.equal(found, sample(model, uniforms, given, known))
    assert torch.equal(found[known], given[known]) and not torch.equal(found, given)
    everything = torch.ones_like(known)
    assert torch.equal(cached_sample(model, uniforms, given, everything), given)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("Model", MODELS)
def test_a_memory_that_is_out_of_date_is_noticed(Model, channels):
    model, images = Model(channels, 4, 12, 2), torch.randint(4, (1, channels, 3, 4))
    cached, unfinished = Cached(model, 1, 3, 4), images.clone()
    unfinished[:, :, 0, 0] = (images[:, :, 0, 0] + 2) % 4
    cached(unfinished, channels - 1, 0, 1)
    with pytest.raises(AssertionError):
        assert_close(cached(images, 0, 0, 2), model(images)[:, 0, 0, 2], 1e-6)


@pytest.mark.parametrize("Model", MODELS)
def test_a_memory_is_a_copy(Model):
    model, images = Model(1, 4, 12, 2), torch.randint(4, (1, 1, 3, 4))
    names, wanted = [name for name, _ in model.named_modules()], model(images)
    cached = Cached(model, 1, 3, 4)
    assert [name for name, _ in model.named_modules()] == names
    for p in model.parameters():
        assert p.requires_grad
        p.data.zero_()
    assert_close(cached(images, 0, 1, 1), wanted[:, 0, 1, 1], 1e-10)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: mask("C", 1, 1, 3), "kind of mask is 'C': it is 'A', 'B' or 'V'"),
        (lambda: mask("A", 1, 1, 4), "kernel is 4 x 4: both sides have to be odd"),
        (lambda: mask("A", 1, 1, (3, 0)), "kernel is 3 x 0"),
        (lambda: mask("A", 3, 2, 3, 3), "2 channels in and 3 out: with 3 colours .* at least 3"),
        (lambda: MaskedConv2d("B", 3, 2, 3, 3), "3 channels in and 2 out"),
    ],
)
def test_masks_that_cannot_be(call, said):
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("Model", MODELS)
def test_a_memory_is_asked_in_raster_order(Model):
    cached, images = Cached(Model(1, 4, 6, 1), 1, 3, 4), torch.zeros(1, 1, 3, 4, dtype=torch.long)
    cached(images, 0, 1, 2)
    with pytest.raises(ValueError, match=r"\(1, 2\) comes before .*next, \(1, 3\).*new Cached"):
        cached(images, 0, 1, 2)
    cached(images, 0, 1, 3)
    with pytest.raises(ValueError, match=r"\(2, 1, 3, 4\): .* \(1, 1, 3, 4\); .* a new one"):
        cached(images.expand(2, 1, 3, 4), 0, 2, 0)


@pytest.mark.parametrize("Model", MODELS)
def test_uniform_numbers_of_another_form(Model, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=r"shape \(2, 1, 4, 4\): expected \(B, 3, H, W\)"):
        cached_sample(Model(3, 4, 6, 1), torch.rand(2, 1, 4, 4))
    with pytest.raises(ValueError, match=r"shape \(4, 4\): expected \(B, 3, H, W\)"):
        cached_sample(Model(3, 4, 6, 1), torch.rand(4, 4))
