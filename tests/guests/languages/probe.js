// Does what a guest better wouldn't, as the header `x-probe` says, and tells in the plan's rule how it went.

const kept = [];

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
  used() {
    try {
      return String(kept[0].id());
    } catch (error) {
      return error.constructor.name;
    }
  },
};

export const lifecycle = {
  configure() {
    console.log("getting ready");
  },
};

export const route = {
  async decide(request, envelope, upstreams) {
    const probe = request.header("x-probe");
    if (probe === undefined) return undefined;
    if (probe === "keep") {
      kept.push(request);
      return undefined;
    }
    const rule = await probes[probe]();
    return { rule, targets: [{ upstream: "default", attributes: [] }], retryOn: [], attributes: [] };
  },
};
