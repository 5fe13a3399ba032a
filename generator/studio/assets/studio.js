// The page of `netgen studio`: what is typed on the left is told of on the right and below.

import { Gone, Refused, ask, listen, open } from "./ask.js";
import { SourceView, SpecEditor } from "./editors.js";
import { Forms } from "./forms.js";
import { Latest } from "./latest.js";
import { element, inline } from "./markdown.js";
import { Picture } from "./picture.js";

const byId = (id) => document.getElementById(id);
const CALM = 3000;  // milliseconds without a problem before their place is a small one
const DRAFT = "netgen-draft";  // where what is not saved is kept
const BEAT = 2000;  // milliseconds between two looks at the server and the file
const state = {
  tab: sessionStorage.getItem("netgen-tab") ?? crypto.randomUUID(),
  file: null,  // what the server has told of the file
  saved: "",  // the text as it is in the file
  version: "",
  begun: "",  // what the text was begun with
  wrote: null,  // what this page has saved last
  right: true,  // whether nothing is known to be wrong
  values: {},  // of parameters, as YAML
  written: {},  // their values in the text
  view: null,  // what the last right text gives, and that text
  call: null,  // the layer that is looked at
  fresh: new Set(),  // the tabs that show the view
  run: null,
  ran: null,  // the text and the values that the verdict is about
  variants: {},  // their values
  taught: false,  // how things are written
};
sessionStorage.setItem("netgen-tab", state.tab);

const asked = () => ({ tab: state.tab, text: editor.text, values: state.values });
const editor = new SpecEditor(byId("editor"), { asked, changed, moved, save });
const source = new SourceView(byId("source"), (line) => {
  const call = narrowest(state.view?.source_lines ?? [], line);
  if (call !== null) select(call, { source: false });
});
const forms = new Forms(byId("forms-panel"), (chosen) => editor.put(chosen));
const picture = new Picture((call) => select(call, { picture: false }));

// What is on the page

const checks = new Latest(() => trying(async () => {
  const about = asked();
  const answer = await ask("check", about);
  if (about.text !== editor.text) return;
  // nobody has written, or slid, anything wrong yet
  const begins = !answer.ok && about.text === state.begun && !listed(about.values);
  editor.tell(begins ? [] : answer.problems);
  tellProblems(begins ? [] : answer.problems, begins ? "Write the first layer, or click a part together." : "No problems.");
  tellFigures(answer.figures);
  if (answer.parameters) tellParameters(answer.parameters);
  tellGiven();
  tellVariants(answer.variants);
  byId("stale").hidden = answer.ok || !state.view;
  state.right = answer.ok;
  tellState();
  document.body.dataset.checked = String(about.text.length);
  if (answer.ok) views.ask();  // what is wrong comes first, and needs all of the machine
}));

const views = new Latest(() => trying(async () => {
  const about = asked();
  const answer = await ask("view", about);
  if (!answer.ok) return;
  const before = name(state.call);
  state.view = { ...answer, text: about.text, lines: about.text.split("\n") };
  state.view.names = new Map(state.view.table.rows.map((row) => [row.call, row.name]));
  state.fresh.clear();
  const same = [...state.view.names].find(([, other]) => other === before);
  state.call = same ? same[0] : null;
  const [here, places] = [callAt(editor.line), answer.spec_lines];
  if (here !== null && places[here] !== places[state.call]) state.call = here;
  document.title = `${answer.name} - netgen studio`;
  show();
  document.body.dataset.viewed = String(Number(document.body.dataset.viewed ?? 0) + 1);
}));

function changed() {
  if (calm !== null && performance.now() > calm + CALM) document.body.classList.add("calm");
  remember();
  tellChanged();
  tellGiven();
  checks.ask();
}

function tellChanged() {
  byId("changed").hidden = editor.text === state.saved;
  byId("save").disabled = editor.text === state.saved;
  byId("unsaved").hidden = !state.ran?.written || state.ran.text === state.saved;
  tellState();
}

