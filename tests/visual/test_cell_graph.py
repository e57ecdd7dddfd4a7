"""Equations read as a graph: against the cells themselves; what is refused; the layout."""

import itertools

import pytest
import torch

from lecture_utils.visual.cell_graph import lay_out, letters, read_cell, read_line
from tests.cell_equations import CELLS, EQUATIONS, SIZES

GRAPHS = {name: read_cell(lines) for name, lines in EQUATIONS.items()}
every_cell = pytest.mark.parametrize("name", EQUATIONS)


def edges(name, matrix):
    return {(edge.source, edge.target) for edge in GRAPHS[name].edges if edge.matrix == matrix}


# ---- the course's cells -------------------------------------------------------------------------


@pytest.mark.parametrize("name, lines, inputs, by_matrix, by_element, roads", [
    ("RNN", 1, 2, 2, 0, ""),
    ("LSTM", 6, 3, 8, 6, "c"),
    ("GRU", 4, 2, 7, 3, "h"),
    ("MUT1", 4, 2, 5, 4, "h"),
    ("MUT2", 4, 2, 6, 4, "h"),
    ("MUT3", 4, 2, 7, 3, "h"),
    ("LSTM with peepholes", 6, 3, 8, 9, "c"),
    ("no input gate", 5, 3, 6, 7, "c"),
    ("no forget gate", 5, 3, 6, 7, "c"),
    ("no output gate", 5, 3, 6, 7, "c"),
    ("no input activation", 6, 3, 8, 9, "c"),
    ("no output activation", 6, 3, 8, 9, "c"),
    ("coupled gates", 6, 3, 6, 9, "c"),
    ("full gate recurrence", 6, 6, 17, 9, "c"),
    ("NAS cell", 15, 3, 16, 15, ""),
])
def test_nodes_edges_and_roads(name, lines, inputs, by_matrix, by_element, roads):
    graph = GRAPHS[name]
    assert (len(graph.lines), len(graph.inputs)) == (lines, inputs)
    assert (len(edges(name, True)), len(edges(name, False))) == (by_matrix, by_element)
    assert graph.roads == list(roads)


@every_cell
def test_weights_are_those_of_the_cell(name):
    lines = GRAPHS[name].lines
    found = [{weight for line in lines for weight in weights(line)}
             for weights in (lambda line: line.matrices, lambda line: line.vectors)]
    assert tuple(map(len, found)) == SIZES[name]
    H = 5
    assert sum(p.numel() for p in CELLS[name](H, H).parameters()) == (
        len(found[0]) * H**2 + len(found[1]) * H)


@every_cell
def test_a_road_is_where_a_far_state_still_arrives(name):
    """With all weights 0 no matrix passes anything, and at 100 no squashing function does."""
    H = 3
    cell = CELLS[name](H, H).double()
    for parameter in cell.parameters():
        parameter.data.zero_()
    start = cell.start(1)
    single = torch.is_tensor(start)
    state = [torch.full_like(part, 100.0) for part in ([start] if single else start)]

    def step(*parts):
        after = cell(torch.full((1, H), 0.3).double(), parts[0] if single else parts)
        return (after,) if single else after

    jacobians = torch.autograd.functional.jacobian(step, tuple(state))
    passing = {letter: bool((jacobians[k][k].abs() > 1e-3).any())
               for k, letter in enumerate("hcifo"[: len(state)])}
    assert [letter for letter in passing if passing[letter]] == GRAPHS[name].roads
    assert set(GRAPHS[name].states) <= set(passing)


