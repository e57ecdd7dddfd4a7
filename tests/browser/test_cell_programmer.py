"""The cell programmer in a real browser, from a file, with the network blocked."""

import re
import statistics

import numpy as np
import pytest

from lecture_utils.visual.widgets import CellProgrammer

SOLUTION = {"b_i": -6, "w_i": 12, "b_f": 6, "w_f": -12, "w_g": 6, "b_o": 6}
LABELS = {"b_i": "bias bi", "w_i": "mark wi", "b_f": "bias bf", "w_f": "mark wf",
          "w_g": "signal wg", "b_o": "bias bo"}


def programmer(N=40, T=30, seed=5, **settings):
    random = np.random.default_rng(seed)
    markers = random.random((N, T)) < 0.1
    markers[:, 0] = True
    return CellProgrammer(random.uniform(-1, 1, (N, T)), markers, **settings)


def exact(page, name):
    return float(page.locator(f"[data-name={name}]").get_attribute("data-value"))


def bars(page):
    """i and f without a mark and at one, g at 0.1 and 1, o: as shown."""
    return page.eval_on_selector_all(
        ".gate-value .mono", "all => all.map((one) => Number(one.dataset.value))")


def assert_equals_numpy(page, widget):
    assert exact(page, "score") == pytest.approx(widget.score(), abs=1e-12)
    assert exact(page, "margin") == pytest.approx(widget.margin(), abs=1e-12)
    percent = repr(widget).split("right at ")[1].split("%")[0]
    assert page.locator("[data-name=score]").inner_text() == f"{percent} %"
    right = int((np.sign(widget.run()["h"]) == widget.targets())[widget.example].sum())
    T = widget.signal["shape"][1]
    assert f"right at {right} of its {T} steps" in page.locator(".examples").inner_text()


def set_weights(page, **weights):
    for name, value in weights.items():
        page.get_by_label(LABELS[name], exact=True).fill(str(value))


def advice(page):
    return page.locator(".advice").inner_text()


# ---- what moves -------------------------------------------------------------------------------


def test_sliders_by_keyboard_give_pythons_score(static_page):
    widget = programmer()
    page = static_page(widget)
    assert_equals_numpy(page, widget)
    seen = {exact(page, "score")}
    keys = {"b_i": ["ArrowLeft"] * 7, "w_i": ["End", "ArrowLeft"], "b_f": ["PageUp", "ArrowRight"],
            "w_f": ["Home"], "w_g": ["ArrowUp"] * 3, "b_o": ["ArrowDown"]}
    for name, pressed in keys.items():
        slider = page.get_by_label(LABELS[name], exact=True)
        slider.focus()
        for key in pressed:
            page.keyboard.press(key)
            widget.weights = widget.weights | {name: float(slider.input_value())}
            assert_equals_numpy(page, widget)
            seen.add(exact(page, "score"))
    assert widget.weights["b_i"] == -3.5 and widget.weights["w_i"] == 11.5
    assert widget.weights["w_f"] == -12 and widget.weights["w_g"] == 2.5
    assert len(seen) > 6
    shown = page.locator(".setting output").all_inner_texts()
    assert shown[:2] == ["−3.5", "11.5"] and shown[3:] == ["−12.0", "2.5", "−0.5"]
    run = widget.run()
    marked = widget.targets() != 0
    assert bars(page)[:2] == pytest.approx([run["i"].min(), run["i"][marked].max()])
    assert bars(page)[2:4] == pytest.approx([run["f"].max(), run["f"].min()])
    assert bars(page)[6] == pytest.approx(run["o"][0, 0])


def test_starting_points_and_the_way_back_from_the_solution(static_page):
    widget = programmer()
    page = static_page(widget)
    for name, weights, i, f in (
        ("Remember everything", {"b_f": 10}, 0.5, 1),
        ("Forget at once", {"b_f": -10, "b_i": 10}, 1, 0),
        ("Blank", {}, 0.5, 0.5),
    ):
        button = page.get_by_role("button", name=name)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert page.locator("[aria-pressed=true]").count() == 1
        widget.weights = weights
        assert_equals_numpy(page, widget)
        assert bars(page)[:4] == pytest.approx([i, i, f, f], abs=1e-4)
    best = page.locator(".facts").inner_text()
    set_weights(page, b_f=4.5)
    mine = widget.weights = {"b_f": 4.5}
    page.get_by_role("button", name="Show a solution").click()
    widget.weights = SOLUTION
    assert_equals_numpy(page, widget)
    assert widget.score() >= 0.98
    assert "best so far 100" not in page.locator(".facts").inner_text(), best
    page.get_by_role("button", name="Back to my own").click()
    widget.weights = mine
    assert_equals_numpy(page, widget)
    assert page.get_by_role("button", name="Show a solution").count() == 1