function tellState() {
  const kept = listed(state.written, Object.keys(state.values));
  const saved = state.wrote === editor.text ? `saved ${state.file.full_path}${kept && `, which has ${kept}`}` : "";
  byId("state").textContent = [state.right ? "" : "not right yet", saved].filter(Boolean).join("; ");
}

function name(call) {
  return call === null ? null : state.view?.names.get(call) ?? null;
}

// Tabs

const tabs = {};
function tabsOf(list) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const choose = (tab, focus) => {
    for (const other of all) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      byId(other.getAttribute("aria-controls")).hidden = other !== tab;
    }
    if (focus) tab.focus();
    show();
  };
  all.forEach((tab, place) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(all[(place + step + all.length) % all.length], true);
    });
  });
  return (id) => choose(byId(id));
}

// Bring what is visible up to the view.
function show() {
  const { view, fresh } = state;
  if (!byId("forms-panel").hidden && !state.taught) teach();
  if (!view) return;
  const drawn = {
    "picture-panel": () => { picture.set(view.picture); picture.select(state.call, name(state.call)); },
    "source-panel": () => source.set(view.source),
    "table-panel": () => tellTable(view.table),
    "bars-panel": () => tellBars(view.table),
    "weights-panel": () => tellWeights(view.weights),
    "explain-panel": explain,
  };
  for (const [id, draw] of Object.entries(drawn)) {
    if (!byId(id).hidden && !fresh.has(id)) {
      fresh.add(id);
      draw();
      light(id);
    }
  }
}

// How things are written is asked for once.
function teach() {
  state.taught = true;
  trying(async () => forms.set(await ask("forms")));
}

// The layer that is looked at

function narrowest(places, line) {
  let found = null;
  places.forEach((lines, call) => {
    if (lines.includes(line) && (found === null || lines.length < places[found].length)) found = call;
  });
  return found;
}

// A line of the text in the text of the view, if it is above or below all that differs, or only rewritten.
function lineThen(line) {
  const [now, then] = [editor.text.split("\n"), state.view.lines];
  let same = 0;
  while (same < now.length && now[same] === then[same]) same += 1;
  if (line <= same) return line;
  let below = 0;
  while (below < now.length && now[now.length - 1 - below] === then[then.length - 1 - below]) below += 1;
  if (line > now.length - below) return line + then.length - now.length;
  return now.length === then.length ? line : null;
}

function callAt(line) {
  const then = state.view && lineThen(line);
  if (!then) return null;
  let found = null;
  state.view.spec_lines.forEach((place, call) => {
    if (place <= then && (found === null || place > state.view.spec_lines[found])) found = call;
  });
  if (found === null) return null;
  // a line of what is no layer, such as `outputs:`, ends the last one
  const between = state.view.lines.slice(state.view.spec_lines[found], then);
  return between.some((text) => /^\S/.test(text) && !text.startsWith("#")) ? null : found;
}

let waiting = 0;
function moved() {
  clearTimeout(waiting);
  waiting = setTimeout(lightCursor, 60);
}

function lightCursor() {
  const call = callAt(editor.line);
  const { spec_lines: places } = state.view ?? {};
  // of the layers of a line, the one that was chosen stays
  if (call !== null && places[call] !== places[state.call]) select(call, { spec: false });
}

// Light a layer everywhere but where it was chosen.
function select(call, { spec = true, source: code = true, picture: drawn = true } = {}) {
  state.call = call;
  state.fresh.delete("explain-panel");
  const now = state.view && lineNow(state.view.spec_lines[call]);
  if (spec && now) editor.go(now);
  if (!byId("picture-panel").hidden && drawn) picture.select(call, name(call));
  if (!drawn) picture.select(call, name(call));
  if (!byId("source-panel").hidden) source.light(state.view?.source_lines[call] ?? [], code);
  show();
  light();
}

