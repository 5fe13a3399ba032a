// Where a part of a spec goes that was chosen from a list, and the list itself.

import { element } from "./markdown.js";

// The list of layers that a line is in, no further in than `most`: its dashes' column, and the line
// of its last item above.
function listAt(doc, number, most) {
  for (let line = number; line >= 1; line -= 1) {
    const { text } = doc.line(line);
    const item = /^( *(?:- )*)-( |$)/.exec(text);
    if (item && text.search(/\S/) <= most) return { line, indent: Math.min(item[1].length, most) };
    const opened = /^( *)layers:\s*(#.*)?$/.exec(text);
    if (opened && opened[1].length < most) return { line, indent: opened[1].length + 2 };
    if (/^\S/.test(text) && !text.startsWith("#")) return null;  // of something else
  }
  return null;
}

const blank = (text) => /^\s*(#.*)?$/.test(text);

// The last line of what begins in a line and is written further in than a column.
function lastOf(doc, line, indent) {
  let last = line;
  for (let next = line + 1; next <= doc.lines; next += 1) {
    const { text } = doc.line(next);
    if (blank(text)) continue;
    if (text.search(/\S/) <= indent) break;
    last = next;
  }
  return last;
}

// Where new items go: what is replaced, what comes before them, and their column.
export function placeOfItems(doc, at, most = Infinity) {
  const here = doc.lineAt(at);
  const list = listAt(doc, here.number, most);
  if (list && /^\s*(- *)?$/.test(here.text)) return { from: here.from, to: here.to, before: "", indent: list.indent };
  if (!list) {  // those of the network
    const opened = [...Array(doc.lines).keys()].find((line) => /^layers:\s*(#.*)?$/.test(doc.line(line + 1).text));
    if (opened === undefined) return { from: doc.length, to: doc.length, before: doc.length ? "\nlayers:\n" : "layers:\n", indent: 2 };
    const last = lastOf(doc, opened + 1, 0);
    return { from: doc.line(last).to, to: doc.line(last).to, before: "\n", indent: 2 };
  }
  const isItem = !/layers:\s*(#.*)?$/.test(doc.line(list.line).text);
  const last = isItem ? lastOf(doc, list.line, list.indent) : list.line;
  return { from: doc.line(last).to, to: doc.line(last).to, before: "\n", indent: list.indent };
}

export function indented(text, indent) {
  return text.trimEnd().split("\n").map((line) => line && " ".repeat(indent) + line).join("\n");
}

// What a block's text adds to the text; null if it has such a block.
export function placeOfBlock(doc, block) {
  const text = doc.toString();
  const name = block.slice(0, block.indexOf(":"));
  if (new RegExp(`^ +${name}:`, "m").test(text)) return null;
  const opened = /^blocks:[ \t]*(#.*)?$/m.exec(text);
  if (opened) {
    const at = opened.index + opened[0].length;
    return { from: at, insert: `\n${indented(block, 2)}` };
  }
  return { from: doc.length, insert: `${text.endsWith("\n") ? "" : "\n"}blocks:\n${indented(block, 2)}\n` };
}

// Where a key of the document goes: before the layers; the line of one that is there already.
export function placeOfKey(doc, key) {
  let layers = null;
  for (let number = 1; number <= doc.lines; number += 1) {
    const line = doc.line(number);
    if (line.text.startsWith(`${key}:`)) return { there: number };
    if (line.text.startsWith("layers:")) layers = line;
  }
  return { from: layers ? layers.from : doc.length, before: !layers && doc.length ? "\n" : "", after: layers ? "\n" : "" };
}

// The list of all forms; `put` is told what was chosen.
export class Forms {
  constructor(panel, put) {
    this.panel = panel;
    this.put = put;
  }

  set({ pieces, glance, layers }) {
    const search = element("input", "", {
      type: "search", placeholder: "Search: Conv2d, residual, params", "aria-label": "Search forms", autocomplete: "off",
    });
    const about = element("p", "A click puts it into the text, behind the layer at the cursor or the piece before. The values of pieces and layers are examples: Tab goes from one to the next.");
    const none = element("p", "Nothing found.", { hidden: "" });
    const groups = [
      ["Pieces", pieces.map((piece) => this.entry(piece.about, [[piece.parts.join(""), piece]], piece.words))],
      ["The language at a glance", glance.map(({ about, forms }) => this.entry(about, forms.map((text) => [text, { text }])))],
      ["Layers", layers.map(({ forms }) => this.entry("", forms.map(([begin, ...rest]) => [`- ${[begin, ...rest].join("")}`, { parts: [`- ${begin}`, ...rest] }])))],
    ].map(([title, entries]) => {
      const group = element("section");
      group.append(element("h2", title), ...entries);
      return group;
    });
    search.addEventListener("input", () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const group of groups) {
        const entries = [...group.querySelectorAll(".entry")];
        for (const one of entries) {
          const text = `${one.textContent} ${one.dataset.words}`.toLowerCase();
          one.hidden = !words.every((word) => text.includes(word));
        }
        group.hidden = entries.every((one) => one.hidden);
      }
      none.hidden = groups.some((group) => !group.hidden);
    });
    this.panel.replaceChildren(search, about, none, ...groups);
  }

  // Some forms with what they are; it is found by other words, too.
  entry(about, forms, words = "") {
    const made = element("div", "", { class: "entry", "data-words": words });
    if (about) made.append(element("span", about));
    for (const [text, chosen] of forms) {
      const button = made.appendChild(element("button", "", { type: "button" }));
      button.append(element("code", chosen.block ? `${text}\n\nblocks:\n${indented(chosen.block, 2)}` : text));
      button.addEventListener("click", () => this.put(chosen));
    }
    return made;
  }
}
