"""The recipes of lesson 06 on small networks that were never trained."""

import numpy as np
import pytest
import torch

from lecture_utils.datasets import corpora
from lecture_utils.datasets.corpora import ALPHABET
from lecture_utils.models.char_lm import CharLM, bits_per_character
from lecture_utils.recipes import char_lm, char_models, hidden_cells
from lecture_utils.training.checkpoints import experiment


@pytest.fixture
def tiny(monkeypatch):
    torch.manual_seed(0)
    model = CharLM(len(ALPHABET), 6).eval()
    monkeypatch.setattr(hidden_cells, "network", lambda corpus: model)
    found = [
        hidden_cells.Found("inside quotes", 7, 0.9, "AUC", 1, 0.6),
        hidden_cells.Found("position in line", 3, 0.6, "r", -1, 0.1),
    ]
    monkeypatch.setattr(hidden_cells, "ranked", lambda corpus: found)
    return model


def test_the_held_out_text_has_two_halves_of_one_kind():
    page = hidden_cells.held_out("prose", 40_000)
    text = page.text
    assert 38_000 < len(text) < 42_000 and len(text) == len(page.pieces) == len(page.story)
    half = len(text) // 2
    assert text.index("CHAPTER 15") < half < text.index("CHAPTER 16")
    for part in (slice(half), slice(half, None)):
        assert 150 < text[part].count('"') and text[part].count('"') % 2 == 0
        told = "".join(np.array(list(text[part]))[page.story[part]])
        assert "CHAPTER 1" in told[:300] and 5000 < len(told) < 6500
    other = hidden_cells.held_out("prose", 40_000, seed=7).text
    assert other[:300] != text[:300] and "CHAPTER 16" in other
    assert hidden_cells.last_pages(3000).startswith('"Is there any more of that cake?"')

    page = hidden_cells.held_out("code", 150_000)
    files, counts = np.unique(page.pieces, return_counts=True)
    assert 110_000 < len(page.text) <= 150_000 and counts.max() <= 20_000
    half = len(page.text) // 2
    for part in (slice(half), slice(half, None)):
        assert len(np.unique(page.pieces[part])) >= 5
        assert page.text[part].count("\ndef ") > 30
    hidden_cells.LABELS["code"](page.text)  # whole statements: Python reads it
    with pytest.raises(ValueError, match="no text 'poems'"):
        hidden_cells.held_out("poems", 1000)


def test_contexts_are_the_extremes_and_keep_apart():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(2000)
    values[[5, 700, 1990]] = 9, 8, 7
    text = "".join(chr(97 + k % 26) for k in range(2000))
    found = hidden_cells.contexts(text, values, count=3, width=20)
    assert len(found) == 6
    for piece, t in zip(found, (5, 700, 1990)):
        assert piece.text[piece.at] == text[t] and piece.values[piece.at] == values[t]
        assert len(piece.text) == len(piece.values) <= 40
    assert found[3].values[found[3].at] == values.min()


def test_the_likeliest_characters():
    p = np.full((2, len(ALPHABET)), 0.001)
    p[0, ALPHABET.encode("xyz")] = 0.5, 0.2, 0.1
    chars, shares = hidden_cells.likeliest(np.log(p), count=3)
    assert chars[0] == "xyz" and shares[0] == pytest.approx([0.5, 0.2, 0.1])


def test_the_explorer_reads_typed_text(tiny):
    text = 'She said, "No." He left.\n' * 8
    widget = hidden_cells.explorer("prose", text, "A text", seen=(text, np.ones((len(text), 12))))
    assert widget.given["text"] == text and widget.cell == 7
    assert hidden_cells.explorer("prose", text, feature="position in line").cell == 3
    typed = "A \u201cnew\u201d\ttext, \u00e9"
    widget.typed = typed
    assert widget.own["text"] == typed
    code = hidden_cells.explorer("code", "x = (1, 2)\n")
    code.typed = "if x:"  # half a statement has no labels, and is coloured all the same
    assert code.own["text"] == "if x:"


def test_the_gates_that_are_sent_are_of_the_cells_that_know_most():
    rng = np.random.default_rng(0)
    values, quoted, column = rng.standard_normal((500, 6)), rng.random(500) < 0.4, np.arange(500.0)
    values[:, 4] -= 4 * quoted
    values[:, 1] += 0.005 * column
    order = hidden_cells._by_what_they_know(values, {"quoted": quoted, "column": column})
    assert order[:2] == [4, 1] and sorted(order) == list(range(6))
    assert hidden_cells._by_what_they_know(values, {}) == list(range(6))


