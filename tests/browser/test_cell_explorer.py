"""The cell explorer in a real browser: from a file with the network blocked, and in JupyterLab."""

import re
import statistics

import nbformat
import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from lecture_utils.visual.style import SIGNED
from lecture_utils.visual.widgets import CellExplorer, Context, Found, base
from lecture_utils.visual.widgets.base import unpack
from tests.visual.test_cell_explorer import (
    FOUND,
    INDENT,
    LINE,
    QUOTE,
    STORY,
    C,
    T,
    activity,
    explorer,
    gates_for,
    guesses,
    known,
    pieces,
)

VALUES = unpack(explorer().given["cells"])


def plain(text):
    return float(text.replace("\u2212", "-").replace("\u00a0", ""))


def spot(page, t):
    """The middle of character t on the screen, scrolled to where one can point at it."""
    return page.evaluate("""(t) => {
      const frame = document.querySelector('.page');
      const cursor = document.querySelector('.cursor:not(.pointed)');
      const wide = cursor.getBoundingClientRect().width;
      let start = 0;
      for (const line of document.querySelectorAll('.page .line')) {
        const length = Array.from(line.textContent).length;
        if (t < start + length) {
          frame.scrollTop = line.offsetTop - 120;
          const box = line.getBoundingClientRect();
          return [box.left + (t - start + 0.5) * wide, box.top + 10];
        }
        start += length;
      }
    }""", t)


def drag(page, first, last):
    page.mouse.move(*spot(page, first))
    page.mouse.down()
    x, y = spot(page, last)
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    page.mouse.up()


def span_of(text):
    start = STORY.index(text)
    return start, start + len(text)


def answers(page):
    """[(cell, score, "high"/"low"/"up"/"down")] as listed."""
    return page.eval_on_selector_all(".result", """buttons => buttons.map((button) =>
        [Number(button.dataset.cell), Number(button.dataset.score),
         button.lastChild.textContent])""")


def mask(*spans):
    places = np.zeros(T, bool)
    for start, end in spans:
        places[max(0, start):end] = True
    return places


def around(start, end):
    return mask((start - 20, end + 20))


def auc_twin(values, inside, near=True):
    """Ten best cells for a mask against the rest, or what of it is near: (cell, AUC, side)."""
    looked = inside | near
    values, inside = values[:, looked], inside[looked]
    ranks, n = rankdata(values, axis=1), inside.sum()
    scores = (ranks[:, inside].sum(axis=1) - n * (n + 1) / 2) / (n * (len(inside) - n))
    assert scores[QUOTE] == pytest.approx(roc_auc_score(inside, values[QUOTE]))
    best = np.maximum(scores, 1 - scores)
    order = np.lexsort((np.arange(len(best)), -best.round(12)))[:10]
    return [(int(c), best[c], "high" if scores[c] >= 0.5 else "low") for c in order]


def r_twin(values, numbers):
    """Of ranks, as on held-out text."""
    with np.errstate(invalid="ignore"):
        ranks = rankdata(numbers)
        r = np.nan_to_num([np.corrcoef(rankdata(cell), ranks)[0, 1] for cell in values])
    order = np.lexsort((np.arange(len(r)), -np.abs(r).round(12)))[:10]
    return [(int(c), abs(r[c]), "up" if r[c] >= 0 else "down") for c in order]


def assert_same(listed, expected):
    np.testing.assert_allclose([score for _, score, _ in listed], [s for _, s, _ in expected],
                               atol=1e-6)
    assert [(cell, side) for cell, _, side in listed] == [(cell, s) for cell, _, s in expected]


# ---- which cells? -------------------------------------------------------------------------------


