// The picture of a network: folded and unfolded here, laid out by Graphviz in a thread of its own.

import { element } from "./markdown.js";

const byId = (id) => document.getElementById(id);

// The boxes and arrows of a picture, some of the boxes closed, in Graphviz's language.
class Drawing {
  constructor(data, closed) {
    Object.assign(this, data);
    this.closed = closed;
    this.known = new Map(data.boxes.map((box) => [box.key, box]));
  }

  // Who stands for each box: itself, or the outermost closed one around it.
  standIns() {
    const shown = new Map([["", ""]]);
    for (const box of this.boxes) {
      const around = shown.get(box.parent);
      const hidden = around !== box.parent || this.closed.has(around);
      shown.set(box.key, hidden ? around : box.key);
    }
    return shown;
  }

  // The boxes around a box, outer ones first, and the box itself.
  around(key) {
    const found = [];
    for (let at = key; at; at = this.known.get(at).parent) found.unshift(at);
    return found;
  }

  dot() {
    const shown = this.standIns();
    const visible = this.boxes.filter((box) => shown.get(box.key) === box.key);
    const inside = Map.groupBy(visible, (box) => box.parent);
    const ways = new Map();
    for (const arrow of this.arrows) {
      const [source, target] = [shown.get(arrow.source), shown.get(arrow.target)];
      const way = `${source} -> ${target} ${arrow.shape}`;
      const before = ways.get(way);
      if (source !== target && (!before || before.skip)) ways.set(way, { ...arrow, source, target });
    }
    const arrows = [...ways.values()];
    const lines = [...this.headings(visible, inside, arrows), ...arrows.map((a) => this.drawn(a))];
    return `digraph { ${this.style} ${this.nested(inside, "")} ${lines.join("\n")} }`;
  }

  nested(inside, parent) {
    return (inside.get(parent) ?? []).map((box) =>
      inside.has(box.key)
        ? `subgraph cluster_${box.key} { graph [${box.cluster}]; t${box.key} [${box.heading}];
           ${this.nested(inside, box.key)} }`
        : `${box.key} [${box.node}];`,
    ).join("\n");
  }

  // The titles of open boxes, each above what reads nothing of what else is in the box.
  headings(visible, inside, arrows) {
    const fed = new Set();
    for (const arrow of arrows) {
      const [source, target] = [this.around(arrow.source), this.around(arrow.target)];
      const apart = target.findIndex((key, place) => key !== source[place]);
      if (apart > 0) fed.add(target[apart]);
    }
    return visible.filter((box) => box.parent && !fed.has(box.key)).map((box) =>
      `t${box.parent} -> ${inside.has(box.key) ? "t" : ""}${box.key} [style=invis weight=0];`);
  }

  // An arrow leaves room for the titles of the boxes that it enters; what it carries is told where
  // the box that it comes from does not tell it.
  drawn(arrow) {
    const source = new Set(this.around(arrow.source));
    const entered = this.around(arrow.target).filter((key) => !source.has(key)).length;
    const told = arrow.shape === this.known.get(arrow.source).output ? "" : ` label=" ${arrow.shape}"`;
    return `${arrow.source} -> ${arrow.target} [minlen=${entered} ${arrow.look}${told}];`;
  }
}

export class Picture {
  // `selected` is told the number of a call that was clicked.
  constructor(selected) {
    this.selected = selected;
    this.drawing = null;
    this.folds = new Map();  // what was opened (false) or closed (true) by hand, by name
    this.call = null;
    this.number = 0;
    this.layout = new Worker("/assets/layout.js", { type: "module" });
    this.layout.onmessage = ({ data }) => this.laidOut(data);
    this.listen();
  }

  // Show another picture; what was folded by hand stays so.
  set(data) {
    const closed = new Set(data.closed);
    for (const box of data.boxes) {
      const fold = this.folds.get(box.name);
      if (fold === true && box.inner) closed.add(box.key);
      if (fold === false) closed.delete(box.key);
    }
    this.drawing = new Drawing(data, closed);
    this.byCall = new Map(data.boxes.filter((box) => box.call !== null).map((box) => [box.call, box]));
    this.byName = new Map(data.boxes.flatMap((box) => [box.name, ...box.others].map((name) => [name, box])));
    this.draw();
  }

