"""The numbers that the notebooks print, computed here by other means.

The snapshot test sees that a stored number is what the cell prints; this one, that it is right.
"""

import csv
import functools
import json
import math
import re
import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent


@functools.cache
def printed(notebook):
    """All text that the stored notebook's cells put out, blanks made single."""
    text = []
    for cell in json.loads((ROOT / "notebooks" / notebook).read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            kept = output.get("text") or output.get("data", {}).get("text/plain", "")
            text.append("".join(kept))
    return " ".join(" ".join(text).split())


def numbers(notebook, pattern):
    """The groups of the only place where `pattern` is printed, as floats."""
    found = re.findall(pattern.replace(" ", r"\s+"), printed(notebook))
    assert len(set(found)) == 1, f"{len(found)} places in {notebook} print {pattern!r}"
    groups = found[0] if isinstance(found[0], tuple) else (found[0],)
    return [float(group.replace(",", "")) for group in groups]


def shown(value, digits):
    """A value as a reader sees it."""
    return pytest.approx(value, abs=0.500001 * 10**-digits)


START, ONE, TWO = "00_start_here.ipynb", "01_recurrence.ipynb", "02_backprop_through_time.ipynb"
THREE, FOUR, FIVE = "03_vanishing_gradients.ipynb", "04_lstm.ipynb", "05_cells.ipynb"
SIX, SEVEN = "06_hidden_cells.ipynb", "07_pixels.ipynb"
NUMBER = r"(-?[\d,]+(?:\.\d+)?)"
POWER = r"(\de[-+]\d\d)"
POWER3 = r"(\d\.\de[-+]\d\d)"

# Lessons 00 and 01 -------------------------------------------------------------------------------

LOGITS = [1.0, 2.2, -3.0, 4.1]  # the slide's scores for h, e, l, o


def slide_loss():
    """-log softmax(y)[e] as a sum of differences: log(1 + sum of e^(y_j - y_e))."""
    return math.log1p(sum(math.exp(y - 2.2) for y in LOGITS if y != 2.2))


def test_the_slides_loss_in_nats_and_bits():
    (nats,) = numbers(ONE, f"loss for 'e': {NUMBER} nats")
    assert nats == shown(slide_loss(), 4) == 2.0785
    (bits,) = numbers(START, rf"2\.0785 nats = {NUMBER} bits")
    assert 2**bits == pytest.approx(math.e**2.0785, rel=1e-4)


def test_the_slides_probabilities():
    pattern = f"probabilities: h {NUMBER} e {NUMBER} l {NUMBER} o {NUMBER}"
    odds = [1 / sum(math.exp(other - y) for other in LOGITS) for y in LOGITS]
    assert numbers(ONE, pattern) == [shown(p, 3) for p in odds] == [0.038, 0.125, 0.001, 0.837]


def test_a_uniform_guess_among_four_letters():
    (nats,) = numbers(ONE, f"a uniform guess: {NUMBER}")
    assert math.exp(nats) == pytest.approx(4, abs=2e-4)
    assert numbers(START, f"measured: {NUMBER} nats = {NUMBER} bits") == [nats, 2]


def test_the_first_four_states():
    found = re.findall(r"x = (\d) -> h = (\d\.\d+)", printed(ONE))
    assert [x for x, _ in found] == ["1", "0", "0", "1"]
    h = 0.0
    for x, value in found:
        e = math.exp(2 * (0.8 * h + 0.5 * int(x)))
        h = (e - 1) / (e + 1)  # tanh
        assert float(value) == shown(h, 3)
    assert [float(value) for _, value in found] == [0.462, 0.354, 0.276, 0.617]


def test_the_best_loss_without_memory():
    """Minimise the price of a fixed bet on l after l, instead of counting as the notebook does."""
    lowest = min(-(math.log(q) + math.log(1 - q)) for q in np.linspace(0.01, 0.99, 99)) / 4
    (bound,) = numbers(ONE, f"loss without memory: {NUMBER} nats")
    assert bound == shown(lowest, 4) == shown(math.log(2) / 2, 4) == 0.3466


class Hello(nn.Module):
    """The network of lesson 01 from the same start, by autograd and PyTorch's own RNN."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(5)
        self.rnn = nn.RNN(4, 3, batch_first=True, dtype=torch.float64)
        self.out = nn.Linear(3, 4, dtype=torch.float64)
        drawn = {w: 0.1 * rng.standard_normal(w.shape) for w in (
            self.rnn.weight_ih_l0, self.rnn.weight_hh_l0, self.out.weight
        )}
        with torch.no_grad():
            for w in self.parameters():
                w.copy_(torch.tensor(drawn.get(w, 0.0)))
        self.rnn.bias_hh_l0.requires_grad_(False)  # one bias, as in the lesson

    def forward(self, letters):
        codes = torch.eye(4, dtype=torch.float64)[["helo".index(c) for c in letters]]
        return self.out(self.rnn(codes[None])[0][0])

    def says(self):
        word = "h"
        while len(word) < 5:
            word += "helo"[int(self(word)[-1].argmax())]
        return word


def test_learning_hello_goes_as_printed():
    model, losses, first_said = Hello(), [], {}
    learned = [w for w in model.parameters() if w.requires_grad]
    targets = torch.tensor(["helo".index(c) for c in "ello"])
    for step in range(1, 601):
        loss = nn.functional.cross_entropy(model("hell"), targets, reduction="sum")
        with torch.no_grad():
            for w, dw in zip(learned, torch.autograd.grad(loss, learned)):
                w -= 0.03 * dw
        losses.append(loss.item() / 4)
        if step in (1, 57, 58, 140, 141):
            first_said[step] = model.says()
    pattern = f"loss per letter: {NUMBER} at first, {NUMBER} after 600 steps"
    assert numbers(ONE, pattern) == [shown(losses[0], 2), shown(losses[-1], 3)]
    steps = numbers(ONE, r"hllll after (\d+), helll after (\d+), hello after (\d+) steps")
    assert steps == [1, 58, 141]
    words = ["hllll", "hllll", "helll", "helll", "hello"]
    assert [first_said[step] for step in (1, 57, 58, 140, 141)] == words


def test_without_memory_the_printed_loss_is_just_above_the_bound():
    with_memory, without = numbers(ONE, f"with memory {NUMBER}, without {NUMBER}")
    assert with_memory < 0.05 < math.log(2) / 2 <= without < 0.36


@pytest.mark.parametrize("T", [1, 8, 100, 10_000])
def test_parameters_of_the_two_networks(T):
    pattern = rf"T = {T:,} RNN {NUMBER} parameters [a-z -]* at once {NUMBER}"
    recurrent, whole = numbers(ONE, pattern)
    cell, out = nn.RNN(8, 64, device="meta"), nn.Linear(64, 10, device="meta")
    assert recurrent == sum(w.numel() for m in (cell, out) for w in m.parameters()) == 5386
    flat = nn.Sequential(nn.Linear(8 * T, 64, device="meta"), nn.Linear(64, 10, device="meta"))
    assert whole == sum(w.numel() for w in flat.parameters())


# Lesson 02 ---------------------------------------------------------------------------------------


@functools.cache
def passage_network():
    """Inputs, targets, weights and a first state of the passage network, all drawn here again."""
    passage = "Every evening"
    letters = sorted(set(passage))
    indices = torch.tensor([letters.index(c) for c in passage])
    V, rng = len(letters), np.random.default_rng(2)
    scale = 5**-0.5
    W_xh, W_hh, W_hy = (
        torch.tensor(scale * rng.standard_normal(shape)) for shape in ((5, V), (5, 5), (V, 5))
    )
    return indices[:-1], indices[1:], W_xh, W_hh, W_hy, torch.tensor(rng.uniform(-0.5, 0.5, 5))


def passage_losses(W_hh_of_step, h=None, cut=lambda t: False):
    """The loss of each letter; W_hh_of_step[t] serves step t, the history ends where cut(t)."""
    inputs, targets, W_xh, _, W_hy, _ = passage_network()
    h, losses = torch.zeros(5, dtype=torch.float64) if h is None else h, []
    for t, (i, j) in enumerate(zip(inputs, targets)):
        h = h.detach() if cut(t) else h
        h = torch.tanh(W_xh[:, i] + W_hh_of_step[t] @ h)
        losses.append(-torch.log_softmax(W_hy @ h, 0)[j])
    return losses


def gradient_of_W_hh(cut=lambda t: False):
    W = passage_network()[3].clone().requires_grad_()
    loss = sum(passage_losses([W] * 12, cut=cut))
    return loss.item(), torch.autograd.grad(loss, W)[0]


def test_loss_and_gradient_of_the_passage():
    loss, gradient = gradient_of_W_hh()
    assert numbers(TWO, f"'Every evenin'.*?loss {NUMBER} nats") == [shown(loss, 3)]
    assert numbers(TWO, f"norm of dW_hh: {NUMBER}") == [shown(gradient.norm().item(), 4)]


@pytest.mark.parametrize("chunk", [1, 3, 6, 12])
def test_error_of_the_truncated_gradient(chunk):
    _, full = gradient_of_W_hh()
    loss, cut = gradient_of_W_hh(lambda t: t % chunk == 0)
    error = ((cut - full).abs().max() / max(cut.abs().max(), full.abs().max())).item()
    pattern = f"chunks of {chunk}: loss {NUMBER}, relative error of dW_hh {NUMBER}"
    assert numbers(TWO, pattern) == [shown(loss, 6), shown(error, 2)]


def test_share_of_the_slides_single_chain():
    *_, W, _, start = passage_network()
    copies = [W.clone().requires_grad_() for _ in range(12)]
    terms = torch.autograd.grad(passage_losses(copies, start)[-1], copies)
    norms = [term.norm().item() for term in terms]
    (percent,) = numbers(TWO, f"{NUMBER}% of the terms' total norm, with 12 steps")
    assert percent == shown(100 * norms[0] / sum(norms), 2)
    assert max(norms) == norms[-1]


@pytest.mark.parametrize("chunk, expected", [(1, 100), (5, 300), (25, 1300), (100, 5050)])
def test_pairs_that_truncation_keeps(chunk, expected):
    counted = sum(k // chunk == t // chunk for t in range(100) for k in range(t + 1))
    pattern = rf"100 steps in chunks of {chunk}: {NUMBER} of {NUMBER} pairs"
    assert numbers(TWO, pattern) == [counted, 5050] == [expected, 5050]


def test_the_share_of_pairs_in_the_summary():
    counted = sum(k // 25 == t // 25 for t in range(200) for k in range(t + 1))
    pattern = rf"at 25 steps keeps {NUMBER}% of the pairs"
    assert numbers(TWO, pattern) == [shown(100 * counted / sum(range(201)), 0)]


def test_size_of_the_chart_and_of_min_char_rnn():
    import unicodedata

    printable = [chr(c) for c in range(256) if unicodedata.category(chr(c)) != "Cc"]
    names = [unicodedata.name(c) for c in printable]
    characters = sum(len(name) + 5 for name in names)  # two digits, two blanks, a line end
    distinct = set("".join(names)) | set("0123456789ABCDEF") | {" ", "\n"}
    found = numbers(TWO, f"data has {NUMBER} characters, {NUMBER} unique")
    assert found == [characters, len(distinct)] == [5140, 39]

    V = len(distinct)
    modules = nn.RNN(V, 100), nn.Linear(100, V)
    parameters = sum(w.numel() for m in modules for w in m.parameters()) - 100
    assert numbers(TWO, rf"biases zero: {NUMBER} parameters") == [parameters] == [17_939]


def test_loss_of_a_uniform_guess_over_a_chunk():
    first, uniform = numbers(TWO, f"first chunk {NUMBER}, of a uniform guess {NUMBER} nats")
    assert uniform == shown(25 * math.log(39), 2) == 91.59
    assert first == pytest.approx(uniform, abs=0.05)


def test_the_spread_over_24_seeds():
    with (ROOT / "data/experiments/min_char_rnn.csv").open(encoding="utf-8") as file:
        final = [
            float(row["smooth_loss"])
            for row in csv.DictReader(file)
            if row["iteration"] == "17400"
        ]
    pattern = rf"24 seeds: {NUMBER} to {NUMBER}, median {NUMBER} nats .*?uniform: {NUMBER}\)"
    spread = [min(final), max(final), statistics.median(final), 25 * math.log(39)]
    assert numbers(TWO, pattern) == [shown(value, 1) for value in spread]
    assert len(final) == 24


# Lesson 03 ---------------------------------------------------------------------------------------


def test_the_bound_and_the_case_that_attains_it():
    found = numbers(THREE, f"30 steps: bound {NUMBER}; .*? without tanh, {NUMBER}")
    assert found == [shown(math.exp(30 * math.log(0.9)), 3)] * 2


def test_the_shear_grows_once_and_vanishes():
    """W^n = 0.5^n [[1, 8 n], [0, 1]]; the norm of [[1, a], [0, 1]] is (a + sqrt(a^2 + 4)) / 2."""
    sigma, rho, end = numbers(
        THREE, f"singular value {NUMBER}, spectral radius {NUMBER}: after 40 steps {POWER}"
    )
    assert sigma == shown(0.5 * (8 + math.sqrt(68)) / 2, 2) and rho == 0.5
    assert end == pytest.approx(0.5**40 * (320 + math.sqrt(320**2 + 4)) / 2, rel=0.2)


def test_linear_gains_are_those_of_powers():
    for gain in (0.5, 0.75, 1.25, 1.5, 2.0):
        (unit,) = numbers(THREE, f"gain 1.0: .*? linear {POWER} gain 1.25")
        (end,) = numbers(THREE, f"gain {gain}: 50 steps back, tanh {POWER}, linear {POWER}")[1:]
        assert end == pytest.approx(unit * gain**50, rel=0.2)  # one printed digit each


def test_the_four_points_at_the_cliff():
    for w, b in ((5.2, -2.2), (4.8, -2.39), (4.8, -2.4), (4.8, -2.41)):
        weight, bias = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (w, b))
        h = torch.tensor(0.5, dtype=torch.float64)
        for _ in range(50):
            h = torch.sigmoid(weight * h + bias)
        loss = (h - 0.7) ** 2
        length = math.hypot(*(g.item() for g in torch.autograd.grad(loss, (weight, bias))))
        found = re.findall(rf"w {w}, b {b}: loss (\S+), gradient (\S+)", printed(THREE))
        assert found == [(f"{loss.item():.3f}", f"{length:.3g}")]


def test_the_trained_networks_matrix():
    from safetensors.numpy import load_file

    W = load_file(ROOT / "data/checkpoints/min_char_rnn_3000.safetensors")["W_hh"].astype(float)
    radius = max(abs(np.linalg.eigvals(W)))
    sigma = math.sqrt(max(np.linalg.eigvalsh(W @ W.T)))
    found = numbers(THREE, f"singular value {NUMBER}, spectral radius {NUMBER}; its products")
    assert found == [shown(sigma, 1), shown(radius, 1)]


@pytest.mark.parametrize("puzzle", ["recall", "order"])
def test_the_table_of_the_long_lags(puzzle):
    with (ROOT / "data/experiments/long_lags.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["puzzle"] == puzzle]
    part = printed(THREE).split(f"{puzzle}: mean accuracy at (10, 20, 40, 80) steps ")[1]
    for method in dict.fromkeys(row["method"] for row in rows):
        shares = []
        for length in ("10", "20", "40", "80"):
            by_rate = {}
            for row in rows:
                if (row["method"], row["length"]) == (method, length):
                    by_rate.setdefault(row["rate"], []).append(row)
            best = max(by_rate.values(), key=lambda runs: sum(float(r["validation"]) for r in runs))
            shares.append(statistics.mean(float(run["accuracy"]) for run in best))
        found = re.search(rf"(?<!, ){method} " + " ".join([r"(\d+)%"] * 4), part)
        assert [int(share) for share in found.groups()] == [shown(100 * s, 0) for s in shares]


# Lesson 04 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [0.0, 1.0, 2.0])
def test_the_table_of_the_forget_bias(bias):
    keep = 1 / (1 + math.exp(-bias))
    pattern = rf"{bias} {NUMBER} {NUMBER} {POWER3} {POWER3} {POWER3} {POWER3}"
    f, half, after_20, after_100, measured_20, measured_100 = numbers(FOUR, pattern)
    assert f == shown(keep, 3) and keep ** half == pytest.approx(0.5, abs=0.03)
    assert after_20 == pytest.approx(keep**20, rel=0.06)
    assert after_100 == pytest.approx(keep**100, rel=0.06)
    assert measured_20 == pytest.approx(keep**20, rel=0.15)  # fresh weights are not quite 0
    assert measured_100 == pytest.approx(keep**100, rel=0.5)


def test_the_table_of_lag_100():
    with (ROOT / "data/experiments/lag_100.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    part = printed(FOUR).split("recall: accuracy, best to worst seed")[1]
    for network in dict.fromkeys(row["network"] for row in rows):
        wanted = []
        for puzzle, best in (("adding", min), ("recall", max)):
            by_rate = {}
            for row in rows:
                if (row["network"], row["puzzle"]) == (network, puzzle):
                    by_rate.setdefault(row["rate"], []).append(float(row["score"]))
            wanted.append(sorted(best(by_rate.values(), key=statistics.mean)))
        found = re.search(
            rf"{network} (\S+) (\S+) (\S+) \(rate \S+\) (\d+)% (\d+)% (\d+)%", part
        )
        errors, shares = found.groups()[:3], found.groups()[3:]
        assert [float(e) for e in errors] == [shown(e, 4) for e in wanted[0]]
        assert [int(a) for a in shares] == [shown(100 * a, 0) for a in wanted[1][::-1]]


def test_half_life_100():
    (bias,) = numbers(FOUR, f"half-life 100: a forget bias of {NUMBER}")
    assert (1 / (1 + math.exp(-bias))) ** 100 == pytest.approx(0.5, abs=0.002)


def test_the_five_roads_are_shares():
    roads = numbers(
        FOUR,
        rf"over 64 texts: directly, times f {NUMBER}%, through i {NUMBER}%, through f {NUMBER}%, "
        rf"through o {NUMBER}%, through g {NUMBER}%",
    )
    assert sum(roads) == pytest.approx(100, abs=2.5)  # each is rounded


def test_a_mostly_closed_highway_passes_on_what_its_gates_leave():
    (passed,) = numbers(FOUR, f"highway, gate bias −2 {POWER}, residual")
    assert passed == pytest.approx((1 - 1 / (1 + math.exp(2))) ** 30, rel=0.3)


# Lesson 05 ---------------------------------------------------------------------------------------


def rows_of(name):
    with (ROOT / f"data/experiments/{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def at_the_best_rate(rows, cell, task):
    """Test scores at the learning rate with the best mean validation score."""
    by_rate = {}
    for row in rows:
        if (row["cell"], row["task"]) == (cell, task):
            by_rate.setdefault(row["rate"], []).append(row)
    best = max(by_rate.values(), key=lambda runs: sum(float(r["validation"]) for r in runs))
    return [float(run["test"]) for run in best]


TASKS_OF_FIVE = ("order", "brackets", "prose")


def test_the_weights_of_gru_and_lstm():
    gru, lstm = numbers(FIVE, rf"{NUMBER} and {NUMBER} for D = 3, H = 5")
    assert (gru, lstm) == (3 * 5 * (3 + 5 + 1), 4 * 5 * (3 + 5 + 1))


def test_the_table_of_the_bench():
    rows = rows_of("cells")
    part = printed(FIVE).split("learning rates that solve it")[1]
    for cell in dict.fromkeys(row["cell"] for row in rows):
        found = re.search(rf" {cell} ([\d.]+)% (\d+) ([\d.]+)% ([\d.]+)% 0", part)
        order, solved, brackets, prose = map(float, found.groups())
        means = [100 * statistics.mean(at_the_best_rate(rows, cell, t)) for t in TASKS_OF_FIVE]
        assert [order, brackets, prose] == [shown(mean, 1) for mean in means]
        learned = [r for r in rows if (r["cell"], r["task"]) == (cell, "order")]
        assert solved == sum(float(r["test"]) > 0.99 for r in learned) and len(learned) == 20


def test_the_table_of_the_found_cells():
    rows = rows_of("found_cells")
    for cell in dict.fromkeys(row["cell"] for row in rows):
        means = [100 * statistics.mean(at_the_best_rate(rows, cell, t)) for t in TASKS_OF_FIVE]
        printed_means = numbers(FIVE, rf"{cell} {NUMBER}% {NUMBER}% {NUMBER}%")
        assert printed_means == [shown(mean, 1) for mean in means]


def test_the_table_of_the_buried_brackets():
    by_cell = {}
    for row in rows_of("buried"):
        by_cell.setdefault(row["cell"], []).append(row)
    part = printed(FIVE).split("which kind, with 0 ... 7 still open")[1]
    for cell, runs in by_cell.items():
        columns = ["count", *(f"left_{left}" for left in range(8))]
        wrong = [shown(100 - 100 * statistics.mean(float(r[c]) for r in runs), 1) for c in columns]
        found = re.search(rf"(?<!, ){re.escape(cell)} " + " ".join([r"([\d.]+)%"] * 9), part)
        assert [float(value) for value in found.groups()] == wrong


def test_evolution_with_and_without_selection():
    fresh = {"yes": [], "no": []}
    for row in rows_of("evolution"):
        if row["fresh"] not in ("", "nan"):
            fresh[row["selection"]].append(float(row["fresh"]))
    found = numbers(FIVE, rf"median of 5 winners: with selection {NUMBER}%, without {NUMBER}%")
    assert found == [shown(100 * statistics.median(fresh[kind]), 0) for kind in ("yes", "no")]


def test_the_menu_of_the_controller():
    scores = [float(row["score"]) for row in rows_of("base_2")]
    cells, median, best, above = numbers(
        FIVE, rf"{NUMBER} cells: median {NUMBER}%, best {NUMBER}%, {NUMBER} above 95 %"
    )
    assert cells == len(scores) == 2 * 3 * 2 * 3 * 2 * 2 * 2 * 2 * 3 * 2 / 2
    assert above == sum(score > 0.95 for score in scores)
    assert median == shown(100 * statistics.median(scores), 0)
    assert best == shown(100 * max(scores), 0)


# Lesson 06 ---------------------------------------------------------------------------------------


def test_bits_of_the_character_models_and_their_best_rivals():
    for corpus in ("code", "prose"):
        bits = {
            row["model"]: float(row["value"])
            for row in rows_of("char_models")
            if row["measure"] == "bits" and row["corpus"] == corpus and not row["source"]
        }
        card = json.loads((ROOT / f"data/checkpoints/char_lm_{corpus}.json").read_text())
        assert bits["LSTM"] == pytest.approx(card["metrics"]["test, bits per character"], abs=1e-3)
        best = min((name for name in bits if "gram" in name), key=bits.get)
        pattern = rf"on {corpus} the LSTM .*? LSTM {NUMBER}, {best} {NUMBER}"
        assert numbers(SIX, pattern) == [shown(bits["LSTM"], 2), shown(bits[best], 2)]
        pattern = rf"{corpus} LSTM {NUMBER}, lzma {NUMBER}, gzip {NUMBER}"
        assert numbers(SIX, pattern) == [shown(bits[name], 2) for name in ("LSTM", "lzma", "gzip")]


def test_the_quote_cell_scored_by_scikit_learn():
    """On a page of its own, with the weights as they ship."""
    from sklearn.metrics import roc_auc_score

    from lecture_utils.datasets.corpora import ALPHABET
    from lecture_utils.models.char_lm import watch
    from lecture_utils.recipes import hidden_cells

    cell, score = numbers(SIX, rf"“inside quotes”: AUC .*? cell {NUMBER}: {NUMBER} \(")
    (row,) = (row for row in rows_of("hidden_cells") if row["feature"] == "inside quotes")
    assert (int(row["cell"]), float(row["score"])) == (cell, shown(score, 3))
    text = hidden_cells.held_out("prose", 30_000, seed=17).text
    values = watch(hidden_cells.network("prose"), ALPHABET.encode(text)).values["c"]
    inside = hidden_cells.LABELS["prose"](text)["inside quotes"]
    found = roc_auc_score(inside, int(row["direction"]) * values[:, int(cell)])
    assert found > 0.95 and abs(found - score) < 0.03


def test_how_many_cells_have_a_meaning():
    card = json.loads((ROOT / "data/experiments/hidden_cells.json").read_text(encoding="utf-8"))
    for corpus, cells in (("code", 2 * 384), ("prose", 2 * 320)):
        for line in ("AUC 0.85 or r 0.6", "AUC 0.9 or r 0.7", "AUC 0.95 or r 0.8"):
            trained, of, share, fresh = numbers(
                SIX,
                rf"{corpus} {line}: {NUMBER} of {NUMBER} cells \({NUMBER}%\), untrained {NUMBER}",
            )
            counted = [card["metrics"][f"{corpus}, interpretable cells, {which}, {line}"]
                       for which in ("trained", "untrained")]  # fmt: skip
            assert [trained, fresh] == counted and of == cells
            assert share == shown(100 * trained / cells, 1)


def test_context_beyond_eighty_characters():
    for corpus in ("code", "prose"):
        found = {
            (row["measure"], int(float(row["x"]))): float(row["value"])
            for row in rows_of("char_models")
            if row["corpus"] == corpus and row["model"] == "LSTM" and "context" in row["measure"]
        }
        gain, error = numbers(
            SIX, rf"{corpus}: {NUMBER} bits more with 80 characters of its own than with 300, "
            rf"standard error {NUMBER}"
        )  # fmt: skip
        assert gain == shown(found["context", 80] - found["context", 300], 3)
        assert error == shown(found["context error", 80], 3)


# Lesson 07 ---------------------------------------------------------------------------------------


def test_the_blind_spot_counted_by_its_geometry():
    """Unseen is what lies in a row above and farther to the right than above."""
    side = range(9)
    blind = sum(
        m - j > i - k > 0 for i in side for j in side for k in side for m in side
    )  # fmt: skip
    found = numbers(SEVEN, rf"PixelCNN {NUMBER} pairs with 8 layers, {NUMBER} with 12")
    assert found == [blind, blind]
    assert numbers(SEVEN, rf"Row LSTM {NUMBER}; counted {NUMBER}; gated {NUMBER}") == [
        blind, blind, 0,
    ]  # fmt: skip


def test_the_table_of_the_pixel_models():
    starts = {}
    for row in rows_of("pixel_models"):
        starts.setdefault(row["model"], []).append(row)
    assert [len(own) for own in starts.values()] == [1, 1, 3, 3, 3, 3, 3]
    for name, own in starts.items():
        weights, seconds, train, test = numbers(
            SEVEN,
            rf"(?<!gated\x20){name} {NUMBER} weights {NUMBER} s per epoch "
            rf"bits per dimension: training {NUMBER}, test {NUMBER}",
        )
        assert {int(row["weights"]) for row in own} == {weights}
        mean = {key: statistics.mean(float(row[key]) for row in own)
                for key in ("seconds_per_epoch", "train", "test")}  # fmt: skip
        assert seconds == shown(mean["seconds_per_epoch"], 1)
        assert [train, test] == [shown(mean[part], 2) for part in ("train", "test")]
        if name == "uniform":
            assert test == shown(math.log2(17), 2)


def test_seconds_until_the_pixel_models_are_equally_good():
    """In each run the first epoch that is as good; the last level is what every run reaches."""
    runs = {}
    for row in rows_of("pixel_models_training"):
        if row["model"] != "logistic":
            run = runs.setdefault((row["model"], row["start"]), [])
            run.append((float(row["validation"]), float(row["seconds"])))
    levels = 2.0, 1.9, max(min(run)[0] for run in runs.values())
    (last,) = numbers(SEVEN, rf"validation images 2.00 1.90 {NUMBER} PixelCNN")
    assert last == shown(levels[-1], 2)
    for name in {model for model, _ in runs}:
        found = [
            statistics.mean(
                next(seconds for bits, seconds in run if bits <= level)
                for (model, _), run in runs.items()
                if model == name
            )
            for level in levels
        ]
        said = re.findall(rf"(?<!gated ){name} (\d+) (\d+) (\d+) (?=\D)", printed(SEVEN))
        assert [[int(t) for t in times] for times in said] == [[round(t) for t in found]]


def test_pairs_that_the_trained_pixel_networks_do_not_see():
    """By changing one pixel at a time: what then stays as it was, for all images, is not seen."""
    from lecture_utils.datasets.digits import grey_digits
    from lecture_utils.recipes import pixel_models

    images = grey_digits()[1].images[:3]
    changed = images.repeat(64, 1, 1, 1).view(64, 3, 64)
    changed[range(64), :, range(64)] = (changed[range(64), :, range(64)] + 5) % 17
    for name in ("PixelCNN", "gated PixelCNN", "Row LSTM"):
        model = pixel_models.network(name).double()
        with torch.no_grad():
            before = model(images).view(3, 64, 17)
            after = model(changed.view(-1, 1, 8, 8)).view(64, 3, 64, 17)
        seen = (after - before).abs().amax((1, 3)).T > 1e-12  # (who looks, at what)
        pairs = rf"{name} of 64 · 63 / 2 = 2,016 pairs {NUMBER} unseen, {NUMBER} leaks"
        unseen, leaks = numbers(SEVEN, rf"(?<!gated\x20){pairs}")
        assert [unseen, leaks] == [int((~seen).tril(-1).sum()), int(seen.triu().sum())]
