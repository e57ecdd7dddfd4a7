"""The equations of a recurrent cell, read as a graph: which quantity uses which, and how.

    i_t = sigma(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)

A quantity has the index t or {t-1}; x_t is the input, and each other one has a line of its own,
before the lines that use it. W_.. and any other capital is a matrix and takes what follows it, b_..
and p_.. are vectors, one number per unit; `*` is element by element. Functions: sigma, tanh, relu,
clip.

A use is *through a matrix* if it stands in what a matrix takes, else *element by element*. One
element by element and in no function is *open*. A chain of open uses from a state of step t-1 to
the same state of step t is an additive road: no matrix and no squashing function on it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations, pairwise
from statistics import fmean
from typing import NamedTuple

INPUT = "x_t"
LONGEST = 160  # characters of a line, so that no nesting is too deep to be read
MOST = 16
TOKEN = re.compile(
    r"""\s*(?:(?P<function>sigma|tanh|relu|clip)(?=\s*\()
    | (?P<quantity>[a-z][a-z0-9]*~?_(?:t(?!\w)|\{t-1\}))
    | (?P<matrix>[A-Z]_\w+) | (?P<vector>[bp]_\w+)
    | (?P<number>\d+(?:\.\d+)?) | (?P<sign>[-+*()=]))""",
    re.VERBOSE | re.ASCII,
)


class Use(NamedTuple):
    """`target` uses `source`: through a matrix or not; if not, open or not; on a road or not."""

    source: str
    target: str
    matrix: bool
    open: bool
    road: bool = False


class Line(NamedTuple):
    """An equation: the quantity it defines, its uses, its weights, and how it is typeset.

    terms: what is written between two + signs; each a list of texts and [letter, index] pairs.
    """

    text: str
    name: str
    uses: list[Use]
    matrices: list[str]
    vectors: list[str]
    terms: list[list]


class Graph(NamedTuple):
    """lines as given; inputs: x_t and the states of step t-1; states: letters, such as h and c;
    edges: every use once; roads: the states with an additive road."""

    lines: list[Line]
    inputs: list[str]
    states: list[str]
    edges: list[Use]
    roads: list[str]


def letters(name: str) -> list[str]:
    """["h̃", "t−1"] of h~_{t-1}: a letter and its index, with true signs; ["l", "0,t"] of l0_t."""
    letter, index = name.split("_", 1)
    index = index.strip("{}").replace("-", "\u2212")
    return [
        letter[0] + "\u0303" * letter.endswith("~"),
        ",".join(filter(None, [letter[1:].strip("~"), index])),
    ]


# ---- reading ------------------------------------------------------------------------------------


def read_cell(equations) -> Graph:
    """The graph of a cell, from its lines.

    Raises ValueError naming the line that is not understood, or uses what no line before defines.
    """
    if isinstance(equations, str) or not isinstance(equations, Iterable):
        raise ValueError(f"equations is {equations!r}: give a list with one text per line")
    lines = [read_line(text) for text in equations]
    if not 1 <= len(lines) <= MOST:
        raise ValueError(f"equations has {len(lines)} lines: give 1 to {MOST}")
    all_names = [line.name for line in lines]
    known = {INPUT}
    for line in lines:
        for use in line.uses:
            now = _now(use.source)
            if use.source in known or (now != use.source and now in all_names):
                continue
            hint = (f"write the line of {now} before it" if use.source in all_names
                    else f"add a line that begins with '{now} ='" if now != INPUT
                    else "only x_t is given")
            raise ValueError(f"equation {line.text!r} uses {use.source}, which is not defined: "
                             f"{hint}")
        if line.name in known:
            raise ValueError(f"equation {line.text!r} defines {line.name} again: "
                             + ("x_t is the input" if line.name == INPUT else "keep one line"))
        known.add(line.name)
    uses = [use for line in lines for use in line.uses]
    before = list(dict.fromkeys(use.source for use in uses if use.source not in known))
    states = [name.split("_")[0] for name in all_names if _before(name) in before]
    if not states:
        raise ValueError(f"no equation from {lines[0].text!r} on uses a quantity of step t-1, such "
                         "as h_{t-1}: the cell has no state")
    edges, roads = _with_roads(uses, states)
    order = [INPUT] * (INPUT in {use.source for use in uses})
    inputs = order + [f"{state}_{{t-1}}" for state in states]
    return Graph(lines, inputs, states, edges, roads)


def _now(name: str) -> str:
    return name.replace("_{t-1}", "_t")


def _before(name: str) -> str:
    return name.removesuffix("_t") + "_{t-1}"


def _with_roads(uses, states):
    """Every edge once, those on an additive road marked; and the states that have one."""
    merged: dict[tuple, bool] = {}
    for use in uses:
        key = use.source, use.target, use.matrix
        merged[key] = merged.get(key, False) or use.open
    edges = [Use(*key, open_) for key, open_ in merged.items()]
    on_road, roads = set(), []
    for state in states:
        start, end = f"{state}_{{t-1}}", f"{state}_t"
        reached, arriving = {start}, {end}
        for _ in edges:
            reached |= {e.target for e in edges if e.open and e.source in reached}
            arriving |= {e.source for e in edges if e.open and e.target in arriving}
        if end in reached:
            roads.append(state)
            on_road |= {e for e in edges if e.open and {e.source, e.target} <= reached & arriving}
    return [edge._replace(road=edge in on_road) for edge in edges], roads


def read_line(text) -> Line:
    """One equation. Raises ValueError naming it where it is not understood."""
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST:
        raise ValueError(f"equation {text!r} cannot be read: give a text of 1 to {LONGEST} "
                         "characters, such as 'h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h)'")
    return _Reader(" ".join(text.split())).line()


class _Reader:
    """Recursive descent: line = sum, sum = product + ..., product = factor * ...,
    factor = quantity | vector | number | matrix factor | function (sum) | (sum)."""

    def __init__(self, text: str):
        self.text = text
        self.tokens, self.at = [], 0
        self.uses, self.matrices, self.vectors = [], [], []
        end = 0
        while end < len(text):
            match = TOKEN.match(text, end)
            if match is None:
                self.fail(text[end:].strip(), "write quantities as h_t or h_{t-1}, matrices as "
                          "W_xh, vectors as b_h or p_i, functions with brackets, and * for a "
                          "product element by element")
            self.tokens.append((match.lastgroup, match[match.lastgroup], match.start()))
            end = match.end()

    def fail(self, where: str, remedy: str):
        where = f"at {where!r}" if where else "at its end"
        raise ValueError(f"equation {self.text!r} is not understood {where}: {remedy}")

    def refuse(self, remedy: str):
        """Fail at the token that comes next."""
        rest = self.tokens[self.at :]
        self.fail(self.text[rest[0][2] :].strip() if rest else "", remedy)

    def next(self, *wanted: str) -> str | None:
        """Take the next token if it is one of these kinds or signs."""
        if self.at < len(self.tokens):
            kind, value, _ = self.tokens[self.at]
            if kind in wanted or value in wanted:
                self.at += 1
                return value
        return None

    def line(self) -> Line:
        self.name = self.next("quantity")
        if self.name is None or self.name.endswith("}") or not self.next("="):
            self.at = 0
            self.refuse("begin with a quantity of step t and =, such as 'h_t ='")
        self.sum(matrix=False, squashed=False)
        if self.at < len(self.tokens):
            self.refuse("join two factors with *")
        unique = [list(dict.fromkeys(names)) for names in (self.matrices, self.vectors)]
        return Line(self.text, self.name, self.uses, *unique, self.terms())

    def sum(self, **inside):
        self.product(**inside)
        while self.next("+", "-"):
            self.product(**inside)

    def product(self, **inside):
        self.next("-")
        self.factor(**inside)
        while self.next("*"):
            self.factor(**inside)

    def factor(self, matrix, squashed):
        if name := self.next("quantity"):
            self.uses.append(Use(name, self.name, matrix, not (matrix or squashed)))
        elif name := self.next("vector"):
            self.vectors.append(name)
        elif name := self.next("matrix"):
            self.matrices.append(name)
            self.factor(matrix=True, squashed=squashed)
        elif not self.next("number"):
            squashed = bool(self.next("function")) or squashed
            if not self.next("("):
                self.refuse("here a quantity, a weight, a number or ( should stand")
            self.sum(matrix=matrix, squashed=squashed)
            if not self.next(")"):
                self.refuse("close the bracket with )")

    def terms(self) -> list[list]:
        signs = {"*": " \u2299 ", "-": " \u2212 ", "=": " = ", "+": "+ ", "sigma": "\u03c3"}
        terms, before = [[]], ""
        for kind, value, _ in self.tokens:
            if value == "+":
                terms.append([])
            if before == "matrix":
                terms[-1].append("\u2009")  # W x, a thin space apart
            if kind == "quantity":
                terms[-1].append(letters(value))
            elif kind in ("matrix", "vector"):
                terms[-1].append(value.split("_", 1))
            else:
                terms[-1].append(signs.get(value, value))
            before = kind
        return terms


# ---- laying out ---------------------------------------------------------------------------------

TALL, GAP = 26, 12  # of a node, and between two; pixels
LANE = 12  # between a node and a line that passes it
PORT = 9  # between two arrows that arrive at a node


class Place(NamedTuple):
    """A node: its column, its height (where its road or its lines leave) and its box."""

    name: str
    column: int
    y: float
    top: float
    tall: float


class Route(NamedTuple):
    """An edge through (column, y) points; between columns it bends, across a column it is level.
    A route without a target takes a state to the next step."""

    source: str
    target: str | None
    matrix: bool
    open: bool
    road: bool
    points: list[tuple[int, float]]


class Layout(NamedTuple):
    """gaps: how wide the room between two columns should be, compared with the mean: wider where
    many lines climb far. height in pixels."""

    gaps: list[float]
    height: float
    nodes: list[Place]
    routes: list[Route]


def lay_out(graph: Graph) -> Layout:
    """Columns from the inputs to the last state: an edge goes to a later column, round all nodes.

    Each column's order has few crossings; an additive road runs straight along the top.
    """
    column = dict.fromkeys(graph.inputs, 0)
    for line in graph.lines:
        column[line.name] = 1 + max((column[use.source] for use in line.uses), default=0)
    last = max(column.values())
    ends = [Use(f"{state}_t", None, False, True, state in graph.roads) for state in graph.states]

    # What stands in a column: nodes, by name, and passages of lines that go on to a later one, as
    # tuples. Lines of one kind from one source share their passages.
    columns = [[name for name in column if column[name] == k] for k in range(last + 2)]
    chains = {}
    for edge in [*graph.edges, *ends]:
        chain = chains[edge] = [edge.source]
        stop = column.get(edge.target, last + 2)
        for k in range(column[edge.source] + 1, stop):
            passage = (edge.source, edge.matrix, edge.road, edge.target is None, k)
            if passage not in columns[k]:
                columns[k].append(passage)
            chain.append(passage)
        if edge.target is not None:
            chain.append(edge.target)
    links = list(dict.fromkeys(
        pair for chain in chains.values() for pair in pairwise(chain)))
    road = _first_road(graph, chains)
    columns = _ordered(columns, links, road)

    arrivals = {name: [] for name in column}
    for edge in graph.edges:
        arrivals[edge.target].append(edge)
    tall = {item: 2.0 for items in columns for item in items}
    for name, edges in arrivals.items():
        ports = sum(not edge.matrix for edge in edges) + any(edge.matrix for edge in edges)
        tall[name] = max(TALL, PORT * (ports - 1) + (22 if name in road else 16))
    middle = _heights(columns, links, tall, road)

    top = min(middle[item] - tall[item] / 2 for items in columns for item in items)
    middle = {item: round(y - top, 1) for item, y in middle.items()}
    leaves = {name: middle[name] - (tall[name] - TALL) / 2 * (name in road) for name in column}
    y = middle | leaves
    nodes = [Place(name, column[name], y[name], middle[name] - tall[name] / 2, tall[name])
             for name in column]
    routes = []
    for edge, chain in chains.items():
        at = column[edge.source]
        points = [(at + step, y[item]) for step, item in enumerate(chain)]
        if edge.target is not None:
            points[-1] = points[-1][0], _port(edge, arrivals[edge.target], chains, y, road)
        routes.append(Route(*edge[:5], points))
    height = max(middle[item] + tall[item] / 2 for items in columns for item in items)
    return Layout(_gaps(routes, last), height, nodes, routes)


def _gaps(routes, last) -> list[float]:
    climbs = [1.0] * last
    for route in routes:
        for (k, one), (_, two) in pairwise(route.points):
            if k < last:
                climbs[k] += abs(one - two)
    wide = [climb**0.25 for climb in climbs]
    return [round(one / fmean(wide), 3) for one in wide]


def _first_road(graph, chains) -> set:
    """What lies on the road of the first state that has one: it is drawn straight."""
    road = {f"{state}_{{t-1}}" for state in graph.roads[:1]}
    for _ in graph.lines:  # as many turns as a road can have parts
        for edge, chain in chains.items():
            if edge.road and edge.source in road:
                road.update(chain)
    return road


def _ordered(columns, links, road):
    """The columns' items in an order with few crossings; the road is always first."""
    before, after = defaultdict(list), defaultdict(list)
    for left, right in links:
        before[right].append(left)
        after[left].append(right)
    given = {item: k for items in columns for k, item in enumerate(items)}

    def cost(columns):
        """Crossings; among equals how far lines climb; then what stands out of the given order."""
        place = {item: k for items in columns for k, item in enumerate(items)}
        crossings = length = turned = 0
        for items in columns:
            ends = [(place[left], place[right]) for right in items for left in before[right]]
            crossings += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(ends, 2))
            length += sum(abs(a - b) for a, b in ends)
            turned += sum(given[one] > given[two] for one, two in combinations(items, 2))
        return crossings, length, turned

    def sweep(columns, near):
        """Each item to the middle of its neighbours in the column that was ordered before."""
        place, ordered = {}, []
        for items in columns:
            wanted = {}
            for k, item in enumerate(items):
                beside = [place[other] for other in near[item] if other in place]
                wanted[item] = fmean(beside) if beside else k / max(1, len(items) - 1)
            items = sorted(items, key=lambda item: (item not in road, wanted[item]))
            place |= {item: k / max(1, len(items) - 1) for k, item in enumerate(items)}
            ordered.append(items)
        return ordered

    def exchanged(columns):
        """Two items of a column change places wherever that is better."""
        columns = [list(items) for items in columns]
        lowest, better = cost(columns), True
        while better:
            better = False
            for items in columns:
                free = range(sum(item in road for item in items), len(items))
                for one, two in combinations(free, 2):
                    items[one], items[two] = items[two], items[one]
                    now = cost(columns)
                    if now < lowest:
                        lowest, better = now, True
                    else:
                        items[one], items[two] = items[two], items[one]
        return columns

    passing_first = [sorted(items, key=lambda item: isinstance(item, str)) for items in columns]
    found = []
    for start in (columns, [items[::-1] for items in columns], passing_first):
        for _ in range(4):
            start = sweep(start, before)
            start = sweep(start[::-1], after)[::-1]
            found.append(start)
    return min((exchanged(start) for start in sorted(found, key=cost)[:3]), key=cost)


