"use strict";
/* The demo page of seq2seq serve: POST /v1/explain answers with all that is drawn here.
   Text of models and users only ever becomes textContent. docs/demo-page.md has the schema. */

const DEBOUNCE_MS = 300, MIN_WEIGHT = 0.01, RIBBON = 16, END = "</s>", WORD = "\u2581";
const EXAMPLES = { en: ["The old man buys a red car.", "Two men play with a doctor every day.",
  "The men know that this is an old kitchen. Does the sister hurry to the famous river?"] };
const MEANINGS = {
  update: "update: how much of its state a unit keeps in a GRU, and replaces in a minGRU",
  reset: "reset: how much of the old state enters the candidate for the new one",
  forget: "forget: how much of its memory a unit keeps",
  input: "input: how much of what is new enters its memory",
  output: "output: how much of its memory a unit shows",
};
const SPEEDS = [4000, 2800, 2000, 1400, 1000, 700, 500, 350, 220, 120];
const $ = (id) => document.getElementById(id);

/** What is shown: segments of the text, each with its explanation, prefix and chosen hypothesis. */
const state = { segments: [], current: 0, step: 0, timer: null, playing: null, request: 0, abort: null,
  branch: null, languages: null, missing: {} };

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

const segment = () => state.segments[state.current];
const hypothesis = (of = segment()) => of.explained.hypotheses[of.rank];
const numSteps = () => segment().explained.tree.reduce((most, node) => Math.max(most, node.step + 1), 0);
const shown = (token) => (token === END ? "end" : token);
const number = (value, digits) => value.toFixed(digits).replace("-", "\u2212");
const percent = (logProb) => {
  const p = 100 * Math.exp(logProb);
  return p >= 99.95 ? "100%" : p >= 10 ? p.toFixed(0) + "%" : p >= 0.1 ? p.toFixed(1) + "%" : "<0.1%";
};
const detokenized = (tokens) => tokens.filter((t) => t !== END).join("").replaceAll(WORD, " ").trim();
const isSpaced = (of) => of.explained.hypotheses[0].words.length < 2 ||
  detokenized(of.explained.hypotheses[0].tokens).includes(" ");
const joined = (of, words) => words.join(isSpaced(of) ? " " : "");
const visibleWords = (h) => h.words.filter((word, i) => word !== END || i < h.words.length - 1 || !h.finished);

/** Make one Tab stop of all items of a container: arrow keys move between them. */
function roving(container, selector) {
  const items = () => [...container.querySelectorAll(selector)];
  const setStop = (item) => { for (const other of items()) other.tabIndex = other === item ? 0 : -1; };
  container.addEventListener("focusin", (event) => { if (event.target.matches(selector)) setStop(event.target); });
  container.addEventListener("keydown", (event) => {
    const all = items(), at = all.indexOf(document.activeElement);
    const right = getComputedStyle(container).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + right, ArrowLeft: at - right, ArrowDown: at + 1, ArrowUp: at - 1,
      Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    all[Math.min(Math.max(to, 0), all.length - 1)].focus();
  });
}

/* ---- Requests ---- */

async function ask(text, prefix, signal) {
  const body = { q: text, prefix };
  if (state.languages) [body.source, body.target] = state.languages;
  const headers = { "Content-Type": "application/json" };
  if ($("key").value) headers.Authorization = "Bearer " + $("key").value;
  for (;;) {
    const response = await fetch("v1/explain", { method: "POST", headers, body: JSON.stringify(body), signal });
    if (response.status === 503) {
      setStatus("The server is busy; trying again …");
      const seconds = Number(response.headers.get("Retry-After")) || 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, 10)));
      if (signal.aborted) throw new DOMException("", "AbortError");
      continue;
    }
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error || "The server answered with status " + response.status + ".");
    return answer;
  }
}

/** Ask, unless a later question has come meanwhile: then nothing is done with the answer. */
async function latest(text, prefix, use) {
  const request = ++state.request;
  state.abort?.abort();
  state.abort = new AbortController();
  const start = performance.now();
  $("translation").classList.add("stale");
  try {
    const answer = await ask(text, prefix, state.abort.signal);
    if (request !== state.request) return;
    setStatus("");
    use(answer, performance.now() - start);
  } catch (error) {
    if (error.name === "AbortError" || request !== state.request) return;
    setStatus(error instanceof TypeError ? "The server does not answer." : error.message, true);
  } finally {
    if (request === state.request) $("translation").classList.remove("stale");
  }
}