function lineNow(line) {
  const text = state.view.lines[line - 1];
  const now = editor.text.split("\n");
  if (now[line - 1] === text) return line;
  const moved = now.length - state.view.lines.length;
  return now[line - 1 + moved] === text ? line + moved : null;
}

function light(only = null) {
  const { call, view } = state;
  if (only === "source-panel") source.light(view?.source_lines[call] ?? []);
  if (only === "picture-panel") picture.select(call, name(call));
  for (const row of document.querySelectorAll("tr.marked")) row.classList.remove("marked");
  if (call === null) return;
  for (const panel of ["table-panel", "bars-panel", "weights-panel"]) {
    const rows = byId(panel).querySelectorAll(`tr[data-call="${call}"]`);
    rows.forEach((row) => row.classList.add("marked"));
    if (!byId(panel).hidden) rows[0]?.scrollIntoView({ block: "nearest" });
  }
}

async function explain() {
  const panel = byId("explain-panel");
  if (state.call === null || !state.view) {
    panel.replaceChildren(element("p", "Put the cursor into a layer, or click one in picture, source or table: this tells why its numbers are what they are."));
    return;
  }
  const call = state.call;
  await trying(async () => {
    const { text } = await ask("explain", { ...asked(), text: state.view.text, call });
    if (call === state.call) panel.replaceChildren(element("pre", text));
  });
}

// Tables

function row(tag, cells, numbers, attributes = {}) {
  const made = element("tr", "", attributes);
  cells.forEach((text, place) => {
    const cell = made.appendChild(element(tag, text));
    if (numbers[place]) cell.className = "number";
  });
  return made;
}

function table(panel, heads, numbers, rows, total = null) {
  const whole = element("table");
  whole.appendChild(element("thead")).append(row("th", heads, numbers));
  whole.appendChild(element("tbody")).append(...rows);
  if (total) whole.appendChild(element("tfoot")).append(row("td", total, numbers));
  whole.addEventListener("click", (event) => {
    const { call } = event.target.closest("tr")?.dataset ?? {};
    if (call !== undefined) select(Number(call));
  });
  panel.replaceChildren(whole);
}

function tellTable({ heads, numbers, rows, total, notes }) {
  const panel = byId("table-panel");
  const made = rows.map(({ level, call, cells }) => {
    const one = row("td", cells, numbers, call === null ? {} : { "data-call": call });
    one.firstChild.style.paddingLeft = `${0.6 + 1.1 * level}em`;
    return one;
  });
  table(panel, heads, numbers, made, total);
  panel.append(...notes.map((note) => element("p", note)));
}

// What each layer costs; a block whose parts are below has its numbers alone.
function tellBars({ rows, bars }) {
  const costly = rows.filter(({ costs }) => costs.some(({ cost }) => cost));
  const most = bars.map((_, place) => Math.max(1, ...costly.filter(({ parted }) => !parted).map(({ costs }) => costs[place].cost)));
  const made = costly.map(({ level, call, cells, costs, parted }) => {
    const one = row("td", [cells[0]], [], call === null ? {} : { "data-call": call });
    one.firstChild.style.paddingLeft = `${0.6 + 1.1 * level}em`;
    costs.forEach(({ cost, text, share }, place) => {
      const cell = one.appendChild(element("td", "", { class: "cost" }));
      const bar = cell.appendChild(element("span", "", { class: "bar" }));
      bar.style.width = parted ? "0" : `${(100 * cost) / most[place]}%`;
      const part = share >= 0.005 ? `${Math.round(100 * share)}%` : "<1%";
      cell.append(element("span", cost ? `${text} ${part}` : ""));
    });
    return one;
  });
  table(byId("bars-panel"), ["layer", ...bars.map(({ head }) => head)], [], made, ["total", ...bars.map(({ total }) => total)]);
  byId("bars-panel").append(element("p", "kept: the memory that a training step keeps for the layer"));
}

