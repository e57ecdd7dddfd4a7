"""`python -m lecture_utils.recipes`: the module's name is the recipe; there is no table."""

import json
import pkgutil
import sys

import pytest

from lecture_utils import recipes
from lecture_utils.recipes import __main__ as command
from lecture_utils.recipes import min_char_rnn
from lecture_utils.recipes._card import card


@pytest.fixture
def two_recipes(tmp_path, monkeypatch):
    """A package folder with two recipes, found beside the real ones, and two modules to use."""
    (tmp_path / "bake_bread.py").write_text(
        '"""Bread from flour.\n\nSlowly."""\ndef main(argv):\n    print("baked with", argv)\n'
    )
    (tmp_path / "bake_cake.py").write_text("def main(argv):\n    raise RuntimeError('burnt')\n")
    (tmp_path / "_oven.py").write_text("")
    (tmp_path / "bake_tools.py").write_text('"""Makes nothing by itself."""\n')
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path)])
    yield
    for name in ("bake_bread", "bake_cake", "bake_tools"):
        sys.modules.pop(f"{recipes.__name__}.{name}", None)


def test_runs_the_module_of_that_name_with_the_options(two_recipes, capsys):
    assert command.main(["bake_bread", "--steps", "3"]) == 0
    assert capsys.readouterr().out == "baked with ['--steps', '3']\n"


def test_a_recipe_that_fails_is_heard(two_recipes):
    with pytest.raises(RuntimeError, match="burnt"):
        command.main(["bake_cake"])


def test_list_shows_names_and_first_lines_and_no_helpers(two_recipes, capsys):
    assert command.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["bake_bread", "Bread", "from", "flour."] for line in lines)
    assert "bake_cake" in lines
    assert not any(line.startswith(("_", "bake_tools")) for line in lines)


def test_unknown_name_offers_near_ones(two_recipes, capsys):
    assert command.main(["bake_bred"]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("there is no recipe 'bake_bred'. Did you mean 'bake_bread'")
    assert "usage:" in errors and "bake_tools" not in errors


@pytest.mark.parametrize("name", ["bake_tools", "_oven", "_card", "__main__", "os", "../fit"])
def test_only_recipes_can_be_run(two_recipes, name):
    assert command.main([name]) == 2


@pytest.mark.parametrize("argv, code", [([], 2), (["--help"], 0), (["-h"], 0)])
def test_usage(argv, code, capsys):
    assert command.main(argv) == code
    assert capsys.readouterr().out.startswith("usage: python -m lecture_utils.recipes NAME")


def test_every_shipped_recipe_has_a_main_and_says_what_it_makes():
    names = [module.name for module in pkgutil.iter_modules(recipes.__path__)]
    for name in (name for name in names if not name.startswith("_")):
        module = pkgutil.resolve_name(f"{recipes.__name__}.{name}")
        assert callable(module.main), name
        assert module.__doc__ and module.__doc__.strip(), name


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many"])
@pytest.mark.parametrize(
    "recipe, option",
    [("min_char_rnn", "--seeds"), ("evolution", "--runs"), ("long_lags", "--workers")],
)
def test_a_count_that_is_none_is_refused(tmp_path, capsys, recipe, option, value):
    with pytest.raises(SystemExit) as stopped:
        command.main([recipe, option, value, "--output", str(tmp_path / "x")])
    assert stopped.value.code == 2
    said = f"argument {option}: {value} is no whole number of at least 1"
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_min_char_rnn_interrupted_says_that_nothing_was_written(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(min_char_rnn, "train", interrupted)
    with pytest.raises(SystemExit, match="interrupted in run 1 of 2: nothing was written"):
        command.main(["min_char_rnn", "--seeds", "2", "--output", str(tmp_path / "x")])
    assert not list(tmp_path.iterdir())


def test_card_of_a_recipe_repeats_the_command():
    written = card(
        "bake_bread", ["--kind", "rye & salt"], seed=0, data="flour", steps=3,
        metrics={"loss": 0.5}, seconds=12.345, hidden_size=7,
    )
    assert written["command"] == "python -m lecture_utils.recipes bake_bread --kind 'rye & salt'"
    assert written["seconds"] == 12.3
    assert written["hidden_size"] == 7
    assert json.loads(json.dumps(written)) == written