def test_cells_of_a_span_are_those_of_python(static_page):
    page = static_page(explorer())
    against = page.get_by_label("against")
    for text in ("There was a boat", "\n\nThe dog did not say.", "if night.reply"):
        start, end = span_of(text)
        drag(page, start, end - 1)
        against.select_option("what is around")
        assert_same(answers(page), auc_twin(VALUES, mask((start, end)), around(start, end)))
        said = page.locator(".answer").inner_text()
        assert f"({end - start} characters) and not around" in said and text.strip()[:14] in said
        # The twin would notice a span that is one character longer.
        longer = [s for _, s, _ in auc_twin(VALUES, mask((start, end + 1)), around(start, end))]
        assert not np.allclose([s for _, s, _ in answers(page)], longer, atol=1e-6)
        against.select_option("all the rest")
        assert_same(answers(page), auc_twin(VALUES, mask((start, end))))


def test_more_spans_are_added_with_a_key_or_a_tick(static_page):
    page = static_page(explorer())
    spans = [span_of("That is ink from"), span_of("Somebody in the vill"), span_of("Eleven,")]
    drag(page, spans[0][0], spans[0][1] - 1)
    page.keyboard.down("Control")
    drag(page, spans[1][0], spans[1][1] - 1)
    page.keyboard.up("Control")
    page.get_by_label("add more spans").check()
    drag(page, spans[2][0], spans[2][1] - 1)
    near = around(*spans[0]) | around(*spans[1]) | around(*spans[2])
    assert_same(answers(page), auc_twin(VALUES, mask(*spans), near))
    assert "that light up in 3 spans (43 characters)" in page.locator(".answer").inner_text()
    page.get_by_role("button", name="Clear").click()
    assert page.locator("span.chosen").count() == 0
    assert page.get_by_label("add more spans").is_hidden()
    drag(page, *spans[0])
    drag(page, *spans[1])
    assert "That is" not in page.locator(".answer").inner_text()


def test_cells_of_a_feature_and_of_chance_are_those_of_python(static_page):
    page = static_page(explorer())
    for feature, truth in known(STORY).items():
        page.get_by_label("a feature").select_option(feature)
        is_truth = truth.dtype == bool
        twin = auc_twin if is_truth else r_twin
        assert_same(answers(page), twin(VALUES, truth))
        page.wait_for_selector("[data-chance]")
        turns = [np.roll(truth, int(np.floor(k * T / 21 + 0.5))) for k in range(1, 21)]
        chance = np.sort([twin(VALUES, turn)[0][1] for turn in turns])[-1]
        shown = page.locator("[data-chance]").get_attribute("data-chance")
        assert float(shown) == pytest.approx(chance, abs=1e-6)
        style = page.locator(".result .chance").first.get_attribute("style")
        share = 2 * chance - 1 if is_truth else chance
        assert float(re.search("left: ([\\d.]+)%", style)[1]) == pytest.approx(100 * share, abs=0.1)


def test_the_quote_cell_is_found_by_selecting_two_quotations(static_page):
    page = static_page(explorer(cell=0, ranked=()))
    drag(page, *span_of("We shall be late, and we shall be coming from the north."))
    page.get_by_label("add more spans").check()
    drag(page, *span_of("Somebody who thinks we know"))
    page.locator(".result").first.click()
    assert page.get_by_label("Cell, as a number").input_value() == str(QUOTE)
    assert page.locator(".result[aria-pressed=true]").get_attribute("data-cell") == str(QUOTE)
    assert page.locator(".facts").inner_text().startswith(
        "Cell 31 goes best with inside quotes on this text: AUC 1.00, high inside")


def test_a_weak_correlation_beats_a_coin(static_page):
    """An AUC of 0.52 is next to nothing, |r| = 0.4 is not, though 0.4 is less."""
    rng = np.random.default_rng(0)
    count = np.arange(T) % 50.0
    cells = np.tile(count + 40 * rng.standard_normal(T), (2, 1)).T
    features = {"coin": rng.random(T) < 0.5, "count": count}
    page = static_page(explorer(cells=cells, features=features, ranked=(), gates={}, contexts={}))
    assert "goes best with count on this text: |r| 0.3" in page.locator(".facts").inner_text()


