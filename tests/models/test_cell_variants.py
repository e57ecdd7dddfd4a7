"""Cells by design and by search: each paper's equations by other means, and what has to differ.

The references are the papers' equations as text, run for one example at a time, one matrix for
each name; so a test can get one line wrong. v is the old value, v_t the new one.
B, T, D, H = 2, 3, 5, 7: no two axes alike, except where x itself is added to vectors of H numbers.
"""

import itertools
import re
from typing import NamedTuple

import pytest
import torch

from lecture_utils.gradcheck import assert_causal, assert_close, relative_error
from lecture_utils.models import cell_variants as cells
from lecture_utils.models.gru import GRUCell
from lecture_utils.models.recurrent import Stack, unroll
from lecture_utils.trace import trace

B, T, H = 2, 3, 7

pytestmark = pytest.mark.usefixtures("float64")

# Jozefowicz, Zaremba and Sutskever (2015)
MUT1 = {
    "z": "sigma(W_xz @ x + b_z)",
    "r": "sigma(W_xr @ x + W_hr @ h + b_r)",
    "new": "tanh(W_hh @ (r_t * h) + tanh(x) + b_h)",
    "h": "new_t * z_t + h * (1 - z_t)",
}
MUT2 = MUT1 | {
    "z": "sigma(W_xz @ x + W_hz @ h + b_z)",
    "r": "sigma(x + W_hr @ h + b_r)",
    "new": "tanh(W_hh @ (r_t * h) + W_xh @ x + b_h)",
}
MUT3 = MUT2 | {"z": "sigma(W_xz @ x + W_hz @ tanh(h) + b_z)", "r": MUT1["r"]}

# Greff et al. (2015): an LSTM, and what each variant changes in it; R_fi leads from f to i
LSTM = {
    "i": "sigma(W_xi @ x + W_hi @ h + p_i * c + b_i)",
    "f": "sigma(W_xf @ x + W_hf @ h + p_f * c + b_f)",
    "g": "tanh(W_xg @ x + W_hg @ h + b_g)",
    "c": "g_t * i_t + c * f_t",
    "o": "sigma(W_xo @ x + W_ho @ h + p_o * c_t + b_o)",
    "h": "tanh(c_t) * o_t",
}
NP = LSTM | {gate: re.sub(r"p_. \* \w+ \+ ", "", LSTM[gate]) for gate in "ifo"}
FGR = LSTM | {
    "i": "sigma(W_xi @ x + W_hi @ h + p_i * c + b_i + R_ii @ i + R_fi @ f + R_oi @ o)",
    "f": "sigma(W_xf @ x + W_hf @ h + p_f * c + b_f + R_if @ i + R_ff @ f + R_of @ o)",
    "o": "sigma(W_xo @ x + W_ho @ h + p_o * c_t + b_o + R_io @ i + R_fo @ f + R_oo @ o)",
}

# Zoph and Le (2017), after TensorFlow Addons
NAS = {
    f"l{k}": f"{activation}(W_x{k} @ x + W_h{k} @ h)"
    for k, activation in enumerate("sigma relu sigma relu tanh sigma tanh sigma".split())
}
NAS |= {
    "l3": "relu((W_x3 @ x) * (W_h3 @ h))",
    "m0": "tanh(l0_t * l1_t)",
    "m1": "tanh(l2_t + l3_t)",
    "m2": "tanh(l4_t * l5_t)",
    "m3": "sigma(l6_t + l7_t)",
    "m0c": "tanh(m0_t + c)",
    "c": "m0c_t * m1_t",
    "n": "tanh(m2_t + m3_t)",
    "h": "tanh(c_t * n_t)",
}


class Case(NamedTuple):
    """A cell, its equations, and what its docstring says of blocks, notes and state."""

    cell: type
    equations: dict[str, str]
    x: str  # the blocks of W_x in their order
    h: str
    b: str
    p: str
    size: tuple[int, int, int]  # of all parameters, in units of HD, H^2 and H
    noted: str
    state: str = "h c"
    D: int = 5


