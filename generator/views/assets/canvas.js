// The picture of a network in a page: which boxes are seen, what Graphviz is asked to lay out, and
// what part of it is in view. Pages and the studio share it.

const LARGEST = 1.7;  // pixels for a point: boxes that are larger are no easier to read
const READABLE = 0.6;
const LARGE = 400;  // boxes: their texts are not measured
const LINE = 16;  // pixels, of a wheel that counts in lines
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

// Boxes and arrows, some of the boxes closed, in Graphviz's language.
export class Drawing {
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

  // The boxes that are shown, with closed ones and without what is in them.
  visible() {
    const shown = this.standIns();
    return this.boxes.filter((box) => shown.get(box.key) === box.key);
  }

  // The boxes that have others in them.
  get blocks() {
    return this.boxes.filter((box) => box.inner);
  }

  // The boxes around a box, outer ones first, and the box itself.
  around(key) {
    const found = [];
    for (let at = key; at; at = this.known.get(at).parent) found.unshift(at);
    return found;
  }

  dot() {
    const shown = this.standIns();
    const visible = this.visible();
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

// Boxes by names or types in which a text is: each with its name, or that of one that is equal.
export function sought(boxes, text) {
  const wanted = text.trim().toLowerCase();
  const named = boxes.flatMap((box) => [box.name, ...box.others].map((name) => ({ name, box })));
  const met = ({ name, box }) => `${name} ${box.type}`.toLowerCase().includes(wanted);
  return wanted ? named.filter(met).slice(0, 50) : [];
}

// A box in words.
export function called(box) {
  const held = box.held ? `, ${box.held}` : "";
  return `${box.title}, ${box.name}, gives ${box.output}${held}`;
}

// What Graphviz gives, without its own names of boxes.
export function plain(svg) {
  return svg.replace(/<title>[^<]*<\/title>|<!--[^]*?-->/g, "");
}

// Other fonts than the one that Graphviz measured fit as well: in the middle of the frame of a box,
// and no wider than that.
function fitted(group, { x, width }, texts) {
  const heading = group.classList.contains("heading");  // it may be beside the middle
  for (const [text, length, { x: left }] of texts) {
    const room = Math.max(width - 10, 0);  // a box that is not shown has no width
    text.setAttribute("text-anchor", "middle");
    const half = Math.min(length, room) / 2;
    const middle = Math.min(Math.max(left + length / 2, x + 5 + half), x + width - 5 - half);
    text.setAttribute("x", heading ? middle : x + width / 2);
    if (length <= room) continue;
    text.setAttribute("textLength", room);
    text.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

// Where a view of a length begins after a step, no farther than the picture goes.
function scrolled(at, step, length, whole) {
  return Math.min(Math.max(at + step, Math.min(at, 0)), Math.max(at, whole - length));
}

// An element that shows a picture: moved by the mouse and the wheel, zoomed by Ctrl and the wheel.
export class Canvas {
  // `clicked` is told the key of a box.
  constructor(holder, clicked) {
    Object.assign(this, { holder, clicked, whole: null, view: null });
    this.moved = false;  // by hand: then it stays where it is
    this.fitted = false;  // all of it is wished for, whatever it becomes
    this.listen();
  }

  // Show another picture of a drawing.
  put(svg, drawing) {
    const read = new DOMParser().parseFromString(plain(svg), "image/svg+xml").documentElement;
    const whole = document.adoptNode(read);
    const [, , width, height] = whole.getAttribute("viewBox").split(" ").map(Number);
    whole.removeAttribute("width");
    whole.removeAttribute("height");
    this.whole = { width, height };
    whole.setAttribute("role", "group");
    whole.setAttribute("aria-label", "Boxes: the arrow keys move between them");
    this.holder.replaceChildren(whole);
    this.nameBoxes(whole, drawing);
    if (this.view && this.moved) this.show(this.view);
    else this.lie();
  }

  nameBoxes(whole, drawing) {
    const groups = [...whole.querySelectorAll(".node, .cluster")];
    const frames = new Map(groups.map((one) => [one.id, one.querySelector(":scope > path, :scope > ellipse")]));
    // all is measured before anything is changed: else each box would be laid out anew
    const small = groups.length < LARGE;
    const measured = groups.map((one) => {
      const frame = small && frames.get(one.id.replace(/^t/, ""))?.getBBox();
      const texts = !small ? [] : [...one.querySelectorAll("text")].map((text) => [text, text.getComputedTextLength(), text.getBBox()]);
      return { one, frame, texts };
    });
    for (const { one, frame, texts } of measured) {
      if (frame) fitted(one, frame, texts);
      const box = drawing.known.get(one.id);
      if (!box) continue;  // a title stands for its box
      one.setAttribute("role", "button");
      one.setAttribute("tabindex", "-1");
      one.setAttribute("aria-label", called(box));
      if (box.inner) one.setAttribute("aria-expanded", String(!drawing.closed.has(box.key)));
    }
  }

  group(key) {
    return this.holder.querySelector(`[id="${key}"]`) ?? this.holder.querySelector(`[id="t${key}"]`);
  }

  // Light one box; Tab comes back to it.
  mark(key) {
    this.holder.querySelectorAll(".marked").forEach((found) => found.classList.remove("marked"));
    for (const one of this.holder.querySelectorAll("[tabindex='0']")) one.setAttribute("tabindex", "-1");
    const shown = key && this.group(key);
    shown?.classList.add("marked");
    shown?.setAttribute("tabindex", "0");
  }

  show(view) {
    this.view = view;
    this.holder.querySelector("svg")?.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  }

  // As it was wished last, whatever its size is now.
  lie() {
    if (this.fitted) this.fit();
    else this.begin();
  }

  // The whole picture, also when it becomes another one, until it is moved.
  wholly() {
    this.fitted = true;
    this.fit();
  }

  // The whole picture, in the middle.
  fit() {
    if (!this.whole) return 1;
    this.moved = false;
    const { width, height } = this.whole;
    const { clientWidth, clientHeight } = this.holder;
    const scale = Math.max(Math.min(clientWidth / width, clientHeight / height, LARGEST), 0.001);
    const [shownWidth, shownHeight] = [clientWidth / scale, clientHeight / scale];
    this.show({ x: (width - shownWidth) / 2, y: (height - shownHeight) / 2, width: shownWidth, height: shownHeight });
    return scale;
  }

  // The whole picture if it can be read so, else its beginning: as wide or high as it is, if possible.
  begin() {
    if (!this.whole || this.fit() >= READABLE) return;
    const { clientWidth, clientHeight } = this.holder;
    const one = Math.max(clientWidth / this.whole.width, clientHeight / this.whole.height);
    const scale = Math.max(Math.min(one, 1), READABLE);
    const [width, height] = [clientWidth / scale, clientHeight / scale];
    const x = this.whole.width > width ? 0 : (this.whole.width - width) / 2;
    const y = this.whole.height > height ? 0 : (this.whole.height - height) / 2;
    this.show({ x, y, width, height });
  }

  zoom(factor, at) {
    if (!this.view) return;
    this.byHand();
    const { x, y, width, height } = this.view;
    const [px, py] = at ?? [0.5, 0.5];
    const next = { width: width * factor, height: height * factor };
    this.show({ ...next, x: x + (width - next.width) * px, y: y + (height - next.height) * py });
  }

  // Move the picture, if there is more of it in that direction.
  scroll(right, down) {
    if (!this.view) return false;
    const { x, y, width, height } = this.view;
    const next = {
      width, height, x: scrolled(x, right, width, this.whole.width), y: scrolled(y, down, height, this.whole.height),
    };
    if (next.x === x && next.y === y) return false;
    this.byHand();
    this.show(next);
    return true;
  }

  byHand() {
    this.moved = true;
    this.fitted = false;
  }

  centre(key) {
    const box = this.group(key)?.getBBox();
    if (!box) return;
    const move = this.holder.querySelector("g.graph").transform.baseVal.consolidate().matrix;
    const { width, height } = this.view;
    const [x, y] = [box.x + box.width / 2 + move.e, box.y + box.height / 2 + move.f];
    this.show({ x: x - width / 2, y: y - height / 2, width, height });
  }

  inView(key) {
    const place = this.group(key)?.getBoundingClientRect();
    const frame = this.holder.getBoundingClientRect();
    return place && place.left >= frame.left && place.right <= frame.right
      && place.top >= frame.top && place.bottom <= frame.bottom;
  }

  // The keyboard's focus goes to a box, which is in view then.
  focus(key) {
    this.group(key)?.focus({ preventScroll: true });
    if (!this.inView(key)) {
      this.moved = true;
      this.centre(key);
    }
  }

  // The box to which an arrow key leads: the nearest of `keys` in its direction, what lies askew counts as
  // farther away. Undefined for another key.
  beside(event, key, keys) {
    if (!(event.key in ARROWS)) return undefined;
    if (!key || !this.group(key)) return keys[0];
    const [right, down] = ARROWS[event.key];
    const middle = (one) => {
      const { left, top, width, height } = this.group(one).getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };
    const [x, y] = middle(key);
    const ways = keys.filter((one) => one !== key).map((one) => {
      const [dx, dy] = [middle(one)[0] - x, middle(one)[1] - y];
      const along = dx * right + dy * down;
      return { one, along, far: along + 2 * Math.abs(dx * down + dy * right) };
    }).filter((way) => way.along > 1);
    return ways.sort((a, b) => a.far - b.far)[0]?.one ?? key;
  }

  // The keys of the boxes that are no open blocks, as they come.
  get keys() {
    return [...this.holder.querySelectorAll(".node[role]")].map((one) => one.id);
  }

  listen() {
    const { holder } = this;
    let from = null;
    let dragged = false;
    holder.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, view: this.view };
      dragged = false;
    });
    addEventListener("pointermove", (event) => {
      if (!from?.view) return;
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      if (Math.abs(dx) + Math.abs(dy) > 4) {
        dragged = true;
        this.byHand();
      }
      const scale = from.view.width / holder.clientWidth;
      if (dragged) this.show({ ...from.view, x: from.view.x - dx * scale, y: from.view.y - dy * scale });
    });
    addEventListener("pointerup", () => { from = null; });
    holder.addEventListener("wheel", (event) => {
      const frame = holder.getBoundingClientRect();
      if (!event.ctrlKey && !event.metaKey) {
        const step = (this.view?.width ?? 0) / frame.width * (event.deltaMode ? LINE : 1);
        if (this.scroll(event.deltaX * step, event.deltaY * step)) event.preventDefault();
        return;
      }
      event.preventDefault();
      const at = [(event.clientX - frame.x) / frame.width, (event.clientY - frame.y) / frame.height];
      this.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, at);
    }, { passive: false });
    holder.addEventListener("click", (event) => {
      const group = event.target.closest(".node, .cluster");
      if (group && !dragged) this.clicked(group.id.replace(/^t/, ""));  // or its title
    });
    new ResizeObserver(() => {
      if (this.moved) return;
      this.lie();
      const lit = holder.querySelector(".marked")?.id.replace(/^t/, "");
      if (lit && !this.inView(lit)) this.centre(lit);
    }).observe(holder);
  }
}
