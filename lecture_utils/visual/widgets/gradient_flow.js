// Gradient flow: how long a gradient is at every earlier state. All of it is recomputed here after
// each move; the slowest setting (64 units, 200 steps) takes about two million products.

const GAMMA = { tanh: 1, none: 1, sigmoid: 0.25 };
// Powers of ten. The axis has two lower and two upper ends, so that it rarely jumps.
const LOW = [-12, -30];
const HIGH = [8, 30];
const FAINT = -8;
const STRONG = 2;
const BOUND_WIDTH = 124; // of the longest label beside the curves

// φ′(a_k) for k = 1 … T, one row of H per step.
function slopesOf(W, inputs, { H, T, gain, nonlinearity }) {
  const slopes = new Float64Array(T * H).fill(1);
  if (nonlinearity === "none") return slopes; // whatever the states are, and they may overflow
  let h = new Float64Array(H);
  for (let k = 0; k < T; k++) {
    const next = new Float64Array(H);
    for (let i = 0; i < H; i++) {
      let sum = 0;
      for (let j = 0; j < H; j++) sum += W[i * H + j] * h[j];
      const a = gain * sum + inputs[k * H + i];
      if (nonlinearity === "tanh") {
        next[i] = Math.tanh(a);
        slopes[k * H + i] = 1 - next[i] ** 2;
      } else {
        next[i] = 1 / (1 + Math.exp(-a));
        slopes[k * H + i] = next[i] * (1 - next[i]);
      }
    }
    h = next;
  }
  return slopes;
}

// dL/dh_k for k = 0 … T, one row of H per state.
function backward(W, slopes, gradient, { H, T, gain }) {
  const flow = new Float64Array((T + 1) * H);
  flow.set(gradient, T * H);
  for (let k = T; k > 0; k--) {
    for (let i = 0; i < H; i++) {
      const arriving = gain * slopes[(k - 1) * H + i] * flow[k * H + i];
      for (let j = 0; j < H; j++) flow[(k - 1) * H + j] += W[i * H + j] * arriving;
    }
  }
  return flow;
}

// Heights at least `gap` apart between low and high, as near to the wanted ones as can be, in
// their order (that of the list, within a pixel): halfway between moving neighbours only down and
// moving them only up.
function apart(wanted, gap, low, high) {
  const order = Array.from(wanted.keys()).sort(
    (a, b) => Math.round(wanted[a]) - Math.round(wanted[b]),
  );
  const sorted = order.map((i) => wanted[i]);
  const down = [...sorted];
  const up = [...sorted];
  for (let i = 1; i < down.length; i++) down[i] = Math.max(down[i], down[i - 1] + gap);
  for (let i = up.length - 2; i >= 0; i--) up[i] = Math.min(up[i], up[i + 1] - gap);
  const placed = [];
  order.forEach((index, i) => {
    const above = high - (order.length - 1 - i) * gap;
    placed[index] = clamp((down[i] + up[i]) / 2, low + i * gap, above);
  });
  return placed;
}