def test_which_uses_pass_a_matrix():
    into = {target: {s for s, t in edges("GRU", True) if t == target} for target in
            ("r_t", "z_t", "h~_t", "h_t")}
    assert into == {"r_t": {"x_t", "h_{t-1}"}, "z_t": {"x_t", "h_{t-1}"},
                    "h~_t": {"x_t", "r_t", "h_{t-1}"}, "h_t": set()}
    assert ("x_t", "h~_t") in edges("MUT1", False)  # tanh(x_t), without a matrix
    assert ("x_t", "r_t") in edges("MUT2", False)
    assert ("h_{t-1}", "z_t") in edges("MUT3", True)  # W_hz tanh(h_{t-1})
    for gate, state in (("i_t", "c_{t-1}"), ("f_t", "c_{t-1}"), ("o_t", "c_t")):
        assert (state, gate) in edges("LSTM with peepholes", False)  # a peephole is no matrix
    assert {("x_t", "l3_t"), ("h_{t-1}", "l3_t")} <= edges("NAS cell", True)
    assert {s for s, t in edges("full gate recurrence", True) if t == "o_t"} == {
        "x_t", "h_{t-1}", "i_{t-1}", "f_{t-1}", "o_{t-1}"}


def test_which_uses_are_open():
    found = {name: {(e.source, e.target) for e in graph.edges if e.open}
             for name, graph in GRAPHS.items()}
    assert found["RNN"] == set()
    assert found["LSTM"] == {("f_t", "c_t"), ("c_{t-1}", "c_t"), ("i_t", "c_t"), ("g_t", "c_t"),
                             ("o_t", "h_t")}
    assert found["no output activation"] - found["LSTM with peepholes"] == {("c_t", "h_t")}
    assert found["NAS cell"] == {("m1_t", "c_t")}
    assert ("i_t", "f_t") in found["coupled gates"]


# ---- other equations ----------------------------------------------------------------------------


def road(*lines):
    return read_cell(lines).roads


def test_roads_are_found_by_structure_not_by_name():
    assert road("q_t = q_{t-1} + tanh(W_x x_t)") == ["q"]
    assert road("c_t = tanh(c_{t-1}) + x_t") == []
    assert road("c_t = relu(c_{t-1} + x_t)") == []
    assert road("c_t = W_cc c_{t-1} + x_t") == []
    assert road("c_t = W_cc (x_t * c_{t-1})") == []
    # Over another quantity, and past one that is squashed.
    assert road("a_t = x_t * c_{t-1}", "c_t = a_t + b_c") == ["c"]
    assert road("a_t = tanh(c_{t-1})", "c_t = a_t + x_t") == []
    assert road("a_t = tanh(c_{t-1})", "c_t = a_t + c_{t-1}") == ["c"]
    assert road("a_t = c_{t-1}", "c_t = sigma(a_t)") == []
    # One open use is enough; two states, two roads; from one state to the other is no road.
    assert road("c_t = tanh(c_{t-1}) - c_{t-1}") == ["c"]
    assert road("c_t = c_{t-1}", "h_t = (1 - x_t) * h_{t-1} + c_t") == ["c", "h"]
    assert road("c_t = h_{t-1}", "h_t = tanh(c_{t-1})") == []


def test_an_edge_on_a_road_is_marked():
    graph = read_cell(["a_t = x_t * c_{t-1}", "g_t = tanh(a_t)", "c_t = a_t + g_t"])
    marked = {(edge.source, edge.target) for edge in graph.edges if edge.road}
    assert marked == {("c_{t-1}", "a_t"), ("a_t", "c_t")}


def test_a_use_of_both_kinds_is_two_edges():
    graph = read_cell(["h_t = W_hh h_{t-1} + h_{t-1} + h_{t-1} * x_t"])
    assert sorted((e.source, e.matrix, e.open) for e in graph.edges) == [
        ("h_{t-1}", False, True), ("h_{t-1}", True, False), ("x_t", False, True)]


