// The caption stepper. Python is asked for whole captions and trees, once for each image, width and
// beginning; what it said is kept here, so that stepping, pointing and going back ask nobody.

const END = 2;
const LONGEST = 20; // a step that is behind the end of every caption means the end
const PLAY = 900; // milliseconds from word to word
const SMALL = 128; // images with shorter sides are shown with their pixels
const TREE = {
  top: 26,
  row: 48,
  box: 38,
  dropped: 22,
  mostDropped: 6,
  gap: 34, // from column to column: only edges are there
  padding: 18,
  narrowest: 56,
  longest: 16, // characters of a word
};
const FATES = {
  kept: (tree) => `kept: one of the best ${tree.width} of its length, so it was extended`,
  finished: () => "finished",
  unfinished: () => "cut off: no more words were allowed",
  beaten: () => "given up when the search stopped: it could no longer win",
  dropped: (tree) => `dropped: not among the best ${tree.width} of its length`,
};

// ---- probabilities in plain words; caption_stepper.py has the same -----------------------------

function likelihood(logP) {
  if (logP < -690) return `10${raised(Math.round(logP / Math.LN10))}`;
  return logP < Math.log(1e-4) ? scientific(Math.exp(logP)) : Math.exp(logP).toPrecision(2);
}

// 1 / p: 3.9, 83, 1.2 million.
function inverse(logP) {
  if (logP < -Math.log(999.5e6)) return `10${raised(Math.round(-logP / Math.LN10))}`;
  const n = Math.exp(-logP);
  if (n < 9.95) return n.toFixed(1);
  if (n >= 999_500) return `${Number((n / 1e6).toPrecision(3))} million`;
  return Math.round(Number(n.toPrecision(3))).toLocaleString("en-US");
}

const odds = (logP) =>
  Math.exp(-logP) < 1.05 ? "as good as certain" : `one in ${inverse(logP)}`;

// Two digits that never claim more than is known: 0.86, 0.0041, but not 1.00 for 0.998.
function share(p) {
  if (p >= 0.995 && p < 1) return p > 0.9995 ? ">\u20090.999" : format(p, 3);
  if (p > 0 && p < 0.0005) return "<\u20090.001";
  return format(p, p < 0.095 ? 3 : 2);
}

