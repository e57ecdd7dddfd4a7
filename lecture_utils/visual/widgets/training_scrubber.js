// The training scrubber: one cursor for the loss curve and for the samples.

function drawScrubber(view) {
  const { values } = unpack(view.get("curve"));
  const count = values.length / 2;
  const iterations = Array.from({ length: count }, (_, i) => values[2 * i]);
  const losses = Array.from({ length: count }, (_, i) => values[2 * i + 1]);
  const samples = view.get("samples");
  const known = view
    .get("known")
    .map((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const references = Object.entries(view.get("reference"));
  const [first, last] = [iterations[0], iterations[count - 1]];
  const whole = (value) => Math.round(value).toLocaleString("en-US");
  const now = () => view.get("iteration");

  // The last index whose value is not beyond the limit; -1 if there is none.
  function lastUpTo(list, limit) {
    let [low, high] = [0, list.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] <= limit) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  const sampleTimes = samples.map((sample) => sample.iteration);
  const lossAt = (at) => losses[Math.max(0, lastUpTo(iterations, at))];
  const sampleAt = (at) => lastUpTo(sampleTimes, at);

  // ---- the curve -----------------------------------------------------------------------------
  const HEIGHT = 264,
    LEFT = 48,
    TOP = 16,
    BOTTOM = 44;
  let width = 720;
  let right = 16;
  const plot = shape("svg", {
    class: "plot keep",
    height: HEIGHT,
    tabindex: 0,
    role: "slider",
    "aria-label": "Iteration",
    "aria-valuemin": first,
    "aria-valuemax": last,
  });
  const highest = Math.max(...losses, ...references.map(([, level]) => level)) * 1.04;
  const lowest = Math.min(0, ...losses);
  const early = Math.max(1, iterations[iterations.findIndex((value) => value > 0)] ?? 1);
  const isLog = () => view.get("log_x") && last > early;
  // Iteration 0 has no logarithm: on the log axis it stands where the first later one does.
  const scale = (at) =>
    isLog()
      ? Math.log(Math.max(at, early) / early) / Math.log(last / early)
      : (at - first) / (last - first);
  const x = (at) => LEFT + scale(at) * (width - LEFT - right);
  const y = (loss) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (loss - lowest) / (highest - lowest));
  const back = (share) =>
    isLog() ? early * (last / early) ** share : first + share * (last - first);
  const cursor = shape("g", { class: "cursor" });

  function roundSteps(low, high, wanted) {
    const rough = (high - low) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    const steps = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step)
      steps.push(value);
    return steps;
  }

  // Labels of reference lines, moved apart where the lines are close.
  function labelHeights() {
    const heights = references.map(([name, level]) => ({ name, level, at: y(level) }));
    heights.sort((a, b) => a.at - b.at);
    heights.forEach((label, i) => {
      if (i) label.at = Math.max(label.at, heights[i - 1].at + 15);
    });
    return heights;
  }

  function paintPlot() {
    const longest = Math.max(0, ...references.map(([name]) => name.length));
    const beside = width > 560;
    right = beside && longest ? Math.min(200, 24 + longest * 6.6) : 16;
    const parts = [];
    for (const loss of roundSteps(lowest, highest, 5)) {
      parts.push(
        shape("line", { x1: LEFT, x2: width - right, y1: y(loss), y2: y(loss), stroke: "#eef1f3" }),
        shape(
          "text",
          { class: "tick", x: LEFT - 8, y: y(loss) + 4, "text-anchor": "end" },
          String(Number(loss.toPrecision(6))),
        ),
      );
    }
    const decades = [];
    for (let power = Math.ceil(Math.log10(early)); 10 ** power <= last; power++)
      decades.push(10 ** power);
    const ticks = isLog() ? decades : roundSteps(first, last, width > 560 ? 6 : 3);
    for (const at of ticks) {
      parts.push(
        shape("line", {
          x1: x(at),
          x2: x(at),
          y1: HEIGHT - BOTTOM,
          y2: HEIGHT - BOTTOM + 4,
          stroke: "#97a3ad",
        }),
        shape(
          "text",
          { class: "tick", x: x(at), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" },
          whole(at),
        ),
      );
    }
    parts.push(
      shape(
        "text",
        { class: "axis", x: (LEFT + width - right) / 2, y: HEIGHT - 6, "text-anchor": "middle" },
        "iteration",
      ),
    );
    for (const { name, level, at } of labelHeights()) {
      parts.push(
        shape("line", {
          x1: LEFT,
          x2: width - right,
          y1: y(level),
          y2: y(level),
          stroke: COLOURS.reference,
          "stroke-dasharray": "5 4",
        }),
        shape(
          "text",
          {
            class: "reference",
            x: beside ? width - right + 8 : width - right,
            y: beside ? at + 4 : y(level) - 5,
            "text-anchor": beside ? "start" : "end",
          },
          name,
        ),
      );
    }
    // At most two points per pixel column, the lowest and the highest: no spike gets lost.
    const columns = new Map();
    iterations.forEach((at, i) => {
      const column = Math.round(x(at));
      const seen = columns.get(column);
      if (!seen) columns.set(column, [i, i]);
      else {
        if (losses[i] < losses[seen[0]]) seen[0] = i;
        if (losses[i] > losses[seen[1]]) seen[1] = i;
      }
    });
    const points = [...columns.values()]
      .flatMap(([low, high]) => [...new Set([low, high])].sort((a, b) => a - b))
      .map((i) => `${x(iterations[i]).toFixed(1)},${y(losses[i]).toFixed(1)}`);
    parts.push(
      shape("polyline", {
        points: points.join(" "),
        fill: "none",
        stroke: COLOURS.loss,
        "stroke-width": 2,
        "stroke-linejoin": "round",
      }),
    );
    for (const at of sampleTimes) {
      parts.push(
        shape("circle", {
          cx: x(at),
          cy: HEIGHT - BOTTOM,
          r: 3.5,
          fill: COLOURS.output,
          stroke: "#fff",
        }),
      );
    }
    plot.setAttribute("width", width);
    plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    plot.replaceChildren(...parts, cursor);
  }

  function paintCursor() {
    const [at, loss] = [now(), lossAt(now())];
    const pin = view.get("pinned");
    cursor.replaceChildren(
      ...(pin < 0
        ? []
        : [
            shape("line", {
              x1: x(sampleTimes[pin]),
              x2: x(sampleTimes[pin]),
              y1: TOP,
              y2: HEIGHT - BOTTOM,
              stroke: COLOURS.output,
              "stroke-width": 1.5,
              "stroke-dasharray": "2 3",
            }),
          ]),
      shape("line", {
        x1: x(at),
        x2: x(at),
        y1: TOP - 8,
        y2: HEIGHT - BOTTOM,
        stroke: COLOURS.target,
        "stroke-width": 1.5,
      }),
      shape("circle", {
        cx: x(at),
        cy: y(loss),
        r: 6,
        fill: COLOURS.loss,
        stroke: "#fff",
        "stroke-width": 2,
      }),
    );
    plot.setAttribute("aria-valuenow", Math.round(at));
    plot.setAttribute(
      "aria-valuetext",
      `iteration ${whole(at)}, loss ${format(loss)} ${view.get("unit")}`,
    );
  }

  const drag = (event) => {
    const box = plot.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (width - LEFT - right);
    goTo(back(clamp(share, 0, 1)));
  };
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    drag(event);
  });
  plot.addEventListener("pointermove", (event) => {
    if (plot.hasPointerCapture(event.pointerId)) drag(event);
  });
  plot.addEventListener("keydown", (event) => {
    const hop = {
      ArrowLeft: -0.01,
      ArrowDown: -0.01,
      ArrowRight: 0.01,
      ArrowUp: 0.01,
      PageDown: -0.1,
      PageUp: 0.1,
      Home: -1,
      End: 1,
    }[event.key];
    if (!hop) return;
    event.preventDefault();
    goTo(back(clamp(scale(now()) + hop, 0, 1)));
  });

  // ---- controls ------------------------------------------------------------------------------
  const toSample = (by) => () => {
    const here = sampleAt(now());
    const exact = here >= 0 && sampleTimes[here] === now();
    const next = by < 0 && here >= 0 && !exact ? here : here + by;
    goTo(sampleTimes[clamp(next, 0, samples.length - 1)]);
  };
  const previous = make("button", { type: "button", onclick: toSample(-1) }, "Previous sample");
  const next = make("button", { type: "button", onclick: toSample(1) }, "Next sample");
  const slider = make("input", {
    type: "range",
    min: 0,
    max: 1000,
    step: 1,
    "aria-label": "Move through the run",
  });
  slider.addEventListener("input", () => goTo(back(Number(slider.value) / 1000)));
  const logButton = make(
    "button",
    {
      type: "button",
      onclick: () => {
        view.set("log_x", !view.get("log_x"));
        paint();
      },
    },
    "Log axis",
  );
  const reading = make("p", { class: "reading" });
  const controls = make(
    "div",
    { class: "row" },
    make("span", { class: "pair" }, previous, next),
    slider,
    logButton,
  );

  // ---- the samples ---------------------------------------------------------------------------
  function page(label) {
    const head = make("p", { class: "head" });
    const body = make("pre", { class: "text mono", tabindex: 0 });
    const share = make("p", { class: "share small quiet" });
    return {
      head,
      body,
      share,
      element: make("section", { class: "page", "aria-label": label }, head, body, share),
    };
  }
  const current = page("Sample at the cursor");
  const kept = page("Pinned sample");
  const pinButton = make(
    "button",
    {
      type: "button",
      onclick: () => {
        view.set("pinned", sampleAt(now()));
        paint();
      },
    },
    "Pin to compare",
  );
  const unpinButton = make(
    "button",
    {
      type: "button",
      onclick: () => {
        view.set("pinned", -1);
        paint();
        pinButton.focus();
      },
    },
    "Unpin",
  );
  const pages = make("div", { class: "pages" }, kept.element, current.element);

  function fill({ head, body, share }, index, button, prefix) {
    if (index < 0) {
      head.replaceChildren(
        make("span", { class: "quiet" }, "No sample was written before this point."),
        button,
      );
      body.replaceChildren();
      share.textContent = "";
      return;
    }
    const { iteration, text } = samples[index];
    const mask = known[index] ?? [];
    head.replaceChildren(
      make(
        "span",
        {},
        `${prefix} `,
        make("b", {}, whole(iteration)),
        make("span", { class: "quiet" }, ` \u00b7 loss ${format(lossAt(iteration))}`),
      ),
      button,
    );
    // `known` counts code points, as Python does.
    const characters = Array.from(text);
    const runs = [];
    characters.forEach((character, i) => {
      const flag = Boolean(mask[i]);
      const run = runs[runs.length - 1];
      if (run && run.flag === flag) run.text += character;
      else runs.push({ flag, text: character });
    });
    body.replaceChildren(
      ...runs.map((run) => (run.flag ? make("span", { class: "is-known" }, run.text) : run.text)),
    );
    body.setAttribute("aria-label", `Sample of iteration ${whole(iteration)}`);
    const letters = characters
      .map((character, i) => [character, mask[i]])
      .filter(([character]) => character.trim());
    share.textContent =
      mask.length && letters.length
        ? `${Math.round((100 * letters.filter(([, flag]) => flag).length) / letters.length)} % of the characters stand in words of the training text`
        : "";
  }

  function paintSamples() {
    const [index, pin] = [sampleAt(now()), view.get("pinned")];
    pinButton.disabled = index < 0 || index === pin;
    fill(current, index, pinButton, "Iteration");
    kept.element.hidden = pin < 0;
    if (pin >= 0) fill(kept, pin, unpinButton, "Pinned: iteration");
    pages.classList.toggle("two", pin >= 0);
  }

  // ---- together ------------------------------------------------------------------------------
  function goTo(at) {
    view.set(
      "iteration",
      clamp(Math.abs(at - Math.round(at)) < 1e-9 || last > 50 ? Math.round(at) : at, first, last),
    );
    show();
    const index = sampleAt(now());
    view.say(
      `Iteration ${whole(now())}, loss ${format(lossAt(now()))}. ${index < 0 ? "" : `Sample: ${samples[index].text.slice(0, 60)}`}`,
    );
  }

  function show() {
    const began = performance.now();
    slider.value = Math.round(scale(now()) * 1000);
    slider.setAttribute("aria-valuetext", `iteration ${whole(now())}`);
    reading.replaceChildren(
      "Iteration ",
      make("b", { class: "mono" }, whole(now())),
      "  loss ",
      make("b", { class: "mono", "data-value": lossAt(now()) }, format(lossAt(now()))),
      make("span", { class: "quiet" }, ` ${view.get("unit")}`),
    );
    const here = sampleAt(now());
    previous.disabled = here < 0 || (here === 0 && sampleTimes[0] === now());
    next.disabled = here === samples.length - 1;
    paintCursor();
    paintSamples();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  function paint() {
    logButton.setAttribute("aria-pressed", String(isLog()));
    paintPlot();
    show();
  }

  const legend = make(
    "p",
    { class: "legend" },
    make(
      "span",
      {},
      make("span", { class: "swatch keep round", style: `background: ${COLOURS.output}` }),
      "a sample was written",
    ),
    ...(known.length
      ? [
          make(
            "span",
            {},
            make("span", { class: "is-known" }, "word"),
            " occurs in the training text",
          ),
        ]
      : []),
  );
  view.root.append(controls, make("div", { class: "curve" }, reading, plot), pages, legend);
  const fit = new ResizeObserver(() => {
    width = Math.max(260, plot.parentNode.clientWidth);
    paint();
  });
  fit.observe(plot.parentNode);
  view.atEnd(() => fit.disconnect());
  paint();
  view.watch("iteration", show);
  view.watch("pinned", show);
  view.watch("log_x", paint);
}

export default widget("scrubber", "Training scrubber", drawScrubber);