function setStatus(text, isError = false) {
  $("status").textContent = text;
  $("status").classList.toggle("error", isError);
}

function translate() {
  const text = $("source").value;
  closeBranch();
  if (!text.trim()) {
    state.request += 1;
    state.abort?.abort();
    state.segments = [];
    setStatus("");
    return showAll();
  }
  latest(text, "", (answer, milliseconds) => {
    state.segments = answer.segments.map((explained) => ({ explained, prefix: "", rank: 0 }));
    state.missing = answer.missing;
    state.current = 0;
    showAll();
    showFigures(answer, milliseconds);
  });
}

function showFigures(answer, milliseconds) {
  const tokens = answer.segments.reduce((sum, { hypotheses }) => sum + hypotheses[0].tokens.length, 0);
  if (!tokens) return;
  setStatus(`${tokens} tokens, score ${number(answer.score, 3)}, beam of ${answer.beam_size}, ` +
    `${(milliseconds / 1000).toFixed(2)} s`);
}

/** Translate the current sentence again, with another beginning. */
function translateFrom(prefix) {
  const of = segment();
  closeBranch();
  latest(of.explained.source.text, prefix, (answer, milliseconds) => {
    if (answer.segments.length !== 1) return setStatus("This sentence cannot have a beginning of its own.", true);
    const explained = { ...answer.segments[0], gap: of.explained.gap };
    Object.assign(of, { explained, prefix, rank: 0 });
    showAll();
    showFigures(answer, milliseconds);
    $("translation").querySelector(`.word[data-segment="${state.current}"]:not(.fixed)`)?.focus();
  });
}

/* ---- Translation, and continuing otherwise ---- */

function showTranslation() {
  const output = $("translation");
  output.replaceChildren();
  state.segments.forEach((of, number) => {
    const h = hypothesis(of), fixed = of.prefix.trim() ? of.prefix.trim().split(/\s+/).length : 0;
    if (number) output.append(of.explained.gap);
    visibleWords(h).forEach((word, index) => {
      if (index && isSpaced(of)) output.append(" ");
      const button = el("button", { type: "button", className: "word", textContent: word });
      button.tabIndex = number || index ? -1 : 0;
      button.dataset.segment = number;
      button.dataset.word = index;
      button.classList.toggle("fixed", index < fixed && isSpaced(of));
      button.addEventListener("click", () => openBranch(number, index));
      output.append(button);
    });
  });
  $("hint").hidden = !state.segments.length;
  const prefix = $("prefix"), fixed = state.segments.length ? segment().prefix : "";
  prefix.hidden = !fixed.trim();
  prefix.replaceChildren("Begins with ", el("mark", { dir: "auto", textContent: fixed.trim() }),
    el("button", { type: "button", textContent: "Let the model begin", onclick: () => translateFrom("") }));
}

/** Offer other continuations after the words before this one. */
function openBranch(number, index) {
  selectSegment(number);
  const of = segment(), words = visibleWords(hypothesis());
  const before = joined(of, words.slice(0, index));
  state.branch = { before, word: index };
  $("branch").hidden = false;
  $("branch-title").textContent = before ? `After “${before}”` : "At the beginning";
  $("alternatives").replaceChildren();
  $("continuation").value = "";
  $("continuation").focus();
  for (const button of $("translation").querySelectorAll(".word")) {
    button.classList.toggle("active", Number(button.dataset.segment) === number && Number(button.dataset.word) === index);
  }
  const prefix = before + (before && isSpaced(of) ? " " : "");
  latest(of.explained.source.text, prefix, (answer) => {
    if (answer.segments.length !== 1) return;
    for (const { text, complete, logProb } of alternatives(answer.segments[0])) {
      const button = el("button", { type: "button", dir: "auto" }, text + (complete ? "" : "…"), " ",
        el("small", { textContent: percent(logProb) }));
      button.addEventListener("click", () => continueWith(text, complete));
      $("alternatives").append(el("li", {}, button));
    }
  });
}

