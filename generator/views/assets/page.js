// The picture of a network: folded and unfolded here, laid out by Graphviz.

const data = JSON.parse(document.getElementById("data").textContent);
const boxes = new Map(data.boxes.map((box) => [box.key, box]));
const byId = (id) => document.getElementById(id);
const LARGEST = 1.7;  // pixels for a point: boxes that are larger are no easier to read
const READABLE = 0.65;
const state = { closed: new Set(data.closed), selected: null, view: null };

async function loadGraphviz() {
  const code = JSON.parse(byId("graphviz").textContent);
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const { Graphviz } = await import(url);
  URL.revokeObjectURL(url);
  return Graphviz.load();
}

// Who stands for each box: itself, or the outermost closed one around it.
function standIns() {
  const shown = new Map([["", ""]]);
  for (const box of data.boxes) {
    const around = shown.get(box.parent);
    const hidden = around !== box.parent || state.closed.has(around);
    shown.set(box.key, hidden ? around : box.key);
  }
  return shown;
}

function nested(visible, parent) {
  const inside = visible.filter((box) => box.parent === parent);
  return inside.map((box) =>
    visible.some((other) => other.parent === box.key)
      ? `subgraph cluster_${box.key} { graph [${box.cluster}]; t${box.key} [${box.heading}];
         ${nested(visible, box.key)} }`
      : `${box.key} [${box.node}];`,
  ).join("\n");
}

// The boxes around a box, outer ones first, and the box itself.
function around(key) {
  const found = [];
  for (let at = key; at; at = boxes.get(at).parent) found.unshift(at);
  return found;
}

// The titles of open boxes, each above what reads nothing of what else is in the box.
function headings(visible, arrows) {
  const open = new Set(visible.map((box) => box.parent));
  const fed = new Set();
  for (const arrow of arrows) {
    const [source, target] = [around(arrow.source), around(arrow.target)];
    const apart = target.findIndex((key, place) => key !== source[place]);
    if (apart > 0) fed.add(target[apart]);
  }
  return visible.filter((box) => box.parent && !fed.has(box.key)).map((box) =>
    `t${box.parent} -> ${open.has(box.key) ? "t" : ""}${box.key} [style=invis weight=0];`);
}

// An arrow leaves room for the titles of the boxes that it enters; what it carries is told where
// the box that it comes from does not tell it.
function drawn(arrow) {
  const source = new Set(around(arrow.source));
  const entered = around(arrow.target).filter((key) => !source.has(key)).length;
  const told = arrow.shape === boxes.get(arrow.source).output ? "" : ` label=" ${arrow.shape}"`;
  return `${arrow.source} -> ${arrow.target} [minlen=${entered} ${arrow.look}${told}];`;
}

function dot() {
  const shown = standIns();
  const visible = data.boxes.filter((box) => shown.get(box.key) === box.key);
  const ways = new Map();
  for (const arrow of data.arrows) {
    const [source, target] = [shown.get(arrow.source), shown.get(arrow.target)];
    const way = `${source} -> ${target} ${arrow.shape}`;
    const before = ways.get(way);
    if (source !== target && (!before || before.skip)) ways.set(way, { ...arrow, source, target });
  }
  const arrows = [...ways.values()];
  const lines = [...headings(visible, arrows), ...arrows.map(drawn)];
  return `digraph { ${data.style} ${nested(visible, "")} ${lines.join("\n")} }`;
}

function draw(keep) {
  const picture = byId("picture");
  picture.innerHTML = graphviz.dot(dot(), "svg");
  const svg = picture.querySelector("svg");
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  svg.removeAttribute("width");
  svg.removeAttribute("height");
  state.whole = { x: 0, y: 0, width, height };
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", "Boxes: the arrow keys move between them");
  for (const title of svg.querySelectorAll("title")) title.remove();  // Graphviz's own names
  for (const group of svg.querySelectorAll(".node, .cluster")) {
    const box = boxes.get(group.id.replace(/^t/, ""));  // a title stands for its box
    group.addEventListener("click", () => clicked(box.key));
    fitted(group, svg.querySelector(`[id="${box.key}"] > path, [id="${box.key}"] > ellipse`));
    if (group.id !== box.key) continue;
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", "-1");
    group.setAttribute("aria-label", called(box));
    if (box.inner) group.setAttribute("aria-expanded", String(!state.closed.has(box.key)));
  }
  if (!keep || !state.view) begin();
  else show(state.view);
  mark();
}