def test_the_survey_finds_a_planted_cell(tiny, monkeypatch):
    page = hidden_cells.held_out("prose", 30_000)
    quoted = hidden_cells.LABELS["prose"](page.text)["inside quotes"]

    def watch(model, codes, names=("c",), **_):
        values = np.random.default_rng(0).standard_normal((len(codes), 12)).astype(np.float32)
        values[:, 4] -= 3 * quoted * (model is tiny)
        return type("Watched", (), {"values": {"c": values}})

    monkeypatch.setattr(hidden_cells, "watch", watch)
    monkeypatch.setattr(hidden_cells, "untrained", lambda corpus: CharLM(len(ALPHABET), 6))
    rows, counts = hidden_cells.survey("prose", 30_000, draws=19)
    row = rows[0]
    assert (row["feature"], row["cell"], row["direction"]) == ("inside quotes", 4, -1)
    assert row["score"] > 0.95 > 0.6 > max(row["control"], row["untrained"], row["from_character"])
    assert row["in_story"] > 0.95 and np.isnan(row["hard"]) and row["all_cells"] > 0.95
    assert row["untrained_all"] < 0.6
    assert counts["trained, AUC 0.95 or r 0.8"] == 1 and not counts["untrained, AUC 0.85 or r 0.6"]
    given_away = next(row for row in rows if row["feature"] == "between words")
    assert given_away["from_character"] > 0.99


def test_a_hard_score_is_that_among_what_is_hard_to_tell(tiny, monkeypatch):
    """A cell that says "plain code" looks like one that knows brackets, until it is asked there."""
    page = hidden_cells.held_out("code", 60_000)
    known = hidden_cells.LABELS["code"](page.text)
    plain = hidden_cells.labels.plain_code(known)

    def watch(model, codes, names=("c",), **_):
        values = 0.1 * np.random.default_rng(0).standard_normal((len(codes), 12))
        values[:, 4] += plain
        values[:, 7] += known["leading spaces"]
        return type("Watched", (), {"values": {"c": values.astype(np.float32)}})

    monkeypatch.setattr(hidden_cells, "watch", watch)
    monkeypatch.setattr(hidden_cells, "untrained", lambda corpus: CharLM(len(ALPHABET), 6))
    rows, counts = hidden_cells.survey("code", 60_000, draws=19)
    of = {row["feature"]: row for row in rows}
    condition, spaces = of["inside a condition"], of["leading spaces"]
    assert condition["score"] > 0.7 and 0.4 < condition["hard"] < 0.6
    assert spaces["cell"] == 7 and spaces["score"] > 0.99  # most spaces of code are leading ones,
    assert 0.9 < spaces["from_character"] < 0.95  # so that this asks for no memory at any line
    assert counts["trained, AUC 0.95 or r 0.8"] == 0


def test_closing_marks_of_code_and_prose():
    places, distances = char_models.closings("code", "f(a, [1])\nx = '('\n")
    assert list(zip(places, distances)) == [(7, 2), (8, 7)]
    places, distances = char_models.closings("prose", 'A "b" c.\n\n"Open.\n\n"d"')
    assert list(zip(places, distances)) == [(4, 2), (20, 2)]


def test_bits_after_the_whole_context_are_those_of_the_model():
    torch.manual_seed(0)
    model = CharLM(len(ALPHABET), 6).eval()
    codes = ALPHABET.encode(hidden_cells.last_pages(6000))
    found = list(char_models.context_bits(model, codes, (1, 50), places=200))
    assert [x for x, *_ in found] == [1, 50]
    assert found[1][1] == pytest.approx(bits_per_character(model, codes), abs=0.2)
    assert found[0][2] > 0 and found[1][2] == 0  # of the difference from the longest


class TenBefore(CharLM):
    """Says that the character of ten before comes again; from an empty memory, that 0 comes."""

    def forward(self, codes, states=None):
        seen = torch.zeros(len(codes), 10, dtype=torch.long) if states is None else states
        seen = torch.cat([seen, codes], dim=1)
        return torch.nn.functional.one_hot(seen[:, -10], 50)[:, None] * 20.0, seen


def test_only_the_context_is_the_places_own():
    rng = np.random.default_rng(1)
    codes = np.concatenate([np.tile(rng.integers(0, 50, 10), 30) for _ in range(10)])  # period 10
    found = char_models.context_bits(TenBefore(50, 1), codes, (5, 9, 10, 15), places=300)
    bits = {x: value for x, value, _ in found}
    assert bits[5] > 5 and bits[9] > 5 and bits[10] < 3 and bits[15] < 3


class SureIfEmpty(CharLM):
    """From an empty memory sure of 0, after anything else sure of 1."""

    def forward(self, codes, states=None):
        sure = torch.full_like(codes[:, -1:], 0 if states is None else 1)
        return torch.nn.functional.one_hot(sure, 50) * 20.0, sure


class AsBefore(CharLM):
    """Sure of what its memory ends with; from an empty memory sure of 0."""

    def forward(self, codes, states=None):
        sure = torch.zeros_like(codes[:, -1:]) if states is None else states
        return torch.nn.functional.one_hot(sure, 50) * 20.0, codes[:, -1:]


def test_the_memory_of_a_place_farther_up_counts_too():
    """In a text of two long halves it is nearly always right, one from anywhere half the time."""
    codes = np.repeat([3, 4], 20 * char_models.GAP)
    ((_, bits, _),) = char_models.context_bits(AsBefore(50, 1), codes, (5,), 500)
    assert bits < 3