function continueWith(text, complete) {
  const spaced = isSpaced(segment()), before = state.branch.before;
  translateFrom(before + (before && spaced ? " " : "") + text + (complete && spaced ? " " : ""));
}

function closeBranch(refocus = false) {
  if (!state.branch) return;
  const word = state.branch.word;
  state.branch = null;
  $("branch").hidden = true;
  for (const button of $("translation").querySelectorAll(".active")) button.classList.remove("active");
  if (refocus) {
    $("translation").querySelector(`[data-segment="${state.current}"][data-word="${word}"]`)?.focus();
  }
}

/** The words that the first free step of a search considered, likeliest first. */
function alternatives(explained) {
  const children = new Map();
  for (const node of explained.tree) {
    if (!children.has(node.parent)) children.set(node.parent, []);
    children.get(node.parent).push(node);
  }
  let parent = null; // Forced tokens have no sibling.
  while ((children.get(parent) || []).length === 1) parent = children.get(parent)[0].id;
  const words = new Map();
  for (const first of children.get(parent) || []) {
    if (first.token === END) continue;
    let tokens = [first.token], node = first, complete = false;
    while (node.state === "kept") {
      const next = (children.get(node.id) || []).filter((child) => child.state !== "cut")
        .sort((a, b) => b.log_prob - a.log_prob)[0];
      if (!next) break;
      if (next.token.startsWith(WORD) || next.token === END || !/[\p{L}\p{M}\p{N}]/u.test(next.token)) {
        complete = true;
        break;
      }
      tokens.push(next.token);
      node = next;
    }
    const text = detokenized(tokens);
    if (text && !words.has(text)) words.set(text, { text, complete, logProb: first.token_log_prob });
  }
  return [...words.values()].sort((a, b) => b.logProb - a.logProb).slice(0, 10);
}

/* ---- Attention ---- */

function showAttention() {
  const { explained } = segment(), h = hypothesis();
  const missing = $("attention").querySelector(".missing");
  const weights = h.word_attention;
  missing.hidden = weights !== null;
  missing.textContent = "Not shown: " + (state.missing.attention || "there are no weights.");
  $("ribbons").hidden = weights === null;
  $("word-weights").textContent = "";
  if (weights === null) return;
  const sides = [["source", explained.source.words], ["target", h.words]];
  for (const [side, words] of sides) {
    $(side + "-words").replaceChildren(...words.map((word, index) => {
      const isEnd = index === words.length - 1 && word === END;
      const item = el("li", { tabIndex: index ? -1 : 0, textContent: isEnd ? "end" : word });
      item.classList.toggle("end", isEnd);
      item.dataset.index = index;
      for (const event of ["mouseenter", "focus"]) item.addEventListener(event, () => isolate(side, index));
      for (const event of ["mouseleave", "blur"]) item.addEventListener(event, () => isolate(null, 0));
      return item;
    }));
  }
  drawRibbons();
}

function drawRibbons() {
  const lines = $("ribbon-lines"), box = lines.parentElement, h = state.segments.length && hypothesis();
  lines.replaceChildren();
  if (!h || !h.word_attention || $("explained").hidden) return;
  box.classList.remove("tall");
  box.classList.toggle("tall", box.scrollWidth > $("ribbons").clientWidth + 1);
  const tall = box.classList.contains("tall"), frame = lines.getBoundingClientRect();
  const places = ["source-words", "target-words"].map((id) => [...$(id).children].map((item) => {
    const rect = item.getBoundingClientRect();
    return tall ? rect.top + rect.height / 2 - frame.top : rect.left + rect.width / 2 - frame.left;
  }));
  const end = tall ? frame.width : frame.height;
  h.word_attention.forEach((row, target) => row.forEach((weight, source) => {
    if (weight < MIN_WEIGHT) return;
    const from = places[0][source], to = places[1][target], middle = end / 2;
    const d = tall ? `M0 ${from}C${middle} ${from} ${middle} ${to} ${end} ${to}`
      : `M${from} 0C${from} ${middle} ${to} ${middle} ${to} ${end}`;
    const path = svg("path", { d, "stroke-width": weight * RIBBON });
    Object.assign(path.dataset, { source, target, weight });
    lines.append(path);
  }));
  showStepInAttention();
}

