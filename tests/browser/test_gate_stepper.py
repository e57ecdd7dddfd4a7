"""The gate stepper in a real browser, from a file, with the network blocked."""

import re
import statistics

import numpy as np
import pytest

from lecture_utils.visual.widgets import GateStepper

ALPHABET = 'abAB." '
TEXT = 'ab. b"A..B "a.'
H = 6


def gates(text=TEXT, alphabet=ALPHABET, H=H, scale=1.5, readout=True, **settings):
    draw = np.random.default_rng(5).normal
    V = len(alphabet)
    weights = scale * draw(size=(4 * H, H + V)), draw(size=4 * H)
    out = (draw(size=(V, H)), draw(size=V), list(alphabet)) if readout else None
    step = settings.pop("step", 1)
    widget = GateStepper(*weights, alphabet=alphabet, text=text, readout=out, **settings)
    widget.step = step
    return widget


def number(text):
    return float(text.strip("()").replace("tanh ", "").strip("()").replace("\u2212", "-"))


def assert_equals_python(page, widget):
    """The arithmetic and the expectations at the cursor, to the printed digits and behind them."""
    now, t, unit = widget.run(), widget.step - 1, widget.unit
    at = {name: values[t, unit] for name, values in now.items()}
    old = now["c"][t - 1, unit] if t else 0
    expected = [at["c"], at["f"], old, at["i"], at["g"], at["h"], at["o"], at["c"]]
    shown = page.locator(".sums .number")
    exact = [float(x.get_attribute("data-value")) for x in shown.all()]
    np.testing.assert_allclose(exact, expected, rtol=1e-9, atol=1e-12)
    assert [number(text) for text in shown.all_inner_texts()] == [
        float(f"{x:.2f}") for x in expected]
    p = np.sort(widget.probabilities()[t])[::-1][:6]
    chances = [float(x.get_attribute("data-value")) for x in page.locator("li .number").all()]
    np.testing.assert_allclose(chances, p, rtol=1e-9)
    assert page.locator(".counter").inner_text().startswith(f"t = {t + 1} of {len(widget.text)}")


def lane_heights(page, name):
    """How far each bar of a lane goes from its line, in pixels, upward positive."""
    path = page.locator(f"path[data-lane={name}]").get_attribute("d")
    return -np.array([float(x) for x in re.findall(r"v(-?[\d.]+)", path)])


def assert_score_is_pythons(page, widget):
    now = {name: values[:, widget.unit] for name, values in widget.run().items()}
    for name, pixels in (("f", 36), ("i", 36), ("g", 22), ("o", 36), ("h", 22)):
        np.testing.assert_allclose(lane_heights(page, name), pixels * now[name], atol=0.006)
    zero, ends = 30 + 36 + 36 + 44 + 30 + 30, page.locator(".names .tick").all_text_contents()
    path = page.locator("path[data-lane=c]").get_attribute("d")
    tips = np.array([float(y) for y in re.findall(r"M\S+ (-?[\d.]+)h", path)])
    np.testing.assert_allclose((zero - tips) / 30 * float(ends[6]), now["c"], atol=0.01)


def test_numbers_are_pythons_at_every_step(static_page):
    widget = gates(unit=2)
    page = static_page(widget)
    assert_score_is_pythons(page, widget)
    for widget.step in range(1, len(TEXT) + 1):
        assert_equals_python(page, widget)
        page.get_by_role("button", name="Next character").click()


def test_the_next_character_is_framed_and_rated(static_page):
    widget = gates(step=5)
    page = static_page(widget)
    likely = np.argsort(-widget.probabilities()[4])[:6]
    names = [ALPHABET[v].replace(" ", "\u2423") for v in likely]
    assert page.locator(".symbol-name").all_inner_texts() == names
    framed = page.locator("li.comes .symbol-name").all_inner_texts()
    assert framed == ([TEXT[5]] if TEXT[5] in names else [])
    p = widget.probabilities()[4, ALPHABET.index(TEXT[5])]
    assert f"next in the text {TEXT[5]} gets {p:.2f}" in page.locator(".expected").inner_text()
    page.locator("svg.score").press("End")
    assert page.locator(".expected > *").count() == 2  # nothing comes
    assert "null" not in page.locator(".expected").inner_text()