def test_best_so_far_is_the_learners_own(static_page):
    widget = programmer()
    page = static_page(widget)
    scores = [widget.score()]
    for value in (10, -10):
        set_weights(page, b_f=value)
        widget.weights = {"b_f": value}
        scores.append(widget.score())
    page.get_by_role("button", name="Show a solution").click()
    best = np.floor(1000 * max(scores)) / 10
    assert f"best so far {best:g} %" in page.locator(".facts").inner_text()


def test_hints_lead_from_blank_to_the_goal(static_page):
    page = static_page(programmer())
    way = [
        ({}, "forgets between marks: what keeps c?"),
        ({"b_f": 6}, "Noise is written in: close the write gate"),
        ({"b_i": -6}, "Nothing is written at a mark"),
        ({"w_i": 9}, "The old bit is still there"),
        ({"w_f": -9}, "For a clearer h, open the reveal gate"),
        ({"b_o": 5}, "Weak signals leave c near 0: make g decide"),
        ({"w_g": 6}, "Latched."),
    ]
    scores = []
    for weights, said in way:
        set_weights(page, **weights)
        assert said in advice(page).replace("\u00a0", " ")
        scores.append(exact(page, "score"))
    assert scores[-1] >= 0.98 and page.locator(".results.done").count() == 1
    assert scores[3] > scores[0]
    assert "f = 0.05 drops the old bit" in advice(page).replace("\u00a0", " ")
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.includes('Latched')")
    assert re.match(r"Right at [\d.]+ % of 1,200 steps\. Latched\.",
                    page.locator("[role=status]").inner_text())
    # The sign needs no size: what counts is how much wider the write gate opens at a mark.
    set_weights(page, b_i=-11.5, w_i=9)
    assert "but faintly" in advice(page) and "7500 times" in advice(page)
    assert exact(page, "score") >= 0.98
    set_weights(page, b_i=-6)
    for weights, said in (({"w_g": -6}, "turned round"), ({"w_g": 0}, "Nothing is ever written"),
                          ({"w_g": 6, "b_f": 2.5, "w_f": -5, "b_i": -2.5, "w_i": 6}, "Nearly:")):
        set_weights(page, **weights)
        assert said in advice(page)
        assert page.locator(".results.done").count() == 0


def test_examples_turn_and_single_steps_can_be_read(static_page):
    widget = programmer(weights={"b_f": 3, "w_i": 2})
    page = static_page(widget)
    for button, n in (("Next", 1), ("Next", 2), ("Previous", 1), ("Previous", 0), ("Previous", 39)):
        page.get_by_role("button", name=f"{button} example").click()
        widget.example = n
        assert f"Example {n + 1} of 40" in page.locator(".examples").inner_text()
        assert_equals_numpy(page, widget)
    run, plot = widget.run(), page.get_by_role("slider", name="Step to read")
    plot.focus()
    for key, t in (("End", 30), ("ArrowRight", 30), ("ArrowLeft", 29), ("PageDown", 19),
                   ("Home", 1)):
        page.keyboard.press(key)
        assert plot.get_attribute("aria-valuenow") == str(t)
        for name in ("f", "i", "g", "c", "h"):
            assert exact(page, name) == pytest.approx(run[name][39, t - 1], rel=1e-9)
    box = page.locator(".goal").first.bounding_box()  # the first stretch begins at step 1
    page.mouse.move(box["x"] + 2, box["y"] + 4)
    assert "t = 1, marked" in page.locator(".reading").inner_text()


def test_what_is_drawn_is_the_run(static_page):
    """The line of h and the hatched steps, read back from the drawing."""
    widget = programmer(N=2, T=12)
    page = static_page(widget)
    page.wait_for_timeout(100)
    h, wrong = widget.run()["h"][0], np.sign(widget.run()["h"][0]) != widget.targets()[0]
    assert 0 < wrong.sum() < 12
    line = page.locator("path.h").get_attribute("d")
    at = np.array([[float(part) for part in point.split()] for point in line[1:].split("L")])
    zero = at[:, 1] + h * 30
    np.testing.assert_allclose(zero, zero[0], atol=0.02)
    crosses = [float(x) + 3 for x in re.findall(
        r"M([\d.]+) [\d.]+l", page.locator("path.crosses").get_attribute("d"))]
    np.testing.assert_allclose(crosses, at[wrong, 0], atol=0.1)
    covered = page.eval_on_selector_all(
        "rect.error", "all => all.map((r) => [r.x.baseVal.value, r.width.baseVal.value])")
    inside = [any(x < t < x + wide for x, wide in covered) for t in at[:, 0]]
    assert inside == wrong.tolist()