/** Show the ribbons of one word alone, or all again. */
function isolate(side, index) {
  const box = $("ribbon-lines").parentElement, h = hypothesis(), source = segment().explained.source.words;
  box.classList.toggle("isolating", side !== null);
  const linked = [];
  for (const path of $("ribbon-lines").children) {
    const active = side !== null && Number(path.dataset[side]) === index;
    path.classList.toggle("active", active);
    if (active) linked.push([Number(path.dataset[side === "source" ? "target" : "source"]), Number(path.dataset.weight)]);
  }
  const other = side === "source" ? "target" : "source";
  for (const item of box.querySelectorAll("li")) {
    const own = item.parentElement.id.split("-")[0], at = Number(item.dataset.index);
    item.classList.toggle("active", side !== null && (own === side ? at === index : linked.some(([i]) => i === at)));
  }
  const words = side === "source" ? [source, h.words] : [h.words, source];
  $("word-weights").textContent = side === null ? "" : `${shown(words[0][index])}: ` + (linked
    .sort((a, b) => b[1] - a[1]).map(([i, weight]) => `${shown(words[1][i])} ${weight.toFixed(2)}`).join(", ") ||
    `no ${other} word`);
}

function showStepInAttention() {
  const h = hypothesis();
  const later = new Set();
  h.word_of_token.forEach((word, token) => {
    if (token < state.step) later.delete(word);
    else if (h.word_of_token.indexOf(word) >= state.step) later.add(word);
  });
  for (const path of $("ribbon-lines").children) path.classList.toggle("later", later.has(Number(path.dataset.target)));
  for (const item of $("target-words").children) item.classList.toggle("later", later.has(Number(item.dataset.index)));
  for (const word of $("translation").querySelectorAll(".word")) {
    word.classList.toggle("later", Number(word.dataset.segment) === state.current && later.has(Number(word.dataset.word)));
  }
}

/* ---- Beam search ---- */

const ORDER = { kept: 0, finished: 1, cut: 2 };
const ROW = 28, TOP = 30, GAP = 26;
let measure = null;

function width(text) {
  measure ??= document.createElement("canvas").getContext("2d");
  measure.font = getComputedStyle($("tree-lines")).font;
  return Math.ceil(measure.measureText(text).width);
}

/** The nodes of each step: kept ones by probability, then finished ones, then what was cut. */
function columns() {
  const steps = Array.from({ length: numSteps() }, () => []);
  for (const node of segment().explained.tree) steps[node.step].push(node);
  for (const nodes of steps) nodes.sort((a, b) => ORDER[a.state] - ORDER[b.state] || b.log_prob - a.log_prob);
  return steps;
}

function showTree() {
  const lines = $("tree-lines"), path = new Set(hypothesis().path), steps = columns();
  const places = new Map([[null, { x: 0, y: TOP + ROW / 2, right: 8 }]]);
  const edges = [], nodes = [], heads = [];
  let x = 8 + GAP, most = 1;
  steps.forEach((step, index) => {
    const wide = Math.max(...step.map((node) => width(shown(node.token)))) + 18;
    heads.push(svg("rect", { class: "column", x: x - 6, y: 0, width: wide + 12, height: "100%", "data-step": index }));
    heads.push(svg("text", { class: "column-number", x, y: 16 }, String(index + 1)));
    step.forEach((node, row) => {
      const y = TOP + row * ROW, at = { x, y: y + ROW / 2, right: x + wide };
      places.set(node.id, at);
      const from = places.get(node.parent), bend = (at.x - from.right) / 2;
      const classes = node.state + (path.has(node.id) ? " path" : "");
      edges.push(svg("path", { class: "edge " + classes, "data-step": index,
        d: `M${from.right} ${from.y}C${from.right + bend} ${from.y} ${at.x - bend} ${at.y} ${at.x} ${at.y}` }));
      const group = svg("g", { class: "node " + classes, "data-id": node.id, "data-step": index });
      group.append(svg("title", {}, `${shown(node.token)}: ${percent(node.token_log_prob)}, sum of log ` +
        `${number(node.log_prob, 3)}, score ${number(node.score, 3)}, ${node.state}`),
        svg("rect", { x, y: y + 2, width: wide, height: ROW - 4, rx: 5 }),
        svg("text", { x: x + 9, y: y + 19 }, shown(node.token)));
      group.addEventListener("click", () => continueAt(node));
      nodes.push(group);
      if (node.state !== "cut" || $("show-cut").checked) most = Math.max(most, row + 1);
    });
    x += wide + GAP;
  });
  lines.setAttribute("width", x);
  lines.setAttribute("height", TOP + most * ROW + 8);
  lines.setAttribute("role", "img");
  lines.setAttribute("aria-label", `${segment().explained.tree.length} nodes in ${steps.length} steps; the table below has those of a step`);
  edges.sort((a, b) => a.classList.contains("path") - b.classList.contains("path"));
  lines.replaceChildren(...heads, ...edges, ...nodes);
}

