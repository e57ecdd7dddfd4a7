"""Each widget in a real browser, from a file, with the network blocked."""

import re
import statistics

import numpy as np
import pytest
import traitlets

from lecture_utils.visual.widgets import BPTTFilm, RNNStepper, TrainingScrubber
from lecture_utils.visual.widgets.base import LectureWidget, compose, pack, unpack


@pytest.fixture
def weights():
    draw = np.random.default_rng(3).normal
    return [draw(size=size) for size in ((3, 4), (3, 3), (4, 3), 3, 4)]


def film(T=12, chunk=4):
    distance = np.subtract.outer(np.arange(T), np.arange(T))
    flow = np.tril(0.8 ** np.maximum(distance, 0))
    cosine = np.linspace(0.5, 1, T)
    return BPTTFilm(flow, cosine, chunk=chunk, text="hello world!", size=cosine)


def scrubber():
    iterations = np.arange(0, 1001, 10)
    texts = [(0, "xq &<b>z</b>"), (100, "the sae"), (1000, "the sea")]
    known = [[False] * 12, [True] * 3 + [False] * 4, [True] * 7]
    return TrainingScrubber(iterations, 4 * np.exp(-iterations / 200), texts, known=known,
                            reference={"uniform": 4.2})


def values(page, selector):
    """The exact numbers behind what is shown."""
    return np.array(page.eval_on_selector_all(
        selector, "cells => cells.map((cell) => Number(cell.dataset.value))"))


def shown(page, table, column):
    """One column of a table of vectors, exactly."""
    cells = page.locator(f'table[aria-label="{table}"] tbody tr')
    return np.array([
        float(cells.nth(row).locator(".value").nth(column).get_attribute("data-value"))
        for row in range(cells.count())
    ])


def assert_equals_numpy(page, widget, t):
    """Everything that the stepper shows at step t, against the recurrence in NumPy."""
    now = widget.forward()
    for index, name in ((4, "h"),):
        np.testing.assert_allclose(shown(page, "The hidden state", index), now[name][t - 1], 1e-6)
    np.testing.assert_allclose(shown(page, "The prediction", 2), now["y"][t - 1], 1e-6)
    np.testing.assert_allclose(values(page, ".reading .number"), now["p"][t - 1], 1e-6)
    np.testing.assert_allclose(values(page, ".total")[0], np.nansum(now["loss"]), 1e-6)


def test_stepper_numbers_are_numpys_at_every_step(static_page, weights):
    widget = RNNStepper(*weights)
    page = static_page(widget)
    W_xh, W_hh, _, b_h, _ = weights
    for t, before in enumerate([np.zeros(3), *widget.forward()["h"][:-1]], start=1):
        page.locator(".moment").nth(t - 1).click()
        assert_equals_numpy(page, widget, t)
        x = np.eye(4)["helo".index("hell"[t - 1])]
        for column, term in enumerate((W_xh @ x, W_hh @ before, b_h)):
            np.testing.assert_allclose(shown(page, "The hidden state", column), term, 1e-6)
    np.testing.assert_array_equal(
        values(page, 'table[aria-label="Weights W_hh"] tbody .value').reshape(3, 3), W_hh)


def test_stepper_edit_recomputes_and_can_be_taken_back(static_page, weights):
    widget = RNNStepper(*weights)
    page = static_page(widget)
    cell = page.locator('table[aria-label="Weights W_hh"] button').nth(5)
    cell.click()
    page.get_by_label("Value of W_hh[1,2], as a number").fill("-1.75")
    W_hh = weights[1].copy()
    W_hh[1, 2] = -1.75
    widget.set_weights(W_hh=W_hh)
    page.locator(".moment").nth(3).click()
    assert_equals_numpy(page, widget, 4)
    assert "edited" in cell.get_attribute("class")
    page.get_by_role("button", name=re.compile("^Back to")).click()
    assert "edited" not in cell.get_attribute("class")
    widget.set_weights(W_hh=weights[1])
    assert_equals_numpy(page, widget, 4)


def test_stepper_experiments(static_page, weights):
    widget = RNNStepper(*weights)
    page = static_page(widget)
    page.locator(".moment").nth(2).click()
    page.get_by_role("button", name=re.compile("^Forget")).click()
    widget.forget = [3]
    assert_equals_numpy(page, widget, 3)
    page.get_by_role("button", name=re.compile("^No memory")).click()
    widget.set_weights(W_hh=np.zeros((3, 3)))
    widget.forget = [3]
    assert_equals_numpy(page, widget, 3)
    page.get_by_role("button", name="As given").click()
    widget.set_weights(W_hh=weights[1])
    widget.forget = []
    assert_equals_numpy(page, widget, 3)