def test_typing_changes_the_score(static_page):
    widget = gates(unit=4)
    page = static_page(widget)
    box = page.get_by_label("Text", exact=True)
    box.fill('"B a"')
    widget.text, widget.step = '"B a"', 5
    assert_score_is_pythons(page, widget)
    assert_equals_python(page, widget)
    # The cursor goes where one types.
    box.press("Home")
    box.press_sequentially("b.")
    widget.text, widget.step = 'b."B a"', 2
    assert box.input_value() == widget.text
    assert_score_is_pythons(page, widget)
    assert_equals_python(page, widget)
    assert page.locator(".score .character").all_text_contents()[:7] == list('b."B\u2423a"')


def test_unknown_characters_are_refused(static_page):
    widget = gates()
    page = static_page(widget)
    box, complaint = page.get_by_label("Text", exact=True), page.locator(".complaint")
    box.fill("az!b")
    assert box.input_value() == "ab"
    assert complaint.inner_text().startswith(
        "The network has never seen \u201cz\u201d, \u201c!\u201d. It knows a b A")
    widget.text, widget.step = "ab", 2
    assert_equals_python(page, widget)
    # In the middle of a word, the caret stays where it was.
    box.press("Home")
    box.press("ArrowRight")
    box.press_sequentially("zA")
    assert box.input_value() == "aAb"
    assert complaint.count() == 0
    assert page.locator(".typing p").inner_text().startswith("The network knows a b")
    box.press("Enter")
    assert box.input_value() == "aAb" and complaint.count() == 0
    box.fill("\u201cA\u201d")
    assert box.input_value() == '"A"' and complaint.count() == 0
    box.fill("")
    assert complaint.inner_text().startswith("Type at least one character.")
    assert page.locator(".counter").inner_text().startswith("t = 3 of 3")
    box.blur()
    assert box.input_value() == '"A"' and complaint.count() == 0
    box.fill("ab" * 70)
    assert box.input_value() == "ab" * 60
    assert complaint.inner_text() == "The score holds 120 characters: the rest was left out."


def test_line_ends_are_characters_where_the_alphabet_has_them(static_page):
    widget = gates(alphabet="ab\n\t", text="a\nb", H=3)
    page = static_page(widget)
    box = page.get_by_label("Text", exact=True)
    assert box.input_value() == "a\nb"
    box.press("End")
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    widget.text, widget.step = "a\nb\n", 4
    assert_equals_python(page, widget)
    assert page.locator(".score .character").all_text_contents()[:4] == list("a\u23ceb\u23ce")


def test_clicks_move_the_cursor_and_choose_the_unit(static_page):
    widget = gates()
    page = static_page(widget)
    score, canvas = page.locator("svg.score"), page.locator("canvas")
    column = score.bounding_box()["width"] / len(TEXT)
    score.click(position={"x": 8.5 * column, "y": 150})
    widget.step = 9
    assert_equals_python(page, widget)
    row = canvas.bounding_box()["height"] / H
    page.locator("svg.marks").click(position={"x": 40, "y": 2 + 3.5 * row})
    widget.unit = 3
    assert_equals_python(page, widget)
    assert_score_is_pythons(page, widget)
    assert page.get_by_label("Unit", exact=True).input_value() == "3"
    assert page.locator(".names .chosen").text_content() == "unit 3 \u25b8"
    mark = page.locator(".row-mark").bounding_box()
    assert mark["y"] == pytest.approx(canvas.bounding_box()["y"] + 3 * row - 2, abs=1.5)
    page.mouse.move(score.bounding_box()["x"] + 1.5 * column, score.bounding_box()["y"] + 60)
    page.mouse.down()
    page.mouse.move(score.bounding_box()["x"] + 4.5 * column, score.bounding_box()["y"] + 70)
    page.mouse.up()
    widget.step = 5
    assert_equals_python(page, widget)


