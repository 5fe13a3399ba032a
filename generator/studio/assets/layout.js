// Graphviz in a thread of its own, so that nobody who types waits for it; its own names of boxes
// are left out.

import { Graphviz } from "/assets/graphviz.js";

const ready = Graphviz.load();
onmessage = async ({ data }) => {
  const graphviz = await ready;
  try {
    postMessage({ svg: graphviz.dot(data, "svg").replace(/<title>[^<]*<\/title>|<!--[^]*?-->/g, "") });
  } catch (error) {
    postMessage({ why: String(error) });
  }
};