def test_found_cells_are_one_click_away(static_page):
    page = static_page(explorer())
    chips = page.locator(".chip")
    assert chips.locator("b").all_inner_texts() == [
        "inside quotes", "position in line", "indentation"]
    assert page.locator(".chip[aria-pressed=true] b").all_inner_texts() == ["inside quotes"]
    chips.nth(1).click()
    assert page.locator(".facts").inner_text() == (
        "Cell 7 on held-out text: position in line: |r| 0.94, falls with it; chance 0.21.")
    assert page.get_by_label("a feature").input_value() == "position in line"
    assert_same(answers(page), r_twin(VALUES, known(STORY)["position in line"]))
    chips.nth(0).click()
    held_out = page.locator(".held-out button")
    assert held_out.all_inner_texts() == ["cell 31, AUC 0.98", "cell 3, AUC 0.71"]
    held_out.nth(1).click()
    assert page.get_by_label("Cell", exact=True).input_value() == "3"


def test_a_question_without_answer_is_said(static_page):
    features = {"never": np.zeros(T, bool), "level": np.ones(T)}
    page = static_page(explorer(features=features, ranked=()))
    page.get_by_label("a feature").select_option("never")
    assert "all of the text, or for nothing" in page.locator(".answer").inner_text()
    assert page.locator(".result").count() == 0
    page.get_by_label("a feature").select_option("level")
    assert {score for _, score, _ in answers(page)} == {0}
    page.locator(".page").focus()
    page.keyboard.press("Control+Home")
    page.keyboard.press("Control+Shift+End")
    assert "all of the text" in page.locator(".answer").inner_text()


# ---- colours ------------------------------------------------------------------------------------


def painted(page, line, column, y=8):
    """The colour of a character, or of what is below it."""
    return page.evaluate("""([x, y]) => Array.from(document.querySelector('.page canvas')
        .getContext('2d').getImageData(x, y, 1, 1).data)""", [column, 24 * line + y])


def place(t):
    """Row and column of a character of the story, which fits the page unwrapped."""
    before = STORY[:t]
    return before.count("\n"), t - before.rfind("\n") - 1


def test_colours_are_those_of_the_course_scaled_by_cell_or_by_all(static_page):
    page = static_page(explorer())
    for t in (0, 5, 200, 411, 1500, T - 1):
        value, own = VALUES[QUOTE, t], np.abs(VALUES[QUOTE]).max()
        expected = 255 * np.array(SIGNED(0.5 + value / own / 2))
        np.testing.assert_allclose(painted(page, *place(t)), expected, atol=3)
    page.get_by_label("one scale for all cells").check()
    widest = np.abs(VALUES).max()
    assert widest > 1.05 * np.abs(VALUES[QUOTE]).max()
    expected = 255 * np.array(SIGNED(0.5 + VALUES[QUOTE, 200] / widest / 2))
    np.testing.assert_allclose(painted(page, *place(200)), expected, atol=3)
    assert f"+{widest:.2f}" in page.locator(".legend").inner_text()
    assert "cell 31 goes from \u22121.78 to 2.66" in page.locator(".legend").inner_text()


def test_the_feature_is_a_line_under_the_text(static_page):
    page = static_page(explorer())
    start, _ = span_of('"Please')
    assert painted(page, *place(start + 2), 22) == [31, 36, 41, 255]
    assert painted(page, *place(start - 4), 22)[3] == 0
    page.get_by_label("a feature").select_option("position in line")
    dark, light = painted(page, *place(start + 60), 22), painted(page, *place(start + 2), 22)
    assert sum(dark[:3]) < sum(light[:3]) - 200
    page.get_by_label("a feature").select_option("")
    assert painted(page, *place(start + 2), 22)[3] == 0
    assert page.locator(".result").count() == 0


def test_a_cell_that_is_always_zero_has_colours_and_no_answer(static_page):
    page = static_page(explorer(cell=45))
    assert painted(page, 0, 0)[:3] == [247, 247, 246]
    assert "+1.00" in page.locator(".legend").inner_text()


# ---- one character ------------------------------------------------------------------------------