// Other fonts than the one that Graphviz measured fit as well: in the middle of the frame of a box,
// and no wider than that.
function fitted(group, frame) {
  const { x, width } = frame.getBBox();
  for (const text of group.querySelectorAll("text")) {
    if (!group.classList.contains("heading")) {
      text.setAttribute("text-anchor", "middle");
      text.setAttribute("x", x + width / 2);
    }
    const room = Math.max(width - 10, 0);  // a box that is not shown has no width
    if (text.getComputedTextLength() <= room) continue;
    text.setAttribute("textLength", room);
    text.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

function called(box) {
  const held = box.held ? `, ${box.held}` : "";
  return `${box.title}, ${box.name}, gives ${box.output}${held}`;
}

const group = (key) => byId("picture").querySelector(`[id="${key}"]`);

function show(view) {
  state.view = view;
  const svg = byId("picture").querySelector("svg");
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

// The whole picture, in the middle.
function fit() {
  const { width, height } = state.whole;
  const { clientWidth, clientHeight } = byId("picture");
  const scale = Math.min(clientWidth / width, clientHeight / height, LARGEST);
  const [shownWidth, shownHeight] = [clientWidth / scale, clientHeight / scale];
  show({ x: (width - shownWidth) / 2, y: (height - shownHeight) / 2, width: shownWidth, height: shownHeight });
  return scale;
}

// The whole picture if it can be read so, else its beginning: as wide or high as it is, if possible.
function begin() {
  if (fit() >= READABLE) return;
  const { clientWidth, clientHeight } = byId("picture");
  const one = Math.max(clientWidth / state.whole.width, clientHeight / state.whole.height);
  const scale = Math.max(Math.min(one, 1), READABLE);
  const [width, height] = [clientWidth / scale, clientHeight / scale];
  const across = state.whole.width > width ? 0 : (state.whole.width - width) / 2;
  const down = state.whole.height > height ? 0 : (state.whole.height - height) / 2;
  show({ x: across, y: down, width, height });
}

function zoom(factor, at) {
  const { x, y, width, height } = state.view;
  const [px, py] = at ?? [0.5, 0.5];
  const next = { width: width * factor, height: height * factor };
  show({ ...next, x: x + (width - next.width) * px, y: y + (height - next.height) * py });
}

function centre(key) {
  const svg = byId("picture").querySelector("svg");
  const box = group(key)?.getBBox();
  if (!box) return;
  const move = svg.querySelector("g.graph").transform.baseVal.consolidate().matrix;
  const { width, height } = state.view;
  const [x, y] = [box.x + box.width / 2 + move.e, box.y + box.height / 2 + move.f];
  show({ x: x - width / 2, y: y - height / 2, width, height });
}

function clicked(key) {
  if (state.dragged) return;
  const box = boxes.get(key);
  if (state.selected === key && box.inner) toggle(key);
  else select(key);
}

function toggle(key) {
  if (!state.closed.delete(key)) state.closed.add(key);
  draw(true);
  tell();
  if (state.byKeys) focus(key);
}

// Go to a box by the keyboard: it is selected, and in view.
function focus(key) {
  state.byKeys = true;
  select(key);
  group(key)?.focus({ preventScroll: true });
  const place = group(key)?.getBoundingClientRect();
  const frame = byId("picture").getBoundingClientRect();
  const inside = place && place.left >= frame.left && place.right <= frame.right
    && place.top >= frame.top && place.bottom <= frame.bottom;
  if (!inside) centre(key);
}

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

// The box that is nearest in a direction: what lies askew counts as farther away.
function beside(key, [right, down]) {
  const middle = (one) => {
    const { left, top, width, height } = one.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  };
  const [x, y] = middle(group(key));
  const nodes = [...byId("picture").querySelectorAll(".node[role]")].filter((one) => one.id !== key);
  const ways = nodes.map((one) => {
    const [dx, dy] = [middle(one)[0] - x, middle(one)[1] - y];
    const along = dx * right + dy * down;
    return { key: one.id, along, far: along + 2 * Math.abs(dx * down + dy * right) };
  }).filter((way) => way.along > 1);
  return ways.sort((a, b) => a.far - b.far)[0]?.key;
}

function pressed(event) {
  const shown = state.selected && standIns().get(state.selected);
  if (event.key in ARROWS) {
    const first = byId("picture").querySelector(".node[role]").id;
    const next = shown && group(shown) ? beside(shown, ARROWS[event.key]) : first;
    if (next) focus(next);
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
  for (let at = boxes.get(key).parent; at; at = boxes.get(at).parent) state.closed.delete(at);
  draw(true);
  select(key);
  centre(key);
}

function mark() {
  const box = boxes.get(state.selected);
  document.querySelectorAll(".marked").forEach((found) => found.classList.remove("marked"));
  if (!box) return;
  const shown = group(standIns().get(box.key));
  shown?.classList.add("marked");
  for (const one of byId("picture").querySelectorAll("[tabindex='0']")) one.setAttribute("tabindex", "-1");
  shown?.setAttribute("tabindex", "0");  // Tab comes back to it
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
    const text = state.closed.has(box.key) ? "Open this block" : "Close this block";
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
  const shown = standIns();
  const visible = data.boxes.filter((box) => shown.get(box.key) === box.key && box.costs.some(([cost]) => cost));
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
    name.style.paddingLeft = `${around(box.key).length - 1}em`;
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
  const text = byId("search").value.trim().toLowerCase();
  const list = byId("found");
  const named = data.boxes.flatMap((box) => [box.name, ...box.others].map((name) => ({ name, box })));
  const met = ({ name, box }) => `${name} ${box.type}`.toLowerCase().includes(text);
  const found = text ? named.filter(met).slice(0, 50) : [];
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
  const picture = byId("picture");
  let from = null;
  picture.addEventListener("pointerdown", (event) => {
    state.byKeys = false;
    from = { x: event.clientX, y: event.clientY, view: state.view };
    state.dragged = false;
  });
  addEventListener("pointermove", (event) => {
    if (!from) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (Math.abs(dx) + Math.abs(dy) > 4) state.dragged = true;
    const scale = from.view.width / picture.clientWidth;
    if (state.dragged) show({ ...from.view, x: from.view.x - dx * scale, y: from.view.y - dy * scale });
  });
  addEventListener("pointerup", () => { from = null; });
  picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    const frame = picture.getBoundingClientRect();
    const at = [(event.clientX - frame.x) / frame.width, (event.clientY - frame.y) / frame.height];
    zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, at);
  }, { passive: false });
  picture.addEventListener("keydown", pressed);
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    byId("search").focus();
    byId("search").select();
  });
  byId("in").addEventListener("click", () => zoom(1 / 1.3));
  byId("out").addEventListener("click", () => zoom(1.3));
  byId("fit").addEventListener("click", fit);
  byId("fold").addEventListener("click", () => {
    state.closed = new Set(data.boxes.filter((box) => box.inner).map((box) => box.key));
    draw(false);
    tell();
  });
  byId("unfold").addEventListener("click", () => { state.closed.clear(); draw(false); tell(); });
  byId("theme").addEventListener("click", () => document.documentElement.classList.toggle("dark"));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId("found").hidden = true;
    if (event.key !== "Enter") return;
    const [first] = search();
    byId("found").hidden = true;
    if (!first) return;
    reveal(first.key);
    focus(standIns().get(first.key));
  });
  addEventListener("resize", () => { if (!state.selected) begin(); });
}

const graphviz = await loadGraphviz();
const { theme } = document.documentElement.dataset;
const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark", dark);
code("spec", data.spec);
code("source", data.source);
listen();
draw(false);
overview();
document.body.dataset.ready = "true";
