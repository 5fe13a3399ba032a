// Graphviz in a thread of its own, so that nobody who types waits for it.

import { Graphviz } from "/assets/graphviz.js";

const ready = Graphviz.load();
onmessage = async ({ data }) => {
  const graphviz = await ready;
  try {
    postMessage({ number: data.number, svg: graphviz.dot(data.dot, "svg") });
  } catch (error) {
    postMessage({ number: data.number, why: String(error) });
  }
};
