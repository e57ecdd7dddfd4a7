"""PixelRNN: nothing of the future, how far it sees, and the same LSTM one pixel at a time."""

from itertools import product

import pytest
import torch

from lecture_utils.gradcheck import assert_close
from lecture_utils.models import pixel_rnn
from lecture_utils.models.pixel_cnn import mask
from lecture_utils.models.pixel_rnn import (
    DiagonalBiLSTM,
    DiagonalLayer,
    LineLSTM,
    RowByRow,
    RowLayer,
    RowLSTM,
    row_sampling,
    skew,
    unskew,
)
from lecture_utils.models.pixels import sample
from lecture_utils.trace import trace
from tests.models.pixel_networks import assert_no_future, jacobian

pytestmark = pytest.mark.usefixtures("float64")


# ---------------------------------------------------------------- skew


def test_skew_moves_each_row_right_by_its_index():
    rows = torch.arange(1, 13).view(3, 4) / 1
    assert skew(rows).tolist() == [
        [1, 2, 3, 4, 0, 0],
        [0, 5, 6, 7, 8, 0],
        [0, 0, 9, 10, 11, 12],
    ]


@pytest.mark.parametrize("H, W", [(3, 5), (5, 3), (1, 4), (4, 1), (1, 1)])
def test_unskew_undoes_skew(H, W):
    rows = torch.randn(2, 7, H, W)
    skewed = skew(rows)
    assert skewed.shape == (2, 7, H, H + W - 1)
    for i, j in product(range(H), range(W)):
        assert torch.equal(skewed[..., i, i + j], rows[..., i, j])
    assert torch.equal(unskew(skewed), rows)
    assert torch.equal(skew(unskew(skewed)), skewed)


def test_a_map_that_is_too_narrow_cannot_be_skewed_back():
    with pytest.raises(ValueError, match="of 5 rows has 5 columns or more.*this one has 4"):
        unskew(torch.zeros(5, 4))


# ---------------------------------------------------------------- the LSTM, one pixel at a time


def one_step(layer, x, before, c):
    """h and c at one pixel. x (F,); before: the states K_ss reads, in the order of its weights."""
    a = layer.from_x(x) + sum(K @ h for K, h in zip(layer.lstm.K_ss.weight.unbind(2), before))
    i, f, o, g = a.split(len(c))
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


class ByPixels:
    """The states of a layer for one map x (F, H, W), from the definition."""

    def __init__(self, layer, x):
        self.lstm, self.B_is = layer.lstm, layer.B_is
        self.x, (_, self.H, self.W) = x, x.shape
        self.nothing = x.new_zeros(self.lstm.K_ss.in_channels)

    def get(self, states, i, j):
        return states.get((i, j), self.nothing)

    def from_x(self, columns):
        """B_is on the pixels of one row that it covers, None where there is none."""
        weights = self.B_is.masked_weight()[:, :, 0].unbind(2)
        reads = (K @ x for K, x in zip(weights, columns) if x is not None)
        return sum(reads, self.B_is.bias)

    def pixel(self, i, j):
        return self.x[:, i, j] if 0 <= j < self.W else None

    def collect(self, hs):
        rows = [torch.stack([hs[i, j] for j in range(self.W)], 1) for i in range(self.H)]
        return torch.stack(rows, 1)

    def rows(self):
        hs, cs = {}, {}
        for i, j in product(range(self.H), range(self.W)):
            around = [self.pixel(i, k) for k in (j - 1, j, j + 1)]
            above = [self.get(hs, i - 1, k) for k in (j - 1, j, j + 1)]
            hs[i, j], cs[i, j] = one_step(self, around, above, self.get(cs, i - 1, j))
        return self.collect(hs)

    def diagonals(self, aside=-1):
        """aside: -1 reads the neighbour to the left, 1 the one to the right."""
        hs, cs = {}, {}
        columns = range(self.W) if aside == -1 else reversed(range(self.W))
        for j, i in product(columns, range(self.H)):  # column by column: any order will do
            before = [self.get(hs, i - 1, j), self.get(hs, i, j + aside)]
            c = self.get(cs, i, j + aside)
            hs[i, j], cs[i, j] = one_step(self, [self.pixel(i, j)], before, c)
        return self.collect(hs)


def row_states(layer, x):
    return torch.stack([ByPixels(layer, one).rows() for one in x])


def diagonal_states(layer, x):
    states = []
    for one in x:
        left = ByPixels(layer.left, one).diagonals()
        right = ByPixels(layer.right, one).diagonals(aside=1)
        nothing = torch.zeros_like(right[:, :1])
        states.append(left + torch.cat([nothing, right[:, :-1]], 1))
    return torch.stack(states)


BY_PIXELS = [(RowLayer, row_states), (DiagonalLayer, diagonal_states)]