function tokensUpTo(node) {
  const nodes = segment().explained.tree, tokens = [];
  for (let at = node; at; at = at.parent === null ? null : nodes[at.parent]) tokens.unshift(at.token);
  return tokens;
}

function continueAt(node) {
  if (node.token === END) return;
  translateFrom(detokenized(tokensUpTo(node)));
}

const lastWords = (text) => (text.split(" ").length > 4 ? "… " : "") + text.split(" ").slice(-4).join(" ");

function showStepInTree() {
  for (const item of $("tree-lines").querySelectorAll("[data-step]")) {
    const step = Number(item.dataset.step);
    if (item.classList.contains("column")) item.style.setProperty("visibility", step === state.step - 1 ? "visible" : "hidden");
    else item.classList.toggle("later", step >= state.step);
  }
  const step = Math.max(state.step, 1) - 1, path = new Set(hypothesis().path);
  const nodes = columns()[step] || [], tree = segment().explained.tree;
  $("candidates-title").textContent = `Step ${step + 1}: the candidates`;
  $("candidates").tBodies[0].replaceChildren(...nodes.map((node) => {
    const before = node.parent === null ? "" : detokenized(tokensUpTo(tree[node.parent]));
    const token = node.token === END ? "end"
      : el("button", { type: "button", textContent: node.token, onclick: () => continueAt(node) });
    const row = el("tr", { className: node.state + (path.has(node.id) ? " path" : "") },
      el("td", { className: "before", dir: "auto", title: before, textContent: lastWords(before) }),
      el("td", {}, token),
      el("td", { className: "n", textContent: percent(node.token_log_prob) }),
      el("td", { className: "n", textContent: number(node.log_prob, 3) }),
      el("td", { className: "n", textContent: number(node.score, 3) }),
      el("td", { textContent: node.state }));
    row.dataset.id = node.id;
    return row;
  }));
  $("candidates").classList.toggle("without-cut", !$("show-cut").checked);
}

function scrollToStep() {
  const column = $("tree-lines").querySelector(`.column[data-step="${state.step - 1}"]`);
  if (!column) return $("tree").scrollTo({ left: 0 });
  const x = Number(column.getAttribute("x")), wide = Number(column.getAttribute("width")), tree = $("tree");
  if (x < tree.scrollLeft || x + wide > tree.scrollLeft + tree.clientWidth) {
    tree.scrollTo({ left: x - tree.clientWidth / 2 });
  }
}

/* ---- Hypotheses ---- */

function showHypotheses() {
  const { explained, rank } = segment();
  $("hypotheses").replaceChildren(...explained.hypotheses.map((h, index) => {
    const radio = el("input", { type: "radio", name: "hypothesis", checked: index === rank });
    radio.addEventListener("change", () => {
      segment().rank = index;
      showAll(false);
      $("hypotheses").querySelectorAll("input")[index].focus();
    });
    return el("label", {}, radio, el("span", { dir: "auto", textContent: h.text }),
      el("span", { className: "numbers", textContent: `score ${number(h.score, 3)}, sum of log ${number(h.log_prob, 2)}` +
        (h.finished ? "" : ", cut") }));
  }));
  const h = hypothesis();
  $("tokens").replaceChildren(...h.tokens.map((token, index) => {
    const bar = el("span");
    bar.style.setProperty("--p", Math.exp(h.token_log_probs[index]));
    return el("li", {}, shown(token), el("small", { textContent: number(h.token_log_probs[index], 3) }),
      el("span", { className: "bar", ariaHidden: "true" }, bar));
  }));
}