# ---- manners ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [380, 520, 720, 900])
@pytest.mark.parametrize("T", [5, 50, 120])
def test_labels_are_whole_and_apart(static_page, width, T):
    page = static_page(programmer(N=12, T=T), viewport={"width": width, "height": 900})
    wrong = page.evaluate("""async () => {
      const body = document.querySelector('.body');
      const sliders = [...body.querySelectorAll('input[type=range]')];
      const wrong = [];
      let looked = 0;
      const meet = (a, b) => a.left < b.right - 0.5 && b.left < a.right - 0.5
        && a.top < b.bottom - 1 && b.top < a.bottom - 1;
      const box = (element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return range.getBoundingClientRect();
      };
      const check = (where, elements, frame, boxOf) => {
        const boxes = elements.map(boxOf);
        looked += boxes.length;
        boxes.forEach((a, i) => {
          const text = elements[i].textContent;
          if (a.left < frame.left - 0.5 || a.right > frame.right + 0.5 || a.top < frame.top
              || a.bottom > frame.bottom + 0.5) wrong.push(`${where}: ${text} cut off`);
          boxes.slice(i + 1).forEach((b, j) => {
            if (meet(a, b)) wrong.push(`${where}: ${text} / ${elements[i + 1 + j].textContent}`);
          });
        });
      };
      await new Promise((done) => setTimeout(done, 100));
      const plot = body.querySelector('svg.plot');
      plot.dispatchEvent(new KeyboardEvent('keydown', { key: 'End' }));
      const heights = new Set();
      for (const setting of [[0,0,0,0,1,0], [0,0,10,0,1,0], [10,0,-10,0,1,0], [-6,12,6,-12,6,6],
                             [12,0,12,0,12,12], [-11.5,6,6,-12,6,6],
                             [-6,12,6,-12,1,0], [-12,-12,-12,-12,-12,-12]]) {
        setting.forEach((value, i) => {
          sliders[i].value = value;
          sliders[i].dispatchEvent(new Event('input'));
        });
        const where = setting.join();
        check(where, [...plot.querySelectorAll('text')], plot.getBoundingClientRect(),
              (text) => text.getBoundingClientRect());
        for (const gate of body.querySelectorAll('.gate')) {
          const parts = gate.querySelectorAll('p, label, output, .gate-value > :not(.track)');
          check(where, [...parts], gate.getBoundingClientRect(), box);
        }
        const results = body.querySelector('.results');
        check(where, [...results.querySelectorAll('.verdict, .facts, .tick span, .point, .behind')],
              results.getBoundingClientRect(), box);
        heights.add(body.offsetHeight);
      }
      if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
      if (heights.size > 1) wrong.push(`the card jumps: ${[...heights]}`);
      return looked > 300 ? wrong : [`only ${looked} looked at`];
    }""")
    assert wrong == []


def test_controls_have_names_sizes_and_a_visible_focus(static_page):
    page = static_page(programmer())
    controls = page.locator("button:visible, input:visible, [role=slider]")
    assert controls.count() == 6 + 4 + 2 + 1
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        assert control.bounding_box()["height"] >= 24
    for _ in range(controls.count()):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    slider = page.get_by_label(LABELS["b_f"], exact=True)
    assert slider.get_attribute("aria-valuetext") == (
        "0.0: keep gate 0.50 without a mark, 0.50 at a mark")
    assert page.locator("[role=status]").count() == 1


def test_a_move_is_quick(static_page, capsys):
    page = static_page(programmer(N=200, T=50))
    times = page.evaluate("""async () => {
      const slider = document.querySelectorAll('.cell-programmer input[type=range]')[2];
      const times = [];
      for (let i = 0; i < 30; i++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        slider.value = -7 + 0.5 * i;
        slider.dispatchEvent(new Event('input'));
        document.body.getBoundingClientRect();
        times.push(performance.now() - began);
      }
      return times;
    }""")
    middle = statistics.median(times)
    with capsys.disabled():
        print(f"\nprogrammer: a move in {middle:.1f} ms (median), {max(times):.1f} ms (worst)")
    assert middle < 50


def test_one_sequence_of_five_steps_is_enough(static_page):
    widget = programmer(N=1, T=5)
    page = static_page(widget)
    assert_equals_numpy(page, widget)
    assert page.get_by_role("button", name="Next example").count() == 0
    assert "The only example" in page.locator(".examples").inner_text()
