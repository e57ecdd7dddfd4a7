"""The lecture's GRU: its equations by other means, and where it is and is not `nn.GRU`."""

import pytest
import torch
from torch import nn

from lecture_utils.gradcheck import assert_causal, assert_close
from lecture_utils.models.gru import GRUCell, from_torch, to_torch
from lecture_utils.models.recurrent import unroll

B, T, D, H = 2, 3, 5, 7


pytestmark = pytest.mark.usefixtures("float64")


def diagonal(cell):
    """The cell with W_hh (and random biases) such that nn.GRU can be the same function."""
    cell.b.data.normal_()
    cell.W_h.data[2 * H :] = torch.diag(torch.randn(H))
    return cell


def by_torch(cell, xs, h, swap=False, reset_after=False):
    """The same equations, gate by gate with nn.functional.linear."""
    hs = []
    W_x, W_h, b = (v.split(H) for v in (cell.W_x, cell.W_h, cell.b))
    for x in xs.unbind(1):
        linear = nn.functional.linear
        r = torch.sigmoid(linear(x, W_x[0], b[0]) + linear(h, W_h[0]))
        z = torch.sigmoid(linear(x, W_x[1], b[1]) + linear(h, W_h[1]))
        past = r * linear(h, W_h[2]) if reset_after else linear(r * h, W_h[2])
        new = torch.tanh(linear(x, W_x[2], b[2]) + past)
        z = 1 - z if swap else z
        h = h * z + new * (1 - z)
        hs.append(h)
    return torch.stack(hs, 1)


def test_it_is_the_lectures_equations():
    cell, xs, h = GRUCell(D, H), torch.randn(B, T, D), torch.randn(B, H)
    cell.b.data.normal_()
    hs, last = unroll(cell, xs, h)
    assert_close(hs, by_torch(cell, xs, h), 1e-13)
    assert torch.equal(hs[:, -1], last)
    for other in ({"swap": True}, {"reset_after": True}):
        with pytest.raises(AssertionError):
            assert_close(hs, by_torch(cell, xs, h, **other), 1e-3)


def test_where_a_conversion_exists_it_is_equal_to_pytorch_in_values_and_gradients():
    cell, xs = diagonal(GRUCell(D, H)), torch.randn(B, T, D, requires_grad=True)
    h = torch.randn(B, H, requires_grad=True)
    theirs = to_torch(cell)
    ours, wanted = unroll(cell, xs, h)[0], theirs(xs, h[None])[0]
    assert_close(ours, wanted, 1e-12)
    weight = torch.randn_like(ours)
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0"
    found = torch.autograd.grad((weight * ours).sum(), [xs, h, cell.W_x, cell.W_h, cell.b])
    expected = torch.autograd.grad(
        (weight * wanted).sum(), [xs, h, *(getattr(theirs, name) for name in names)]
    )
    on_diagonal = torch.cat([torch.ones(2 * H, H), torch.eye(H)])  # elsewhere they may differ
    for name, mine, other in zip(("xs", "h0", *names), found, expected):
        mask = on_diagonal if name == "weight_hh_l0" else 1.0
        assert_close(mine * mask, other * mask, 1e-10, name)
    back = from_torch(theirs)
    for a, b in zip(back.parameters(), cell.parameters()):
        assert torch.equal(a, b)


def test_a_matrix_with_other_entries_cannot_be_copied_and_would_be_wrong():
    cell, xs = GRUCell(D, H), torch.randn(B, T, D)
    with pytest.raises(ValueError, match="off its diagonal .* before the product"):
        to_torch(cell)
    copied = to_torch(diagonal(GRUCell(D, H)))
    with torch.no_grad():  # what copying would have given
        copied.weight_ih_l0.copy_(cell.W_x)
        copied.weight_hh_l0.copy_(cell.W_h)
        copied.bias_ih_l0.copy_(cell.b)
    assert (copied(xs)[0] - unroll(cell, xs)[0]).abs().max() > 1e-3


@pytest.mark.parametrize(
    "theirs, said",
    [
        (lambda: nn.GRU(D, H), "W_hn off its diagonal is up to 0"),
        (lambda: nn.GRU(D, 1), "b_hn up to 0"),  # one unit: diagonal, but its bias is inside r
        (lambda: nn.GRU(D, H, 2), "2 layers"),
        (lambda: nn.GRU(D, H, bidirectional=True), "bidirectional=True"),
    ],
)
def test_no_lecture_cell_for_these(theirs, said):
    with pytest.raises(ValueError, match=said):
        from_torch(theirs())


def test_a_gru_without_biases_and_one_with_nan():
    theirs, xs = nn.GRU(D, 1, bias=False, batch_first=True), torch.randn(B, T, D)
    assert_close(unroll(from_torch(theirs), xs)[0], theirs(xs)[0], 1e-13)
    cell = diagonal(GRUCell(D, H))
    cell.W_h.data[2 * H, 1] = torch.nan
    with pytest.raises(ValueError, match="up to nan"):
        to_torch(cell)


def test_a_bias_of_zero_inside_the_reset_can_be_converted():
    theirs, xs = nn.GRU(D, 1, batch_first=True), torch.randn(B, T, D)
    theirs.bias_hh_l0.data[2] = 0
    assert_close(unroll(from_torch(theirs), xs)[0], theirs(xs)[0], 1e-13)


def test_three_blocks_where_the_lstm_has_four():
    from lecture_utils.models.lstm import LSTMCell

    gru, lstm = (sum(p.numel() for p in cell(D, H).parameters()) for cell in (GRUCell, LSTMCell))
    assert gru * 4 == lstm * 3


def test_no_output_sees_a_later_input():
    cell = GRUCell(D, H)
    assert_causal(lambda xs: unroll(cell, xs)[0], torch.randn(B, T, D))


def test_bad_sizes_and_states_are_refused(as_a_reader_runs_it):
    with pytest.raises(ValueError, match="input_size is 0"):
        GRUCell(0, H)
    with pytest.raises(ValueError, match=r"GRUCell expects \(2, 7\)"):
        unroll(GRUCell(D, H), torch.zeros(B, T, D), (torch.zeros(B, H), torch.zeros(B, H)))