/* ---- Gates ---- */

function showGates(keep = true) {
  const { explained } = segment(), select = $("gate"), chosen = select.value;
  const missing = $("gates").querySelector(".missing"), none = !explained.gates.length;
  missing.hidden = !none;
  missing.textContent = "Not shown: " + (state.missing.gates || "there are none.");
  for (const part of $("gates").querySelectorAll(".tools, .quiet, .scroll")) part.hidden = none;
  if (none) return;
  if (keep) {
    select.replaceChildren(...explained.gates.map((gate, index) =>
      el("option", { value: `${gate.layer} ${gate.gate}`, textContent: `${gate.layer}: ${gate.gate} gate` })));
    const decoder = explained.gates.findLast((gate) => gate.side === "target");
    select.value = chosen || (decoder ? `${decoder.layer} ${decoder.gate}` : "");
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }
  const gate = explained.gates[Math.max(select.selectedIndex, 0)];
  $("gate-meaning").textContent = (MEANINGS[gate.gate] || gate.gate) + ".";
  const tokens = gate.side === "source" ? explained.source.tokens : explained.hypotheses[0].tokens;
  const head = el("tr", {}, el("th", { scope: "col", textContent: gate.side === "source" ? "Source" : "Target" }),
    ...tokens.map((token) => el("th", { scope: "col", textContent: shown(token) })));
  const rows = [["mean", gate.mean], ...gate.units.map((unit) => [`unit ${unit.unit}`, unit.values])];
  $("heatmap").tHead.replaceChildren(head);
  $("heatmap").tBodies[0].replaceChildren(...rows.map(([name, values]) => el("tr", {},
    el("th", { scope: "row", textContent: name }), ...values.map((value, index) => {
      const cell = el("td", { textContent: value.toFixed(2) });
      cell.style.setProperty("--v", value);
      cell.dataset.position = gate.side === "source" ? -1 : index;
      return cell;
    }))));
  showStepInGates();
}

function showStepInGates() {
  for (const cell of $("heatmap").querySelectorAll("td")) {
    cell.classList.toggle("later", Number(cell.dataset.position) >= state.step);
  }
}

/* ---- Steps ---- */

function goTo(step, { scroll = true } = {}) {
  if (!state.segments.length) return;
  const last = numSteps();
  state.step = Math.min(Math.max(step, 0), last);
  $("step").max = last;
  $("step").value = state.step;
  $("step-text").textContent = `Step ${state.step} of ${last}`;
  showStepInTree();
  showStepInAttention();
  showStepInGates();
  if (scroll) scrollToStep();
  if (state.playing && state.step === last) stop();
}

function play() {
  if (state.playing) return stop();
  if (state.step === numSteps()) goTo(0);
  const next = () => {
    goTo(state.step + 1);
    const word = hypothesis().word_of_token[state.step - 1];
    if (hypothesis().word_attention) isolate(word === undefined || !state.playing ? null : "target", word);
    if (state.playing) state.playing = setTimeout(next, SPEEDS[$("speed").value - 1]);
  };
  state.playing = setTimeout(next, SPEEDS[$("speed").value - 1] / 2);
  $("play").setAttribute("aria-pressed", "true");
  $("play").textContent = "Pause";
}

function stop() {
  clearTimeout(state.playing);
  if (state.playing) isolate(null, 0);
  state.playing = null;
  $("play").setAttribute("aria-pressed", "false");
  $("play").textContent = "Play slowly";
}

const byHand = (step) => { stop(); goTo(step); };

/* ---- All together ---- */

function selectSegment(number) {
  if (number === state.current) return;
  state.current = number;
  showAll();
}

function showAll(toEnd = true) {
  const any = state.segments.length > 0;
  stop();
  showTranslation();
  $("explained").hidden = !any;
  if (!any) return;
  const sentences = $("sentences");
  sentences.hidden = state.segments.length < 2;
  sentences.replaceChildren(...state.segments.map((of, index) => {
    const button = el("button", { type: "button", textContent: `Sentence ${index + 1}`, title: of.explained.source.text });
    button.setAttribute("aria-pressed", String(index === state.current));
    button.addEventListener("click", () => {
      selectSegment(index);
      sentences.children[index].focus();
    });
    return button;
  }));
  showTree();
  showHypotheses();
  showGates();
  showAttention();
  goTo(toEnd ? hypothesis().path.length : state.step, { scroll: false });
  if (toEnd) $("tree").scrollTo({ left: 0 });
}