def assert_reads(page, t, cell=QUOTE):
    value = page.locator(".quantities .number[data-value]")
    assert float(value.get_attribute("data-value")) == pytest.approx(VALUES[cell, t], abs=1e-6)
    assert plain(value.inner_text()) == pytest.approx(VALUES[cell, t], abs=0.0051)
    shown = {"\n": "\u23ce", " ": "\u2423"}
    assert page.locator(".here .key").inner_text() == shown.get(STORY[t], STORY[t])
    assert f"{t + 1:,} of {T:,}" in page.locator(".here").inner_text()
    characters, probabilities = guesses(STORY)
    expected = [shown.get(x, x) for x in characters[t]]
    assert page.locator(".expected b").all_inner_texts() == expected
    shares = [float(x.get_attribute("data-value"))
              for x in page.locator(".expected .number").all()]
    np.testing.assert_allclose(shares, probabilities[t], atol=0.002)
    if t + 1 < T and not page.get_by_label("hide what comes").is_checked():
        comes = page.locator(".expected .comes b").all_inner_texts()
        came = shown.get(STORY[t + 1], STORY[t + 1])
        assert comes == ([came] if came in expected else [])
        assert page.locator(".came .key").inner_text() == came
    for gate, opening in zip("ifo", gates_for(STORY)(cell)[t]):
        number = page.locator(f".number[data-gate={gate}]")
        assert float(number.inner_text()) == pytest.approx(opening, abs=0.009)


def test_pointing_reads_a_character_and_leaving_goes_back(static_page):
    widget = explorer()
    page = static_page(widget)
    assert_reads(page, widget.at)
    for t in (3, 260, 1301, T - 1):
        page.mouse.move(*spot(page, t))
        assert_reads(page, t)
    page.mouse.move(5, 5)
    assert_reads(page, widget.at)
    page.mouse.click(*spot(page, 900))
    page.mouse.move(5, 5)
    assert_reads(page, 900)


def test_everything_in_the_text_is_worked_by_keys(static_page):
    page = static_page(explorer())
    text = page.get_by_role("slider", name=re.compile("^Text of 2,127 characters"))
    text.focus()
    first = STORY.index("\n")
    second = STORY.index("\n", first + 1)  # nearer to the left: the next line is shorter
    start, end = span_of('"Please')[0], STORY.index(' she read.\n"We') + 10
    for key, t in (("Control+Home", 0), ("ArrowLeft", 0), ("ArrowRight", 1), ("End", first),
                   ("ArrowDown", second), ("Home", first + 1), ("ArrowUp", 0),
                   ("Control+End", T - 1), ("ArrowRight", T - 1)):
        page.keyboard.press(key)
        assert_reads(page, t)
        assert text.get_attribute("aria-valuenow") == str(t + 1)
    page.keyboard.press("Control+Home")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert_reads(page, start)
    page.keyboard.press("Shift+End")
    for last in (end + 1, end):
        inside = mask((start, last))
        assert_same(answers(page), auc_twin(VALUES, inside, around(start, last)))
        page.keyboard.press("Shift+ArrowLeft")
    assert page.locator("span.chosen").count() == 1
    page.keyboard.press("Escape")
    assert page.locator("span.chosen").count() == 0
    assert_same(answers(page), auc_twin(VALUES, known(STORY)["inside quotes"]))
    for key, cell in (("PageDown", 32), ("PageUp", 31), ("PageUp", 30)):
        page.keyboard.press(key)
        assert page.get_by_label("Cell", exact=True).input_value() == str(cell)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


