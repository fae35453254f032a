// Does what a guest better wouldn't, as the header `x-probe` says, and tells in the plan's rule how it went.

import { header, id } from "witgate:plugin/request@0.3.0";
import { json } from "witgate:plugin/settings@0.3.0";

const probes = {
  print() {
    console.log("a whole line");
    console.error("to the other side");
    return "printed";
  },
  fail() {
    throw new TypeError("it was the gardener");
  },
  clocks() {
    return performance.now() > 0 ? String(Math.floor(Date.now() / 1000)) : "no clock";
  },
  numbers() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  },
  async sleep() {
    await new Promise((resume) => setTimeout(resume, 3_600_000));
    return "slept";
  },
};

export const lifecycle = {
  configure() {
    console.log("getting ready");
    if (json().includes("early")) console.log(id());
    return { interests: [], content: [], windows: [] };
  },
};

export const route = {
  async decide() {
    const probe = header("x-probe");
    if (probe === undefined) return undefined;
    const rule = await probes[probe]();
    return { rule, targets: [{ upstream: "default", edits: [], attributes: [] }], attributes: [] };
  },
};
