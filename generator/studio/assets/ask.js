// What the page asks of its server, with the key that the printed address has given it once.

const KEY = "netgen-key";

export class Refused extends Error {}
export class Gone extends Error {}

let key = localStorage.getItem(KEY) ?? "";

// Give the token of the address, and take it out of the address.
export async function open() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", "/");
  const answer = await post("/open", { token });
  if (!answer.ok) return;  // used already: this browser may have the key
  key = (await answer.json()).key;
  localStorage.setItem(KEY, key);
}

async function post(path, body, signal) {
  const headers = { "Content-Type": "application/json", "X-Netgen-Key": key };
  try {
    return await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Gone("the server has gone");
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  const { why } = await answer.json().catch(() => ({ why: answer.statusText }));
  throw new Refused(why, { cause: answer.status });
}

export async function ask(name, body = {}) {
  return (await checked(await post(`/ask/${name}`, body))).json();
}

// An answer that comes line by line, each of them told to `heard`.
export async function listen(name, body, signal, heard) {
  const answer = await checked(await post(`/ask/${name}`, body, signal));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Gone("the server has gone");
    });
    if (done) return;
    const lines = (pending + value).split("\n");
    pending = lines.pop();
    lines.forEach((line) => heard(JSON.parse(line)));
  }
}
