// The picture of a network, folded and unfolded here, beside its spec, its source and its numbers.

import { Canvas, Drawing, called, sought } from "./canvas.js";

const data = JSON.parse(document.getElementById("data").textContent);
const boxes = new Map(data.boxes.map((box) => [box.key, box]));
const byId = (id) => document.getElementById(id);
const drawing = new Drawing(data, new Set(data.closed));
const canvas = new Canvas(byId("picture"), (key) => clicked(key));
const state = { selected: null, byKeys: false };

async function loadGraphviz() {
  const code = JSON.parse(byId("graphviz").textContent);
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { Graphviz } = await import(url);
  URL.revokeObjectURL(url);
  return Graphviz.load();
}

function draw() {
  canvas.put(graphviz.dot(drawing.dot(), "svg"), drawing);
  mark();
}

// From its beginning.
function redraw() {
  canvas.moved = false;
  draw();
  tell();
}

function clicked(key) {
  const box = boxes.get(key);
  state.byKeys = false;
  if (state.selected === key && box.inner) toggle(key);
  else select(key);
}

function toggle(key) {
  if (!drawing.closed.delete(key)) drawing.closed.add(key);
  canvas.moved = true;  // it stays where it is
  draw();
  tell();
  if (state.byKeys) focus(key);
}

// Go to a box by the keyboard: it is selected, and in view.
function focus(key) {
  state.byKeys = true;
  select(key);
  canvas.focus(key);
}

function pressed(event) {
  const shown = state.selected && drawing.standIns().get(state.selected);
  const next = canvas.beside(event, shown, canvas.keys);
  if (next) {
    focus(next);
  } else if ((event.key === "Enter" || event.key === " ") && shown) {
    if (boxes.get(shown).inner) { state.byKeys = true; toggle(shown); }
  } else if (event.key === "Escape") {
    const parent = shown && boxes.get(shown).parent;
    if (parent) focus(parent);
    else overview();
  } else {
    return;
  }
  event.preventDefault();
}

function select(key) {
  state.selected = key;
  mark();
  tell();
  scroll("spec", boxes.get(key).spec[0]);
  scroll("source", boxes.get(key).source[0]);
}

// Open all around a box, and go there.
function reveal(key) {
  for (let at = boxes.get(key).parent; at; at = boxes.get(at).parent) drawing.closed.delete(at);
  canvas.moved = true;
  draw();
  select(key);
  canvas.centre(key);
}

function mark() {
  const box = boxes.get(state.selected);
  document.querySelectorAll(".code .marked").forEach((found) => found.classList.remove("marked"));
  canvas.mark(box && drawing.standIns().get(box.key));
  if (!box) return;
  for (const [id, lines] of [["spec", box.spec], ["source", box.source]]) {
    lines.forEach((line) => byId(id).children[line - 1]?.classList.add("marked"));
  }
}

function element(tag, text = "", ...inside) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...inside);
  return made;
}

function button(text, action) {
  const made = element("button", text);
  made.addEventListener("click", action);
  return made;
}

function tell() {
  const panel = byId("panel");
  const box = boxes.get(state.selected);
  if (!box) return overview();
  const held = box.held ? `, ${box.held}` : "";
  const line = box.line ? `, ${box.line}` : "";
  const facts = element("p", `${box.title}, gives ${box.output}${held}${line}`);
  panel.replaceChildren(element("h2", box.name), facts);
  if (box.others.length) panel.append(element("p", `Equal to it: ${box.others.join(", ")}`));
  const buttons = panel.appendChild(element("p"));
  if (box.inner) {
    const text = drawing.closed.has(box.key) ? "Open this block" : "Close this block";
    buttons.append(button(text, () => toggle(box.key)));
    buttons.firstChild.id = "toggle";
  }
  buttons.append(button("The whole network", overview));
  panel.append(element("pre", box.text));
  panel.scrollTop = 0;
  byId("said").textContent = called(box);
}

// The whole network: its numbers, its warnings, and where it costs what.
function overview() {
  state.selected = null;
  mark();
  const panel = byId("panel");
  panel.replaceChildren(element("h2", "The whole network"));
  if (data.about) panel.append(element("p", data.about));
  panel.append(element("p", data.columns.map(([head, , text]) => `${text} ${head}`).join(", ")));
  for (const warning of data.warnings) panel.append(warned(warning));
  panel.append(costs());
  for (const fact of data.facts) panel.append(element("p", fact));
  panel.append(element("p", "Click a box for its numbers, a second time to open or close a block. "
    + "Arrow keys move between boxes, Enter opens, Escape goes out, / searches."));
  panel.scrollTop = 0;
}

