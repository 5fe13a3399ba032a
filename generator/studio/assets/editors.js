// The editor of the spec, and the view of the source, both in the page's own colours.

import * as cm from "./codemirror.js";
import { ask } from "./ask.js";
import { indented, placeOfBlock, placeOfItems, placeOfKey } from "./forms.js";
import { element, rendered } from "./markdown.js";

const { tags } = cm;
const colours = cm.syntaxHighlighting(cm.HighlightStyle.define([
  { tag: [tags.comment], color: "var(--comment)", fontStyle: "italic" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--key)" },
  { tag: [tags.string, tags.special(tags.string), tags.docString], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.definitionKeyword], color: "var(--keyword)" },
  { tag: [tags.function(tags.variableName), tags.className, tags.definition(tags.variableName)], color: "var(--name)" },
  { tag: [tags.meta, tags.punctuation, tags.separator], color: "var(--faint)" },
]));
const look = cm.EditorView.theme({
  "&": { height: "100%", fontSize: "13px", color: "var(--ink)", backgroundColor: "var(--paper)" },
  ".cm-scroller": { fontFamily: "ui-monospace, monospace", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--faint)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--mark) 40%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--mark)", color: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "var(--selection)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--selection)", color: "var(--ink)" },
  ".cm-completionDetail": { color: "var(--faint)", fontStyle: "normal" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--ink)" },
  ".cm-marked": { backgroundColor: "var(--mark)" },
  ".cm-diagnostic": { whiteSpace: "pre-wrap", maxWidth: "60ch" },
});

