// The picture of a network: folded and unfolded here, laid out by Graphviz in a thread of its own.

import { Canvas, Drawing, sought } from "./canvas.js";
import { element } from "./markdown.js";

const byId = (id) => document.getElementById(id);
const LARGE = 400;  // boxes: they are put on the page when nobody types

export class Picture {
  // `selected` is told the number of a call that was clicked.
  constructor(selected) {
    this.selected = selected;
    this.drawing = null;
    this.folds = new Map();  // what was opened (false) or closed (true) by hand, by name
    this.call = null;
    this.canvas = new Canvas(byId("picture"), (key) => this.clicked(key));
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
    for (const id of ["fold", "unfold"]) byId(id).disabled = !this.drawing.blocks.length;
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
    this.canvas.put(svg, this.drawing);
    this.done();
  }

  // The picture is on the page.
  done() {
    this.mark();
    if (!this.canvas.moved) this.follow();
    const { then } = this;
    this.then = null;
    then?.();
    const picture = byId("picture");
    picture.dataset.drawn = String(Number(picture.dataset.drawn ?? 0) + 1);
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
    const shown = !this.busy && this.shown;
    if (shown && !this.canvas.inView(shown)) this.canvas.centre(shown);
  }

  fold(box, closed) {
    this.folds.set(box.name, closed);
    if (closed) this.drawing.closed.add(box.key);
    else this.drawing.closed.delete(box.key);
  }

  // The box that is shown for the layer that is looked at.
  get shown() {
    const box = this.boxOf(this.call, this.name);
    return box && this.drawing.standIns().get(box.key);
  }

  mark() { this.canvas.mark(this.shown); }

  centre(key) {
    this.canvas.moved = true;
    this.canvas.centre(this.drawing.standIns().get(key));
  }

  clicked(key) {
    const box = this.drawing.known.get(key);
    if (!box) return;
    if (box.inner && this.call === box.call) {
      this.fold(box, !this.drawing.closed.has(key));
      this.canvas.moved = true;  // it stays where it is
      this.draw();
    } else if (box.call !== null) {
      this.selected(box.call);
    }
  }

  pressed(event) {
    const { canvas, shown } = this;
    const layers = () => canvas.keys.filter((key) => (this.drawing.known.get(key)?.call ?? null) !== null);
    const next = this.drawing && canvas.beside(event, shown, layers());
    if (next) this.focus(next);
    else if ((event.key === "Enter" || event.key === " ") && shown && this.drawing.known.get(shown).inner) {
      const one = this.drawing.known.get(shown);
      this.fold(one, !this.drawing.closed.has(shown));
      canvas.moved = true;
      this.draw(() => this.focus(shown));
    } else if (event.key === "Escape" && shown && this.drawing.known.get(shown).parent) {
      this.focus(this.drawing.known.get(shown).parent);
    } else if (event.key === "+") canvas.zoom(1 / 1.3);
    else if (event.key === "-") canvas.zoom(1.3);
    else if (event.key === "0") canvas.wholly();
    else return;
    event.preventDefault();
  }

  // Go to a box by the keyboard: it is selected, and in view.
  focus(key) {
    this.selected(this.drawing.known.get(key).call);
    this.canvas.focus(key);
  }

  search() {
    const list = byId("found");
    const layers = (this.drawing?.boxes ?? []).filter((box) => box.call !== null);
    const found = sought(layers, byId("search").value);
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
    for (const box of this.drawing?.blocks ?? []) this.fold(box, closed);
    this.canvas.moved = false;
    this.draw();
  }

  listen() {
    byId("picture").addEventListener("keydown", (event) => this.pressed(event));
    byId("in").addEventListener("click", () => this.canvas.zoom(1 / 1.3));
    byId("out").addEventListener("click", () => this.canvas.zoom(1.3));
    byId("fit").addEventListener("click", () => this.canvas.wholly());
    byId("fold").addEventListener("click", () => this.all(true));
    byId("unfold").addEventListener("click", () => this.all(false));
    byId("search").addEventListener("input", () => this.search());
    byId("search").addEventListener("keydown", (event) => {
      if (event.key === "Escape") byId("found").hidden = true;
      if (event.key !== "Enter") return;
      const [first] = this.search();
      if (first) this.go(first);
    });
  }
}
