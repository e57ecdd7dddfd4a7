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
    text = hidden_cells.held_out("prose", 40_000)
    assert 38_000 < len(text) < 42_000
    half = len(text) // 2
    assert text.index("CHAPTER 15") < half < text.index("CHAPTER 16")
    for part in (text[:half], text[half:]):
        assert 150 < part.count('"') and part.count('"') % 2 == 0
    assert hidden_cells.last_pages(3000).startswith('"Is there any more of that cake?"')
    code = hidden_cells.held_out("code", 100_000)
    assert 90_000 < len(code) <= 100_000 and code.count("\ndef ") > 40


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
    assert "error" not in widget.own and widget.own["text"] == typed
    code = hidden_cells.explorer("code", "x = (1, 2)\n")
    code.typed = "if x:"  # half a statement has no labels, and is coloured all the same
    assert "error" not in code.own


def test_the_survey_finds_a_planted_cell(tiny, monkeypatch):
    text = hidden_cells.held_out("prose", 30_000)
    quoted = hidden_cells.LABELS["prose"](text)["inside quotes"]

    def watch(model, codes, names=("c",), **_):
        values = np.random.default_rng(0).standard_normal((len(codes), 12)).astype(np.float32)
        values[:, 4] -= 3 * quoted
        return type("Watched", (), {"values": {"c": values}})

    monkeypatch.setattr(hidden_cells, "watch", watch)
    of = hidden_cells.survey("prose", 30_000, draws=19)
    assert of.text == text
    found = of.survey.found[0]
    assert (found.feature, found.cell, found.direction) == ("inside quotes", 4, -1)
    assert found.score > 0.95 > 0.6 > found.control


def test_closing_marks_of_code_and_prose():
    places, distances = char_models.closings("code", "f(a, [1])\nx = '('\n")
    assert list(zip(places, distances)) == [(7, 2), (8, 7)]
    places, distances = char_models.closings("prose", 'A "b" c.\n\n"Open.\n\n"d"')
    assert list(zip(places, distances)) == [(4, 2), (20, 2)]


def test_bits_after_the_whole_context_are_those_of_the_model():
    torch.manual_seed(0)
    model = CharLM(len(ALPHABET), 6).eval()
    codes = ALPHABET.encode(hidden_cells.last_pages(6000))
    found = char_models.context_bits(model, codes, (1, 50), places=200)
    assert set(found) == {1, 50}
    assert found[50] == pytest.approx(bits_per_character(model, codes), abs=0.2)


def test_only_the_context_is_the_places_own():
    """A model that repeats what stood 10 characters before is right as soon as that is given."""
    rng = np.random.default_rng(1)
    codes = np.concatenate([np.tile(rng.integers(0, 50, 10), 30) for _ in range(10)])  # period 10

    class TenBefore(CharLM):
        def forward(self, windows):
            likely = torch.nn.functional.one_hot(windows[:, -10], 50) * 20.0
            return likely[:, None], []

    found = char_models.context_bits(TenBefore(50, 1), codes, (5, 9, 10, 15), places=300)
    assert found[5] > 5 and found[9] > 5 and found[10] < 3 and found[15] < 3


def test_means_by_distance():
    log_p = np.log(np.full(500, 0.5))
    log_p[:100] = np.log(0.1)
    places = np.arange(100, 140)
    rows = list(char_models.by_distance(log_p, places, np.full(40, 12)))
    assert rows == [(10, 40, pytest.approx(0.5))]
    assert not list(char_models.by_distance(log_p, places[:5], np.full(5, 12)))


def test_the_learning_rate_warms_up_and_runs_out():
    factors = [char_lm.factor(k, 1000) for k in range(1, 1001)]
    assert factors[0] == 1 / char_lm.WARM and max(factors) == 1 and factors[-1] == 0
    assert np.argmax(factors) == char_lm.WARM - 1


def test_a_short_training_run_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    """The whole recipe on little text: checkpoint, card, diary; asked again, it trains no more."""
    text = corpora.dialogue(20_000, seed=9).text

    def prose(part):
        return text if part == "train" else text[:9000]

    monkeypatch.setitem(char_lm.CORPORA, "prose", prose)
    monkeypatch.chdir(tmp_path)
    argv = ["prose", "--hidden", "8", "--epochs", "2", "--rate", "0.4", "--output"]
    argv.append(str(tmp_path / "model"))
    char_lm.main(argv)
    said = capsys.readouterr().out
    assert "test, bits per character" in said
    model = char_lm.shipped(tmp_path / "model")
    assert bits_per_character(model, ALPHABET.encode(text[:9000])) < 6.6
    rows = experiment(tmp_path / "model_training")
    assert rows["step"][-1] == char_lm.checkpoints.card(tmp_path / "model")["steps"]
    weights = (tmp_path / "model.safetensors").read_bytes()
    char_lm.main(argv)
    assert (tmp_path / "model.safetensors").read_bytes() == weights
