// The picture of a network: folded and unfolded here, laid out by Graphviz in a thread of its own.

import { element } from "./markdown.js";

const byId = (id) => document.getElementById(id);
const LARGEST = 1.7;  // pixels for a point: boxes that are larger are no easier to read
const READABLE = 0.6;
const LARGE = 400;  // boxes: they are put on the page when nobody types, and their texts not measured
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

// Other fonts than the one that Graphviz measured fit as well: in the middle of the frame of a box,
// and no wider than that.
function fitted(group, { x, width }, texts) {
  for (const [text, length] of texts) {
    if (!group.classList.contains("heading")) {
      text.setAttribute("text-anchor", "middle");
      text.setAttribute("x", x + width / 2);
    }
    const room = Math.max(width - 10, 0);  // a box that is not shown has no width
    if (length <= room) continue;
    text.setAttribute("textLength", room);
    text.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

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
    this.drawn = "";  // the picture that is laid out, in Graphviz's language
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
    const dot = this.drawing.dot();
    if (dot === this.drawn) {  // what has changed is not seen in it
      this.done();
      return;
    }
    this.busy = true;
    this.drawn = dot;
    byId("picture").dataset.busy = "true";
    this.layout.postMessage(dot);
  }

  laidOut(answer) {
    if (this.drawing.boxes.length < LARGE) this.put(answer);
    else requestIdleCallback(() => this.put(answer), { timeout: 500 });
  }

  put({ svg, why }) {
    this.busy = false;
    const late = this.waits && this.drawing.dot() !== this.drawn;
    this.waits = false;
    if (late) {
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
    const whole = document.adoptNode(read);
    const [, , width, height] = whole.getAttribute("viewBox").split(" ").map(Number);
    whole.removeAttribute("width");
    whole.removeAttribute("height");
    this.whole = { x: 0, y: 0, width, height };
    whole.setAttribute("role", "group");
    whole.setAttribute("aria-label", "Boxes: the arrow keys move between them");
    picture.replaceChildren(whole);
    this.nameBoxes(whole);
    if (this.view && this.moved) this.show(this.view);
    else this.lie();
    this.done();
  }

  // The picture is on the page.
  done() {
    this.mark();
    if (!this.moved) this.follow();
    const { then } = this;
    this.then = null;
    then?.();
    const picture = byId("picture");
    picture.dataset.drawn = String(Number(picture.dataset.drawn ?? 0) + 1);
  }

  nameBoxes(whole) {
    const groups = [...whole.querySelectorAll(".node, .cluster")];
    const frames = new Map(groups.map((one) => [one.id, one.querySelector(":scope > path, :scope > ellipse")]));
    // all is measured before anything is changed: else each box would be laid out anew
    const small = groups.length < LARGE;
    const measured = groups.map((one) => {
      const frame = small && frames.get(one.id.replace(/^t/, ""))?.getBBox();
      const texts = !small ? [] : [...one.querySelectorAll("text")].map((text) => [text, text.getComputedTextLength()]);
      return { one, frame, texts };
    });
    for (const { one, frame, texts } of measured) {
      if (frame) fitted(one, frame, texts);
      const box = this.drawing.known.get(one.id);
      if (!box) continue;  // a title stands for its box
      one.setAttribute("role", "button");
      one.setAttribute("tabindex", "-1");
      one.setAttribute("aria-label", `${box.title}, ${box.name}, gives ${box.output}${box.held ? `, ${box.held}` : ""}`);
      if (box.inner) one.setAttribute("aria-expanded", String(!this.drawing.closed.has(box.key)));
    }
  }

  show(view) {
    this.view = view;
    byId("picture").querySelector("svg")
      ?.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  }

  // As it was wished last, whatever its size is now.
  lie() {
    if (this.fitted) this.fit();
    else this.begin();
  }

  // The whole picture, in the middle.
  fit() {
    if (!this.whole) return 1;
    this.moved = false;
    const { width, height } = this.whole;
    const { clientWidth, clientHeight } = byId("picture");
    const scale = Math.max(Math.min(clientWidth / width, clientHeight / height, LARGEST), 0.001);
    const [shownWidth, shownHeight] = [clientWidth / scale, clientHeight / scale];
    this.show({ x: (width - shownWidth) / 2, y: (height - shownHeight) / 2, width: shownWidth, height: shownHeight });
    return scale;
  }

  // The whole picture, also when it becomes another one, until it is moved.
  wholly() {
    this.fitted = true;
    this.fit();
  }

  // The whole picture if it can be read so, else its beginning.
  begin() {
    if (!this.whole || this.fit() >= READABLE) return;
    const { clientWidth, clientHeight } = byId("picture");
    const one = Math.max(clientWidth / this.whole.width, clientHeight / this.whole.height);
    const scale = Math.max(Math.min(one, 1), READABLE);
    const [width, height] = [clientWidth / scale, clientHeight / scale];
    const x = this.whole.width > width ? 0 : (this.whole.width - width) / 2;
    const y = this.whole.height > height ? 0 : (this.whole.height - height) / 2;
    this.show({ x, y, width, height });
  }

  zoom(factor, at) {
    if (!this.view) return;
    this.moved = true;
    this.fitted = false;
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
    const another = name !== this.name;
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
    if (another) this.follow();
  }

  // What is lit is in view; a picture that is laid out soon is not followed before.
  follow() {
    const box = !this.busy && this.boxOf(this.call, this.name);
    if (!box || this.inView(box.key)) return;
    const { moved } = this;
    this.centre(box.key);
    this.moved = moved;
  }

  inView(key) {
    const place = this.group(this.drawing.standIns().get(key))?.getBoundingClientRect();
    const frame = byId("picture").getBoundingClientRect();
    return place && place.left >= frame.left && place.right <= frame.right
      && place.top >= frame.top && place.bottom <= frame.bottom;
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
    for (const one of byId("picture").querySelectorAll("[tabindex='0']")) one.setAttribute("tabindex", "-1");
    const box = this.boxOf(this.call, this.name);
    const shown = box && this.group(this.drawing.standIns().get(box.key));
    shown?.classList.add("marked");
    shown?.setAttribute("tabindex", "0");  // Tab comes back to it
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

  pressed(event) {
    const box = this.boxOf(this.call, this.name);
    const shown = box && this.drawing.standIns().get(box.key);
    if (event.key in ARROWS) {
      const next = shown && this.group(shown) ? this.beside(shown, ARROWS[event.key]) : this.first();
      if (next) this.focus(next);
    } else if ((event.key === "Enter" || event.key === " ") && shown && this.drawing.known.get(shown).inner) {
      const one = this.drawing.known.get(shown);
      this.fold(one, !this.drawing.closed.has(shown));
      this.moved = true;
      this.draw(() => this.focus(shown));
    } else if (event.key === "Escape" && shown && this.drawing.known.get(shown).parent) {
      this.focus(this.drawing.known.get(shown).parent);
    } else if (event.key === "+") this.zoom(1 / 1.3);
    else if (event.key === "-") this.zoom(1.3);
    else if (event.key === "0") this.wholly();
    else return;
    event.preventDefault();
  }

  // The first box of a layer.
  first() {
    const nodes = [...byId("picture").querySelectorAll(".node[role]")];
    return nodes.find((one) => this.drawing.known.get(one.id).call !== null)?.id;
  }

  // The box that is nearest in a direction: what lies askew counts as farther away.
  beside(key, [right, down]) {
    const middle = (one) => {
      const { left, top, width, height } = one.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };
    const [x, y] = middle(this.group(key));
    const others = [...byId("picture").querySelectorAll(".node[role]")]
      .filter((one) => one.id !== key && this.drawing.known.get(one.id).call !== null);
    const ways = others.map((one) => {
      const [dx, dy] = [middle(one)[0] - x, middle(one)[1] - y];
      const along = dx * right + dy * down;
      return { key: one.id, along, far: along + 2 * Math.abs(dx * down + dy * right) };
    }).filter((way) => way.along > 1);
    return ways.sort((a, b) => a.far - b.far)[0]?.key;
  }

  // Go to a box by the keyboard: it is selected, and in view.
  focus(key) {
    const box = this.drawing.known.get(key);
    this.selected(box.call);
    this.group(key)?.focus({ preventScroll: true });
    if (!this.inView(key)) this.centre(key);
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
      if (Math.abs(dx) + Math.abs(dy) > 4) {
        this.dragged = this.moved = true;
        this.fitted = false;
      }
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
    picture.addEventListener("keydown", (event) => this.pressed(event));
    byId("in").addEventListener("click", () => this.zoom(1 / 1.3));
    byId("out").addEventListener("click", () => this.zoom(1.3));
    byId("fit").addEventListener("click", () => this.wholly());
    byId("fold").addEventListener("click", () => this.all(true));
    byId("unfold").addEventListener("click", () => this.all(false));
    byId("search").addEventListener("input", () => this.search());
    byId("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") byId("found").hidden = true;
      if (event.key !== "Enter") return;
      const [first] = this.search();
      if (first) this.go(first);
    });
    new ResizeObserver(() => { if (!this.moved) this.lie(); }).observe(picture);
  }
}