// A line begins where the one above it does, or further in if that one opens something.
const indents = cm.indentService.of((context, at) => {
  const { doc } = context.state;
  const line = doc.lineAt(at);
  const above = at > line.from || line.number === 1 ? line : doc.line(line.number - 1);
  const [, space, dash] = /^( *)(- )?/.exec(above.text);
  const opens = /:\s*(#.*)?$/.test(above.text.slice(0, Math.max(at - above.from, 0)) || above.text);
  return space.length + (opens ? 2 + (dash ? 2 : 0) : 0);
});

// Tab moves lines; within one, where it goes through the values of a form, it does nothing.
function indentAtBegin(view) {
  const { state } = view;
  const { empty, head } = state.selection.main;
  const line = state.doc.lineAt(head);
  const within = empty && /\S/.test(state.sliceDoc(line.from, head));
  return within || cm.indentWithTab.run(view);
}

const lit = cm.StateEffect.define();
const lights = cm.StateField.define({
  create: () => cm.Decoration.none,
  update(found, change) {
    found = found.map(change.changes);
    for (const effect of change.effects) {
      if (effect.is(lit)) {
        const { doc } = change.state;
        const known = [...new Set(effect.value)].filter((line) => line >= 1 && line <= doc.lines).sort((a, b) => a - b);
        const mark = cm.Decoration.line({ class: "cm-marked" });
        found = cm.Decoration.set(known.map((line) => mark.range(doc.line(line).from)));
      }
    }
    return found;
  },
  provide: (field) => cm.EditorView.decorations.from(field),
});

// The rest of a long line stands further in than its beginning: it is no line of its own.
const HANGS = 24;  // characters at most
const hanging = (doc) => cm.Decoration.set([...Array(doc.lines).keys()].map((place) => {
  const { text, from } = doc.line(place + 1);
  const hang = Math.min(/^ */.exec(text)[0].length + 2, HANGS);
  return cm.Decoration.line({ class: `cm-hang-${hang}` }).range(from);
}));
const hangs = [
  cm.StateField.define({
    create: ({ doc }) => hanging(doc),
    update: (found, change) => (change.docChanged ? hanging(change.newDoc) : found),
    provide: (field) => cm.EditorView.decorations.from(field),
  }),
  cm.EditorView.theme(Object.fromEntries([...Array(HANGS).keys()].map((place) => [
    `.cm-line.cm-hang-${place + 1}`, { paddingLeft: `calc(6px + ${place + 1}ch)`, textIndent: `-${place + 1}ch` },
  ]))),
];

const KINDS = {
  argument: "property", block: "class", form: "text", function: "function", key: "property", name: "variable",
  reference: "variable", type: "type", value: "constant",
};
const ENDS = { argument: ": ", key: ": " };

// the keys of the document that the forms have
const DOCUMENT = new Set([
  "name", "input", "inputs", "sizes", "params", "variants", "blocks", "include", "imports", "init", "tie", "outputs", "expect",
]);

function offset(doc, [row, character]) {
  const line = doc.line(Math.min(row + 1, doc.lines));
  return Math.min(line.from + character, line.to);
}

function place(doc, at) {
  const line = doc.lineAt(at);
  return { row: line.number - 1, character: at - line.from };
}

// A form as what CodeMirror fills in: its values are gone through by Tab.
function template(parts) {
  const filled = parts.map((part, place) => (place % 2 && !/[{}]/.test(part) ? `#{${place}:${part}}` : part));
  return `${filled.join("")}#{${parts.length}}`;
}

function fill(view, parts, from, to, picked = null) {
  cm.snippet(template(parts))(view, picked, from, to);
}

// Enter leaves a form that is filled in, for the next line.
const inForms = cm.snippetKeymap.of([
  { key: "Tab", run: cm.nextSnippetField, shift: cm.prevSnippetField },
  { key: "Escape", run: cm.clearSnippet },
  { key: "Enter", run: (view) => {
    cm.clearSnippet(view);
    view.dispatch({ selection: { anchor: view.state.doc.lineAt(view.state.selection.main.head).to } });
    return cm.insertNewlineAndIndent(view);
  } },
]);

// All forms of a type, beside its name in the list: a click takes one.
function beside(forms, view, from, option) {
  const made = element("div", "", { class: "forms" });
  for (const parts of forms) {
    const button = made.appendChild(element("button", "", { type: "button", tabindex: "-1" }));
    button.append(element("code", parts.join("")));
    button.addEventListener("mousedown", (event) => {
      event.preventDefault();
      event.stopPropagation();  // it is no choice of the list itself
      fill(view, parts, from, view.state.selection.main.head, option);
    });
  }
  return made;
}

// What may be written at the cursor, by the language server.
function completion(asked) {
  return async (context) => {
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    if (!context.explicit && !/[\w$([{.]$|[:-] $/.test(before)) return null;
    const found = await ask("complete", { ...asked(), ...place(context.state.doc, context.pos) }).catch(() => null);
    if (!found || context.aborted || !found.options.length) return null;
    const from = offset(context.state.doc, found.from);
    const word = context.state.sliceDoc(from, context.pos);
    const whole = found.options.find(({ label }) => label === word);
    if (!context.explicit && whole && !(whole.forms[0]?.length > 1)) return null;  // nothing is left to write
    const options = found.options.map(({ label, type, detail, forms }, number) => {
      const option = { label, detail, type: KINDS[type], boost: -number / 100 };
      if (forms.length && type !== "form") option.info = () => beside(forms, context.view, from, option);
      option.apply = (view, one, start, end) => {
        const rest = view.state.doc.lineAt(end);
        const colon = view.state.sliceDoc(end, rest.to).startsWith(":");
        if (forms.length && !colon) {
          fill(view, forms[0], start, end, one);
          return;
        }
        const insert = label + (colon ? "" : (ENDS[type] ?? ""));
        view.dispatch({ changes: { from: start, to: end, insert }, selection: { anchor: start + insert.length } });
      };
      return option;
    });
    // forms are for who has written nothing yet, and a whole word is asked for anew
    const rest = found.options.some(({ type }) => type === "form") ? /^$/ : /^[\w.]*$/;
    return { from, options, validFor: (text) => rest.test(text) && !found.options.some(({ label }) => label === text) };
  };
}

// What stands under the mouse, by the language server.
function hovering(asked) {
  return cm.hoverTooltip(async (view, at) => {
    const { doc } = view.state;
    const found = await ask("hover", { ...asked(), ...place(doc, at) }).catch(() => null);
    if (!found || view.state.doc !== doc) return null;
    const start = found.place ? offset(doc, found.place.from) : at;
    return {
      pos: Math.min(start, at), end: Math.max(at, found.place ? offset(doc, found.place.to) : at), above: true,
      create: () => ({ dom: rendered(found.text) }),
    };
  }, { hideOnChange: true });
}

// What of a text has changed, as one change.
function revision(before, text) {
  let start = 0;
  let same = 0;
  const least = Math.min(before.length, text.length);
  while (start < least && before[start] === text[start]) start += 1;
  while (same < least - start && before[before.length - 1 - same] === text[text.length - 1 - same]) same += 1;
  return { from: start, to: before.length - same, insert: text.slice(start, text.length - same) };
}

export class SpecEditor {
  // `asked` gives what each request tells, `changed` is called for each text, `moved` for a cursor.
  constructor(parent, { asked, changed, moved, save }) {
    this.view = new cm.EditorView({
      parent,
      state: cm.EditorState.create({
        extensions: [
          cm.lineNumbers(), cm.foldGutter(), cm.lintGutter(), cm.highlightActiveLine(), cm.highlightActiveLineGutter(),
          cm.highlightSpecialChars(), cm.drawSelection(), cm.dropCursor(), cm.history(), indents,
          cm.bracketMatching(), cm.closeBrackets(), cm.indentUnit.of("  "), cm.search({ top: true }),
          cm.highlightSelectionMatches({ minSelectionLength: 3, wholeWords: true }), cm.EditorView.lineWrapping, hangs, cm.yaml(), colours, look, lights, hovering(asked), inForms,
          cm.placeholder("A spec: \"Start from…\" gives one to begin with, \"Forms\" its parts."),
          cm.autocompletion({ override: [completion(asked)], maxRenderedOptions: 60 }),
          cm.keymap.of([
            { key: "Mod-s", preventDefault: true, run: () => { save(); return true; } },
            { key: "Tab", run: cm.acceptCompletion },
            { key: "Tab", run: indentAtBegin, shift: cm.indentWithTab.shift },
            ...cm.closeBracketsKeymap, ...cm.searchKeymap, ...cm.historyKeymap, ...cm.foldKeymap,
            ...cm.completionKeymap, ...cm.lintKeymap, ...cm.defaultKeymap,
          ]),
          cm.EditorView.contentAttributes.of({ "aria-label": "The spec", tabindex: "0" }),
          cm.EditorView.updateListener.of((update) => {
            if (update.docChanged) {
              this.follow(update.changes);
              changed();
            }
            if (update.docChanged || update.selectionSet) moved(this.line);
          }),
        ],
      }),
    });
  }

  get text() { return this.view.state.doc.toString(); }
  get line() { return this.view.state.doc.lineAt(this.view.state.selection.main.head).number; }

  // Another text, which can be undone unless it is the first one.
  replace(text, first = false) {
    const { doc } = this.view.state;
    this.view.dispatch({
      changes: { from: 0, to: doc.length, insert: text }, selection: { anchor: 0 },
      annotations: cm.Transaction.addToHistory.of(!first),
    });
  }

  // A text that differs here and there; the cursor stays.
  revise(text) { this.view.dispatch({ changes: revision(this.text, text) }); }

  // Put what was chosen of the forms where it belongs; the line of a key that is there already.
  put({ text, parts, block }) {
    const { doc, selection } = this.view.state;
    const key = /^(\w+):/.exec(text ?? "")?.[1];
    if (parts || text.startsWith("- ")) this.putItems(parts ?? [text], block);
    else if (key && DOCUMENT.has(key)) {
      const found = placeOfKey(doc, key);
      if (found.there) this.go(found.there);
      else this.insert(found.from, found.from, `${found.before}${text}${found.after}`, found.from + found.before.length + text.length);
    } else this.insert(selection.main.from, selection.main.to, text);
    this.view.focus();
  }

  putItems(parts, block) {
    const { doc } = this.view.state;
    const { from, to, before, indent } = placeOfItems(doc, ...this.nextPlace());
    const begin = before + " ".repeat(indent);
    const changes = [{ from, to, insert: begin }];
    const own = block && placeOfBlock(doc, block);
    if (own) changes.push(own.from === from ? { ...own, insert: `\n${own.insert.trimStart()}` } : own);
    const above = own && own.from < from ? own.insert.length : 0;
    const start = above + from + begin.length;
    this.view.dispatch({ changes, selection: { anchor: start }, scrollIntoView: true, userEvent: "input" });
    const { length } = this.view.state.doc;
    fill(this.view, parts, start, start);
    this.last = { from: start, to: start + this.view.state.doc.length - length, indent };
  }

  // Where it is by now.
  follow(changes) {
    const { last } = this;
    if (last) this.last = { ...last, from: changes.mapPos(last.from, -1), to: changes.mapPos(last.to, -1) };
  }

  // Where the next items are asked for, and how far in they may be: after what has just been put
  // in, though that may go on further in, if the cursor is at its end or goes through its values.
  nextPlace() {
    const { state } = this.view;
    const { head } = state.selection.main;
    const { from, to, indent } = this.last ?? {};
    const filling = from <= head && head <= to && cm.clearSnippet({ state, dispatch: () => {} });
    return filling || head === to ? [to, indent] : [head, Infinity];
  }

  insert(from, to, insert, anchor = from + insert.length) {
    this.view.dispatch({ changes: { from, to, insert }, selection: { anchor }, scrollIntoView: true, userEvent: "input" });
  }

  tell(problems) {
    const { doc } = this.view.state;
    const found = problems.filter(({ place }) => place).map((one) => {
      const from = offset(doc, one.place.from);
      const to = Math.max(offset(doc, one.place.to), Math.min(from + 1, doc.length));
      const more = [...one.notes.map((note) => `note: ${note}`), ...(one.help ? [`help: ${one.help}`] : [])];
      return { from, to, severity: one.severity, source: one.code, message: [one.message, ...more].join("\n") };
    });
    this.view.dispatch(cm.setDiagnostics(this.view.state, found));
  }

  // Keep the cursor in view, of who writes, where the place has become smaller.
  stay() {
    const { head } = this.view.state.selection.main;
    if (this.view.hasFocus) this.view.dispatch({ effects: cm.EditorView.scrollIntoView(head) });
  }

  light(lines) { this.view.dispatch({ effects: lit.of(lines) }); }

  go(line, character = 0) {
    const { doc } = this.view.state;
    const anchor = offset(doc, [line - 1, character]);
    this.view.dispatch({
      selection: { anchor }, effects: cm.EditorView.scrollIntoView(anchor, { y: "center" }),
    });
  }
}

export class SourceView {
  // `clicked` is told the number of a line.
  constructor(parent, clicked) {
    this.view = new cm.EditorView({
      parent,
      state: cm.EditorState.create({
        extensions: [
          cm.lineNumbers(), cm.foldGutter(), cm.python(), colours, look, lights, cm.search({ top: true }),
          cm.keymap.of([...cm.searchKeymap, ...cm.foldKeymap]), cm.EditorState.readOnly.of(true),
          cm.EditorView.editable.of(false),
          cm.EditorView.contentAttributes.of({ "aria-label": "The generated source", tabindex: "0" }),
          cm.EditorView.domEventHandlers({
            click: (event, view) => {
              const at = view.posAtCoords({ x: event.clientX, y: event.clientY });
              if (at !== null) clicked(view.state.doc.lineAt(at).number);
            },
          }),
        ],
      }),
    });
  }

  set(text) {
    const before = this.view.state.doc.toString();
    if (before !== text) this.view.dispatch({ changes: revision(before, text) });
  }

  light(lines, go = true) {
    const effects = [lit.of(lines)];
    const { doc } = this.view.state;
    if (go && lines.length && lines[0] <= doc.lines) {
      effects.push(cm.EditorView.scrollIntoView(doc.line(lines[0]).from, { y: "center" }));
    }
    this.view.dispatch({ effects });
  }
}