def test_what_is_read_is_said_once_things_rest(static_page):
    page = static_page(explorer())
    page.locator(".page").focus()
    page.keyboard.press("Control+Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    value = f"{VALUES[QUOTE, 4]:.2f}".replace("-", "\u2212")
    said = f"\u201cl\u201d, c {value}, next comes \u201ci\u201d"
    page.wait_for_function(
        "said => document.querySelector('[role=status]').textContent === said", arg=said)


def test_cells_are_chosen_by_slider_number_and_buttons(static_page):
    page = static_page(explorer())
    slider, number = page.get_by_label("Cell", exact=True), page.get_by_label("Cell, as a number")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert number.input_value() == "32"
    number.fill("7")
    assert slider.input_value() == "7"
    number.fill("48")
    assert slider.input_value() == "7"
    number.blur()
    assert number.input_value() == "7"
    page.get_by_role("button", name="Next cell").click()
    assert number.input_value() == "8"
    number.fill("0")
    assert page.get_by_role("button", name="Previous cell").is_disabled()
    number.fill(str(C - 1))
    assert page.get_by_role("button", name="Next cell").is_disabled()


def test_the_strip_jumps(static_page):
    page = static_page(explorer(), viewport={"width": 1100, "height": 1500})
    box = page.locator(".strip").bounding_box()
    x = box["x"] + 44 + (box["width"] - 44) * 0.75
    page.mouse.click(x, box["y"] + 30)
    t = int(page.locator(".page").get_attribute("aria-valuenow")) - 1
    assert t == pytest.approx(0.75 * T, abs=4)
    seen, cursor = (page.locator(s).bounding_box() for s in (".page", ".cursor:not(.pointed)"))
    assert seen["y"] <= cursor["y"] <= seen["y"] + seen["height"] - 20
    page.mouse.down()
    page.mouse.move(box["x"] + 44, box["y"] + 30)
    page.mouse.up()
    assert page.locator(".page").get_attribute("aria-valuenow") == "1"


# ---- time ---------------------------------------------------------------------------------------


def test_play_uncovers_the_text_and_keeps_what_comes_to_itself(static_page):
    page = static_page(explorer())
    page.locator(".page").focus()
    page.keyboard.press("Control+Home")
    assert page.locator(".cover:visible").count() == 0
    page.get_by_label("speed").select_option("fast")
    page.get_by_role("button", name="Play through the text").click()
    assert page.get_by_label("hide what comes").is_checked()
    page.wait_for_function(
        "Number(document.querySelector('.page').getAttribute('aria-valuenow')) > 12")
    page.get_by_role("button", name="Pause").click()
    t = int(page.locator(".page").get_attribute("aria-valuenow")) - 1
    page.wait_for_timeout(150)
    assert page.locator(".page").get_attribute("aria-valuenow") == str(t + 1)
    assert_reads(page, t)
    assert page.locator(".comes").count() == 0
    assert page.locator(".came").inner_text().startswith("this one: ")
    cover, cursor = page.locator(".cover").first, page.locator(".cursor:not(.pointed)")
    right = cursor.bounding_box()["x"] + cursor.bounding_box()["width"]
    assert cover.bounding_box()["x"] == pytest.approx(right, abs=0.5)
    page.get_by_role("button", name="Next character").click()
    assert_reads(page, t + 1)
    page.get_by_label("hide what comes").uncheck()
    assert page.locator(".cover:visible").count() == 0
    assert_reads(page, t + 1)


def test_play_ends_with_the_text_and_begins_again(static_page):
    page = static_page(explorer())
    page.locator(".page").focus()
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowLeft")
    page.get_by_label("speed").select_option("fast")
    page.get_by_role("button", name="Play through the text").click()
    page.wait_for_function(f"""() => document.querySelector('.page')
        .getAttribute('aria-valuenow') === '{T}'""")
    assert "the text ends here" in page.locator(".came").inner_text()
    page.get_by_role("button", name="Play through the text").click()
    page.wait_for_function(
        "Number(document.querySelector('.page').getAttribute('aria-valuenow')) < 100")


def test_nothing_moves_where_motion_is_to_be_reduced(static_page):
    page = static_page(explorer(), reduced_motion="reduce")
    assert page.get_by_role("button", name=re.compile("Play")).is_disabled()
    page.get_by_role("button", name="Next character").click()
    assert_reads(page, explorer().at + 1)


# ---- the rest -----------------------------------------------------------------------------------


def test_contexts_are_coloured_and_sorted(static_page):
    page = static_page(explorer())
    lists = page.locator(".corpus ol")
    top, bottom = ([plain(x) for x in lists.nth(k).locator(".number").all_inner_texts()]
                   for k in (0, 1))
    peaks = sorted(piece.values[piece.at] for piece in pieces(QUOTE))
    np.testing.assert_allclose(top, peaks[:-6:-1], atol=0.006)
    np.testing.assert_allclose(bottom, peaks[:5], atol=0.006)
    best = max(pieces(QUOTE), key=lambda piece: piece.values[piece.at])
    line = lists.first.locator(".line").first
    assert line.text_content().replace("\u23ce", "\n").lstrip("\u00b7 ") == best.text.lstrip()
    assert "linear-gradient" in line.get_attribute("style")
    page.get_by_label("Cell, as a number").fill("5")
    assert "Top contexts are included for cells 7, 31." in page.locator(".corpus").inner_text()


def test_a_page_without_kernel_says_what_it_cannot(static_page):
    page = static_page(explorer())
    assert page.get_by_role("button", name="Your own text").is_disabled()
    assert page.locator(".notice").inner_text() == (
        "Your own text needs Python: open the notebook to use it.")
    page.get_by_label("Cell, as a number").fill("5")
    assert page.locator(".gate-note").inner_text() == (
        "Gates are included for 3 cells; start the notebook for the others.")
    page.get_by_label("Cell, as a number").fill(str(INDENT))
    assert page.locator(".gate-note").count() == 0
    bare = static_page(explorer(read=None, gates_of=None, gates={}, contexts={}, features={},
                                ranked=(), title=""))
    assert bare.locator(".tabs, .chips, .corpus, .title").count() == 0
    assert bare.locator(".gate-note").inner_text() == "No gates are included."


def test_a_text_that_was_typed_stays_readable_without_a_kernel(static_page):
    widget, text = explorer(), 'He said: "now" and left'
    widget.set_state({"typed": text})
    page = static_page(widget)
    page.get_by_role("button", name="Your own text").click()
    assert page.locator(".page .line").all_text_contents() == [text]
    assert page.get_by_label("Your own text", exact=True).is_disabled()
    page.get_by_label("a feature").select_option("inside quotes")
    assert painted(page, 0, 11, 22) == [31, 36, 41, 255] and painted(page, 0, 16, 22)[3] == 0
    page.get_by_role("button", name="The text", exact=True).click()
    assert page.locator(".page .line").count() == STORY.count("\n")


NEVER_SEEN = "the model has never seen '\u00e9': leave it out"


def test_the_last_reading_stays_beside_the_complaint(static_page, monkeypatch):
    shim = base._SHIM.replace("kernel: false", "kernel: true")
    shim += "window.answer = (name, said) => model.set(name, said);"
    monkeypatch.setattr(base, "_SHIM", shim)
    widget, text = explorer(), 'He said: "now" and left'
    widget.set_state({"typed": text})
    widget.set_state({"typed": text + "\u00e9"})
    widget.set_state({"own_shown": True, "feature": "inside quotes"})
    page = static_page(widget)
    box, message = page.get_by_label("Your own text", exact=True), page.locator(".message")

    def assert_shown():
        assert page.locator(".page .line").all_text_contents() == [text]
        assert painted(page, 0, 11, 22) == [31, 36, 41, 255] and painted(page, 0, 16, 22)[3] == 0

    assert_shown()
    assert box.input_value() == text + "\u00e9"
    assert page.locator(".complaint").inner_text() == NEVER_SEEN
    assert page.locator(".stays").inner_text() == "Below is still the last text that could be read."

    # Back to what was read: its reading is there already, and Python only takes back its no.
    box.fill(text)
    assert message.inner_text() == "Python is reading \u2026" and page.locator(".stays").is_hidden()
    assert_shown()
    page.evaluate("answer('refused', {})")
    assert message.inner_text() == "23 of at most 2,000 characters"
    assert page.locator(".complaint").count() == 0
    assert_shown()

    # A no to an earlier version is not a no to this one.
    box.fill(text + "!")
    page.evaluate("text => answer('refused', { text, error: 'no' })", text + "?")
    assert message.inner_text() == "Python is reading \u2026"
    page.evaluate("text => answer('refused', { text, error: 'no' })", text + "!")
    assert message.inner_text() == "no" and page.locator(".stays").is_visible()
    assert_shown()
    page.get_by_role("button", name="The text", exact=True).click()
    assert page.locator(".page .line").count() == STORY.count("\n")
    page.get_by_role("button", name="Your own text").click()
    assert_shown()


def test_markup_is_text_and_every_character_keeps_its_place(static_page):
    evil = "</script><script>document.title='hit'</script>&amp;<b>\n\t\u4f60\U0001f600e\u0301 \x07|"
    n = len(evil)
    page = static_page(CellExplorer(
        evil, activity(evil), (["<\u4f60\U0001f600\n&"] * n, np.full((n, 5), 0.2)),
        features={"<i>": np.arange(n)}, ranked=[Found("<i>", 3, 0.9, "r", 1, 0.1)],
        contexts={3: [Context(evil, np.arange(n), 4)]}, title="<u>", name="<s>"))
    assert page.title() == "A widget"
    shown = "".join(page.locator(".page .line").all_text_contents())
    assert shown == evil.replace("\n", "\u23ce").replace("\t", "\u21e5").replace("\x07", "\u2407")
    assert page.locator(".lecture script, .page b, .lecture u, .lecture s").count() == 0
    assert page.locator(".title").inner_text() == "<u>"
    assert page.locator(".expected b").all_inner_texts() == [
        "<", "\u4f60", "\U0001f600", "\u23ce", "&"]
    # The bar at the very end stands where the grid says, whatever came before it.
    end = page.evaluate("""() => {
      const line = [...document.querySelectorAll('.page .line')].at(-1);
      const range = document.createRange();
      const last = line.lastChild;
      range.setStart(last, last.length - 1);
      range.setEnd(last, last.length);
      const cursor = document.querySelector('.cursor:not(.pointed)');
      const wide = cursor.getBoundingClientRect().width;
      return (range.getBoundingClientRect().left - line.getBoundingClientRect().left) / wide;
    }""")
    assert end == pytest.approx(len(evil.split("\n")[-1]) - 1, abs=0.15)


CUT_OFF = """async () => {
  const wrong = [];
  const number = document.querySelector('input[type=number]');
  await new Promise((done) => setTimeout(done, 500));
  for (const cell of [31, 7, 5]) {
    number.value = cell;
    number.dispatchEvent(new Event('input'));
    const card = document.querySelector('.body').getBoundingClientRect();
    for (const part of document.querySelectorAll('button, p, li > *, .field, .strip, .page')) {
      const box = part.getBoundingClientRect();
      if (!box.width) continue; // hidden
      if (box.right > card.right + 1 || box.left < card.left - 1
          || (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).overflowX
              === 'visible' && getComputedStyle(part).display !== 'inline'))
        wrong.push(`${cell}: ${part.className} ${part.textContent.slice(0, 40)}`);
    }
    for (const group of ['.reading > *', '.finder > *', '.main > *', '.picker > *']) {
      const boxes = [...document.querySelectorAll(group)].map((e) => e.getBoundingClientRect());
      boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
        if (a.width && b.width && a.left < b.right - 1 && b.left < a.right - 1
            && a.top < b.bottom - 1 && b.top < a.bottom - 1) wrong.push(`${group} overlap`);
      }));
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
  return wrong;
}"""


def test_nothing_is_cut_off(static_page):
    page = static_page(explorer())
    for width in (380, 600, 860, 1100):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CUT_OFF) == [], width