def test_letters_and_terms_are_set_with_true_signs():
    assert letters("h~_{t-1}") == ["h\u0303", "t\u22121"]
    assert letters("l0_t") == ["l", "0,t"]
    line = read_line("h_t  = z_t*h_{t-1} + (1 - z_t) * W_hh tanh( h~_{t-1} )")
    assert line.text == "h_t = z_t*h_{t-1} + (1 - z_t) * W_hh tanh( h~_{t-1} )"
    z, h = ["z", "t"], ["h", "t\u22121"]
    assert line.terms == [
        [["h", "t"], " = ", z, " \u2299 ", h],
        ["+ ", "(", "1", " \u2212 ", z, ")", " \u2299 ", ["W", "hh"], "\u2009", "tanh", "(",
         ["h\u0303", "t\u22121"], ")"],
    ]


# ---- what is refused ----------------------------------------------------------------------------

STATE = "h_t = h_{t-1}"


@pytest.mark.parametrize("lines, said", [
    (["c_t = f_t * c_{t-1}"], r"'c_t = f_t \* c_\{t-1\}' uses f_t, which is not defined: add a "
                              "line that begins with 'f_t ='"),
    ([STATE, "y_t = q_{t-1}"], "uses q_{t-1}, which is not defined: add .* 'q_t ='"),
    (["h_t = o_t * h_{t-1}", "o_t = x_t"], "uses o_t, .*: write the line of o_t before it"),
    (["h_t = h_t + h_{t-1}"], "uses h_t, which is not defined"),
    (["h_t = x_{t-1} + h_{t-1}"], "uses x_{t-1}, which is not defined: only x_t is given"),
    ([STATE, STATE], "defines h_t again: keep one line"),
    (["x_t = h_{t-1}", STATE], "defines x_t again: x_t is the input"),
    (["h_t = tanh(W_xh x_t)"], "step t-1, such as h_{t-1}: the cell has no state"),
    (["h_t = softmax(h_{t-1})"], r"not understood at 'softmax\(h_\{t-1\}\)': write quantities as"),
    (["h_t = tanh h_{t-1}"], "not understood at 'tanh h_{t-1}'.* functions with brackets"),
    (["h_t = z_t h_{t-1}"], "not understood at 'h_{t-1}': join two factors with"),
    (["h_t = (1 - x_t)(h_{t-1})"], "join two factors with"),
    (["h_t = 2 h_{t-1}"], "join two factors"),
    (["h_t = tanh(h_{t-1}"], "not understood at its end: close the bracket"),
    (["h_t = h_{t-1})"], r"not understood at '\)'"),
    (["h_t = h_{t-1} +"], "at its end: here a quantity, a weight, a number or"),
    (["h_t = W_hh + h_{t-1}"], r"at '\+ h_\{t-1\}': here a quantity"),
    (["h_t = x_t ** h_{t-1}"], r"at '\* h_\{t-1\}'"),
    (["h_t ="], "at its end: here a quantity"),
    (["h_t"], "begin with a quantity of step t and =, such as 'h_t ='"),
    (["h_{t-1} = h_{t-1}"], "begin with a quantity of step t"),
    (["W_xh = h_{t-1}"], "begin with a quantity of step t"),
    (["tanh(h_t) = h_{t-1}"], "begin with a quantity of step t"),
    (["h_t = c_i + h_{t-1}"], r"at 'c_i \+ h_\{t-1\}': write quantities as h_t"),
    (["h_t = h_0"], "at 'h_0'"),
    (["h_t = H_t"], "at its end: here a quantity"),  # H_t is a matrix, of nothing
    (["h_t = <b>h_{t-1}</b>"], "at '<b>h_{t-1}</b>'"),
    (["h_t = h_{t-1} / x_t"], "at '/ x_t'"),
    (["\u0125_t = h_{t-1}"], "not understood"),
    (["h_t = " + "(" * 80 + "h_{t-1}" + ")" * 80], "give a text of 1 to 160 characters"),
    ([""], "'' cannot be read: give a text"),
    ([None], "None cannot be read"),
    ([], "0 lines: give 1 to 16"),
    (["h_t = h_{t-1}"] * 25, "25 lines"),
    ("h_t = h_{t-1}", "give a list with one text per line"),
    (7, "equations is 7"),
])
def test_bad_equations_are_refused(lines, said):
    with pytest.raises(ValueError, match=said):
        read_cell(lines)