def states(layer, x):
    with trace(gradients=True, only="h") as log:
        layer(x)
    (h,) = log["h"]
    return h


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("Layer, by_pixels", BY_PIXELS)
def test_all_lines_at_once_is_pixel_by_pixel(Layer, by_pixels, channels):
    layer, x = Layer(channels, 10), torch.randn(2, 10, 3, 4, requires_grad=True)
    h, wanted = states(layer, x), by_pixels(layer, x)
    assert h.shape == (2, 5, 3, 4)
    assert_close(h, wanted, 1e-12)
    weights = torch.randn_like(h)
    names, parameters = zip(
        *((name, p) for name, p in layer.named_parameters() if "widen" not in name)
    )
    assert len(names) == (3 if Layer is RowLayer else 6)
    ours, theirs = (torch.autograd.grad((weights * v).sum(), [x, *parameters]) for v in (h, wanted))
    for name, a, b in zip(("x", *names), ours, theirs):
        assert_close(a, b, 1e-12, name)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("Layer", [RowLayer, DiagonalLayer])
def test_a_layer_adds_its_widened_states_to_what_it_reads(Layer, channels):
    layer, x = Layer(channels, 10), torch.randn(2, 10, 3, 4)
    B_1x1 = (mask("B", 10, 5, 1, channels) * layer.widen.weight)[:, :, 0, 0]
    added = torch.einsum("mn, bnhw -> bmhw", B_1x1, states(layer, x))
    assert_close(layer(x), x + added + layer.widen.bias[:, None, None], 1e-12)


@pytest.mark.parametrize("H, W", [(1, 1), (1, 5), (5, 1), (4, 2)])
@pytest.mark.parametrize("Layer, by_pixels", BY_PIXELS)
def test_so_it_is_for_other_sizes(Layer, by_pixels, H, W):
    layer, x = Layer(1, 6), torch.randn(1, 6, H, W)
    assert_close(states(layer, x), by_pixels(layer, x), 1e-12)


@pytest.mark.parametrize(
    "wrong",
    [
        {"skew": lambda rows: skew(rows).roll(1, -1)},  # all rows one too far
        {"skew": lambda rows: rows, "unskew": lambda rows: rows},  # columns, not diagonals
        {"skew": lambda rows: skew(rows.flip(-2)), "unskew": lambda rows: unskew(rows).flip(-2)},
        {"move_down": lambda h: h},
        {"move_down": lambda h: h.roll(1, 2)},  # the last row comes back at the top
    ],
)
def test_a_slip_on_the_diagonals_is_noticed(monkeypatch, wrong):
    layer, x = DiagonalLayer(1, 6), torch.randn(1, 6, 3, 4)
    for name, function in wrong.items():
        monkeypatch.setattr(pixel_rnn, name, function)
    with pytest.raises(AssertionError):
        assert_close(states(layer, x), diagonal_states(layer, x), 1e-3)


@pytest.mark.parametrize("Layer, by_pixels", BY_PIXELS)
@pytest.mark.parametrize("a, b", [(0, 1), (1, 2), (2, 3)])
def test_gates_in_another_order_are_noticed(Layer, by_pixels, a, b):
    layer, x = Layer(1, 6), torch.randn(1, 6, 3, 4)
    wanted = by_pixels(layer, x)
    order = [0, 1, 2, 3]
    order[a], order[b] = b, a
    for part in layer.modules():
        if isinstance(part, LineLSTM):
            blocks = part.K_ss.weight.data.chunk(4)
            part.K_ss.weight.data = torch.cat([blocks[k] for k in order])
    with pytest.raises(AssertionError):
        assert_close(states(layer, x), wanted, 1e-3)


def test_an_empty_corner_of_the_skewed_map_has_no_state():
    lstm = LineLSTM(3, reads=2)
    inside = skew(torch.ones(4, 5)).T == 1  # (T, N)
    h = lstm(torch.where(inside, torch.randn(2, 12, 8, 4), 0.0))
    before_each_row = inside.long().cumsum(0) == 0
    assert before_each_row.sum() == 0 + 1 + 2 + 3
    assert (h[..., before_each_row] == 0).all() and (h[..., inside] != 0).all()


# ---------------------------------------------------------------- what a pixel knows


def triangle(H, W, layers, k):
    """What the Row LSTM sees (D, D), for one colour.

    r rows up, each row costs one state of K_ss, one place to either side, or a row of the first
    convolution (k x k), which reaches r_k = k // 2 aside but needs one row to see to the right.
    To the left B_is adds one place per layer.
    """
    r_k = k // 2
    seen = torch.zeros(H, W, H, W, dtype=torch.bool)
    for i, j in product(range(H), range(W)):
        for r in range(i + 1):
            left = j - r - layers - r_k
            right = j - 1 if r == 0 else j + (r - 1) + r_k
            seen[i, j, i - r, max(left, 0) : right + 1] = True
    return seen.view(H * W, H * W)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layers, k", [(1, 3), (2, 3), (1, 5)])
