// The picture of a network: folded and unfolded here, laid out by Graphviz.

const data = JSON.parse(document.getElementById("data").textContent);
const boxes = new Map(data.boxes.map((box) => [box.key, box]));
const byId = (id) => document.getElementById(id);
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
  if (!keep || !state.view) fit();
  else show(state.view);
  for (const group of svg.querySelectorAll(".node, .cluster")) {
    group.setAttribute("role", "button");
    group.addEventListener("click", () => clicked(group.id.replace(/^t/, "")));  // or its title
  }
  mark();
}

function show(view) {
  state.view = view;
  const svg = byId("picture").querySelector("svg");
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
}

// The whole width, and as much of the height as stays readable.
function fit() {
  const { width, height } = state.whole;
  const { clientWidth, clientHeight } = byId("picture");
  const least = Math.max(width, Math.min(width * 3, 700));
  const tall = (Math.max(least, 1) * clientHeight) / Math.max(clientWidth, 1);
  const shownWidth = height > tall ? least : Math.max(width, (height * clientWidth) / clientHeight);
  const shownHeight = (shownWidth * clientHeight) / clientWidth;
  const y = height > shownHeight ? 0 : (height - shownHeight) / 2;
  show({ x: (width - shownWidth) / 2, y, width: shownWidth, height: shownHeight });
}

function zoom(factor, at) {
  const { x, y, width, height } = state.view;
  const [px, py] = at ?? [0.5, 0.5];
  const next = { width: width * factor, height: height * factor };
  show({ ...next, x: x + (width - next.width) * px, y: y + (height - next.height) * py });
}

function centre(key) {
  const group = byId("picture").querySelector(`[id="${key}"]`);
  const svg = byId("picture").querySelector("svg");
  const box = group?.getBBox();
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
}

function select(key) {
  state.selected = key;
  mark();
  tell();
  for (const [id, lines] of [["spec", boxes.get(key).spec], ["source", boxes.get(key).source]]) {
    const section = byId(id);
    const line = section.children[lines[0] - 1];
    if (line) section.scrollTop = line.offsetTop - section.offsetTop - section.clientHeight / 3;
  }
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
  byId("picture").querySelector(`[id="${standIns().get(box.key)}"]`)?.classList.add("marked");
  for (const [id, lines] of [["spec", box.spec], ["source", box.source]]) {
    lines.forEach((line) => byId(id).children[line - 1]?.classList.add("marked"));
  }
}

function tell() {
  const panel = byId("panel");
  const box = boxes.get(state.selected);
  if (!box) return;
  panel.replaceChildren();
  const title = panel.appendChild(document.createElement("h2"));
  title.textContent = box.name;
  const facts = panel.appendChild(document.createElement("p"));
  const parameters = box.held ? `, ${box.held}` : "";
  const line = box.line ? `, ${box.line}` : "";
  facts.textContent = `${box.title}, gives ${box.output}${parameters}${line}`;
  if (box.inner) {
    const button = panel.appendChild(document.createElement("button"));
    button.id = "toggle";
    button.textContent = state.closed.has(box.key) ? "Open this block" : "Close this block";
    button.addEventListener("click", () => toggle(box.key));
  }
  panel.appendChild(document.createElement("pre")).textContent = box.text;
  panel.scrollTop = 0;
}

function search() {
  const text = byId("search").value.trim().toLowerCase();
  const list = byId("found");
  const named = data.boxes.flatMap((box) => [box.name, ...box.others].map((name) => ({ name, box })));
  const met = ({ name, box }) => `${name} ${box.type}`.toLowerCase().includes(text);
  const found = text ? named.filter(met).slice(0, 50) : [];
  list.replaceChildren(...found.map(({ name, box }) => {
    const button = document.createElement("button");
    const shown = name === box.name ? "" : `, equal to ${box.name}`;
    button.textContent = `${name}  (${box.title}${shown})`;
    button.addEventListener("click", () => { list.hidden = true; reveal(box.key); });
    const item = document.createElement("li");
    item.append(button);
    return item;
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
  byId(id).replaceChildren(...lines.map(([number, text], place) => {
    const line = document.createElement("div");
    line.textContent = text;
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
  byId("in").addEventListener("click", () => zoom(1 / 1.3));
  byId("out").addEventListener("click", () => zoom(1.3));
  byId("fit").addEventListener("click", fit);
  byId("fold").addEventListener("click", () => {
    state.closed = new Set(data.boxes.filter((box) => box.inner).map((box) => box.key));
    draw(false);
  });
  byId("unfold").addEventListener("click", () => { state.closed.clear(); draw(false); });
  byId("theme").addEventListener("click", () => document.documentElement.classList.toggle("dark"));
  byId("search").addEventListener("input", search);
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId("found").hidden = true;
    if (event.key !== "Enter") return;
    const [first] = search();
    byId("found").hidden = true;
    if (first) reveal(first.key);
  });
}

const graphviz = await loadGraphviz();
const { theme } = document.documentElement.dataset;
const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
document.documentElement.classList.toggle("dark", dark);
code("spec", data.spec);
code("source", data.source);
listen();
draw(false);
document.body.dataset.ready = "true";