def test_unit_chooser(static_page):
    widget = gates()
    page = static_page(widget)
    previous, after = (page.get_by_role("button", name=f"{side} unit")
                       for side in ("Previous", "Next"))
    assert previous.is_disabled()
    after.click()
    after.click()
    previous.click()
    widget.unit = 1
    assert_equals_python(page, widget)
    box = page.get_by_label("Unit", exact=True)
    box.fill("5")
    widget.unit = 5
    assert_equals_python(page, widget)
    assert after.is_disabled()
    box.fill("17")
    box.blur()
    assert box.input_value() == "5"


def test_everything_is_worked_by_keys(static_page):
    widget = gates(step=3, unit=1)
    page = static_page(widget)
    names = []
    for _ in range(10):
        page.keyboard.press("Tab")
        names.append(page.evaluate("""() => document.activeElement.getAttribute('aria-label')
            ?? document.activeElement.labels?.[0]?.textContent ?? ''"""))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px" or not names[-1]
    for name in ("Text", "Previous character", "Play through the characters", "Next character",
                 "Unit", "Previous unit", "Next unit"):
        assert name in names
    score = page.get_by_role("slider", name="Score of the gates")
    score.focus()
    for key, step, unit in (("ArrowRight", 4, 1), ("ArrowDown", 4, 2), ("ArrowLeft", 3, 2),
                            ("End", len(TEXT), 2), ("ArrowRight", len(TEXT), 2), ("Home", 1, 2),
                            ("PageDown", 11, 2), ("PageUp", 1, 2), ("ArrowUp", 1, 1)):
        page.keyboard.press(key)
        widget.step, widget.unit = step, unit
        assert_equals_python(page, widget)
        assert score.get_attribute("aria-valuenow") == str(step)
    units = page.get_by_role("slider", name="Map of all units")
    units.focus()
    for key, unit in (("ArrowDown", 2), ("End", H - 1), ("ArrowDown", H - 1), ("ArrowUp", H - 2)):
        page.keyboard.press(key)
        widget.unit = unit
        assert_equals_python(page, widget)
        assert units.get_attribute("aria-valuenow") == str(unit)


def test_the_step_is_said_once_things_rest(static_page):
    widget = gates(unit=3)
    page = static_page(widget)
    page.locator("svg.score").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    now = {name: f"{values[5, 3]:.2f}".replace("-", "\u2212")
           for name, values in widget.run().items()}
    said = (f"step 6, character \u201c\"\u201d: f {now['f']}, i {now['i']}, c {now['c']}")
    page.wait_for_function(
        "said => document.querySelector('[role=status]').textContent === said", arg=said)


def test_play_runs_to_the_end_and_is_off_under_reduced_motion(static_page):
    page = static_page(gates(text="ab."))
    page.get_by_role("button", name="Play through the characters").click()
    page.wait_for_function(
        "document.querySelector('.counter').textContent.startsWith('t = 3 of 3')")
    page.get_by_role("button", name="Play through the characters").wait_for()
    page = static_page(gates(), reduced_motion="reduce")
    assert page.get_by_role("button", name=re.compile("^Play")).is_disabled()


def test_a_long_score_follows_the_cursor(static_page):
    widget = gates(text=(TEXT * 9)[:120])
    page = static_page(widget, viewport={"width": 520, "height": 900})
    page.locator("svg.score").focus()
    for key in ("End", "PageUp", "PageUp", "Home", "PageDown"):
        page.keyboard.press(key)
        strip = page.locator(".strip").bounding_box()
        here = page.locator(".here").bounding_box()
        assert strip["x"] <= here["x"]
        assert here["x"] + here["width"] <= strip["x"] + strip["width"] + 0.5
    assert page.evaluate("document.documentElement.scrollWidth") <= 520


