// The Markdown of the language server's answers as elements: bold, code, lists, paragraphs.

export function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function rendered(text) {
  const whole = element("div", "", { class: "told" });
  for (const part of text.split(/\n{2,}/)) {
    const lines = part.split("\n");
    const items = lines.every((line) => line.startsWith("- "));
    const around = whole.appendChild(element(items ? "ul" : "p"));
    lines.forEach((line, place) => {
      const into = items ? around.appendChild(element("li")) : around;
      if (!items && place) into.append(" ");
      into.append(...inline(items ? line.slice(2) : line));
    });
  }
  return whole;
}

export function inline(text) {
  const found = [];
  let plain = "";
  const end = () => { if (plain) found.push(plain); plain = ""; };
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at);
    const marked = /^\*\*((?:\\.|[^*])+)\*\*/.exec(rest) ?? /^`([^`]+)`/.exec(rest);
    if (rest[0] === "\\" && rest.length > 1) {
      plain += rest[1];
      at += 2;
    } else if (marked) {
      end();
      const bold = rest[0] === "*";
      found.push(element(bold ? "b" : "code", bold ? marked[1].replace(/\\(.)/g, "$1") : marked[1]));
      at += marked[0].length;
    } else {
      plain += rest[0];
      at += 1;
    }
  }
  end();
  return found;
}