def test_controls_have_names_and_a_size(static_page):
    page = static_page(explorer())
    controls = page.locator("button:visible, input:visible, select:visible, .page")
    assert controls.count() > 25
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        assert control.bounding_box()["height"] >= 24


def test_512_cells_of_4000_characters_are_quick(static_page, capsys):
    text = (STORY * 2)[:4000]
    page = static_page(CellExplorer(
        text, activity(text, 512), guesses(text), features=known(text), ranked=FOUND,
        gates={cell: gates_for(text)(cell % C) for cell in range(24)},
        contexts={cell: pieces(cell) for cell in (QUOTE, LINE)}))
    paint, rank = page.evaluate("""async () => {
      const number = document.querySelector('input[type=number]');
      const text = document.querySelector('.page');
      const data = document.querySelector('.body').dataset;
      const [paint, rank] = [[], []];
      for (let k = 0; k < 24; k++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        number.value = k;
        number.dispatchEvent(new Event('input'));
        document.body.getBoundingClientRect(); // style and layout too
        paint.push(performance.now() - began);
        text.dispatchEvent(new KeyboardEvent('keydown',
          { key: 'ArrowDown', shiftKey: true, bubbles: true }));
        rank.push(Number(data.milliseconds));
      }
      return [paint, rank];
    }""")
    with capsys.disabled():
        print(f"\ncell explorer, 512 cells, 4,000 characters: a cell in "
              f"{statistics.median(paint):.1f} ms, a ranking in {statistics.median(rank):.1f} ms "
              f"(medians; worst {max(paint):.1f} and {max(rank):.1f})")
    assert statistics.median(paint) <= 50
    assert statistics.median(rank) < 100