@pytest.mark.parametrize("width", [380, 520, 720, 900])
def test_labels_are_whole_and_apart(static_page, width):
    # Large weights drive c far: its numbers are the longest.
    many = gates(text=(TEXT * 9)[:120], H=64, scale=8)
    wrong, looked = [], 0
    for widget, units in ((gates(), range(H)), (many, (0, 1, 3, 4, 31, 60, 63))):
        page = static_page(widget, viewport={"width": width, "height": 900})
        found, boxes = page.evaluate("""async (units) => {
          const body = document.querySelector('.body');
          const box = body.querySelector('input[type=number]');
          const score = body.querySelector('svg.score');
          const wrong = [];
          let looked = 0;
          await new Promise((done) => setTimeout(done, 100));
          for (const unit of units) for (const key of ['Home', 'ArrowRight', 'PageDown', 'End']) {
            box.value = unit;
            box.dispatchEvent(new Event('input'));
            score.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
            const groups = [
              ['.names text', '.names'],
              ['.reading .term > *, .reading .sign > *, .expected p, li', '.reading'],
              ['.controls button, .controls input, .controls label, .counter', '.controls'],
              ['.bars text', 'svg.score'],
            ];
            for (const [parts, whole] of groups) {
              const frame = body.querySelector(whole).getBoundingClientRect();
              const elements = [...body.querySelectorAll(parts)].filter((e) => e.textContent.trim()
                || e.matches('button, input'));
              const rects = elements.map((e) => e.getBoundingClientRect());
              looked += rects.length;
              rects.forEach((a, i) => {
                const where = `unit ${unit}, ${key}: ${elements[i].textContent}`;
                if (a.left < frame.left - 0.5 || a.right > frame.right + 0.5
                    || a.top < frame.top - 0.5 || a.bottom > frame.bottom + 0.5)
                  wrong.push(`${where} cut off`);
                rects.slice(i + 1).forEach((b, j) => {
                  if (a.left < b.right - 0.5 && b.left < a.right - 0.5 && a.top < b.bottom - 1.5
                      && b.top < a.bottom - 1.5)
                    wrong.push(`${where} / ${elements[i + 1 + j].textContent}`);
                });
              });
            }
          }
          if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
          return [wrong, looked];
        }""", list(units))
        wrong += found
        looked += boxes
    assert wrong == []
    assert looked > 2000


def test_controls_have_names_and_a_size(static_page):
    page = static_page(gates())
    controls = page.locator(
        "button:visible, input:visible, textarea:visible, [role=slider]:visible")
    assert controls.count() == 9
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        assert control.bounding_box()["height"] >= 24


def test_without_readout_nothing_is_expected(static_page):
    page = static_page(gates(readout=False, H=1))
    assert page.locator(".expected").count() == 0
    assert "the only one" in page.locator(".controls").inner_text()


def test_a_keystroke_is_quick(static_page, capsys):
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNO"
    widget = gates(text=(alphabet * 3)[:120], alphabet=alphabet, H=64, scale=0.3)
    page = static_page(widget, viewport={"width": 900, "height": 900})
    times = page.evaluate("""async () => {
      const box = document.querySelector('textarea');
      const times = [];
      for (let i = 0; i < 30; i++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        box.value = 'abcdefgh'[i % 8] + box.value.slice(1);
        box.dispatchEvent(new Event('input'));
        document.body.getBoundingClientRect();  // style and layout too
        times.push(performance.now() - began);
      }
      return times;
    }""")
    middle = statistics.median(times)
    with capsys.disabled():
        print(f"\ngates: keystroke in {middle:.1f} ms (median), {max(times):.1f} ms (worst)")
    assert middle < 50