function tellWeights(weights) {
  const rows = weights.map(({ name, shape, dtype, trainable, call }) =>
    row("td", [name, shape, dtype, trainable ? "parameter" : "buffer"], [], call === null ? {} : { "data-call": call }));
  table(byId("weights-panel"), ["key", "shape", "type", "kind"], [], rows);
  byId("weights-panel").append(element("p", `${weights.length} keys of the state_dict`));
}

// Problems, figures, parameters

function problem(one) {
  const item = element("li", "", { class: one.severity });
  const button = item.appendChild(element("button", "", { type: "button" }));
  button.append(element("b", `${one.severity} ${one.code}`), element("span", ` ${one.message}`));
  const where = one.file ? `${one.file}:${one.where}` : one.where;
  if (where) button.append(element("span", ` ${one.file ? where : `line ${one.where.split(":")[0]}`}`, { class: "where" }));
  for (const note of one.notes) item.append(element("p", `note: ${note}`));
  if (one.help) item.append(help(one.help));
  if (one.place) {
    button.addEventListener("click", () => {
      editor.go(one.place.from[0] + 1, one.place.from[1]);
      editor.view.focus();
    });
  }
  return item;
}

// What mends a mistake; the first thing in it that is to be written can be taken.
function help(text) {
  const line = element("p", `help: ${text} `);
  const [, code] = /`([^`]*[ {][^`]*)`/.exec(text) ?? [];
  if (code) {
    const copy = line.appendChild(element("button", "Copy", { type: "button", title: code }));
    copy.addEventListener("click", () => {
      navigator.clipboard.writeText(code);
      copy.textContent = "Copied";
    });
  }
  return line;
}

function tellProblems(problems, none) {
  byId("problems").replaceChildren(...problems.map(problem));
  if (!problems.length) byId("problems").append(element("li", none, { class: "none" }));
  byId("tab-problems").textContent = problems.length ? `Problems (${problems.length})` : "Problems";
  byId("tab-problems").classList.toggle("bad", problems.some(({ severity }) => severity === "error"));
  tellCalm(!problems.length);
}

// The place of problems is small without any; but it gets so while one types, some time after the last
// mistake: what the pointer moves to stays where it is.
let calm = null;  // since when there is no problem
function tellCalm(now) {
  if (now) {
    calm ??= performance.now();
    return;
  }
  calm = null;
  if (document.body.classList.contains("calm")) {
    document.body.classList.remove("calm");
    editor.stay();
  }
}

function tellFigures(figures) {
  const number = (value) => value.toLocaleString("en");
  byId("figures").textContent = figures ? `${number(figures.parameters)} parameters, ${figures.macs_in_short} MACs` : "";
  byId("figures").title = figures ? `${number(figures.macs)} multiply-adds for a sample, ${figures.memory} of weights` : "";
}

function tellParameters(parameters) {
  const group = byId("parameters");
  group.hidden = !parameters.length;
  state.written = Object.fromEntries(parameters.map((one) => [one.name, one.default]));
  const known = new Set(parameters.map(({ name }) => name));
  for (const name of Object.keys(state.values)) if (!known.has(name)) delete state.values[name];
  const before = new Map([...group.children].map((one) => [one.dataset.name, one]));
  const wanted = parameters.map((one) => {
    const shape = JSON.stringify([one.control, one.low, one.high, one.doc]);
    const there = before.get(one.name);
    const made = there?.dataset.shape === shape ? there : parameter(one, shape);
    setParameter(made, one);
    return made;
  });
  // what is moved loses the focus, in the midst of a slide
  if (wanted.some((made, place) => made !== group.children[place])) group.replaceChildren(...wanted);
  while (group.children.length > wanted.length) group.lastChild.remove();
}

function parameter(one, shape) {
  const made = element("label", "", { class: "parameter", "data-name": one.name, "data-shape": shape });
  if (one.doc) made.title = one.doc;
  made.append(element("span", one.name, { class: "name" }));
  const types = { slider: "range", switch: "checkbox", text: "text" };
  const input = made.appendChild(element("input", "", { type: types[one.control] }));
  if (one.control === "slider") {
    Object.assign(input, { min: one.low, max: one.high, step: one.step });
    const exact = made.appendChild(element("input", "", { type: "number", step: "any", "aria-label": `${one.name}, exactly` }));
    exact.addEventListener("input", () => give(one.name, exact.value));
  }
  input.addEventListener("input", () => give(one.name, one.control === "switch" ? String(input.checked) : input.value));
  const back = made.appendChild(element("button", "reset", { type: "button", title: "Take the spec's own value" }));
  back.addEventListener("click", (event) => { event.preventDefault(); give(one.name, null); });
  return made;
}

function setParameter(made, one) {
  const given = state.values[one.name];
  const value = given ?? one.value;
  for (const input of made.querySelectorAll("input")) {
    if (input === document.activeElement && given !== undefined) continue;
    if (input.type === "checkbox") input.checked = value === "true";
    else input.value = value;
  }
  made.classList.toggle("given", given !== undefined);
  made.querySelector("button").hidden = given === undefined;
}

function give(name, value) {
  if (value === null || value === "") delete state.values[name];
  else state.values[name] = value;
  for (const input of document.querySelectorAll(`[data-name="${CSS.escape(name)}"] input`)) {
    if (input !== document.activeElement && input.type !== "checkbox" && value !== null) input.value = value;
  }
  changed();
}

// A variant is chosen by its values.
function tellVariants(variants) {
  state.variants = variants;
  const names = Object.keys(variants);
  byId("variants").hidden = !names.length;
  if (JSON.stringify([...byId("variant").options].slice(1).map(({ value }) => value)) !== JSON.stringify(names)) {
    byId("variant").replaceChildren(...["", ...names].map((name) => element("option", name || "none", { value: name })));
  }
  const given = listed(state.values);
  byId("variant").value = names.find((name) => given && listed(variants[name]) === given) ?? "";
}

function vary(name) {
  giveOnly(state.variants[name] ?? {});
  changed();
}

function giveOnly(values) {
  for (const name of Object.keys(state.values)) delete state.values[name];
  Object.assign(state.values, values);
}

// What is given without being written: said wherever it has an effect.
const listed = (values, names = Object.keys(values)) => names.filter((name) => name in values).map((name) => `${name} = ${values[name]}`).join(", ");

function tellGiven() {
  const given = listed(state.values);
  byId("given").hidden = !given;
  const kept = listed(state.written, Object.keys(state.values));
  byId("given").firstChild.textContent = `${given} is shown and run, but not in the text`
    + (kept ? `: a saved ${state.file.path} has ${kept}.` : ".");
  byId("with").textContent = given ? `with ${given}` : "";
  const { ran } = state;
  byId("older").hidden = !ran || (ran.text === editor.text && listed(ran.values) === given);
}

async function settle() {
  await trying(async () => {
    const about = asked();
    const answer = await ask("settle", about);
    if (about.text !== editor.text) return;
    if (!answer.ok) {
      tellFailure(answer);
      return;
    }
    for (const name of Object.keys(about.values)) delete state.values[name];
    editor.revise(answer.text);
    changed();
  });
}

// The run

async function run() {
  const prove = [...document.querySelectorAll("#levels input:checked")].map(({ value }) => value);
  const stop = new AbortController();
  state.run = stop;
  byId("run").disabled = true;
  byId("cancel").hidden = false;
  const verdict = byId("verdict");
  state.ran = null;
  tellChanged();
  tellGiven();
  const begun = performance.now();
  let doing = "reading the spec, loading torch";
  const tell = () => {
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    verdict.replaceChildren(element("p", `${doing} … ${seconds} s`, { class: "doing" }));
  };
  tell();
  const clock = setInterval(tell, 100);
  const about = { ...asked(), values: { ...state.values }, prove, write: byId("write").checked, device: byId("device").value };
  let answer = null;
  try {
    await listen("build", about, stop.signal, (told) => {
      if (told.said && told.said !== "ready") doing = `running: ${told.said}`;
      if (told.answer) answer = told.answer;
      if (told.why) throw new Refused(told.why);
    });
    tellVerdict(answer, about);
    state.ran = { ...about, written: answer.written };
    tellChanged();
    tellGiven();
  } catch (error) {
    if (error.name === "AbortError") verdict.replaceChildren(element("p", "The run was cancelled."));
    else {
      verdict.replaceChildren(element("p", `The run has no verdict: ${error.message}.`, { class: "error" }));
      if (error instanceof Gone) gone();
    }
  } finally {
    clearInterval(clock);
    byId("run").disabled = false;
    byId("cancel").hidden = true;
    state.run = null;
    document.body.dataset.ran = String(Number(document.body.dataset.ran ?? 0) + 1);
  }
}

function tellVerdict(answer, about) {
  const verdict = byId("verdict");
  const given = listed(about.values);
  verdict.replaceChildren();
  if (!answer.ok) {
    verdict.append(element("p", given ? `Not passed with ${given}.` : "Not passed.", { class: "error" }));
  }
  for (const proof of answer.proofs ?? []) {
    const passed = `Passed on ${proof.device} in ${proof.seconds.toFixed(2)} s (torch ${proof.torch}): ${proof.usual.join(", ")}${given ? `; built with ${given}` : ""}`;
    verdict.append(element("p", [passed, ...proof.notes].join("; "), { class: "passed" }));
    const list = verdict.appendChild(element("ul"));
    for (const { level, found, seconds } of proof.others) {
      list.append(element("li", `${level}: ${found} (${seconds.toFixed(2)} s)`));
    }
  }
  const wrote = `Wrote ${state.file.full_output}`;
  if (answer.written) verdict.append(element("p", given ? `${wrote}, with ${given} as defaults.` : `${wrote}.`));
  verdict.append(...answer.problems.map((one) => {
    const list = element("ul", "", { class: "problems" });
    list.append(problem(one));
    return list;
  }));
}

// The file

function banner(text, buttons = []) {
  const found = byId("banner");
  found.hidden = !text;
  const words = element("span");
  words.append(...inline(text));
  found.replaceChildren(words, ...buttons.map(([label, act]) => {
    const button = element("button", label, { type: "button" });
    button.addEventListener("click", act);
    return button;
  }));
}

async function load() {
  await trying(async () => {
    const answer = await ask("load");
    if (!answer.ok) {
      tellFailure(answer);
      return;
    }
    state.file = answer;
    state.saved = answer.text;
    state.version = answer.version;
    editor.replace(answer.text);
    banner("");
    changed();
  });
}

function tellFailure(answer) {
  const [first] = answer.problems;
  const help = first.help ? `; ${first.help}` : "";
  const other = first.code === "NG502" ? [["Compare…", compare]] : [];
  banner(`${first.message}${help}`, [...other, ["Close", () => banner("")]]);
}

async function save() {
  const { text } = editor;
  await trying(async () => {
    const answer = await ask("save", { ...asked(), text, version: state.version });
    if (!answer.ok) {
      tellFailure(answer);
      if (answer.problems[0].code === "NG502") await compare();
      return;
    }
    state.saved = text;
    state.version = answer.version;
    banner("");
    state.wrote = text;
    remember();
    tellChanged();
  });
}

// The text and the file side by side: what is saved over is what has been seen.
async function compare() {
  await trying(async () => {
    const answer = await ask("compare", asked());
    if (!answer.ok) {
      tellFailure(answer);
      return;
    }
    state.theirs = answer;
    const kinds = { "+": "mine", "-": "theirs", "@": "where" };
    byId("conflict-about").textContent = answer.version
      ? `${state.file.path} has been saved by somebody else since you began.` : `${state.file.path} has been deleted.`;
    byId("changes").replaceChildren(...answer.changes.map((line) => element("div", line || " ", { class: kinds[line[0]] ?? "" })));
    if (!answer.changes.length) byId("changes").textContent = "Both texts are the same.";
    byId("theirs").hidden = !answer.version;
    byId("conflict").returnValue = "cancel";
    byId("conflict").showModal();
  });
}

byId("conflict").addEventListener("close", () => {
  const { theirs } = state;
  if (byId("conflict").returnValue === "mine") {
    state.version = theirs.version;
    save();
  } else if (byId("conflict").returnValue === "theirs") load();
});

// What is not saved is kept in this tab, for when it is loaded again.
function remember() {
  const { saved, version, values } = state;
  const draft = { path: state.file?.path, text: editor.text, saved, version, values };
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch { /* it is too long to be kept */ }
}

function restore(draft) {
  if (draft?.path !== state.file.path) return;
  Object.assign(state.values, draft.values);
  if (draft.text === draft.saved || draft.text === state.saved) return;
  state.version = draft.version;  // what has been saved by others since then is kept
  editor.replace(draft.text);
  banner("What you had not saved is here again.", [["Load the file", load], ["Compare…", compare], ["Close", () => banner("")]]);
}

// The server

let away = "";  // whether and how the server has gone
const COPY = ["Copy the text", (event) => {
  navigator.clipboard.writeText(editor.text);
  event.target.textContent = "Copied";
}];

function lost(how, text, buttons) {
  if (away === how) return;
  away = how;
  document.body.classList.add("away");
  banner(text, buttons);
}

function gone() {
  const command = `netgen studio ${state.file?.path ?? ""} --port ${location.port}`;
  lost("ended", `netgen studio has ended. Your text stays in this tab. To go on, start \`${command}\` in a terminal, and open the address that it prints in this tab.`, [COPY]);
}

function anotherOne() {
  lost("another", "netgen studio has been started again, and does not know this page yet. Open the address that it has printed in this tab: your text stays here.", [COPY]);
}

// A page that has never been answered: it has no text that could be lost.
function strange() {
  lost("strange", "netgen studio does not know this browser: the address that it prints is good for one browser, and for once. "
    + "Go on in the browser that has opened it. Or end netgen studio with Ctrl-C in its terminal, start it again, and open its new address here.", []);
}

function back() {
  if (!away) return;
  away = "";
  document.body.classList.remove("away");
  banner("");
  checks.ask();
}

// The address of a studio that was started again, opened in this tab: what is not saved is kept.
addEventListener("hashchange", async () => {
  await open();
  away = "";
  location.reload();
});

async function trying(work) {
  try {
    await work();
    back();
  } catch (error) {
    if (error instanceof Gone) gone();
    else if (error instanceof Refused && error.cause === 401) (state.file || sessionStorage.getItem(DRAFT) ? anotherOne : strange)();
    else if (error instanceof Refused) {
      banner(`netgen studio could not answer: ${error.message}`, [["Close", () => banner("")]]);
    } else throw error;
  }
}

async function beat() {
  await trying(async () => {
    const answer = await ask("state");
    if (!answer.ok || answer.version === state.version) return;
    if (editor.text === state.saved) await load();  // nothing of this page is lost
    else {
      banner(`${state.file.path} has been saved by somebody else meanwhile.`,
        [["Compare…", compare], ["Close", () => banner("")]]);
    }
  });
  setTimeout(beat, BEAT);
}

// To begin with

function tellTemplates() {
  const others = Object.entries(state.file.templates).filter(([name]) => name !== "starter");
  byId("choices").replaceChildren(...others.map(([name, about]) => {
    const button = element("button", "", { type: "submit", value: name });
    button.append(element("b", name), element("span", ` ${about.slice(name.length).trim()}`));
    return button;
  }));
  byId("wanted").addEventListener("input", narrow);
  byId("wanted").addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();  // of what has been searched, not the first button of the form
    if (byId("wanted").value) byId("choices").querySelector("button:not([hidden])")?.click();
  });
}

