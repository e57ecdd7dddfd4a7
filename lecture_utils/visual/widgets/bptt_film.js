// The film of truncated backpropagation through time. Steps are 0 … T−1 here and 1 … T on screen.

// One entry per frame: what happens, and where.
function script(T, n) {
  const frames = [];
  for (let start = 0, chunk = 0; start < T; start += n, chunk++) {
    const stop = Math.min(start + n, T);
    const scene = (phase, at) => frames.push({ phase, at, chunk, start, stop });
    for (let t = start; t < stop; t++) scene("forward", t);
    scene("loss", stop - 1);
    for (let k = stop - 1; k >= start; k--) scene("backward", k);
    if (start > 0) scene("cut", start);
    scene("update", stop - 1);
  }
  const last = frames[frames.length - 1];
  frames.push({ ...last, phase: "done" });
  return frames;
}

function drawFilm(view) {
  const {
    shape: [T],
    values: flow,
  } = unpack(view.get("flow"));
  const text = Array.from(view.get("text"));
  const table = (packed) => {
    const rows = new Map();
    if (!packed.data) return rows;
    const { values } = unpack(packed);
    for (let i = 0; i < values.length; i += 2) rows.set(values[i], values[i + 1]);
    return rows;
  };
  const cosine = table(view.get("cosine"));
  const size = table(view.get("size"));
  const strongest = Math.max(...flow);
  const all = flow.reduce((a, b) => a + b, 0);
  const norm = (t, k) => flow[t * T + k];
  const three = (value) =>
    value === 0
      ? "0"
      : value >= 0.001
        ? value.toPrecision(2).replace(/e.*/, "")
        : value.toExponential(0).replace("-", "\u2212");
  // What the losses of steps first … last send to h_k, norms added up.
  const arriving = (k, first, last) => {
    let sum = 0;
    for (let t = Math.max(first, k); t <= last; t++) sum += norm(t, k);
    return sum;
  };

  const n = () => view.get("chunk");
  let frames = script(T, n());
  const frame = () =>
    view.get("frame") < 0 ? frames.length - 1 : Math.min(view.get("frame"), frames.length - 1);
  const goTo = (index) => {
    view.set("frame", index >= frames.length - 1 ? -1 : index);
    paint();
  };

  // ---- controls -----------------------------------------------------------------------------
  const go = (by) => {
    const next = frame() + by;
    if (next < 0 || next >= frames.length) return false;
    goTo(next);
    return true;
  };
  const moves = transport(view, { go, interval: 320, unit: "frame", restart: () => goTo(0) });
  const scrub = make("input", { type: "range", min: 0, step: 1 });
  scrub.addEventListener("input", () => {
    moves.stop();
    goTo(Number(scrub.value));
  });
  const chunkSlider = make("input", { type: "range", min: 1, max: T, step: 1 });
  const chunkText = make("output", { class: "mono chunk-text" });
  chunkSlider.addEventListener("input", () => {
    moves.stop();
    view.set("chunk", Number(chunkSlider.value));
    view.set("frame", -1);
    rebuild();
  });
  const chunkField = labelled("Chunk length", chunkSlider);
  chunkField.append(chunkText);
  const controls = make(
    "div",
    { class: "row" },
    moves.element,
    make("span", { class: "field grow" }, ...labelled("Film", scrub).childNodes),
    chunkField,
  );

  // ---- the row of states -------------------------------------------------------------------
  const caption = make("p", { class: "caption" });
  const stage = shape("svg", {
    class: "scene keep",
    role: "img",
    "aria-label": "The unrolled network",
  });
  const frameBox = make("div", { class: "scroll" }, stage);
  let spacing = 36;
  const LOSS = 28,
    ARC = 68,
    ROW = 104,
    INPUT = 152,
    HEIGHT = 176,
    MARGIN = 40;
  const x = (t) => MARGIN + spacing * (t + 0.5);

  // A straight arrow with a head of its own colour.
  function arrow(x1, y1, x2, y2, colour, width = 1.5) {
    const length = Math.hypot(x2 - x1, y2 - y1);
    const [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
    const head = Math.min(5 + width, length);
    const [bx, by] = [x2 - ux * head, y2 - uy * head];
    const half = head * 0.55;
    return shape(
      "g",
      {},
      line(x1, y1, bx, by, { stroke: colour, "stroke-width": width }),
      shape("polygon", {
        fill: colour,
        points: `${x2},${y2} ${bx - uy * half},${by + ux * half} ${bx + uy * half},${by - ux * half}`,
      }),
    );
  }

  // An arrow that leaves h_from upwards and comes down on h_to.
  function arc(from, to, width, attributes = {}) {
    const [a, b] = [x(from) - 5, x(to) + 5];
    return shape(
      "g",
      attributes,
      shape("path", {
        d: `M${a} ${ROW - 12} C${a - 1} ${ARC} ${b + 1} ${ARC} ${b} ${ROW - 16 - width / 2}`,
        fill: "none",
        stroke: COLOURS.gradient,
        "stroke-width": width,
      }),
      shape("polygon", {
        fill: COLOURS.gradient,
        points: `${b},${ROW - 11} ${b - 3 - width / 2},${ROW - 18 - width / 2} ${b + 3 + width / 2},${ROW - 18 - width / 2}`,
      }),
    );
  }

  function scissors(cx, cy) {
    const blade = { stroke: COLOURS.target, "stroke-width": 1.8, "stroke-linecap": "round" };
    const ring = { r: 3.2, fill: "#fff", stroke: COLOURS.target, "stroke-width": 1.6 };
    return shape(
      "g",
      { transform: `translate(${cx} ${cy})` },
      line(-3.4, -6.4, 4.5, 9, blade),
      line(3.4, -6.4, -4.5, 9, blade),
      shape("circle", { cx: -4.6, cy: -9, ...ring }),
      shape("circle", { cx: 4.6, cy: -9, ...ring }),
    );
  }

  function paintScene() {
    const { phase, at, chunk, start, stop } = frames[frame()];
    const done = phase === "done";
    const reached = phase === "forward" ? at : stop - 1;
    const parts = [];
    const widest = Math.max(...Array.from({ length: T }, (_, k) => arriving(k, k, T - 1)));
    const width = (value) => 0.75 + 5 * Math.sqrt(value / widest);

    if (!done) {
      parts.push(
        shape("rect", {
          x: x(start) - spacing / 2 + 1,
          y: 4,
          width: spacing * (stop - start) - 2,
          height: HEIGHT - 8,
          rx: 8,
          fill: "#f5f7f9",
        }),
      );
    }
    for (let edge = n(); edge < T; edge += n()) {
      parts.push(
        line(x(edge) - spacing / 2, 8, x(edge) - spacing / 2, HEIGHT - 8, {
          stroke: "#c6ced5",
          "stroke-dasharray": "3 4",
        }),
      );
    }
    for (let t = 0; t < T; t++) {
      const isNew = t > reached;
      const current = !done && phase === "forward" && t === at;
      const inChunk = t >= start && t < stop;
      const c = Math.floor(t / n());
      const [first, last] = [c * n(), Math.min((c + 1) * n(), T) - 1];
      const hasLoss = done || c < chunk || (inChunk && phase !== "forward");
      const backTo =
        done || c < chunk || (c === chunk && ["cut", "update"].includes(phase))
          ? first
          : c === chunk && phase === "backward"
            ? at
            : T;
      const fade = done || c === chunk ? 1 : 0.35;
      const blue = isNew ? "#d5dbe0" : COLOURS.hidden;
      // the state, and where it came from
      const from = t === 0 ? x(0) - spacing / 2 - 8 : x(t - 1) + 8;
      parts.push(arrow(from, ROW, x(t) - 8, ROW, blue, t === first && t > 0 && !isNew ? 2.5 : 1.5));
      if (text.length) {
        parts.push(
          shape(
            "text",
            { x: x(t), y: INPUT + 5, class: "character", fill: "currentColor" },
            visible(text[t]),
          ),
        );
        parts.push(
          line(x(t), INPUT - 12, x(t), ROW + 11, {
            stroke: isNew ? "#d5dbe0" : COLOURS.input,
            "stroke-width": 1.5,
          }),
        );
      } else if (t === 0 || (t + 1) % (spacing < 22 ? 4 : 2) === 0) {
        parts.push(shape("text", { x: x(t), y: INPUT - 8, class: "index" }, String(t + 1)));
      }
      // the loss, and what comes back from it
      if (hasLoss) {
        if (t < backTo)
          parts.push(
            line(x(t), ROW - 10, x(t), LOSS + 6, { stroke: "#c6ced5", "stroke-width": 1 }),
          );
        parts.push(
          shape("circle", { cx: x(t), cy: LOSS, r: 5, fill: COLOURS.loss, opacity: fade }),
        );
      }
      if (t >= backTo) {
        parts.push(
          shape(
            "g",
            { opacity: fade },
            arrow(x(t), LOSS + 8, x(t), ROW - 11, COLOURS.gradient, width(norm(t, t))),
          ),
        );
        if (t < last) parts.push(arc(t + 1, t, width(arriving(t, t + 1, last)), { opacity: fade }));
      }
      parts.push(
        shape("rect", {
          x: x(t) - 8,
          y: ROW - 9,
          width: 16,
          height: 18,
          rx: 4,
          fill: isNew ? "#fff" : COLOURS.hidden,
          stroke: blue,
          "stroke-width": 2,
        }),
      );
      if (current || (phase === "backward" && t === at)) {
        parts.push(
          shape("rect", {
            x: x(t) - 12,
            y: ROW - 13,
            width: 24,
            height: 26,
            rx: 7,
            fill: "none",
            "stroke-width": 2,
            stroke: phase === "backward" ? COLOURS.gradient : COLOURS.target,
          }),
        );
      }
      // the cut
      if (
        t > 0 &&
        t === first &&
        (done || c < chunk || (c === chunk && ["cut", "update"].includes(phase)))
      ) {
        parts.push(
          shape(
            "g",
            { opacity: fade },
            shape("path", {
              d: `M${x(t) - 5} ${ROW - 12} C${x(t) - 6} ${ARC} ${x(t - 1) + 6} ${ARC} ${x(t - 1) + 5} ${ROW - 12}`,
              fill: "none",
              stroke: COLOURS.gradient,
              "stroke-width": width(arriving(t - 1, t, last)),
              "stroke-dasharray": "3 3",
              opacity: 0.55,
            }),
            scissors(x(t) - spacing / 2, ARC + 2),
          ),
        );
      }
    }
    const labels = [[LOSS, "loss"], [ROW, "state"], ...(text.length ? [[INPUT, "input"]] : [])];
    parts.push(
      ...labels.map(([y, word]) => shape("text", { x: 0, y: y + 4, class: "rowname" }, word)),
    );
    stage.replaceChildren(...parts);
    const total = 2 * MARGIN + spacing * T - 24;
    stage.setAttribute("width", total);
    stage.setAttribute("height", HEIGHT);
    stage.setAttribute("viewBox", `0 0 ${total} ${HEIGHT}`);
    if (frameBox.scrollWidth > frameBox.clientWidth && !done) {
      frameBox.scrollLeft = x(at) - frameBox.clientWidth / 2;
    }
  }

  function describe() {
    const { phase, at, chunk, start, stop } = frames[frame()];
    const h = (k) => symbol("h", k, "hidden");
    const last = stop - 1;
    switch (phase) {
      case "forward":
        return [
          make("b", { class: "hidden-word" }, "Forward. "),
          h(at + 1),
          " from ",
          h(at),
          ...(text.length ? [` and \u201c${text[at]}\u201d`] : []),
          at === start && start > 0 ? ". The state is carried over the cut." : ".",
        ];
      case "loss":
        return [
          make("b", {}, "Losses. "),
          `Those of t = ${start + 1} \u2026 ${stop} are added up.`,
        ];
      case "backward":
        return [
          make("b", { class: "gradient-word" }, "Backward. "),
          "The gradient reaches ",
          h(at + 1),
          `: norms add up to ${three(arriving(at, at, last))}.`,
        ];
      case "cut":
        return [
          make("b", {}, "Cut. "),
          "What these losses would tell ",
          h(start),
          ` (${three(arriving(start - 1, start, last))}) and all before it is thrown away.`,
        ];
      case "update":
        return [
          make("b", {}, `Update ${chunk + 1}. `),
          "The weights change",
          ...(stop < T
            ? [", and the next chunk starts from ", h(stop), "."]
            : [". The text is over."]),
        ];
      default:
        return [
          make("b", {}, "The whole film. "),
          chunk
            ? `${chunk + 1} chunks, ${chunk + 1} updates.`
            : "One chunk, one update, nothing cut.",
        ];
    }
  }

  // ---- the matrix ------------------------------------------------------------------------------
  const SIDE = 320,
    LEFT = 40,
    TOP = 8,
    BOTTOM = 44;
  const cell = SIDE / T;
  const hatchId = freshId();
  const grid = shape("svg", {
    class: "grid keep",
    viewBox: `0 0 ${LEFT + SIDE + 8} ${TOP + SIDE + BOTTOM}`,
    tabindex: 0,
    role: "img",
  });
  const squares = [];
  const blocks = shape("g");
  const marker = shape("rect", {
    width: cell,
    height: cell,
    fill: "none",
    stroke: COLOURS.target,
    "stroke-width": 2,
    rx: 2,
    visibility: "hidden",
  });
  const probe = make("p", { class: "probe" });
  const decades = (value) => (value > 0 ? clamp(1 + Math.log10(value / strongest) / 3, 0, 1) : 0);
  grid.append(
    shape(
      "defs",
      {},
      shape(
        "pattern",
        {
          id: hatchId,
          width: 5,
          height: 5,
          patternUnits: "userSpaceOnUse",
          patternTransform: "rotate(45)",
        },
        shape("rect", { width: 5, height: 5, fill: "#fff", opacity: 0.45 }),
        shape("rect", { width: 2.2, height: 5, fill: "#aab3bb" }),
      ),
    ),
  );
  for (let t = 0; t < T; t++) {
    for (let k = 0; k <= t; k++) {
      const box = { x: LEFT + k * cell, y: TOP + t * cell, width: cell - 0.6, height: cell - 0.6 };
      const cover = shape("rect", { ...box, fill: `url(#${hatchId})` });
      squares.push({ t, k, cover });
      grid.append(shape("rect", { ...box, fill: sizeColour(decades(norm(t, k))) }), cover);
    }
  }
  const mark = (i) => i === 0 || (i + 1) % (T > 32 ? 8 : 4) === 0;
  for (let i = 0; i < T; i++) {
    if (!mark(i)) continue;
    grid.append(
      shape(
        "text",
        { class: "tick", x: LEFT + (i + 0.5) * cell, y: TOP + SIDE + 14, "text-anchor": "middle" },
        String(i + 1),
      ),
      shape(
        "text",
        { class: "tick", x: LEFT - 6, y: TOP + (i + 0.5) * cell + 4, "text-anchor": "end" },
        String(i + 1),
      ),
    );
  }
  grid.append(
    shape(
      "text",
      { class: "axis", x: LEFT + SIDE / 2, y: TOP + SIDE + 36, "text-anchor": "middle" },
      "reaches state k",
    ),
    shape(
      "text",
      {
        class: "axis",
        transform: `translate(10 ${TOP + SIDE / 2}) rotate(-90)`,
        "text-anchor": "middle",
      },
      "loss at t",
    ),
    blocks,
    marker,
  );

  let pointed = null;
  function point(t, k) {
    pointed = [clamp(t, 0, T - 1), 0];
    pointed[1] = clamp(k, 0, pointed[0]);
    [t, k] = pointed;
    marker.setAttribute("x", LEFT + k * cell);
    marker.setAttribute("y", TOP + t * cell);
    marker.setAttribute("visibility", "visible");
    const isKept = Math.floor(t / n()) === Math.floor(k / n());
    probe.replaceChildren(
      `The loss at t = ${t + 1} reaches `,
      symbol("h", k + 1, "hidden"),
      ` with norm ${three(norm(t, k))}: `,
      make("b", {}, isKept ? "kept" : "cut"),
      ".",
    );
    view.say(probe.textContent);
  }
  const unpoint = () => {
    pointed = null;
    marker.setAttribute("visibility", "hidden");
    probe.replaceChildren(
      make(
        "span",
        { class: "quiet" },
        "Point at the triangle, or focus it and use the arrow keys.",
      ),
    );
  };
  grid.addEventListener("pointermove", (event) => {
    const box = grid.getBoundingClientRect();
    const unit = (LEFT + SIDE + 8) / box.width;
    const k = Math.floor(((event.clientX - box.left) * unit - LEFT) / cell);
    const t = Math.floor(((event.clientY - box.top) * unit - TOP) / cell);
    if (t >= 0 && t < T && k >= 0 && k <= t) point(t, k);
  });
  grid.addEventListener("focus", () => {
    if (!pointed) point(T - 1, T - 1);
  });
  grid.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[
      event.key
    ];
    if (!by || !pointed) return;
    event.preventDefault();
    point(pointed[0] + by[0], pointed[1] + by[1]);
  });

  function paintMatrix() {
    for (const { t, k, cover } of squares) {
      cover.setAttribute(
        "visibility",
        Math.floor(t / n()) === Math.floor(k / n()) ? "hidden" : "visible",
      );
    }
    const outlines = [];
    for (let start = 0; start < T; start += n()) {
      const stop = Math.min(start + n(), T);
      let d = `M${LEFT + start * cell} ${TOP + start * cell}`;
      for (let t = start; t < stop; t++) d += `H${LEFT + (t + 1) * cell}V${TOP + (t + 1) * cell}`;
      outlines.push(
        shape("path", {
          d: `${d}H${LEFT + start * cell}Z`,
          fill: "none",
          stroke: COLOURS.gradient,
          "stroke-width": 2,
          "stroke-linejoin": "round",
        }),
      );
    }
    const { phase, at, stop } = frames[frame()];
    if (phase === "backward") {
      outlines.push(
        shape("rect", {
          x: LEFT + at * cell,
          y: TOP + at * cell,
          width: cell,
          height: (stop - at) * cell,
          fill: "none",
          stroke: COLOURS.target,
          "stroke-width": 2,
        }),
      );
    }
    blocks.replaceChildren(...outlines);
  }

  // ---- what is left of the gradient ------------------------------------------------------------
  const facts = make("dl", { class: "facts" });
  const CURVE = { width: 300, height: 132, left: 34, right: 12, top: 12, bottom: 34 };
  const curve = shape("svg", {
    class: "curve keep",
    viewBox: `0 0 ${CURVE.width} ${CURVE.height}`,
    role: "img",
  });
  const lowest = Math.min(0, ...cosine.values());
  const cx = (length) =>
    CURVE.left + (CURVE.width - CURVE.left - CURVE.right) * (T > 1 ? (length - 1) / (T - 1) : 0);
  const cy = (value) =>
    CURVE.top + ((CURVE.height - CURVE.top - CURVE.bottom) * (1 - value)) / (1 - lowest);

  function paintFacts() {
    let terms = 0;
    let mass = 0;
    for (const { t, k } of squares) {
      if (Math.floor(t / n()) === Math.floor(k / n())) {
        terms += 1;
        mass += norm(t, k);
      }
    }
    const known = (map, write) =>
      map.has(n()) ? [write(map.get(n()))] : ["\u2013", "not measured"];
    const entry = (term, value, detail) => [
      make("dt", {}, term),
      make(
        "dd",
        {},
        make("b", { class: "mono" }, value),
        detail && make("span", { class: "quiet" }, ` ${detail}`),
      ),
    ];
    facts.replaceChildren(
      ...entry("terms kept", `${terms}`, `of ${squares.length}`),
      ...entry("share of the norms kept", `${format((100 * mass) / all, 0)} %`),
      ...entry("cosine with the full gradient", ...known(cosine, (value) => format(value, 3))),
      ...(size.size
        ? entry(
            "size against the full gradient",
            ...known(size, (value) => `${format(value, 2)} \u00d7`),
          )
        : []),
    );
    facts.dataset.terms = terms;
    facts.dataset.share = mass / all;
    const points = [...cosine].map(([length, value]) => `${cx(length)},${cy(value)}`);
    const here = cosine.get(n());
    curve.replaceChildren(
      ...[0, 1].map((value) =>
        line(CURVE.left, cy(value), CURVE.width - CURVE.right, cy(value), { stroke: "#e1e6ea" }),
      ),
      ...[0, 1].map((value) =>
        shape(
          "text",
          { class: "tick", x: CURVE.left - 8, y: cy(value) + 4, "text-anchor": "end" },
          String(value),
        ),
      ),
      ...[1, T].map((length) =>
        shape(
          "text",
          { class: "tick", x: cx(length), y: CURVE.height - 18, "text-anchor": "middle" },
          String(length),
        ),
      ),
      shape(
        "text",
        {
          class: "axis",
          x: (CURVE.left + CURVE.width) / 2,
          y: CURVE.height - 4,
          "text-anchor": "middle",
        },
        "chunk length",
      ),
      shape("polyline", {
        points: points.join(" "),
        fill: "none",
        stroke: COLOURS.gradient,
        "stroke-width": 2,
        "stroke-linejoin": "round",
      }),
      // Few lengths measured: show where.
      ...(cosine.size > 16 ? [] : [...cosine]).map(([length, value]) =>
        shape("circle", { cx: cx(length), cy: cy(value), r: 2.5, fill: COLOURS.gradient }),
      ),
      ...(here === undefined
        ? []
        : [
            line(cx(n()), CURVE.top, cx(n()), CURVE.height - CURVE.bottom, {
              stroke: COLOURS.reference,
              "stroke-dasharray": "2 3",
            }),
            shape("circle", {
              cx: cx(n()),
              cy: cy(here),
              r: 5,
              fill: COLOURS.gradient,
              stroke: "#fff",
              "stroke-width": 2,
            }),
          ]),
    );
    curve.setAttribute(
      "aria-label",
      `Cosine with the full gradient by chunk length: ${[...cosine].map(([length, value]) => `${length}: ${format(value)}`).join(", ")}`,
    );
    grid.setAttribute(
      "aria-label",
      `Gradient norms, loss at t by state k. Chunks of ${n()} keep ${terms} of ${squares.length} terms. Arrow keys read single entries.`,
    );
  }

  // ---- together ------------------------------------------------------------------------------
  function paint() {
    const began = performance.now();
    scrub.value = frame();
    scrub.setAttribute("aria-valuetext", `frame ${frame() + 1} of ${frames.length}`);
    caption.replaceChildren(...describe());
    paintScene();
    paintMatrix();
    view.say(caption.textContent);
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  function rebuild() {
    frames = script(T, n());
    scrub.max = frames.length - 1;
    chunkSlider.value = n();
    chunkText.textContent = `${n()} of ${T}`;
    paintFacts();
    paint();
    if (pointed) point(...pointed);
  }

  const key = (colour, text, extra = "") =>
    make(
      "span",
      {},
      make("span", { class: `swatch keep ${extra}`, style: colour && `background: ${colour}` }),
      text,
    );
  const ramp = [0, 0.5, 1].map(sizeColour).join(", ");
  const legend = make(
    "p",
    { class: "legend" },
    key(COLOURS.hidden, "state, forward"),
    key(COLOURS.gradient, "gradient, backward: the thicker, the larger"),
    key(null, "cut", "hatched"),
    make(
      "span",
      { class: "scale" },
      "\u2264 1/1000",
      make("span", {
        class: "scale-bar keep",
        style: `background: linear-gradient(90deg, ${ramp})`,
      }),
      "largest norm",
    ),
  );

  view.root.append(
    controls,
    make("div", { class: "film" }, caption, frameBox),
    make(
      "div",
      { class: "below" },
      make("div", { class: "matrix-side" }, grid, probe),
      make(
        "div",
        { class: "facts-side" },
        facts,
        make("p", { class: "quiet small" }, "Cosine with the full gradient"),
        curve,
      ),
    ),
    legend,
  );
  const fit = new ResizeObserver(() => {
    const room = view.root.clientWidth - parseFloat(getComputedStyle(view.root).paddingLeft) * 2;
    spacing = clamp((room - 2 * MARGIN + 24) / T, 20, 44);
    paintScene();
  });
  fit.observe(view.root);
  view.atEnd(() => fit.disconnect());
  unpoint();
  rebuild();
  view.watch("frame", paint);
  view.watch("chunk", rebuild);
}

export default widget("film-widget", "Truncated backpropagation through time", drawFilm);