# ---- in a notebook ------------------------------------------------------------------------------

MAKE = """\
from tests.visual.test_cell_explorer import explorer
widget = explorer()
widget"""
READ = """\
own = widget.own.get("text") if widget.own_shown else None
print("read", widget.cell, widget.spans, repr(own))"""


def test_keys_stay_and_a_typed_text_is_coloured_by_the_kernel(lab, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (MAKE, READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "cells.ipynb")
    notebook = lab(folder, "cells.ipynb")
    notebook.run_all()
    page = notebook.page
    page.wait_for_selector(".cell-explorer .page .line")
    count = notebook.cell_count()

    def reads(text):
        page.wait_for_timeout(400)  # what was changed is sent once things rest
        notebook.run_cell(1)
        page.wait_for_function(
            "text => document.querySelector('.jp-Notebook').innerText.includes(text)", arg=text)

    # Keys that would delete or add a cell.
    page.get_by_label("Cell", exact=True).focus()
    for key in ("ArrowRight", "d", "d", "a", "b"):
        page.keyboard.press(key)
    # Cell 32 has no gates here, so Python is asked for them.
    page.wait_for_selector(".number[data-gate=f]")
    text = page.locator(".page")
    text.focus()
    for key in ("Control+Home", "Shift+End", "d", "d"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert notebook.cell_count() == count
    reads(f"read 32 [[0, {STORY.index(chr(10)) + 1}]] None")

    page.get_by_role("button", name="Your own text").click()
    box = page.get_by_label("Your own text", exact=True)
    box.fill('He said: "now" and left')
    page.wait_for_function(
        """() => document.querySelector('.page').textContent === 'He said: "now" and left'""",
        timeout=5000)
    page.locator(".chip").first.click()
    inside, outside = (page.evaluate(
        """(x) => Array.from(document.querySelector('.page canvas').getContext('2d')
             .getImageData(x, 8, 1, 1).data)""", x) for x in (12, 3))
    assert inside[0] > inside[2] and outside[0] < outside[2]  # orange, blue
    reads("""read 31 [] 'He said: "now" and left'""")
    box.fill("caf\u00e9")
    page.wait_for_function("""() => document.querySelector('.complaint')?.textContent
        === "the model has never seen '\u00e9': leave it out" """, timeout=5000)
    assert page.locator(".page").text_content() == 'He said: "now" and left'
    page.get_by_role("button", name="Next cell").click()
    page.wait_for_selector(".number[data-gate=f]")  # Python still knows the gates of that text
    reads("""read 32 [] 'He said: "now" and left'""")
    page.get_by_role("button", name="The text", exact=True).click()
    assert page.locator(".page .line").count() == STORY.count("\n")

    notebook.set_source(1, 'widget.cell = 7\nwidget.feature = "indentation"\nprint("set")')
    notebook.run_cell(1)
    page.wait_for_function("document.querySelector('.cell-explorer .facts').textContent"
                           ".startsWith('Cell 7 ')")
    assert page.get_by_label("a feature").input_value() == "indentation"