/* ---- Start ---- */

function chooseLanguages(source, target) {
  state.languages = [source, target];
  $("source").lang = source;
  $("translation").lang = target;
  const examples = EXAMPLES[source.split(/[-_]/)[0]] || [];
  $("examples").hidden = !examples.length;
  $("examples").replaceChildren("Try: ", ...examples.map((text) => el("button", { type: "button", textContent: text,
    onclick: () => { $("source").value = text; translate(); } })));
}

async function loadLanguages() {
  const [languages, settings] = await Promise.all(["languages", "frontend/settings"].map((path) =>
    fetch(path).then((response) => response.json())));
  const names = Object.fromEntries(languages.map((language) => [language.code, language.name]));
  const pairs = languages.flatMap((language) => (language.targets || []).map((target) => [language.code, target]));
  for (const part of [$("key"), $("key-label")]) part.hidden = !settings.keyRequired;
  $("pair").replaceChildren(...pairs.map((pair) => el("option", { value: pair.join(" "),
    textContent: `${names[pair[0]]} → ${names[pair[1]] || pair[1]}` })));
  const several = pairs.length > 1;
  for (const part of [$("pair"), $("pair-label")]) part.hidden = !several;
  $("one-pair").hidden = several;
  $("one-pair").textContent = $("pair").options[0]?.textContent || "";
  if (pairs.length) chooseLanguages(...pairs[0]);
}

const THEMES = { "": "as the system", light: "light", dark: "dark" };

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  $("theme").textContent = "Theme: " + THEMES[theme];
  try { localStorage.setItem("theme", theme); } catch { /* Storage is off: the page forgets it. */ }
}

function start() {
  let stored = "";
  try { stored = localStorage.getItem("theme") || ""; } catch { /* As above. */ }
  setTheme(stored in THEMES ? stored : "");
  $("theme").addEventListener("click", () => {
    const names = Object.keys(THEMES), at = names.indexOf(document.documentElement.dataset.theme || "");
    setTheme(names[(at + 1) % names.length]);
  });
  roving($("translation"), ".word");
  for (const id of ["source-words", "target-words"]) roving($(id), "li");
  const soon = () => {
    clearTimeout(state.timer);
    state.timer = setTimeout(translate, DEBOUNCE_MS);
  };
  $("source").addEventListener("input", (event) => { if (!event.isComposing) soon(); });
  $("source").addEventListener("compositionend", soon);
  $("key").addEventListener("change", translate);
  $("pair").addEventListener("change", () => {
    chooseLanguages(...$("pair").value.split(" "));
    translate();
  });
  $("branch").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("continuation").value.trim();
    if (text) continueWith(text, false);
  });
  $("branch-close").addEventListener("click", () => closeBranch(true));
  $("branch").addEventListener("keydown", (event) => { if (event.key === "Escape") closeBranch(true); });
  $("first").addEventListener("click", () => byHand(0));
  $("back").addEventListener("click", () => byHand(state.step - 1));
  $("forward").addEventListener("click", () => byHand(state.step + 1));
  $("last").addEventListener("click", () => byHand(Infinity));
  $("play").addEventListener("click", play);
  $("step").addEventListener("input", () => byHand(Number($("step").value)));
  const showSpeed = () => { $("speed-text").textContent = `${SPEEDS[$("speed").value - 1] / 1000} s a step`; };
  $("speed").addEventListener("input", showSpeed);
  showSpeed();
  $("tree").addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: state.step - 1, ArrowRight: state.step + 1, Home: 0, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    byHand(steps[event.key]);
  });
  $("show-cut").addEventListener("change", () => {
    $("tree-lines").classList.toggle("without-cut", !$("show-cut").checked);
    showTree();
    showStepInTree();
  });
  $("gate").addEventListener("change", () => showGates(false));
  new ResizeObserver(() => requestAnimationFrame(drawRibbons)).observe($("ribbons"));
  loadLanguages().catch(() => setStatus("The server does not answer.", true)).then(() => {
    if ($("source").value.trim()) translate();
  });
}

start();