function narrow() {
  const text = byId("wanted").value.toLowerCase();
  const all = [...byId("choices").children];
  for (const one of all) one.hidden = !one.textContent.toLowerCase().includes(text);
  byId("unknown").hidden = all.some((one) => !one.hidden);
}

byId("templates").addEventListener("close", () => {
  const dialog = byId("templates");
  const name = dialog.returnValue;
  if (!name || name === "cancel") return;  // nothing, after Escape
  trying(async () => {
    const empty = name === "empty";
    const text = empty ? "name: Net\ninput: [3, 32, 32]\nlayers:\n  - " : (await ask("template", { name })).text;
    const before = { text: editor.text, values: { ...state.values } };
    const own = ![state.saved, state.begun].includes(before.text);
    giveOnly({});
    editor.replace(text);
    state.begun = text;
    banner("");
    if (own) {
      banner("This is in place of what you had not saved.", [
        ["Undo", () => putBack(before)], ["Close", () => banner("")],
      ]);
    }
    if (empty) editor.go(4, 4);
    tabs.meaning(empty ? "tab-forms" : "tab-picture");
    editor.view.focus();
  });
});

function putBack({ text, values }) {
  giveOnly(values);
  editor.replace(text);
  banner("");
  editor.view.focus();
}

function choose() {
  byId("wanted").value = "";
  narrow();
  byId("templates").returnValue = "cancel";
  byId("templates").showModal();
}