def test_deep_nesting_is_read():
    assert road("h_t = " + "(" * 70 + "h_{t-1}" + ")" * 70) == ["h"]


# ---- the layout ---------------------------------------------------------------------------------

ODD = {
    "two roads": ["c_t = c_{t-1} + x_t", "h_t = (1 - x_t) * h_{t-1} + c_t"],
    "a road of two parts": ["a_t = x_t * c_{t-1}", "g_t = tanh(a_t)", "c_t = a_t + g_t"],
    "branches": ["a_t = c_{t-1}", "d_t = 2 * c_{t-1}", "c_t = a_t + d_t"],
    "no input": ["h_t = tanh(W_hh h_{t-1})"],
    "a constant": ["f_t = 1", "y_t = f_t + b_y", "h_t = f_t * h_{t-1}"],
    "a chain": ["a_t = h_{t-1}"] + [f"{b}_t = {a}_t + h_{{t-1}}" for a, b in
                                    itertools.pairwise("acdefgijklmnh")],
}


@pytest.mark.parametrize("name", [*EQUATIONS, *ODD])
def test_nothing_lies_on_anything(name):
    graph = read_cell((EQUATIONS | ODD)[name])
    plan = lay_out(graph)
    assert {place.name for place in plan.nodes} == {
        *graph.inputs, *(line.name for line in graph.lines)}
    assert all(-1e-6 <= p.top and p.top + p.tall <= plan.height + 1e-6 for p in plan.nodes)
    boxes = {place.name: (place.column, place.top, place.top + place.tall) for place in plan.nodes}
    for (one, a), (two, b) in itertools.combinations(boxes.items(), 2):
        apart = a[0] != b[0] or a[2] + 11.9 < b[1] or b[2] + 11.9 < a[1]
        assert apart, f"{one} and {two}"
    for route in plan.routes:
        # An edge goes from column to column, and never through a node that is not its own.
        columns = [column for column, _ in route.points]
        assert columns == list(range(columns[0], columns[0] + len(columns)))
        assert boxes[route.source][0] == columns[0]
        assert columns[-1] == (boxes[route.target][0] if route.target else len(plan.gaps) + 1)
        for column, y in route.points[1:-1] if route.target else route.points[1:]:
            for node, (at, top, end) in boxes.items():
                assert at != column or not top - 5 < y < end + 5, f"{route} through {node}"
        if route.target:
            _, top, end = boxes[route.target]
            assert top + 4 < route.points[-1][1] < end - 4
    # Two arrows into a node are apart, unless both come through a matrix.
    for one, two in itertools.combinations([r for r in plan.routes if r.target], 2):
        if one.target == two.target and not (one.matrix and two.matrix):
            assert abs(one.points[-1][1] - two.points[-1][1]) > 8
    # Every use is drawn once, and every state goes on.
    assert sorted((r.source, r.target, r.matrix) for r in plan.routes if r.target) == sorted(
        (e.source, e.target, e.matrix) for e in graph.edges)
    assert sorted(r.source for r in plan.routes if not r.target) == sorted(
        f"{state}_t" for state in graph.states)


@pytest.mark.parametrize("name", [n for n in EQUATIONS if GRAPHS[n].roads])
def test_the_road_is_straight_and_on_top(name):
    plan = lay_out(GRAPHS[name])
    heights = {round(y, 3) for route in plan.routes if route.road for _, y in route.points}
    assert len(heights) == 1
    assert heights.pop() == pytest.approx(13, abs=0.1)


def test_layouts_are_quick_and_the_same_each_time():
    graph = GRAPHS["full gate recurrence"]
    assert lay_out(graph) == lay_out(graph)