  // One layout is done at a time; the latest picture that waits is next.
  draw(then) {
    if (!this.drawing) return;
    this.then = then ?? this.then;
    if (this.busy) {
      this.waits = true;
      return;
    }
    this.busy = true;
    this.number += 1;
    byId("picture").dataset.busy = "true";
    this.layout.postMessage({ number: this.number, dot: this.drawing.dot() });
  }

  laidOut({ svg, why }) {
    this.busy = false;
    if (this.waits) {
      this.waits = false;
      this.draw();
      return;
    }
    const picture = byId("picture");
    delete picture.dataset.busy;
    if (why) {
      picture.replaceChildren(element("p", `Graphviz can't draw this: ${why}`));
      return;
    }
    const read = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
    const whole = document.importNode(read, true);
    picture.replaceChildren(whole);
    const [, , width, height] = whole.getAttribute("viewBox").split(" ").map(Number);
    whole.removeAttribute("width");
    whole.removeAttribute("height");
    this.whole = { x: 0, y: 0, width, height };
    if (this.view && this.moved) this.show(this.view);
    else this.fit();
    this.mark();
    const { then } = this;
    this.then = null;
    then?.();
    picture.dataset.drawn = String(Number(picture.dataset.drawn ?? 0) + 1);
  }

  show(view) {
    this.view = view;
    byId("picture").querySelector("svg")
      ?.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  }

  // The whole width, and as much of the height as stays readable.
  fit() {
    if (!this.whole) return;
    this.moved = false;
    const { width, height } = this.whole;
    const { clientWidth, clientHeight } = byId("picture");
    const least = Math.max(width, Math.min(width * 3, 700));
    const tall = (Math.max(least, 1) * clientHeight) / Math.max(clientWidth, 1);
    const shownWidth = height > tall ? least : Math.max(width, (height * clientWidth) / Math.max(clientHeight, 1));
    const shownHeight = (shownWidth * clientHeight) / Math.max(clientWidth, 1);
    const y = height > shownHeight ? 0 : (height - shownHeight) / 2;
    this.show({ x: (width - shownWidth) / 2, y, width: shownWidth, height: shownHeight });
  }

  zoom(factor, at) {
    if (!this.view) return;
    this.moved = true;
    const { x, y, width, height } = this.view;
    const [px, py] = at ?? [0.5, 0.5];
    const next = { width: width * factor, height: height * factor };
    this.show({ ...next, x: x + (width - next.width) * px, y: y + (height - next.height) * py });
  }

  // The box that stands for a call, though it be hidden in others or equal to another one.
  boxOf(call, name) {
    return this.byCall?.get(call) ?? this.byName?.get(name) ?? null;
  }

  // Light the box of a call; with `reveal`, open all around it and go there.
  select(call, name, reveal = false) {
    this.call = call;
    this.name = name;
    const box = this.boxOf(call, name);
    if (reveal && box) {
      for (let at = this.drawing.known.get(box.parent); at; at = this.drawing.known.get(at.parent)) {
        this.fold(at, false);
      }
      this.draw(() => this.centre(box.key));
    }
    this.mark();
  }

  fold(box, closed) {
    this.folds.set(box.name, closed);
    if (closed) this.drawing.closed.add(box.key);
    else this.drawing.closed.delete(box.key);
  }

  group(key) {
    const picture = byId("picture");
    return picture.querySelector(`[id="${key}"]`) ?? picture.querySelector(`[id="t${key}"]`);
  }

  mark() {
    byId("picture").querySelectorAll(".marked").forEach((found) => found.classList.remove("marked"));
    const box = this.boxOf(this.call, this.name);
    if (box) this.group(this.drawing.standIns().get(box.key))?.classList.add("marked");
  }

