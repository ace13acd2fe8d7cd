// The Web Worker: it answers each message with a measured network. The page builds it from activations.js, network.js
// and this file, without their imports, because a page opened as a file may not load a worker from another.

import { measured } from "./network.js";

self.onmessage = ({ data }) => {
  const began = performance.now();
  self.postMessage({ ...measured(data.net), net: data.net, id: data.id, ms: performance.now() - began });
};