function drawFlow(view) {
  const names = view.get("names");
  const {
    shape: [, seeds, H],
    values: matrices,
  } = unpack(view.get("matrices"));
  const {
    shape: [, longest],
    values: inputs,
  } = unpack(view.get("inputs"));
  const { values: gradients } = unpack(view.get("gradients"));
  const { values: factors } = unpack(view.get("factors"));
  const shades = Array.from({ length: 256 }, (_, i) => [
    ...sizeColour(i / 255)
      .match(/\d+/g)
      .map(Number),
    255,
  ]);

  // Everything that is shown, for the settings as they are.
  let now = null;
  function compute() {
    const [seed, T, gain, nonlinearity] = ["seed", "steps", "gain", "nonlinearity"].map(view.get);
    const place = names.indexOf(view.get("matrix")) * seeds + seed;
    const W = matrices.subarray(place * H * H, (place + 1) * H * H);
    const added = inputs.subarray(seed * longest * H, (seed * longest + T) * H);
    const settings = { H, T, gain, nonlinearity };
    const slopes = slopesOf(W, added, settings);
    const flow = backward(W, slopes, gradients.subarray(seed * H, (seed + 1) * H), settings);
    // hypot, because plain squares would underflow below 1e-160
    const norms = Array.from({ length: T + 1 }, (_, k) =>
      Math.hypot(...flow.subarray(k * H, (k + 1) * H)),
    );
    now = {
      ...settings,
      flow,
      norms,
      logs: norms.map((norm) => Math.log10(Math.max(norm, 1e-300))),
      slope: slopes.reduce((a, b) => a + b, 0) / slopes.length,
      sigma: gain * factors[2 * place],
      rho: gain * factors[2 * place + 1],
    };
    now.reach = GAMMA[nonlinearity] * now.sigma;
    now.low = LOW.find((end) => Math.min(...now.logs) >= end) ?? LOW[1];
    now.high = HIGH.find((end) => Math.max(...now.logs) <= end) ?? HIGH[1];
  }

  // ---- controls -----------------------------------------------------------------------------
  const change = (name, value) => {
    view.set(name, value);
    show();
  };
  function slider(text, name, attributes) {
    const control = make("input", { type: "range", ...attributes });
    const output = make("output", { class: "mono setting" });
    control.addEventListener("input", () => change(name, Number(control.value)));
    const field = labelled(text, control);
    field.classList.add("grow");
    field.append(output);
    return { control, output, field };
  }
  function choice(text, name, options) {
    const control = make(
      "select",
      {},
      ...options.map(([value, label]) => make("option", { value }, label)),
    );
    control.addEventListener("change", () => change(name, control.value));
    return { control, field: labelled(text, control) };
  }
  const gain = slider("Gain", "gain", { min: 0.5, max: 2, step: 0.02 });
  const steps = slider("Length T", "steps", { min: 10, max: longest, step: 1 });
  const nonlinearity = choice("Non-linearity", "nonlinearity", [
    ["tanh", "tanh"],
    ["none", "none (linear)"],
    ["sigmoid", "sigmoid"],
  ]);
  const matrix = choice(
    "Start matrix",
    "matrix",
    names.map((name) => [name, name]),
  );
  const seedText = make("output", { class: "mono seed" });
  const toSeed = (by) => () => change("seed", (view.get("seed") + by + seeds) % seeds);
  const seed = make(
    "span",
    { class: "field", role: "group", "aria-label": "Seed" },
    make("span", { class: "quiet" }, "Seed"),
    iconButton("previous", "Previous seed", toSeed(-1)),
    seedText,
    iconButton("next", "Next seed", toSeed(1)),
  );
  seed.hidden = seeds === 1;
  const controls = make(
    "div",
    { class: "controls" },
    make("div", { class: "row" }, gain.field, steps.field),
    make("div", { class: "row" }, nonlinearity.field, matrix.field, seed),
  );

  function paintControls() {
    gain.control.value = now.gain;
    gain.output.textContent = format(now.gain);
    steps.control.value = now.T;
    steps.output.textContent = now.T;
    nonlinearity.control.value = now.nonlinearity;
    matrix.control.value = view.get("matrix");
    seedText.textContent = view.get("seed");
  }

  // ---- what happened, in words and numbers ---------------------------------------------------
  const verdict = make("p", { class: "verdict" });
  const facts = make("dl", { class: "facts" });

  function judge() {
    const { norms, T } = now;
    const left = norms[0];
    const each = now.logs[0] / T;
    const doubling = Math.log10(2) / Math.abs(each);
    const often = doubling < 9.95 ? doubling.toFixed(1) : doubling.toFixed(0);
    if (left === 0) return ["vanishes", `: nothing at all is left after ${T} steps.`];
    if (norms.every((norm) => Math.abs(norm - 1) < 0.1))
      return ["keeps its length", `: it changes by less than 10 % over all ${T} steps.`];
    if (left > 0.5 && left < 2)
      return ["ends about as long as it began", `: ${format(left)} after ${T} steps.`];
    // Below 1.5 steps "every 1.0 steps" would say little: name the factor of a single step.
    if (doubling < 1.5)
      return left < 1
        ? [`shrinks to ${Number((100 * 10 ** each).toPrecision(2))} %`, " at each step on average."]
        : [`grows ${format(10 ** each, 1)}-fold`, " at each step on average."];
    return [left < 1 ? "shrinks by half" : "doubles", ` every ${often} steps on average.`];
  }

  function paintFacts() {
    const [what, rest] = judge();
    verdict.replaceChildren("The gradient ", make("b", {}, what), rest);
    const fact = (name, symbols, value, text, detail) =>
      make(
        "div",
        {},
        make("dt", {}, ...symbols),
        make(
          "dd",
          {},
          make("b", { "data-name": name, "data-value": value }, text),
          make("span", { class: "quiet small" }, detail),
        ),
      );
    const gamma = now.nonlinearity === "sigmoid" ? "1/4" : "1";
    const of = (letter, index) => [symbol(letter, index), " of ", symbol("W", "hh")];
    facts.replaceChildren(
      fact("sigma", of("σ", "1"), now.sigma, format(now.sigma), "largest singular value"),
      fact("rho", of("ρ"), now.rho, format(now.rho), "spectral radius"),
      fact(
        "slope",
        ["mean ", symbol("φ"), "′ of this run"],
        now.slope,
        format(now.slope),
        `at most γ = ${gamma}`,
      ),
      fact(
        "length",
        ["|\u2202", symbol("L"), "/\u2202", symbol("h", "0", "hidden"), "|"],
        now.norms[0],
        scientific(now.norms[0]),
        `length after ${now.T} steps`,
      ),
    );
  }

  // ---- the curve and the units ---------------------------------------------------------------
  // One drawing: the canvas with the units lies behind it, on the same horizontal axis.
  const TITLE = 14,
    TOP = 44,
    TALL = 220,
    BOTTOM = TOP + TALL,
    UNITS_TITLE = BOTTOM + 40,
    UNITS = BOTTOM + 48,
    RIGHT = 40;
  const rowHeight = clamp(Math.floor(136 / H), 2, 16);
  const AXIS = UNITS + rowHeight * H;
  const HEIGHT = AXIS + 26;
  let width = 720;
  const narrow = () => width < 440;
  const left = () => (narrow() ? 72 : BOUND_WIDTH + 12);
  const column = () => (width - left() - RIGHT) / (now.T + 1);
  const x = (k) => left() + (k + 0.5) * column();
  const y = (log) => TOP + (TALL * (now.high - log)) / (now.high - now.low);

  const clip = freshId();
  const frame = shape("rect", { y: TOP - 2, height: TALL + 4 });
  const lines = shape("g");
  const cursor = shape("g", { "aria-hidden": "true" });
  const plot = shape("svg", {
    class: "plot",
    height: HEIGHT,
    tabindex: 0,
    role: "slider",
    "aria-label": "State to read",
    "aria-valuemin": 0,
  });
  plot.append(shape("defs", {}, shape("clipPath", { id: clip }, frame)), lines, cursor);
  const canvas = make("canvas", { "aria-hidden": "true" });
  const sheet = make("div", { class: "plots sheet keep" }, canvas, plot);

  // A raised or lowered part, and the way back for what follows it.
  const shifted = (text, by) => shape("tspan", { class: "script", dy: by }, text);
  const level = (text, by) => shape("tspan", { dy: -by }, text);
  const exponent = () => [shape("tspan", { class: "script", dy: -5 }, "T−k")];

  // What is drawn over k: its logarithm at each k, how its label reads, and how wide that gets.
  function series() {
    const straight = (factor) => {
      const each = Math.log10(Math.max(factor, 1e-300));
      return Array.from(now.logs, (_, k) => (now.T - k) * each);
    };
    const list = [
      {
        name: "bound",
        logs: straight(now.reach),
        label: () =>
          narrow() ? ["bound"] : ["bound (γσ", shifted("1", 3), level(")", 3), ...exponent()],
        wide: narrow() ? 44 : BOUND_WIDTH - 12,
        style: { stroke: "#6b747c", "stroke-width": 1.5, "stroke-dasharray": "6 4" },
      },
      {
        name: "gradient",
        logs: now.logs,
        label: () => ["gradient"],
        wide: 56,
        style: {
          stroke: COLOURS.gradient,
          "stroke-width": 3,
          "stroke-linejoin": "round",
        },
      },
    ];
    if (now.nonlinearity !== "sigmoid") {
      list.splice(1, 0, {
        name: "guide",
        logs: straight(now.rho),
        label: () => ["ρ", ...exponent()],
        wide: 36,
        style: {
          stroke: COLOURS.target,
          "stroke-width": 2,
          "stroke-dasharray": "0.1 5",
          "stroke-linecap": "round",
        },
      });
    }
    return list;
  }

  // A curve that stays in sight is named at its left end, one that leaves is named where it leaves.
  function paintLabels(list) {
    const parts = [];
    const staying = list.filter(({ logs }) => logs[0] >= now.low && logs[0] <= now.high);
    const ends = staying.map(({ logs }) => y(logs[0]));
    apart(ends, 19, TOP + 8, BOTTOM - 8).forEach((height, i) => {
      const edge = left() - 10;
      parts.push(
        line(edge + 2, height, x(0) - 1, ends[i], { stroke: "#b4bec7" }),
        words(`curve ${staying[i].name}`, edge - 2, height + 4, "end", ...staying[i].label()),
      );
    });
    for (const above of [true, false]) {
      const leaving = list
        .filter(({ logs }) => (above ? logs[0] > now.high : logs[0] < now.low))
        .map((curve) => {
          const edge = above ? now.high : now.low;
          const k = curve.logs.findLastIndex((log) => (above ? log > edge : log < edge));
          const share = (edge - curve.logs[k]) / (curve.logs[k + 1] - curve.logs[k]);
          const isGradient = curve.name === "gradient";
          return { ...curve, at: x(k + share), wide: curve.wide + (isGradient ? 104 : 18) };
        })
        .sort((a, b) => b.at - a.at);
      // From the right: the first begins where it leaves, each other ends there or before the next.
      let taken = Infinity;
      for (const curve of leaving) {
        const end = taken === Infinity ? width - RIGHT : Math.min(curve.at + 6, taken - 12);
        curve.start =
          taken === Infinity ? Math.min(curve.at - 6, end - curve.wide) : end - curve.wide;
        taken = curve.start;
      }
      const missing = Math.max(0, 2 - taken); // room that the leftmost lacks
      for (const curve of leaving) {
        const past = above ? `, above 10${raised(now.high)}` : `, below 10${raised(now.low)}`;
        parts.push(
          words(
            `curve ${curve.name}`,
            curve.start + missing,
            above ? TOP - 8 : BOTTOM + 16,
            "start",
            above ? "↑ " : "↓ ",
            ...curve.label(),
            ...(curve.name === "gradient" ? [past] : []),
          ),
        );
      }
    }
    return parts;
  }

  function paintCurves() {
    const right = width - RIGHT;
    const wider = now.low === LOW[1] || now.high === HIGH[1];
    const step = wider ? 10 : 4;
    const parts = [
      words(
        "title",
        2,
        TITLE,
        "start",
        "length of ∂",
        italic("L"),
        "/∂",
        italic("h"),
        shifted("k", 3),
        ...(narrow()
          ? []
          : [level(`, logarithmic from 10${raised(now.low)} to 10${raised(now.high)}`, 3)]),
      ),
      words("title gradient", right - 30, TITLE, "end", "backward"),
      line(right - 18, TITLE - 4, right, TITLE - 4, {
        stroke: COLOURS.gradient,
        "stroke-width": 2,
      }),
      shape("polygon", {
        fill: COLOURS.gradient,
        points: `${right - 24},${TITLE - 4} ${right - 16},${TITLE - 8} ${right - 16},${TITLE}`,
      }),
    ];
    for (let log = Math.ceil(now.low / step) * step; log <= now.high; log += step) {
      parts.push(
        line(left(), y(log), right, y(log), { stroke: log === 0 ? "#97a3ad" : "#e9edf0" }),
        words("tick", right + 6, y(log) + 4, "start", power(log)),
      );
    }
    const list = series();
    for (const { name, logs, style } of [list[list.length - 1], ...list.slice(0, -1)]) {
      // Far outside, a coordinate would only be long.
      const points = logs.map(
        (log, k) => `${x(k).toFixed(1)},${clamp(y(log), -2000, 3000).toFixed(1)}`,
      );
      parts.push(
        shape("polyline", {
          class: name,
          points: points.join(" "),
          fill: "none",
          "clip-path": `url(#${clip})`,
          ...style,
        }),
      );
    }
    parts.push(
      shape("circle", { cx: x(now.T), cy: y(0), r: 5, fill: COLOURS.gradient }),
      ...paintLabels(list),
    );
    return parts;
  }

  function paintUnits() {
    const parts = [
      words(
        "title",
        2,
        UNITS_TITLE,
        "start",
        "unit by unit",
        narrow() ? "" : ": one row for each " + `of the ${H} hidden units`,
      ),
      shape("rect", {
        x: left() - 0.5,
        y: UNITS - 0.5,
        width: width - left() - RIGHT + 1,
        height: AXIS - UNITS + 1,
        fill: "none",
        stroke: "#e1e6ea",
      }),
    ];
    const roomy = (k) => x(now.T) - x(k) > 48;
    const hop = [5, 10, 20, 50].find((size) => size * column() > 44) ?? 100;
    for (let k = 0; k <= now.T; k += hop) {
      if (roomy(k)) parts.push(words("tick", x(k), AXIS + 18, "middle", String(k)));
    }
    parts.push(
      words("tick", x(now.T), AXIS + 18, "middle", italic("T"), ` = ${now.T}`),
      words("title", left() - 12, AXIS + 18, "end", "state ", italic("k")),
    );
    canvas.width = now.T + 1;
    canvas.height = H;
    Object.assign(canvas.style, {
      left: `${left()}px`,
      top: `${UNITS}px`,
      width: `${width - left() - RIGHT}px`,
      height: `${AXIS - UNITS}px`,
    });
    const pixels = new ImageData(now.T + 1, H);
    for (let k = 0; k <= now.T; k++) {
      for (let i = 0; i < H; i++) {
        const log = Math.log10(Math.abs(now.flow[k * H + i]) || 1e-300);
        const share = clamp((log - FAINT) / (STRONG - FAINT), 0, 1);
        pixels.data.set(shades[Math.round(255 * share)], 4 * (i * (now.T + 1) + k));
      }
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return parts;
  }

  function paintPlot() {
    plot.setAttribute("width", width);
    plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    plot.setAttribute("aria-valuemax", now.T);
    frame.setAttribute("x", left());
    frame.setAttribute("width", width - left() - RIGHT + 6);
    lines.replaceChildren(...paintCurves(), ...paintUnits());
    paintCursor();
  }

  // ---- reading single states -----------------------------------------------------------------
  const reading = make("p", { class: "reading" });
  let pointed = null;

  function paintCursor() {
    if (pointed === null) {
      plot.setAttribute("aria-valuenow", now.T);
      plot.setAttribute("aria-valuetext", "none chosen");
      reading.replaceChildren(
        make("span", { class: "quiet" }, "Point at a state, or focus the curve: ← and →."),
      );
      return;
    }
    const k = (pointed = clamp(pointed, 0, now.T));
    const inSight = now.logs[k] >= now.low && now.logs[k] <= now.high;
    cursor.replaceChildren(
      line(x(k), TOP, x(k), AXIS, { stroke: COLOURS.target, "stroke-width": 1 }),
      inSight
        ? shape("circle", {
            cx: x(k),
            cy: y(now.logs[k]),
            r: 6,
            fill: COLOURS.gradient,
            stroke: "#fff",
            "stroke-width": 2,
          })
        : null,
    );
    const back = now.T - k;
    const length = scientific(now.norms[k]);
    reading.replaceChildren(
      symbol("h", k, "hidden"),
      `, ${back} step${back === 1 ? "" : "s"} back: length `,
      make("b", { "data-value": now.norms[k] }, length),
      make("span", { class: "quiet" }, `, bound ${scientific(now.reach ** back)}`),
    );
    plot.setAttribute("aria-valuenow", k);
    plot.setAttribute("aria-valuetext", `state ${k}, length ${length}`);
  }

  function point(k) {
    pointed = clamp(k, 0, now.T);
    paintCursor();
  }
  readByPlace(plot, {
    at: (pixels) => Math.floor((pixels - left()) / column()),
    current: () => pointed,
    first: () => now.T,
    longest,
    read: point,
  });

  // ---- together ------------------------------------------------------------------------------
  const ramp = (...powers) =>
    powers.map((log) => sizeColour((log - FAINT) / (STRONG - FAINT))).join(", ");
  const bar = (long, ...powers) =>
    make("span", {
      class: "scale-bar keep",
      style: `width: ${long}px; background: linear-gradient(90deg, ${ramp(...powers)})`,
    });
  const legend = make(
    "p",
    { class: "legend" },
    make("span", {}, "one entry of ∂", make("i", {}, "L"), "/∂", symbol("h", "k")),
    make(
      "span",
      { class: "scale" },
      `≤ ${power(FAINT)}`,
      bar(112, FAINT, -6, -4, -2, 0),
      "1",
      bar(28, 0, STRONG),
      `≥ ${power(STRONG)}`,
    ),
  );

  function show() {
    const began = performance.now();
    compute();
    paintControls();
    paintFacts();
    paintPlot();
    const length = scientific(now.norms[0]);
    view.say(`${verdict.textContent} Length at the first state: ${length}.`);
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  view.root.append(
    controls,
    make("div", { class: "results" }, verdict, facts),
    make("div", { class: "drawing" }, sheet, make("div", { class: "under" }, legend, reading)),
  );
  const fit = new ResizeObserver(() => {
    width = Math.max(280, sheet.clientWidth);
    paintPlot();
  });
  fit.observe(sheet);
  view.atEnd(() => fit.disconnect());
  show();
  for (const name of ["gain", "steps", "nonlinearity", "matrix", "seed"]) view.watch(name, show);
}

export default widget("flow-widget", "Vanishing and exploding gradients", drawFlow);