def test_stepper_text_takes_only_known_characters(static_page, weights):
    widget = RNNStepper(*weights)
    page = static_page(widget)
    box = page.get_by_label("Text", exact=True)
    box.fill("hozle")
    assert box.input_value() == "hole"
    assert "\u201cz\u201d is not in the alphabet" in page.locator(".complaint").inner_text()
    assert page.locator(".target").all_inner_texts() == ["o", "l", "e", "?"]
    widget.text = "hole"
    assert_equals_numpy(page, widget, 1)
    box.fill("")
    assert "at least one character" in page.locator(".complaint").inner_text()
    assert page.locator(".moment").count() == 4


def test_stepper_is_worked_by_keys(static_page, weights):
    widget = RNNStepper(*weights)
    page = static_page(widget)
    page.locator(".moment[aria-current]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator(".moment[aria-current]").get_attribute("aria-label").startswith("Step 3")
    page.locator('table[aria-label="Weights W_xh"] button[tabindex="0"]').focus()
    for key in ("ArrowDown", "ArrowRight", "+", "+"):
        page.keyboard.press(key)
    W_xh = weights[0].copy()
    W_xh[1, 1] += 0.2
    widget.set_weights(W_xh=W_xh)
    assert_equals_numpy(page, widget, 3)
    page.locator('table[aria-label="The hidden state"] span[tabindex="0"]').focus()
    page.keyboard.press("ArrowDown")
    assert "[1] = tanh(" in page.locator(".sum").inner_text()


def test_film_counts_cuts_and_reads_out(static_page):
    widget = film()
    page = static_page(widget)
    facts = page.locator(".facts")
    slider = page.get_by_label("Chunk length", exact=True)
    for chunk in (4, 5, 1, 12):
        slider.fill(str(chunk))
        widget.chunk = chunk
        assert float(facts.get_attribute("data-terms")) == widget.kept().sum()
        assert float(facts.get_attribute("data-share")) == pytest.approx(widget.share_kept())
    slider.fill("4")
    page.locator(".grid").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    assert "t = 12 reaches h7 with norm 0.33: cut" in page.locator(".probe").inner_text()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    assert "h9 with norm 0.51: kept" in page.locator(".probe").inner_text()


def test_film_runs_forward_back_cut_update(static_page):
    page = static_page(film())
    page.get_by_label("Film", exact=True).fill("0")
    heads = []
    for _ in range(3 * (4 + 1 + 4 + 1) + 3):
        head = page.locator(".caption b").inner_text().strip()
        if not heads or heads[-1] != head:
            heads.append(head)
        page.get_by_role("button", name="Next frame").click()
    chunk = ["Forward.", "Losses.", "Backward."]
    assert heads == [*chunk, "Update 1.", *chunk, "Cut.", "Update 2.", *chunk, "Cut.", "Update 3.",
                     "The whole film."]


def test_play_runs_to_the_end_and_stops(static_page, weights):
    page = static_page(RNNStepper(*weights))
    assert page.locator(".counter").inner_text() == "t = 1 of 4"
    page.get_by_role("button", name="Play through the steps").click()
    page.wait_for_function("document.querySelector('.counter').textContent === 't = 4 of 4'")
    page.get_by_role("button", name="Play through the steps").wait_for()


@pytest.mark.parametrize("make", [lambda weights: RNNStepper(*weights), lambda _: film()])
def test_play_is_off_under_reduced_motion(static_page, weights, make):
    page = static_page(make(weights), reduced_motion="reduce")
    assert page.get_by_role("button", name=re.compile("^Play")).is_disabled()
    page.get_by_role("button", name=re.compile("^(Next|Previous)")).first.click()


def test_scrubber_shows_the_sample_before_the_cursor(static_page):
    page = static_page(scrubber())
    text = page.get_by_label("Sample at the cursor").locator("pre")
    assert text.inner_text() == "the sea"
    page.get_by_role("button", name="Pin to compare").click()
    page.get_by_role("button", name="Previous sample").click()
    assert text.inner_text() == "the sae"
    assert page.locator(".pages .is-known").all_inner_texts() == ["the sea", "the"]
    page.get_by_role("button", name="Previous sample").click()
    assert text.inner_text() == "xq &<b>z</b>"
    assert page.get_by_label("Pinned sample").locator("pre").inner_text() == "the sea"
    plot = page.get_by_role("slider", name="Iteration")
    plot.focus()
    page.keyboard.press("End")
    assert plot.get_attribute("aria-valuenow") == "1000"
    page.keyboard.press("ArrowLeft")
    assert text.inner_text() == "the sae"
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 90, steps=4)
    page.mouse.up()
    at = int(plot.get_attribute("aria-valuenow"))
    assert at < 20
    assert values(page, ".reading b[data-value]")[0] == pytest.approx(4 * np.exp(-(at // 10) / 20))
    page.get_by_role("button", name="Log axis").click()
    assert page.get_by_role("button", name="Log axis").get_attribute("aria-pressed") == "true"


def every(weights):
    return {"stepper": RNNStepper(*weights), "film": film(), "scrubber": scrubber()}


@pytest.mark.parametrize("name", ["stepper", "film", "scrubber"])
def test_repaint_is_quick(static_page, weights, name, capsys):
    page = static_page(every(weights)[name])
    repaint = {
        "stepper": """() => { const box = document.querySelector('.editor input[type=number]');
            if (!box.getClientRects().length) document.querySelector('.weight').click();
            box.value = Math.random().toFixed(2); box.dispatchEvent(new Event('input')); }""",
        "film": """() => { const box = document.querySelector('.row input');
            box.value = Math.floor(Math.random() * box.max);
            box.dispatchEvent(new Event('input')); }""",
        "scrubber": """() => { const box = document.querySelector('.row input');
            box.value = Math.floor(Math.random() * 1000);
            box.dispatchEvent(new Event('input')); }""",
    }[name]
    times = page.evaluate(f"""async () => {{
      const repaint = {repaint};
      const frame = () => new Promise(requestAnimationFrame);
      const times = [];
      for (let i = 0; i < 30; i++) {{
        await frame();
        const began = performance.now();
        repaint();
        document.body.getBoundingClientRect();  // style and layout too
        times.push(performance.now() - began);
      }}
      return times;
    }}""")
    middle = statistics.median(times)
    with capsys.disabled():
        print(f"\n{name}: repaint in {middle:.1f} ms (median), {max(times):.1f} ms (worst)")
    assert middle < 50


@pytest.mark.parametrize("name", ["stepper", "film", "scrubber"])
@pytest.mark.parametrize("width", [380, 720, 1200])
def test_nothing_sticks_out(static_page, weights, name, width):
    page = static_page(every(weights)[name], viewport={"width": width, "height": 900})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if name == "stepper":
        page.locator(".weight").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["stepper", "film", "scrubber"])
def test_every_control_has_a_name_and_a_size(static_page, weights, name):
    page = static_page(every(weights)[name])
    controls = page.locator("button:visible, input:visible, [role=slider], [tabindex='0']:visible")
    assert controls.count() > 4
    for control in controls.all():
        accessible = control.aria_snapshot().strip()
        assert re.search(r'"[^"]+"|^- text', accessible), control.evaluate("e => e.outerHTML")
    assert page.locator("main h1").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("[role=status]").count() == 1
    small = page.evaluate("""() => [...document.querySelectorAll('.lecture button, .lecture input')]
        .filter((e) => e.getClientRects().length && e.getBoundingClientRect().height < 24)
        .map((e) => e.outerHTML)""")
    assert small == []


def test_status_is_said_once_things_rest(static_page, weights):
    page = static_page(RNNStepper(*weights))
    for _ in range(3):
        page.get_by_role("button", name="Next step").click()
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.startsWith('Step 4')")


def test_focus_is_visible(static_page, weights):
    page = static_page(RNNStepper(*weights))
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


def test_iframe_takes_the_height_of_its_page(static_page, weights, chromium, tmp_path, monkeypatch):
    widget = RNNStepper(*weights)
    path = tmp_path / "frame.html"
    path.write_text(f"<!doctype html><title>site</title>{widget._iframe()}", encoding="utf-8")
    page = chromium.new_page(viewport={"width": 900, "height": 700})
    page.goto(path.as_uri())
    inside = page.frame_locator("iframe")
    inside.locator(".moment").nth(3).click()
    page.wait_for_timeout(200)
    frame = page.locator("iframe").bounding_box()
    card = inside.locator(".lecture").bounding_box()
    assert card["height"] <= frame["height"] <= card["height"] + 48
    page.close()


class Probe(LectureWidget):
    """The smallest widget: prints what it was handed."""

    _esm, _css = compose("""
      export default widget("probe", "Probe", (view) => {
        const arrays = view.get("arrays").map((packed) => unpack(packed));
        view.root.append(make("output", {}, JSON.stringify(arrays.map(({ shape, values }) =>
          ({ shape, values: [...values] })))));
        if (!view.hasKernel) view.root.append(kernelNotice("Typing your own text"));
      });""")
    arrays = traitlets.List().tag(sync=True)


def test_the_browser_reads_what_python_packs(static_page):
    array = np.random.default_rng(0).uniform(0, [[1.0], [1e-5], [300.0]], size=(2, 3, 5))
    packed = [pack(array, "float64"), pack(array, "float32"), pack(-array, "int8"),
              pack(array, "uint8"), pack(np.zeros((2, 3)), "uint8")]
    page = static_page(Probe(arrays=packed))
    read = page.locator("output").evaluate("(output) => JSON.parse(output.textContent)")
    for there, here in zip(read, packed):
        assert there["shape"] == here["shape"]
        np.testing.assert_allclose(there["values"], unpack(here).ravel(), rtol=1e-12)


def test_a_page_without_kernel_says_what_needs_one(static_page):
    page = static_page(Probe(arrays=[]))
    assert page.locator(".notice").inner_text() == (
        "Typing your own text needs Python: open the notebook to use it.")


# ---- gradient flow ----------------------------------------------------------------------------


@pytest.fixture
def gradient_flow():
    """gradient_flow(**settings) with 8 hidden units, 3 seeds and up to 60 steps."""
    from lecture_utils.visual.widgets import GradientFlow

    draw = np.random.default_rng(7).normal
    gaussian = draw(size=(3, 8, 8)) / np.sqrt(8)
    matrices = {"Gaussian": gaussian, "orthogonal": np.linalg.qr(gaussian)[0]}
    inputs, gradients = 0.5 * draw(size=(3, 60, 8)), draw(size=(3, 8))

    def make(**settings):
        given = {key: settings.pop(key) for key in ("matrix", "seed") if key in settings}
        widget = GradientFlow(matrices, inputs, gradients, **settings)
        widget.set_state(given)
        return widget

    return make


def plain_number(text):
    """1.2 × 10⁻⁷ -> 1.2e-7"""
    return float(text.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")).replace(" × 10", "e"))


def assert_flow_equals_numpy(page, widget):
    shown = page.locator(".facts [data-name=length]")
    assert plain_number(shown.inner_text()) == float(f"{widget.norms()[0]:.1e}")
    assert float(shown.get_attribute("data-value")) == pytest.approx(widget.norms()[0], rel=1e-9)
    for name, value in (("sigma", widget.sigma()), ("rho", widget.rho())):
        there = page.locator(f".facts [data-name={name}]").get_attribute("data-value")
        assert float(there) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("nonlinearity", ["tanh", "none", "sigmoid"])
def test_flow_numbers_are_numpys_as_the_gain_is_moved_by_keys(
    static_page, gradient_flow, nonlinearity
):
    widget = gradient_flow(nonlinearity=nonlinearity, gain=0.9)
    page = static_page(widget)
    assert_flow_equals_numpy(page, widget)
    gain = page.get_by_label("Gain", exact=True)
    gain.focus()
    for key in ("ArrowRight", "ArrowRight", "Home", "End", "ArrowLeft"):
        page.keyboard.press(key)
        widget.gain = float(gain.input_value())
        assert_flow_equals_numpy(page, widget)
    assert widget.gain == 1.98
    assert page.locator(".setting").first.inner_text() == "1.98"


def test_flow_follows_every_control(static_page, gradient_flow):
    widget = gradient_flow()
    page = static_page(widget)
    page.get_by_label("Start matrix").select_option("orthogonal")
    widget.matrix = "orthogonal"
    assert_flow_equals_numpy(page, widget)
    page.get_by_label("Non-linearity").select_option("none")
    widget.nonlinearity = "none"
    assert_flow_equals_numpy(page, widget)
    assert "keeps its length" in page.locator(".verdict").inner_text()
    page.wait_for_function(
        "document.querySelector('[role=status]').textContent.includes('keeps its length')")
    page.get_by_label("Start matrix").select_option("Gaussian")
    widget.matrix = "Gaussian"
    for button, seed in (("Next", 1), ("Next", 2), ("Next", 0), ("Previous", 2)):
        page.get_by_role("button", name=f"{button} seed").click()
        widget.seed = seed
        assert page.locator("output.seed").inner_text() == str(seed)
        assert_flow_equals_numpy(page, widget)
    page.get_by_label("Length T", exact=True).fill("31")
    widget.steps = 31
    assert_flow_equals_numpy(page, widget)
    doubling = 31 * np.log(2) / abs(np.log(widget.norms()[0]))
    assert 1.5 < doubling < 9.95
    assert f"every {doubling:.1f} steps" in page.locator(".verdict").inner_text()


def test_flow_reads_single_states_by_key_and_pointer(static_page, gradient_flow):
    widget = gradient_flow()
    page = static_page(widget)
    plot = page.get_by_role("slider", name="State to read")
    plot.focus()
    assert plot.get_attribute("aria-valuenow") == "50"
    for key, k in (("ArrowLeft", 49), ("PageDown", 39), ("Home", 0), ("ArrowLeft", 0),
                   ("ArrowRight", 1)):
        page.keyboard.press(key)
        assert plot.get_attribute("aria-valuenow") == str(k)
        assert values(page, ".reading b") == pytest.approx(widget.norms()[k], rel=1e-9)
    at = page.locator(".plots canvas").bounding_box()
    page.mouse.move(at["x"] + at["width"] * 20.5 / 51, at["y"] + 10)
    assert plot.get_attribute("aria-valuenow") == "20"
    assert "h20, 30 steps back" in page.locator(".reading").inner_text()


@pytest.mark.parametrize("width", [380, 520, 900])
def test_flow_labels_are_whole_and_apart(static_page, gradient_flow, width):
    page = static_page(gradient_flow(), viewport={"width": width, "height": 900})
    wrong = page.evaluate("""async () => {
      const body = document.querySelector('.body');
      const [gain, steps] = body.querySelectorAll('input[type=range]');
      const [nonlinearity, matrix] = body.querySelectorAll('select');
      const move = (control, value) => {
        control.value = value;
        control.dispatchEvent(new Event(control.type === 'range' ? 'input' : 'change'));
      };
      const wrong = [];
      let looked = 0;
      await new Promise((done) => setTimeout(done, 100));
      for (const phi of ['tanh', 'none', 'sigmoid']) for (const name of ['Gaussian', 'orthogonal'])
        for (const T of [10, 33, 60]) for (const g of [0.5, 0.7, 0.9, 1, 1.1, 1.3, 1.6, 2]) {
          move(nonlinearity, phi); move(matrix, name); move(steps, T); move(gain, g);
          const plot = body.querySelector('svg.plot').getBoundingClientRect();
          const texts = [...body.querySelectorAll('svg.plot text')];
          const boxes = texts.map((text) => text.getBoundingClientRect());
          const where = [phi, name, T, g].join();
          looked += boxes.length;
          boxes.forEach((a, i) => {
            if (a.left < plot.left || a.right > plot.right || a.top < plot.top
                || a.bottom > plot.bottom) wrong.push(`${where}: ${texts[i].textContent} cut off`);
            boxes.slice(i + 1).forEach((b, j) => {
              if (a.left < b.right && b.left < a.right && a.top < b.bottom - 1
                  && b.top < a.bottom - 1) wrong.push(
                    `${where}: ${texts[i].textContent} / ${texts[i + 1 + j].textContent}`);
            });
          });
        }
      if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page scrolls');
      return looked > 1000 ? wrong : ['hardly anything was looked at'];
    }""")
    assert wrong == []


def test_flow_repaint_is_quick_and_controls_have_names(static_page, gradient_flow, capsys):
    page = static_page(gradient_flow())
    times = page.evaluate("""async () => {
      const slider = document.querySelector('.flow-widget input[type=range]');
      const times = [];
      for (let i = 0; i < 30; i++) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        slider.value = 0.5 + 0.05 * i;
        slider.dispatchEvent(new Event('input'));
        document.body.getBoundingClientRect();
        times.push(performance.now() - began);
      }
      return times;
    }""")
    middle = statistics.median(times)
    with capsys.disabled():
        print(f"\nflow: repaint in {middle:.1f} ms (median), {max(times):.1f} ms (worst)")
    assert middle < 50
    controls = page.locator("button:visible, input:visible, select:visible, [role=slider]")
    assert controls.count() == 7
    for control in controls.all():
        assert re.search(r'"[^"]+"', control.aria_snapshot()), control.evaluate("e => e.outerHTML")
        assert control.bounding_box()["height"] >= 24