NIAF = LSTM | {"g": LSTM["g"].removeprefix("tanh")}
NOAF = LSTM | {"h": "c_t * o_t"}
CASES = [
    Case(cells.MUT1Cell, MUT1, "zr", "rh", "zrh", "", (2, 2, 3), "z r new h", "h", H),
    Case(cells.MUT2Cell, MUT2, "zh", "zrh", "zrh", "", (2, 3, 3), "z r new h", "h", H),
    Case(cells.MUT3Cell, MUT3, "zrh", "zrh", "zrh", "", (3, 3, 3), "z r new h", "h"),
    Case(cells.PeepholeLSTMCell, LSTM, *["ifgo"] * 3, "ifo", (4, 4, 7), "i f g c o h"),
    Case(cells.NoInputGate, LSTM | {"i": "1"}, *["fgo"] * 3, "fo", (3, 3, 5), "f g c o h"),
    Case(cells.NoForgetGate, LSTM | {"f": "1"}, *["igo"] * 3, "io", (3, 3, 5), "i g c o h"),
    Case(cells.NoOutputGate, LSTM | {"o": "1"}, *["ifg"] * 3, "if", (3, 3, 5), "i f g c h"),
    Case(cells.NoInputActivation, NIAF, *["ifgo"] * 3, "ifo", (4, 4, 7), "i f g c o h"),
    Case(cells.NoOutputActivation, NOAF, *["ifgo"] * 3, "ifo", (4, 4, 7), "i f g c o h"),
    Case(cells.CoupledGates, LSTM | {"f": "1 - i_t"}, *["igo"] * 3, "io", (3, 3, 5), "i f g c o h"),
    Case(cells.NoPeepholes, NP, *["ifog"] * 3, "", (4, 4, 4), "i f o g c h"),
    Case(
        cells.FullGateRecurrence, FGR, *["ifgo"] * 3, "ifo", (4, 13, 7), "i f g c o h", "h c i f o"
    ),
    Case(cells.NASCell, NAS, *["01234567"] * 2, "", "", (8, 8, 0), "c h"),
]
OF = {case.cell: case for case in CASES}
MUTS = list(OF)[:3]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.cell.__name__)


def stacked(case, blocks):
    """The module's parameters from the blocks; or the gradients of the ones from the others'."""
    orders = {"W_x": case.x, "W_h": case.h, "b_": case.b, "p_": case.p}
    found = {
        prefix.strip("_"): torch.cat([blocks[prefix + letter] for letter in order])
        for prefix, order in orders.items()
        if order
    }
    if case.cell is cells.NoPeepholes:  # one matrix for [h; x]
        return {"W": torch.cat([found["W_h"], found["W_x"]], 1), "b": found["b"]}
    if case.cell is cells.FullGateRecurrence:  # a row for each gate that reads, R_(seen)(reads)
        columns = [torch.cat([blocks[f"R_{seen}{reads}"] for reads in "ifo"]) for seen in "ifo"]
        found["W_gates"] = torch.cat(columns, 1)
    return found


def cell_from(case, blocks):
    cell = case.cell(case.D, H)
    values = stacked(case, blocks)
    assert {name: p.shape for name, p in cell.named_parameters()} == {
        name: v.shape for name, v in values.items()
    }
    for name, p in cell.named_parameters():
        p.data = values[name].detach().clone()
    return cell


def build(case, *more):
    """A cell, its weights as blocks, inputs and first states; blocks also for `more` equations."""
    text = " ".join([*case.equations.values(), *more])
    sizes = {"W_x": (H, case.D), "b_": (H,), "p_": (H,)}
    blocks = {
        name: (torch.randn(sizes.get(name[:-1], (H, H))) / 2).requires_grad_()
        for name in dict.fromkeys(re.findall(r"\b(?:[WR]_\w\w|[bp]_\w)\b", text))
    }
    xs = torch.randn(B, T, case.D, requires_grad=True)
    state = [torch.randn(B, H, requires_grad=True) for _ in case.state.split()]
    return cell_from(case, blocks), blocks, xs, state


def run(cell, xs, state):
    """h of every step, and the last state as a list."""
    hs, last = unroll(cell, xs, tuple(state) if len(state) > 1 else state[0])
    return hs, list(last) if isinstance(last, tuple) else [last]