def test_of_an_empty_and_a_foreign_memory_the_cheaper_one_counts():
    found = char_models.context_bits(SureIfEmpty(50, 1), np.zeros(500, int), (5, 30), 50)
    assert all(bits < 0.01 for _, bits, _ in found)


def test_means_by_distance():
    values = np.full(40, 0.5)
    assert list(char_models.by_distance(values, np.full(40, 12))) == [(10, 40, 0.5)]
    assert not list(char_models.by_distance(values[:5], np.full(5, 12)))


def test_ends_of_clauses():
    text = '"Yes," said Ann. "It is 3.14... no?"\n'
    places, quoted = char_models.clause_ends(text)
    assert [text[t - 2 : t] for t in places] == ["s,", "n.", "..", "o?"]
    assert quoted.tolist() == [True, False, True, True]


@pytest.mark.parametrize("corpus", ["code", "prose"])
def test_a_model_that_knows_what_is_open_gets_full_marks(corpus):
    text = hidden_cells.held_out(corpus, 60_000, seed=3).text
    codes = ALPHABET.encode(text)

    def clairvoyant(places):
        return np.eye(len(ALPHABET))[codes[places]]

    def unable(places):
        p = np.full((len(places), len(ALPHABET)), 0.0)
        p[:, ALPHABET.encode("]")[0]] = 1
        return p

    rows = list(char_models.marks_of(corpus, text, clairvoyant))
    own = {"choosing", "choosing rare"} if corpus == "code" else {"inside"}
    assert {measure for measure, *_ in rows} == {"closing"} | own
    known = {measure: value for measure, _, value, _ in rows}
    assert known["closing"] == 1
    if corpus == "code":
        assert known["choosing"] == known["choosing rare"] == 1
        blind = [row for row in char_models.marks_of(corpus, text, unable) if row[0] == "choosing"]
        assert blind and all(value < 0.6 for _, _, value, _ in blind)
    else:
        assert known["inside"] > 0.6  # a quotation may go on, so a mark is not sure to come
        *_, last = char_models.marks_of(corpus, text, unable)
        assert last[2] == 0.5


def test_the_learning_rate_warms_up_and_runs_out():
    factors = [char_lm.factor(k, 3000) for k in range(1, 3001)]
    assert factors[0] == 1 / char_lm.WARM and max(factors) == 1 and factors[-1] == 0
    assert np.argmax(factors) == char_lm.WARM - 1
    assert char_lm.factor(3, 30) == 1 and char_lm.factor(30, 30) == 0  # a short run decays, too


@pytest.fixture
def short(tmp_path, monkeypatch):
    """The whole training recipe on little text; returns its arguments for an output."""
    text = corpora.dialogue(20_000, seed=9).text
    monkeypatch.setitem(
        char_lm.CORPORA, "prose", lambda part: text if part == "train" else text[:5000]
    )
    monkeypatch.setattr(char_lm, "EARLY", (2, 8))
    monkeypatch.chdir(tmp_path)
    options = ["prose", "--hidden", "8", "--epochs", "4", "--rate", "0.05"]
    return lambda name: [*options, "--output", str(tmp_path / name)]


def test_an_interrupted_training_run_goes_on_where_it_stopped(short, tmp_path, monkeypatch, capsys):
    char_lm.main(short("whole"))
    assert "test, bits per character" in capsys.readouterr().out

    def stopped(*arguments, **named):
        for step in fit(*arguments, **named):
            yield step
            if step.index == 7:
                raise KeyboardInterrupt

    fit = char_lm.fit
    monkeypatch.setattr(char_lm, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        char_lm.main(short("parts"))
    with (tmp_path / "parts.run.jsonl").open("a") as diary:
        diary.write('{"step": 7, "lo')  # a kill in the middle of a line
        diary.write("\n")
    monkeypatch.setattr(char_lm, "fit", fit)
    char_lm.main(short("parts"))
    whole, parts = ((tmp_path / f"{name}.safetensors").read_bytes() for name in ("whole", "parts"))
    assert whole == parts
    rows = experiment(tmp_path / "parts_training")
    assert rows["step"].tolist() == experiment(tmp_path / "whole_training")["step"].tolist()
    assert rows["step"].tolist()[:2] == [2, 8] and rows["step"][-1] > 8
    card = char_lm.checkpoints.card(tmp_path / "parts")
    assert card["steps"] == rows["step"][-1]
    shipped = bits_per_character(char_lm.shipped(tmp_path / "parts"), ALPHABET.encode(
        char_lm.CORPORA["prose"]("test")))  # fmt: skip
    assert card["metrics"]["test, bits per character"] == pytest.approx(shipped, abs=1e-4)
    assert shipped < 6  # a uniform guess needs 6.6


def test_a_run_with_other_options_is_not_taken_for_this_one(short):
    char_lm.main(short("model"))
    with pytest.raises(ValueError, match="other options.*'dropout': 0.0.*delete the file"):
        char_lm.main([*short("model"), "--dropout", "0.1"])