  centre(key) {
    const group = this.group(this.drawing.standIns().get(key));
    const box = group?.getBBox();
    if (!box) return;
    this.moved = true;
    const svg = byId("picture").querySelector("svg");
    const move = svg.querySelector("g.graph").transform.baseVal.consolidate().matrix;
    const { width, height } = this.view;
    const [x, y] = [box.x + box.width / 2 + move.e, box.y + box.height / 2 + move.f];
    this.show({ x: x - width / 2, y: y - height / 2, width, height });
  }

  clicked(key) {
    const box = this.drawing.known.get(key);
    if (!box || this.dragged) return;
    if (box.inner && this.call === box.call) {
      this.fold(box, !this.drawing.closed.has(key));
      this.moved = true;  // it stays where it is
      this.draw();
    } else if (box.call !== null) {
      this.selected(box.call);
    }
  }

  search() {
    const text = byId("search").value.trim().toLowerCase();
    const list = byId("found");
    const named = (this.drawing?.boxes ?? []).flatMap((box) => [box.name, ...box.others].map((name) => ({ name, box })));
    const met = ({ name, box }) => box.call !== null && `${name} ${box.type}`.toLowerCase().includes(text);
    const found = text ? named.filter(met).slice(0, 50) : [];
    list.replaceChildren(...found.map(({ name, box }) => {
      const equal = name === box.name ? "" : `, equal to ${box.name}`;
      const button = element("button", `${name}  (${box.title}${equal})`, { type: "button" });
      button.addEventListener("click", () => this.go(box));
      const item = element("li");
      item.append(button);
      return item;
    }));
    list.hidden = !found.length;
    return found.map(({ box }) => box);
  }

  go(box) {
    byId("found").hidden = true;
    this.selected(box.call);
    this.select(box.call, box.name, true);
  }

  all(closed) {
    for (const box of this.drawing?.boxes ?? []) if (box.inner) this.fold(box, closed);
    this.moved = false;
    this.draw();
  }

  listen() {
    const picture = byId("picture");
    let from = null;
    picture.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, view: this.view };
      this.dragged = false;
    });
    addEventListener("pointermove", (event) => {
      if (!from?.view) return;
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      if (Math.abs(dx) + Math.abs(dy) > 4) this.dragged = this.moved = true;
      const scale = from.view.width / picture.clientWidth;
      if (this.dragged) this.show({ ...from.view, x: from.view.x - dx * scale, y: from.view.y - dy * scale });
    });
    addEventListener("pointerup", () => { from = null; });
    picture.addEventListener("wheel", (event) => {
      event.preventDefault();
      const frame = picture.getBoundingClientRect();
      const at = [(event.clientX - frame.x) / frame.width, (event.clientY - frame.y) / frame.height];
      this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, at);
    }, { passive: false });
    picture.addEventListener("click", (event) => {
      const group = event.target.closest(".node, .cluster");
      if (group) this.clicked(group.id.replace(/^t/, ""));  // or its title
    });
    picture.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
      if (event.key === "+") this.zoom(1 / 1.3);
      else if (event.key === "-") this.zoom(1.3);
      else if (event.key === "0") this.fit();
      else if (moves[event.key] && this.view) {
        const [dx, dy] = moves[event.key];
        this.moved = true;
        this.show({ ...this.view, x: this.view.x + dx * this.view.width / 10, y: this.view.y + dy * this.view.height / 10 });
      } else return;
      event.preventDefault();
    });
    byId("in").addEventListener("click", () => this.zoom(1 / 1.3));
    byId("out").addEventListener("click", () => this.zoom(1.3));
    byId("fit").addEventListener("click", () => this.fit());
    byId("fold").addEventListener("click", () => this.all(true));
    byId("unfold").addEventListener("click", () => this.all(false));
    byId("search").addEventListener("input", () => this.search());
    byId("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") byId("found").hidden = true;
      if (event.key !== "Enter") return;
      const [first] = this.search();
      if (first) this.go(first);
    });
    new ResizeObserver(() => { if (!this.moved) this.fit(); }).observe(picture);
  }
}