def _heights(columns, links, tall, road):
    """Where each item's middle is: near its neighbours, with room between two of a column."""
    near = defaultdict(list)
    for left, right in links:
        # A long line that is straight matters more than a node amid its neighbours.
        weight = 1 + 3 * isinstance(left, tuple) + 3 * isinstance(right, tuple)
        near[left].append((right, weight))
        near[right].append((left, weight))
    middle, spaces = {}, []
    for items in columns:
        space, at = [], 0.0
        for k, item in enumerate(items):
            if k:
                between = [isinstance(x, tuple) for x in (items[k - 1], item)]
                at += (tall[items[k - 1]] + tall[item]) / 2 + (LANE if any(between) else GAP)
            space.append(at)
        spaces.append(space)
        middle |= {item: y - at / 2 for item, y in zip(items, space)}
    for pinned in road:
        middle[pinned] = 0.0
    for sweep in range(40):
        for items, space in list(zip(columns, spaces))[:: (-1) ** sweep]:
            wanted, weights = [], []
            for item, at in zip(items, space):
                pulls = near[item] or [(item, 1)]
                weight = sum(w for _, w in pulls)
                mean = sum(w * middle[other] for other, w in pulls) / weight
                if item in road:  # its arrows hang below the road, so its middle is lower
                    mean, weight = (tall[item] - TALL) / 2 * isinstance(item, str), 1e9
                wanted.append(mean - at)
                weights.append(weight)
            for item, at, y in zip(items, space, _rising(wanted, weights)):
                middle[item] = y + at
    return middle


def _rising(wanted, weights):
    """The numbers nearest to the wanted ones that never fall (isotonic least squares)."""
    blocks: list[list[float]] = []  # mean, weight, count
    for value, weight in zip(wanted, weights):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, u, m), (b, v, n) = blocks[-2:]
            blocks[-2:] = [[(a * u + b * v) / (u + v), u + v, m + n]]
    return [mean for mean, _, count in blocks for _ in range(count)]


def _port(edge, edges, chains, y, road) -> float:
    """Where an edge arrives: the road first, then those from above. What comes through matrices is
    added up before the node, so it arrives at one place."""
    ports: dict = {}
    for other in edges:
        port = "matrices" if other.matrix else other.source
        ports.setdefault(port, []).append((not other.road, y[chains[other][-2]]))
    order = sorted(ports, key=lambda port: (min(ports[port])[0], fmean(y for _, y in ports[port])))
    above = 0 if edge.target in road else (len(order) - 1) / 2
    return y[edge.target] + PORT * (order.index("matrices" if edge.matrix else edge.source) - above)