function warned(warning) {
  const made = element("div");
  made.className = "warning";
  made.append(element("strong", warning.title));
  for (const line of warning.rest) made.append(element("p", line));
  if (warning.line > 0) made.append(button(warning.where, () => scroll("spec", warning.line)));
  return made;
}

// Bars for what is shown in the picture; a box whose boxes are shown has its numbers alone.
function costs() {
  const visible = drawing.visible().filter((box) => box.costs.some(([cost]) => cost));
  const parted = new Set(visible.map((box) => box.parent));
  const most = data.columns.map((_, place) =>
    Math.max(1, ...visible.filter((box) => !parted.has(box.key)).map((box) => box.costs[place][0])));
  const table = element("table");
  table.className = "costs";
  const heads = data.columns.map(([head]) => element("th", head));
  for (const head of heads) head.scope = "col";
  const corner = element("th", "layer");
  corner.scope = "col";
  table.append(element("thead", "", element("tr", "", corner, ...heads)));
  const rows = visible.map((box) => {
    const go = button(box.times > 1 ? `${box.label} x${box.times}` : box.label, () => reveal(box.key));
    go.title = box.name;
    const name = element("th", "", go);
    name.scope = "row";
    name.style.paddingLeft = `${drawing.around(box.key).length - 1}em`;
    const cells = box.costs.map(([cost, text], place) => {
      const share = cost / data.columns[place][1];
      const told = cost ? `${text} ${share >= 0.005 ? `${Math.round(100 * share)}%` : "<1%"}` : "";
      const bar = element("span");
      bar.className = "bar";
      bar.style.width = parted.has(box.key) ? "0" : `${(100 * cost) / most[place]}%`;
      return element("td", "", bar, element("span", told));
    });
    return element("tr", "", name, ...cells);
  });
  const totals = data.columns.map(([, , text]) => element("td", "", element("span", text)));
  const total = element("th", "total");
  total.scope = "row";
  table.append(element("tbody", "", ...rows, element("tr", "", total, ...totals)));
  return table;
}

function scroll(id, place) {
  const section = byId(id);
  const line = section.children[place - 1];
  if (line) section.scrollTop = line.offsetTop - section.offsetTop - section.clientHeight / 3;
}

function search() {
  const list = byId("found");
  const found = sought(data.boxes, byId("search").value);
  list.replaceChildren(...found.map(({ name, box }) => {
    const shown = name === box.name ? "" : `, equal to ${box.name}`;
    const go = () => { list.hidden = true; reveal(box.key); };
    return element("li", "", button(`${name}  (${box.title}${shown})`, go));
  }));
  list.hidden = !found.length;
  return found.map(({ box }) => box);
}

function code(id, lines) {
  const first = new Map();
  for (const box of data.boxes) {
    for (const line of box[id]) {
      const before = boxes.get(first.get(line));
      // the narrowest that stands on the line
      if (!before || box[id].length < before[id].length) first.set(line, box.key);
    }
  }
  byId(id).replaceChildren(...lines.map(([number, words], place) => {
    const line = element("div", "", ...words.map(([kind, text]) => {
      if (!kind) return text;
      const word = element("span", text);
      word.className = kind;
      return word;
    }));
    line.dataset.line = number;
    if (!number) line.classList.add("file");
    const key = first.get(place + 1);
    if (key) {
      line.classList.add("linked");
      line.addEventListener("click", () => reveal(key));
    }
    return line;
  }));
}

function listen() {
  byId("picture").addEventListener("keydown", pressed);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  });
  byId("in").addEventListener("click", () => canvas.zoom(1 / 1.3));
  byId("out").addEventListener("click", () => canvas.zoom(1.3));
  byId("fit").addEventListener("click", () => canvas.wholly());
  for (const id of ["fold", "unfold"]) byId(id).disabled = !drawing.blocks.length;
  byId("fold").addEventListener("click", () => {
    for (const box of drawing.blocks) drawing.closed.add(box.key);
    redraw();
  });
  byId("unfold").addEventListener("click", () => { drawing.closed.clear(); redraw(); });
  byId("theme").addEventListener("click", () => document.documentElement.classList.toggle("dark"));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId("found").hidden = true;
    if (event.key !== "Enter") return;
    const [first] = search();
    byId("found").hidden = true;
    if (!first) return;
    reveal(first.key);
    focus(drawing.standIns().get(first.key));
  });
}

const graphviz = await loadGraphviz();
const { theme } = document.documentElement.dataset;
const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark", dark);
code("spec", data.spec);
code("source", data.source);
listen();
draw();
overview();
document.body.dataset.ready = "true";