def test_the_row_lstm_sees_a_triangle(layers, k, channels):
    H, W = 4, 13 if channels == 1 else 9
    seen = jacobian(RowLSTM(channels, 2, 24, layers, k), H, W) != 0
    wanted = torch.kron(triangle(H, W, layers, k), torch.ones(channels, channels)).bool()
    own = torch.block_diag(*[torch.ones(channels, channels).tril(-1)] * (H * W)).bool()
    assert torch.equal(seen, wanted | own)
    before = torch.ones_like(wanted).tril(-1)
    assert (before & ~seen).any()  # not all that it may see


@pytest.mark.parametrize("channels, H, W", [(1, 4, 13), (1, 7, 3), (3, 3, 8), (3, 5, 2)])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_diagonal_lstm_sees_all_that_is_before(channels, H, W, layers):
    seen = jacobian(DiagonalBiLSTM(channels, 2, 24, layers, 3), H, W) != 0
    assert torch.equal(seen, torch.ones_like(seen).tril(-1))


class WithoutTheColumn(DiagonalBiLSTM):
    """The maps as wide as the image."""

    def from_real(self, image):
        x = self.first(image)
        for layer in self.layers:
            x = layer(x)
        return self.readout(x)


@pytest.mark.parametrize("layers", [1, 3])
def test_without_the_column_beside_the_image_the_end_of_the_row_above_is_missed(layers):
    H, W, k = 3, 9, 5
    missed = torch.zeros(H, W, H, W, dtype=torch.bool)
    for i, j in product(range(1, H), range(W)):
        missed[i, j, i - 1, W - 1] = j + k // 2 < W - 1  # the first convolution does not reach it
    seen = jacobian(WithoutTheColumn(1, 2, 24, layers, k), H, W) != 0
    assert torch.equal(seen, torch.ones_like(seen).tril(-1) & ~missed.view(H * W, H * W))


@pytest.mark.parametrize("wrong", [lambda h: h, lambda h: h.roll(-1, 2)])
def test_a_state_from_the_right_that_stays_in_its_row_is_caught(monkeypatch, wrong):
    model = DiagonalBiLSTM(1, 4, 12, 1, 3)
    monkeypatch.setattr(pixel_rnn, "move_down", wrong)
    with pytest.raises(AssertionError, match="or on a later one"):
        assert_no_future(model, 3, 4)


# ---------------------------------------------------------------- sampling row by row


@pytest.mark.parametrize("channels, layers, k", [(1, 1, 3), (1, 2, 7), (3, 2, 5)])
def test_row_by_row_the_logits_are_those_of_the_whole_network(channels, layers, k):
    H, W = 5, 4
    model, images = RowLSTM(channels, 4, 12, layers, k), torch.randint(0, 4, (2, channels, H, W))
    wanted, row_by_row = model(images), RowByRow(model)
    for i, j, c in product(range(H), range(W), range(channels)):
        assert_close(row_by_row(images, c, i, j), wanted[:, c, i, j], 1e-12)
    skipping = RowByRow(model)
    for i in (1, 4):  # as where whole rows are known
        assert_close(skipping(images, 0, i, 2), wanted[:, 0, i, 2], 1e-12)
    with pytest.raises(ValueError, match="row 3 comes before row 4.*a new RowByRow"):
        skipping(images, 0, 3, 0)


def test_a_state_kept_too_early_is_noticed():
    model, images = RowLSTM(1, 4, 12, 1, 3), torch.randint(0, 4, (1, 1, 3, 4))
    row_by_row, unfinished = RowByRow(model), images.clone()
    unfinished[:, :, 0, 1] = (images[:, :, 0, 1] + 2) % 4
    row_by_row(unfinished, 0, 1, 0)
    with pytest.raises(AssertionError):
        assert_close(row_by_row(images, 0, 1, 1), model(images)[:, 0, 1, 1], 1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_row_by_row_the_images_are_the_same(channels):
    model = RowLSTM(channels, 4, 12, 2, 3)
    uniforms = torch.rand(3, channels, 4, 5)
    *_, step = row_sampling(model, uniforms, temperature=0.7)
    assert step.passes == channels * 4 * 5
    assert torch.equal(step.images, sample(model, uniforms, temperature=0.7))
    given, known = torch.randint(0, 4, uniforms.shape), torch.rand(uniforms.shape) < 0.5
    known[:, :, 1] = known[:, :, :, -1] = True  # a whole row, and the end of each
    *_, step = row_sampling(model, uniforms, given, known)
    assert torch.equal(step.images, sample(model, uniforms, given, known))
    assert torch.equal(step.images[known], given[known])