function drawStepper(view) {
  const vocabulary = view.get("words");
  const pictures = view.get("images");
  const sizes = view.get("pixels");
  const label = (code) => ({ 1: "START", [END]: "end" })[code] ?? vocabulary[code];
  const sentence = (codes) =>
    codes
      .filter((code) => code !== END)
      .map((code) => vocabulary[code])
      .join(" ");

  // ---- what is known, and what is looked at ----------------------------------------------------
  const known = { captions: new Map(), trees: new Map() };
  function learn() {
    const { captions = {}, trees = {} } = view.get("answers");
    for (const [key, one] of Object.entries(captions)) known.captions.set(key, one);
    for (const [key, one] of Object.entries(trees)) {
      // One object for each tree, so that it is laid out once.
      if (one.error) known.trees.set(key, one);
      else if (!known.trees.get(key)?.nodes) known.trees.set(key, grow(one, key));
    }
  }

  // The columns that Python sent as nodes: depth, total, children, and which are drawn.
  function grow(sent, key) {
    const nodes = sent.word.map((word, i) => ({
      i,
      word,
      parent: sent.parent[i],
      logP: sent.log_p[i],
      score: sent.score[i],
      fate: sent.fate[i],
      children: [],
    }));
    for (const node of nodes) {
      const parent = nodes[node.parent];
      node.depth = parent ? parent.depth + 1 : 0;
      node.total = (parent ? parent.total : 0) + node.logP;
      parent?.children.push(node);
    }
    const way = (node) => (node.parent < 0 ? [node] : [...way(nodes[node.parent]), node]);
    const ranked = sent.ranked.map((i) => nodes[i]);
    return {
      nodes,
      ranked,
      way,
      codes: (node) => way(node).slice(1).map(({ word }) => word),
      judged: sent.judged,
      width: Number(key.split(":")[1]),
      winner: new Set(ranked.length ? way(ranked[0]) : []),
    };
  }

  const chosen = () => view.get("chosen");
  const captionOf = (prefix) => known.captions.get(`${chosen()}:${prefix.join(",")}`);
  const caption = () => captionOf(view.get("prefix"));
  const tree = () => known.trees.get(`${chosen()}:${view.get("width")}`);
  const step = () => clamp(view.get("step"), 1, caption().said.length);
  const isAtEnd = () => Boolean(caption()?.said) && step() === caption().said.length;
  const logPs = ({ steps }) => steps.map(({ p }) => Math.log(p));
  const sum = (numbers) => numbers.reduce((left, right) => left + right, 0);

  // ---- the image -------------------------------------------------------------------------------
  const photo = make("img", { class: "photo" });
  const thumbs = pictures.map((source, k) =>
    make(
      "button",
      {
        type: "button",
        class: "thumb",
        "aria-label": `Image ${k + 1}`,
        onclick: () => chooseImage(k),
      },
      make("img", { src: source, alt: "", class: Math.max(...sizes[k]) < SMALL && "pixels" }),
    ),
  );
  const strip = make(
    "div",
    { class: "strip", role: "group", "aria-label": "Which image" },
    ...thumbs,
  );
  strip.hidden = pictures.length < 2;

  function chooseImage(k) {
    if (k === chosen()) return;
    moves.stop();
    const wasAtEnd = isAtEnd();
    view.set("chosen", k);
    view.set("prefix", []);
    view.set("step", wasAtEnd ? LONGEST : 1);
    paint();
    view.say(`Image ${k + 1}`);
  }

  function paintImage() {
    const k = chosen();
    photo.src = pictures[k];
    photo.alt = `Image ${k + 1} of ${pictures.length}`;
    photo.classList.toggle("pixels", Math.max(...sizes[k]) < SMALL);
    thumbs.forEach((thumb, one) => thumb.setAttribute("aria-pressed", String(one === k)));
  }

  // ---- what the judge says ---------------------------------------------------------------------
  const VERDICTS = {
    true: ["\u2713", "true"],
    false: ["\u2717", "false"],
    null: ["?", "not known"],
  };
  function verdicts(judged) {
    if (judged.error) return make("p", { class: "complaint small" }, judged.error);
    const facts = judged.facts.map(([text, verdict]) => {
      const [mark, word] = VERDICTS[verdict];
      return make(
        "li",
        { class: word.replace(" ", "-") },
        make("span", { class: "mark keep", "aria-hidden": "true" }, mark),
        make("span", {}, `${text}: `, make("b", {}, word)),
      );
    });
    if (!facts.length) return "";
    return make("ul", { class: "verdicts", "aria-label": "Is it true?" }, ...facts);
  }

  // ---- word by word ----------------------------------------------------------------------------
  const go = (by) => {
    if (!caption()?.said) return false;
    const next = step() + by;
    if (next < 1 || next > caption().said.length) return false;
    moveTo(next);
    return true;
  };
  const moves = transport(view, { go, interval: PLAY, restart: () => moveTo(1), unit: "word" });
  const toEnd = make(
    "button",
    {
      type: "button",
      onclick: () => {
        moves.stop();
        moveTo(LONGEST);
      },
    },
    "Whole caption",
  );
  const chips = make("ol", { class: "chips", "aria-label": "The caption so far" });
  const heading = make("p", { class: "heading" });
  // One row for each of the likeliest, and one for a word that was said though it is none of them.
  const rows = Array.from({ length: 6 }, (_, k) => {
    const parts = {
      word: make("span", { class: "word" }),
      bar: make("span", { class: "bar keep" }),
      note: make("span", { class: "note" }),
      number: make("span", { class: "number" }),
    };
    const row = make(
      "button",
      { type: "button", class: "candidate", onclick: () => sayInstead(k) },
      parts.word,
      make("span", { class: "track" }, parts.bar),
      parts.number,
      parts.note,
    );
    return { row, ...parts };
  });
  const others = {
    word: make("span", { class: "word" }),
    bar: make("span", { class: "bar rest keep" }),
    number: make("span", { class: "number" }),
  };
  const bars = make(
    "div",
    { class: "candidates", role: "group", "aria-label": "The likeliest words" },
    ...rows.map(({ row }) => row),
    make(
      "div",
      { class: "candidate others" },
      others.word,
      make("span", { class: "track" }, others.bar),
      others.number,
    ),
  );
  const barsNote = make("p", { class: "small quiet" });
  const facts = make("dl", { class: "facts" });
  const inWords = make("p", { class: "told" });
  const truth = make("div", { class: "truth" });
  const other = make("div", { class: "other" });
  const wordView = make(
    "div",
    { class: "main" },
    make("div", { class: "row" }, moves.element, toEnd),
    chips,
    heading,
    bars,
    barsNote,
    facts,
    inWords,
    truth,
    other,
  );

  function moveTo(next) {
    view.set("step", next === LONGEST ? LONGEST : clamp(next, 1, caption().said.length));
    paint();
    view.say(spokenStep());
  }

  function spokenStep() {
    const { said, steps } = caption();
    const t = step();
    const total = format(sum(logPs(caption()).slice(0, t)));
    return `word ${t}: ${label(said[t - 1])}, p ${share(steps[t - 1].p)}; log p so far ${total}`;
  }

  function sayInstead(k) {
    const { said, steps } = caption();
    const t = step();
    const code = steps[t - 1].codes[k];
    moves.stop();
    if (code === said[t - 1]) return go(1);
    view.set("prefix", [...said.slice(0, t - 1), code]);
    view.set("step", t);
    paint();
    view.say(`${label(code)} instead of ${label(said[t - 1])}`);
    return true;
  }

  wordView.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -LONGEST, End: LONGEST }[event.key];
    if (!by || !caption()?.said) return;
    event.preventDefault();
    moves.stop();
    if (Math.abs(by) === 1) go(by);
    else moveTo(by < 0 ? 1 : LONGEST);
  });

  function paintWords() {
    const { said, steps, judged } = caption();
    const t = step();
    const now = steps[t - 1];
    const code = said[t - 1];
    const short = share(now.p);
    paintChips();
    heading.replaceChildren(
      `Word ${t}${said[t - 1] === END ? ", the end of the caption" : ""}: `,
      make("b", {}, label(code)),
      " was said, ",
      make("span", { class: "nowrap" }, `p ${/^[<>]/.test(short) ? "" : "= "}${short}`),
      code === now.codes[0] ? "" : `; ${label(now.codes[0])} was likelier`,
    );
    const canSay = view.hasKernel;
    rows.forEach(({ row, word, bar, note, number }, k) => {
      const isThere = k < now.codes.length;
      row.hidden = !isThere;
      if (!isThere) return;
      const isSaid = now.codes[k] === code;
      const p = now.shares[k];
      word.textContent = label(now.codes[k]);
      bar.style.width = `${100 * p}%`;
      note.textContent = isSaid ? "said" : "say";
      number.textContent = share(p);
      row.dataset.p = p;
      row.classList.toggle("said", isSaid);
      const isLast = t === said.length;
      row.disabled = isSaid ? isLast : !canSay || p === 0;
      row.title = isSaid ? "" : `Say \u201c${label(now.codes[k])}\u201d instead`;
      row.setAttribute(
        "aria-label",
        `${label(now.codes[k])}, ${share(p)}${isSaid ? ", said" : ", say it instead"}`,
      );
    });
    const left = vocabulary.length - now.codes.length;
    const rest = Math.max(0, 1 - sum(now.shares));
    others.word.textContent = `${left} others`;
    others.bar.style.width = `${100 * rest}%`;
    others.number.textContent = share(rest);
    others.word.parentElement.hidden = left === 0;
    barsNote.textContent = canSay
      ? "Click another word to say it instead; the likeliest words follow."
      : "To say another word needs Python: open the notebook to use it.";

    const logP = sum(logPs(caption()).slice(0, t));
    const hasEnded = code === END;
    const fact = (term, value, exact) => [
      make("dt", {}, term),
      make("dd", { "data-value": exact }, value),
    ];
    facts.replaceChildren(
      ...fact("log p of this word", format(Math.log(now.p)), Math.log(now.p)),
      ...fact("log p so far", format(logP), logP),
      ...fact("probability so far", likelihood(logP), Math.exp(logP)),
    );
    const whose = hasEnded
      ? "This caption has"
      : t === 1
        ? "This word has"
        : `These ${t} words together have`;
    const cut = t === said.length && !hasEnded ? ` It was cut off after ${t} words.` : "";
    inWords.textContent = `${whose} probability ${likelihood(logP)}: ${odds(logP)}.${cut}`;
    truth.replaceChildren(t === said.length ? verdicts(judged) : "");
    paintOther();
    toEnd.disabled = t === said.length;
  }

  // Chips stay where they are, so that the one with the focus keeps it.
  const chipList = Array.from({ length: LONGEST }, (_, k) => {
    const parts = {
      word: make("span", { class: "word" }),
      meter: make("span", {}),
      number: make("span", { class: "number" }),
    };
    const chip = make(
      "button",
      {
        type: "button",
        class: "chip",
        onclick: () => {
          moves.stop();
          moveTo(k + 1);
        },
      },
      parts.word,
      make("span", { class: "meter keep" }, parts.meter),
      parts.number,
    );
    const item = make("li", {}, chip);
    chips.append(item);
    return { item, chip, ...parts };
  });

  function paintChips() {
    const { said, steps } = caption();
    const t = step();
    chipList.forEach(({ item, chip, word, meter, number }, k) => {
      item.hidden = k >= t;
      if (item.hidden) return;
      const { p, codes } = steps[k];
      word.textContent = label(said[k]);
      meter.style.width = `${100 * p}%`;
      number.textContent = share(p);
      chip.classList.toggle("own", said[k] !== codes[0]);
      chip.classList.toggle("end", said[k] === END);
      if (k === t - 1) chip.setAttribute("aria-current", "step");
      else chip.removeAttribute("aria-current");
      const likelier = said[k] === codes[0] ? "" : `; ${label(codes[0])} was likelier`;
      chip.setAttribute("aria-label", `word ${k + 1}: ${label(said[k])}, ${share(p)}${likelier}`);
    });
  }

  // What the caption is compared with what the likeliest words alone would have made.
  function paintOther() {
    const base = captionOf([]);
    const mine = caption();
    const differs = base?.said && String(base.said) !== String(mine.said);
    other.hidden = !differs;
    if (!differs) return;
    const total = (one) => sum(logPs(one));
    const line = (name, one) => [
      make("dt", {}, name),
      make(
        "dd",
        {},
        `${sentence(one.said)} `,
        make("span", { class: "quiet nowrap" }, `log p ${format(total(one))}, ${odds(total(one))}`),
      ),
    ];
    const swapped = mine.said
      .map((code, k) => [code, mine.steps[k]])
      .filter(([code, { codes }]) => code !== codes[0])
      .flatMap(([code, { p, codes, shares }], k) => [
        k ? ", " : "",
        make("b", {}, label(code)),
        ` (${share(p)}) instead of `,
        make("b", {}, label(codes[0])),
        ` (${share(shares[0])})`,
      ]);
    const gain = total(mine) - total(base);
    other.replaceChildren(
      make("p", {}, "Said: ", ...swapped, "."),
      make("dl", {}, ...line("now", mine), ...line("as it was", base)),
      make(
        "p",
        { class: "row" },
        make(
          "span",
          { class: "quiet" },
          gain > 0
            ? `Now it is ${inverse(-gain)} times as likely: the likeliest word each time does ` +
                "not make the likeliest caption."
            : `As it was, it is ${inverse(gain)} times as likely.`,
        ),
        make("button", { type: "button", onclick: asItWas }, "As it was"),
      ),
    );
  }

  function asItWas() {
    moves.stop();
    view.set("prefix", []);
    paint();
    chipList[step() - 1].chip.focus(); // the button that had the focus is gone
    view.say("as it was");
  }

  // ---- the beam --------------------------------------------------------------------------------
  let pinned = null; // the node that was clicked or has the focus
  let hovered = null; // the node under the pointer
  let drawn = null; // the tree whose nodes stand in the page
  let groups = new Map(); // node -> its group in the drawing
  let edges = new Map();
  const widthSlider = make("input", { type: "range", min: 1, max: 5, step: 1 });
  const widthText = make("output", { class: "number" });
  widthSlider.addEventListener("input", () => {
    view.set("width", Number(widthSlider.value));
    paint();
    view.say(`width ${view.get("width")}`);
  });
  const widthField = labelled("Width of the beam", widthSlider);
  widthField.append(widthText);
  const droppedBox = make("input", { type: "checkbox", checked: true });
  droppedBox.addEventListener("change", () => {
    drawn = null;
    paint();
  });
  const droppedField = labelled("dropped candidates", droppedBox);
  const reading = make("div", { class: "reading" });
  const finishedList = make("ol", { class: "found", "aria-label": "Captions found, best first" });
  const finishedHead = make("p", { class: "small quiet" });
  const beamView = make(
    "div",
    { class: "main" },
    make("div", { class: "row" }, widthField, droppedField),
    reading,
  );
  const found = make("div", { class: "captions" }, finishedHead, finishedList);
  const drawing = shape("svg", {
    class: "tree keep",
    role: "group",
    "aria-label":
      "The tree of beam search. Arrow keys go to the parent, the best child, and to those above " +
      "and below; Home to START, End to the winner.",
  });
  const canvas = make("div", { class: "scroll" }, drawing);
  // What is wider than the card fades at that end.
  const fade = () => {
    const { scrollLeft, clientWidth, scrollWidth } = canvas;
    canvas.classList.toggle("more-before", scrollLeft > 4);
    canvas.classList.toggle("more-after", scrollLeft + clientWidth < scrollWidth - 4);
  };
  canvas.addEventListener("scroll", fade);
  const fit = new ResizeObserver(() => {
    fade();
    reserve();
  });
  fit.observe(canvas);
  view.atEnd(() => fit.disconnect());
  const legend = make("p", { class: "legend" });
  const treeView = make("div", { class: "below" }, canvas, legend);

  const shownNode = () => hovered ?? pinned;
  const bestOf = ({ ranked, nodes }) => ranked[0] ?? nodes[nodes.length - 1];

  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "13px system-ui, sans-serif";
  const measure = (text) => pen.measureText(text).width;
  const clipped = (text) =>
    text.length > TREE.longest ? `${text.slice(0, TREE.longest - 1)}\u2026` : text;

  function layOut({ nodes }) {
    const columns = [];
    for (const node of nodes) (columns[node.depth] ??= []).push(node);
    const isKept = ({ fate }) => fate !== "dropped";
    const most = Math.max(...columns.map((column) => column.filter(isKept).length));
    const floor = TREE.top + most * TREE.row;
    let x = 2;
    let deepest = floor;
    let unseen = 0;
    const shown = [];
    for (const column of columns) {
      const dropped = droppedBox.checked
        ? column.filter((node) => !isKept(node)).sort((a, b) => b.total - a.total)
        : [];
      unseen += Math.max(0, dropped.length - TREE.mostDropped);
      const kept = column.filter(isKept);
      const few = dropped.slice(0, TREE.mostDropped);
      const wide = (node) =>
        isKept(node)
          ? measure(clipped(label(node.word)))
          : measure(`${clipped(label(node.word))}  ${format(node.logP)}`) * 0.93;
      const width = Math.max(
        TREE.narrowest,
        ...[...kept, ...few].map((node) => Math.ceil(wide(node)) + TREE.padding),
      );
      const put = (nodes, top, apart) =>
        nodes.forEach((node, k) => Object.assign(node, { x, width, y: top + (k + 0.5) * apart }));
      put(kept, TREE.top, TREE.row);
      put(few, floor + 14, TREE.dropped);
      shown.push([...kept, ...few]);
      deepest = Math.max(deepest, ...few.map(({ y }) => y + TREE.dropped / 2));
      x += width + TREE.gap;
    }
    return { columns: shown, wide: x - TREE.gap + 2, tall: deepest + 4, floor, unseen };
  }

  function drawTree(now) {
    drawn = now;
    groups = new Map();
    edges = new Map();
    hovered = null;
    const { columns, wide, tall, floor, unseen } = layOut(now);
    now.columns = columns;
    drawing.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    drawing.setAttribute("width", wide);
    drawing.setAttribute("height", tall);
    const depths = columns.map(([{ x, width }], depth) =>
      words("tick", x + width / 2, 14, "middle", depth ? `word ${depth}` : ""),
    );
    for (const node of columns.flat()) {
      const parent = now.nodes[node.parent];
      if (parent) edges.set(node, drawEdge(parent, node));
      groups.set(node, drawNode(now, node));
    }
    const line = columns.flat().some(({ fate }) => fate === "dropped")
      ? [
          shape("line", { class: "rule", x1: 0, x2: wide, y1: floor + 8, y2: floor + 8 }),
          words("tick", 4, floor + 26, "start", "dropped:"),
        ]
      : [];
    const rank = (node) => Number(now.winner.has(node)) - Number(node.fate === "dropped");
    const sorted = [...edges].sort(([one], [two]) => rank(one) - rank(two)).map(([, edge]) => edge);
    drawing.replaceChildren(...line, ...depths, ...sorted, ...groups.values());
    paintLegend(now, unseen);
    fade();
  }

  function drawEdge(parent, node) {
    const [x1, x2] = [parent.x + parent.width, node.x];
    const bend = (x2 - x1) / 2;
    return shape("path", {
      class: `edge ${node.fate}`,
      d: `M${x1} ${parent.y}C${x1 + bend} ${parent.y} ${x2 - bend} ${node.y} ${x2} ${node.y}`,
      "stroke-width": 0.8 + 3.2 * Math.exp(node.logP),
    });
  }

  function drawNode(now, node) {
    const { x, y, width, word, fate, logP, i } = node;
    const isDropped = fate === "dropped";
    const tall = isDropped ? TREE.dropped - 2 : TREE.box;
    const box = shape("rect", {
      class: "box",
      x,
      y: y - tall / 2,
      width,
      height: tall,
      rx: word === END ? tall / 2 : 6,
    });
    const name = clipped(label(word));
    const middle = x + width / 2;
    const number = format(logP);
    const beside = shape("tspan", { class: "log", dx: 6 }, number);
    const star = now.ranked[0] === node ? "\u2605 " : "";
    const parts = isDropped
      ? [words("name", middle, y + 4, "middle", name, beside)]
      : i === 0
        ? [words("name", middle, y + 5, "middle", name)]
        : [
            words("name", middle, y - 2, "middle", star, name),
            words("log", middle, y + 13, "middle", number),
          ];
    const group = shape(
      "g",
      {
        class: `node ${fate}`,
        tabindex: -1,
        role: "button",
        "aria-label": spokenNode(now, node),
        onpointerenter: () => point(node),
        onpointerleave: () => point(null),
        onclick: () => pin(node),
        onfocus: () => pin(node),
        onkeydown: (event) => walk(event, now, node),
      },
      box,
      ...parts,
    );
    group.dataset.i = i;
    return group;
  }

  const spokenNode = (now, node) =>
    node.depth === 0
      ? "START"
      : `${now.codes(node).map(label).join(" ")}: log p of this word ${format(node.logP)}, ` +
        `together ${format(node.total)}, ${node.fate}`;

  function point(node) {
    hovered = node;
    paintChosen();
  }

  function pin(node) {
    pinned = node;
    hovered = null;
    paintChosen();
  }

  function walk(event, now, node) {
    const column = now.columns[node.depth];
    const beside = (by) => column[column.indexOf(node) + by];
    const target = {
      ArrowLeft: () => now.nodes[node.parent],
      ArrowRight: () => node.children.find((child) => groups.has(child)),
      ArrowUp: () => beside(-1),
      ArrowDown: () => beside(1),
      Home: () => now.nodes[0],
      End: () => bestOf(now),
    }[event.key];
    if (!target) return;
    event.preventDefault();
    const next = target();
    if (next) focusNode(next);
  }

  function focusNode(node) {
    const group = groups.get(node);
    group.focus({ preventScroll: true });
    intoSight(node);
  }

  // Scrolls the box, not the page.
  function intoSight({ x, width }) {
    const [left, right] = [canvas.scrollLeft, canvas.scrollLeft + canvas.clientWidth];
    if (x - TREE.gap < left) canvas.scrollLeft = x - TREE.gap;
    else if (x + width + TREE.gap > right)
      canvas.scrollLeft = x + width + TREE.gap - canvas.clientWidth;
  }

  function paintChosen() {
    const now = drawn;
    const node = shownNode();
    const way = new Set(now.way(node));
    for (const [one, group] of groups) {
      group.classList.toggle("won", now.winner.has(one));
      group.classList.toggle("way", way.has(one));
      group.classList.toggle("here", one === node);
      group.setAttribute("tabindex", one === pinned ? 0 : -1);
    }
    for (const [one, edge] of edges) {
      edge.classList.toggle("won", now.winner.has(one));
      edge.classList.toggle("way", way.has(one));
    }
    paintReading(now, node);
    [...finishedList.children].forEach((item, k) =>
      item.firstChild.setAttribute("aria-pressed", String(now.ranked[k] === node)),
    );
  }

  function paintReading(now, node) {
    const codes = now.codes(node);
    const hasEnded = node.word === END;
    const place = now.ranked.indexOf(node);
    const fact = (term, value, exact) => [
      make("dt", {}, term),
      make("dd", { "data-value": exact }, value),
    ];
    const fate =
      hasEnded && place >= 0
        ? place === 0
          ? "finished: the best caption found"
          : `finished: number ${place + 1} of the captions found`
        : FATES[node.fate](now);
    const goOn = make(
      "button",
      { type: "button", onclick: () => readWordByWord(codes) },
      hasEnded ? "See it word by word" : "Go on from here, word by word",
    );
    const isKnown = captionOf(codes)?.said;
    goOn.disabled = node.depth === 0 || !(view.hasKernel || isKnown);
    reading.replaceChildren(
      make(
        "p",
        { class: "sentence" },
        node.depth === 0 ? "START" : sentence(codes),
        hasEnded ? "" : make("span", { class: "quiet" }, " \u2026"),
      ),
      make("p", { class: "quiet" }, node.depth === 0 ? "Where every caption begins." : `${fate}.`),
      make(
        "dl",
        { class: "facts" },
        ...fact(`log p of \u201c${label(node.word)}\u201d`, format(node.logP), node.logP),
        ...fact(
          node.depth === 1 ? "log p of 1 word" : `log p of ${node.depth} words`,
          format(node.total),
          node.total,
        ),
        ...fact("score", format(node.score), node.score),
      ),
      make(
        "p",
        {},
        `${hasEnded ? "This caption has" : "So far"} probability ${likelihood(node.total)}: ` +
          `${odds(node.total)}.`,
      ),
      now.judged[node.i] ? verdicts(now.judged[node.i]) : "",
      make("div", {}, goOn),
    );
  }

  // As high as the longest that is to be read: the tree below must not move under the pointer.
  function reserve() {
    if (!drawn || beamView.hidden) return;
    const length = (node) => sentence(drawn.codes(node)).length;
    const longest = {};
    for (const node of groups.keys()) {
      const rival = longest[node.fate];
      if (!rival || length(node) > length(rival)) longest[node.fate] = node;
    }
    reading.style.minHeight = "";
    const tallest = [...Object.values(longest), ...drawn.ranked.slice(0, SHOWN_FOUND)];
    const heights = tallest.map((node) => {
      paintReading(drawn, node);
      return reading.offsetHeight;
    });
    reading.style.minHeight = `${Math.max(...heights)}px`;
    paintReading(drawn, shownNode());
  }

  function readWordByWord(codes) {
    view.set("prefix", codes);
    view.set("step", codes.length);
    view.set("beam", false);
    paint();
    tabs[0].tab.focus();
    view.say(`${sentence(codes)}, word by word`);
  }

  const SHOWN_FOUND = 5;
  function paintFound(now) {
    const ended = now.ranked.filter(({ fate }) => fate === "finished").length;
    const more = now.ranked.length - SHOWN_FOUND;
    finishedHead.textContent = now.ranked.length
      ? `Captions found, best first: ${ended} finished` +
        (now.ranked.length > ended ? `, ${now.ranked.length - ended} cut off` : "") +
        (more > 0 ? `, the best ${SHOWN_FOUND} here` : "") +
        "; the number is the score"
      : "No caption was found.";
    finishedList.replaceChildren(
      ...now.ranked.slice(0, SHOWN_FOUND).map((node, k) => {
        const facts = now.judged[node.i].facts ?? [];
        const wrong = facts.filter(([, verdict]) => verdict === false).length;
        const truthful = facts.length
          ? [wrong ? `\u2717 ${wrong} false` : "\u2713 nothing false", wrong ? "false" : "true"]
          : null;
        return make(
          "li",
          {},
          make(
            "button",
            { type: "button", class: "hit", onclick: () => { pin(node); intoSight(node); } },
            make("span", { class: "rank" }, k ? `${k + 1}` : "\u2605"),
            make("span", { class: "text" }, sentence(now.codes(node))),
            truthful ? make("span", { class: `small ${truthful[1]}` }, truthful[0]) : "",
            make("span", { class: "number" }, format(node.score)),
          ),
        );
      }),
    );
  }

  function paintLegend(now, unseen) {
    const has = (fate) => now.columns.flat().some((node) => node.fate === fate);
    const entry = (kind, text) =>
      make("span", {}, make("span", { class: `swatch keep ${kind}` }), text);
    legend.replaceChildren(
      entry("won", "the caption found"),
      entry("way", "the way to the node that is read"),
      entry("kept", "kept, a row each"),
      ...(has("finished") ? [entry("ended", "end: finished")] : []),
      ...(has("beaten") ? [entry("beaten", "given up: could no longer win")] : []),
      ...(has("unfinished") ? [entry("beaten", "cut off")] : []),
      make("span", {}, "number: log p of the word; row: the best sum on top; thick line: likely"),
      ...(unseen ? [make("span", {}, `${unseen} more were dropped`)] : []),
    );
  }

  function paintTree() {
    const now = tree();
    droppedField.hidden = !now.nodes.some(({ fate }) => fate === "dropped");
    if (drawn !== now) {
      drawTree(now);
      // The node of another tree, or one that is hidden now, cannot be read on.
      if (!groups.has(pinned)) pinned = bestOf(now);
      paintFound(now);
      reserve();
    }
    paintChosen();
  }

  // ---- together --------------------------------------------------------------------------------
  const message = make("p", { class: "small message" });
  const tabs = [
    { text: "Word by word", beam: false },
    { text: "Beam", beam: true },
  ].map(({ text, beam }) => ({
    beam,
    tab: make(
      "button",
      {
        type: "button",
        onclick: () => {
          moves.stop();
          view.set("beam", beam);
          paint();
        },
      },
      text,
    ),
  }));
  const shell = make(
    "div",
    { class: "view" },
    make("div", { class: "side" }, photo, strip),
    make("div", { class: "stack" }, message, wordView, beamView),
    found,
    treeView,
  );
  const python = awaiting(view, shell, message);

  function paint() {
    const began = performance.now();
    const beam = view.get("beam");
    const answer = beam ? tree() : caption();
    const isThere = Boolean(answer && !answer.error);
    for (const one of tabs) one.tab.setAttribute("aria-pressed", String(one.beam === beam));
    widthSlider.value = view.get("width");
    widthText.textContent = view.get("width");
    paintImage();
    if (answer?.error) python.end(`No ${beam ? "tree" : "caption"}: ${answer.error}`, true);
    else if (answer) python.end("");
    else if (!view.hasKernel) python.end("This needs Python: open the notebook to use it.");
    else if (!python.isBusy()) python.begin("Asking the model \u2026");
    // While Python is busy the old answer stays, faint; beside a complaint it would be wrong.
    const isHidden = answer ? !isThere : !view.hasKernel;
    wordView.hidden = beam;
    beamView.hidden = !beam;
    for (const part of [treeView, found]) part.hidden = !beam || isHidden;
    shell.classList.toggle("nothing", isHidden);
    if (isThere && beam) paintTree();
    else if (isThere) paintWords();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  view.root.append(
    make(
      "div",
      { class: "row" },
      view.get("title") ? make("h3", {}, view.get("title")) : null,
      make(
        "span",
        { class: "tools", role: "group", "aria-label": "What to see" },
        ...tabs.map(({ tab }) => tab),
      ),
    ),
    shell,
  );
  learn();
  paint();
  for (const name of ["chosen", "prefix", "step", "beam", "width"]) view.watch(name, paint);
  view.watch("answers", () => {
    learn();
    paint();
  });
}

export default widget("caption-stepper", "Caption stepper", drawStepper);