function setTheme(dark) {
  document.documentElement.classList.toggle("dark", dark);
}

async function begin() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  setTheme((localStorage.getItem("netgen-theme") ?? (dark.matches ? "dark" : "light")) === "dark");
  [tabs.meaning, tabs.below] = [...document.querySelectorAll("[role=tablist]")].map(tabsOf);
  tabs.meaning("tab-picture");
  tabs.below("tab-problems");
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, .cm-content") || byId("picture-panel").hidden) return;
    event.preventDefault();
    byId("search").select();
  });
  byId("theme").addEventListener("click", () => {
    const next = !document.documentElement.classList.contains("dark");
    setTheme(next);
    localStorage.setItem("netgen-theme", next ? "dark" : "light");
  });
  byId("save").addEventListener("click", save);
  byId("new").addEventListener("click", choose);
  byId("run").addEventListener("click", run);
  byId("settle").addEventListener("click", settle);
  byId("variant").addEventListener("change", () => vary(byId("variant").value));
  byId("cancel").addEventListener("click", () => state.run?.abort());
  addEventListener("beforeunload", (event) => {
    if (away && editor.text !== state.saved) event.preventDefault();  // else this tab keeps it
  });
  await trying(async () => {
    await open();
    state.file = await ask("load");
  });
  if (!state.file) return;
  if (!state.file.ok) {
    tellFailure(state.file);
    return;
  }
  byId("title").textContent = state.file.path;
  byId("save").textContent = `Save ${state.file.path.split("/").pop()}`;
  byId("title").title = `${state.file.full_path}, netgen ${state.file.netgen}`;
  byId("output").textContent = state.file.output;
  byId("output").title = state.file.full_output;
  state.saved = state.file.text;
  state.version = state.file.version;
  byId("device").append(...state.file.devices.map((device) => element("option", device, { value: device })));
  byId("levels").append(...Object.entries(state.file.levels).map(([level, meaning]) => {
    const label = element("label", "", { title: meaning });
    label.append(element("input", "", { type: "checkbox", value: level }), ` ${level}`);
    for (const event of ["pointerenter", "focusin"]) {
      label.addEventListener(event, () => { byId("levels").lastChild.textContent = `${level}: ${meaning}`; });
    }
    return label;
  }), element("p", "Point at one to read what it shows."));
  tellTemplates();
  const draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  if (state.saved) editor.replace(state.saved, true);
  restore(draft);
  tellChanged();
  tellGiven();
  editor.view.focus();
  document.body.dataset.ready = "true";
  if (editor.text) checks.ask();
  else choose();
  setTimeout(beat, BEAT);
}

await begin();