def by_hand(case, equations, blocks, xs, state):
    """All values by name, each (B, T, H): one example, one step, one equation at a time."""
    functions = {"sigma": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
    history = {name: [[None] * T for _ in range(B)] for name in equations}
    for b in range(B):
        old = {name: part[b] for name, part in zip(case.state.split(), state)}
        for t in range(T):
            values = {**functions, **blocks, **old, "x": xs[b, t]}
            for name, formula in equations.items():
                new = eval(formula, {}, values)
                values[f"{name}_t"] = history[name][b][t] = torch.as_tensor(new).expand(H)
            old = {name: values[f"{name}_t"] for name in old}
    return {name: torch.stack([torch.stack(row) for row in v]) for name, v in history.items()}


def gradients(outputs, inputs):
    """Of a sum with uneven weights, so that nothing cancels."""
    loss = sum((v * torch.arange(v.numel()).cos().view_as(v)).sum() for v in outputs)
    return torch.autograd.grad(loss, inputs)


@each
def test_it_is_its_papers_equations_in_values_notes_and_all_gradients(case):
    cell, blocks, xs, state = build(case)
    with trace() as log:
        hs, last = run(cell, xs, state)
    wanted = by_hand(case, case.equations, blocks, xs, state)
    ends = [wanted[name][:, -1] for name in case.state.split()]
    for mine, theirs in zip([hs, *last], [wanted["h"], *ends], strict=True):
        assert_close(mine, theirs, 1e-12)
    assert set(log.names()) == set(case.noted.split())
    for name in log.names():
        assert_close(log.stack(name, 1), wanted[name], 1e-12, name)

    names, parameters = zip(*cell.named_parameters())
    found = gradients([hs, *last], [*parameters, xs, *state])
    expected = gradients([wanted["h"], *ends], [*blocks.values(), xs, *state])
    by_name = stacked(case, dict(zip(blocks, expected)))
    expected = [*(by_name[name] for name in names), *expected[len(blocks) :]]
    names = [*names, "xs", *case.state.split()]
    for name, mine, theirs in zip(names, found, expected, strict=True):
        assert theirs.abs().max() > 1e-3, f"{name} is not tested"
        assert_close(mine, theirs, 1e-10, f"gradients of {name}")


# Would be noticed --------------------------------------------------------------------------------


SLIPS = {  # one sign or function replaced, or one old value taken for the new
    r"sigma\(": ["tanh("],
    r"tanh\(": ["sigma(", "("],
    r"relu\(": ["tanh(", "("],
    r" \+ ": [" - "],
    r" \* ": [" + "],
    r"\b([hcifo])_t\b": [r"\1"],
}
MISREADINGS = [
    *((mut, "h", "h * z_t + new_t * (1 - z_t)") for mut in MUTS),  # the GRU's z
    (cells.MUT1Cell, "z", MUT2["z"]),
    (cells.MUT1Cell, "new", "tanh(r_t * (W_hh @ h) + tanh(x) + b_h)"),  # as in nn.GRU
    (cells.MUT2Cell, "z", "sigma(W_xx @ x + W_hx @ h + b_x)"),  # the slide at its word
    (cells.MUT2Cell, "r", MUT1["r"]),
    (cells.MUT2Cell, "new", MUT1["new"]),
    (cells.MUT3Cell, "z", "sigma(W_xz @ x + tanh(W_hz @ h) + b_z)"),
    (cells.PeepholeLSTMCell, "o", LSTM["o"].replace("c_t", "c")),
    (cells.PeepholeLSTMCell, "g", "tanh(W_xg @ x + W_hg @ h + p_i * c + b_g)"),
    (cells.PeepholeLSTMCell, "c", "f_t * g_t + c * i_t"),
    (cells.CoupledGates, "c", "f_t * g_t + c * i_t"),  # i = 1 - f
    (cells.NoInputGate, "c", "g_t * (1 - f_t) + c * f_t"),
    (cells.NoForgetGate, "f", "1 - i_t"),
    (cells.NoInputActivation, "g", LSTM["g"]),
    (cells.NoOutputActivation, "h", LSTM["h"]),
    (cells.NoPeepholes, "o", LSTM["o"]),
    (cells.FullGateRecurrence, "i", FGR["i"].replace("R_fi", "R_if").replace("R_oi", "R_io")),
    (cells.FullGateRecurrence, "o", FGR["o"].replace("@ i", "@ i_t").replace("@ f", "@ f_t")),
    (cells.NASCell, "l3", "relu(W_x3 @ x + W_h3 @ h)"),  # a port has it
    (cells.NASCell, "c", "m0_t * m1_t"),
]


def wrong_equations(case):
    yield from ((name, wrong) for cell, name, wrong in MISREADINGS if cell is case.cell)
    for (name, right), (old, news) in itertools.product(case.equations.items(), SLIPS.items()):
        for at, new in itertools.product(re.finditer(old, right), news):
            if new != r"\1" or at[1] in case.state:
                yield name, right[: at.start()] + at.expand(new) + right[at.end() :]


def assert_different(a, b, name):
    assert relative_error(a, b) > 1e-3, f"not noticed: {name}"


@each
def test_one_wrong_equation_is_noticed(case):
    wrongs = list(wrong_equations(case))
    cell, blocks, xs, state = build(case, *(wrong for _, wrong in wrongs))
    hs, _ = run(cell, xs, state)
    for name, wrong in wrongs:
        told = by_hand(case, case.equations | {name: wrong}, blocks, xs, state)
        assert_different(hs, told["h"], f"{name} = {wrong}")


@each
def test_two_swapped_blocks_are_noticed(case):
    cell, _, xs, state = build(case)
    hs, _ = run(cell, xs, state)
    for name, p in cell.named_parameters():
        kept = p.data
        for at in range(len(p) // H - 1):
            blocks = list(kept.split(H))
            blocks[at : at + 2] = blocks[at + 1], blocks[at]
            p.data = torch.cat(blocks)
            assert_different(run(cell, xs, state)[0], hs, f"blocks {at}, {at + 1} of {name}")
        if name == "W_gates":
            p.data = kept.T
            assert_different(run(cell, xs, state)[0], hs, "W_gates transposed")
        p.data = kept


@pytest.mark.parametrize("cell_type", [c for c in OF if c is not cells.NoPeepholes])
def test_blocks_lie_in_the_order_in_which_the_docstring_names_them(cell_type):
    doc, case = cell_type.__doc__, OF[cell_type]
    assert "".join(re.findall(r"W_(?:x|(?=\d))(\w)", doc)) == case.x
    assert "".join(re.findall(r"(?:W_h|U_)(\w)", doc)) == case.h
    assert "".join(re.findall(r"\bb_(\w)", doc)) == case.b
    assert "".join(re.findall(r"\bp_(\w)", doc)) == case.p
    if cell_type is cells.FullGateRecurrence:
        pairs = re.findall(r"\bW_([ifo])([ifo])\b", doc)
        assert pairs == list(itertools.product("ifo", "ifo"))


# Laws --------------------------------------------------------------------------------------------


def stands_open(gate):
    zeros = {f"W_x{gate}": torch.zeros(H, 5), f"W_h{gate}": torch.zeros(H, H)}
    return {**zeros, f"p_{gate}": torch.zeros(H), f"b_{gate}": torch.full((H,), 1e4)}


@pytest.mark.parametrize(
    "cell_type, fixed",
    [
        (cells.NoPeepholes, lambda w: {f"p_{gate}": torch.zeros(H) for gate in "ifo"}),
        (cells.NoInputGate, lambda w: stands_open("i")),
        (cells.NoForgetGate, lambda w: stands_open("f")),
        (cells.NoOutputGate, lambda w: stands_open("o")),
        # 1 - sigma(a) = sigma(-a)
        (cells.CoupledGates, lambda w: {k + "f": -w[k + "i"] for k in ("W_x", "W_h", "b_", "p_")}),
        (cells.FullGateRecurrence, lambda w: {k: 0 * v for k, v in w.items() if k[0] == "R"}),
    ],
)
def test_it_is_the_baseline_where_some_weights_are_fixed(cell_type, fixed):
    _, blocks, xs, state = build(OF[cell_type])
    blocks |= fixed(blocks)
    cell, baseline = (cell_from(OF[c], blocks) for c in (cell_type, cells.PeepholeLSTMCell))
    assert_close(run(cell, xs, state)[0], run(baseline, xs, state[:2])[0], 1e-13)


@pytest.mark.parametrize("cell_type", [cells.NoForgetGate, cells.CoupledGates, *MUTS])
def test_a_shut_write_gate_keeps_the_past_to_the_bit(cell_type):
    """The first block, i or z, is shut; NFG keeps all, CIFG keeps what it does not write."""
    cell, _, _, state = build(OF[cell_type])
    for p in cell.parameters():
        p.data[:H] = 0
    cell.b.data[:H] = -1e4
    _, last = run(cell, torch.randn(B, 100, OF[cell_type].D), state)
    assert torch.equal(last[-1], state[-1])


def count(cell):
    return sum(p.numel() for p in cell.parameters())


@each
def test_as_many_parameters_as_the_formula_says(case):
    units = H * case.D, H * H, H
    assert count(case.cell(case.D, H)) == sum(n * unit for n, unit in zip(case.size, units))


def test_nine_matrices_more_and_a_quarter_less():
    fgr, baseline = cells.FullGateRecurrence(5, H), cells.PeepholeLSTMCell(5, H)
    assert count(fgr) - count(baseline) == 9 * H * H
    assert 4 * count(GRUCell(5, H)) == 3 * count(cells.NoPeepholes(5, H))


@each
def test_a_new_cell(case):
    cell = case.cell(case.D, H)
    for name, p in cell.named_parameters():
        low, high = p.aminmax()
        bound = 0 if name == "b" else H**-0.5
        assert -bound <= low <= -bound / 2 and bound / 2 <= high <= bound, name
    start = cell.float().start(B)
    parts = start if isinstance(start, tuple) else (start,)
    assert len(parts) == len(case.state.split())
    assert all(torch.equal(part, torch.zeros(B, H, dtype=torch.float32)) for part in parts)


def test_the_forget_bias_is_where_it_belongs():
    cell = cells.PeepholeLSTMCell(5, H, forget_bias=2.0)
    assert cell.b.tolist() == [0.0] * H + [2.0] * H + [0.0] * 2 * H


@each
def test_no_output_sees_a_later_input_alone_or_in_a_stack(case):
    cell, _, xs, _ = build(case)
    assert_causal(lambda xs: unroll(cell, xs)[0], xs.detach())
    stack = Stack([cell, case.cell(H, H)])
    assert_close(stack(xs)[0], stack.by_steps(xs)[0], 1e-13)


# Our two controls --------------------------------------------------------------------------------


def test_an_uncoupled_gru_with_coupled_weights_is_a_gru_and_can_grow():
    gru, cell = GRUCell(5, H), cells.UncoupledGRUCell(5, H)
    gru.b.data.normal_()
    for ours, theirs in ((cell.W_x, gru.W_x), (cell.W_h, gru.W_h), (cell.b, gru.b)):
        r, z, new = theirs.data.chunk(3)
        ours.data = torch.cat([r, z, -z, new])  # 1 - sigma(a) = sigma(-a)
    xs = torch.randn(B, T, 5)
    assert_close(unroll(cell, xs)[0], unroll(gru, xs)[0], 1e-12)
    W_z = cell.W_x.data[H : 2 * H] * 0 + 3
    cell.W_x.data[H : 2 * H], cell.W_x.data[2 * H : 3 * H] = W_z, W_z  # keep, and write
    cell.b.data[3 * H :] = 5
    assert unroll(cell, torch.ones(B, 20, 5))[0].abs().max() > 5
    with trace() as log:
        unroll(cell, xs)
    assert set(log.names()) == {"r", "z", "i", "new", "h"}


def test_a_clipped_lstm_is_the_baseline_while_c_is_small_and_never_grows():
    cell, baseline = cells.ClippedLSTMCell(5, H), cells.PeepholeLSTMCell(5, H)
    for ours, theirs in zip(cell.parameters(), baseline.parameters()):
        ours.data = theirs.data
    xs = torch.randn(B, T, 5)
    assert_close(unroll(cell, xs)[0], unroll(baseline, xs)[0], 1e-12)
    for b in (cell.b, baseline.b):
        b.data.fill_(4)  # keep all, write all: c goes up by 1 at each step
    with trace() as log:
        unroll(cell, xs)
        unroll(baseline, xs)
    ends = log["c"][T - 1], log["c"][2 * T - 1]
    assert ends[0].abs().max() == 1 < 2 < ends[1].abs().max()


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell_type", [cells.MUT1Cell, cells.MUT2Cell])
def test_x_of_another_size_than_h_cannot_be_added(cell_type, as_a_reader_runs_it):
    with pytest.raises(ValueError, match=f"{cell_type.__name__} .* H = 7 .* D = 5: embed .* in 7"):
        cell_type(5, H)


@each
def test_bad_sizes_states_and_inputs_are_refused(case, as_a_reader_runs_it):
    for sizes, said in [((0, 0), "input_size is 0"), ((case.D, 0), r"\b0\b"), ((-1, H), r"-1\b")]:
        with pytest.raises(ValueError, match=said):
            case.cell(*sizes)
    cell, _, xs, state = build(case)
    name, h, rest = case.cell.__name__, torch.zeros(B, H), tuple(state[1:])
    alone = [h] if rest else [h[:1], h[:, 1:]]
    for wrong in [*alone, (h,), (*state, h), (*rest, None), (*rest, h[:1]), (*rest, h[:, 1:])]:
        with pytest.raises(ValueError, match=f"{name} expects"):
            unroll(cell, xs, wrong)
        with pytest.raises(ValueError, match=f"{name} expects x .* with H = 7"):
            cell(xs[:, 0], wrong)
    with pytest.raises(ValueError, match=rf"\(2, {case.D - 1}\).*{name} expects x \(B, {case.D}\)"):
        unroll(cell, xs[..., 1:])
    with pytest.raises(ValueError, match="length 0: give at least one step"):
        unroll(cell, xs[:, :0])
    xs.data[1, 2, 3] = torch.nan
    with pytest.raises(ValueError, match="input nan in sequence 1 at step 2"):
        unroll(cell, xs)
