// Graphviz in a thread of its own, so that nobody who types waits for it.

import { Graphviz } from "/assets/graphviz.js";

const ready = Graphviz.load();
onmessage = async ({ data }) => {
  const graphviz = await ready;
  try {
    postMessage({ svg: graphviz.dot(data, "svg") });
  } catch (error) {
    postMessage({ why: String(error) });
  }
};
