// The plugin of this folder's README in JavaScript.

import { json } from "witgate:plugin/settings@0.2.0";

// What `configure` read. It is set before any other call.
let wanted;

export const lifecycle = {
  configure() {
    const found = JSON.parse(json());
    const problems = [];
    for (const name of ["cheap_model", "blocked_prefix"]) {
      if (typeof found[name] !== "string") {
        problems.push({ path: name, message: "a text is needed" });
      }
    }
    const limit = found.max_prompt_tokens;
    if (!Number.isSafeInteger(limit) || limit < 0) {
      problems.push({ path: "max_prompt_tokens", message: "a whole number is needed, 0 or more" });
    }
    // A thrown value is the error of the `result`.
    if (problems.length > 0) throw problems;
    // Counts of the host are 64 bits wide, which are BigInts here.
    wanted = { ...found, max_prompt_tokens: BigInt(limit) };
  },
};

export const route = {
  decide(request, envelope, upstreams) {
    const head = request.head();
    if (head.model === undefined) return undefined;
    if (head.model.startsWith(wanted.blocked_prefix)) {
      throw {
        status: 403,
        code: "permission_error",
        message: `the model ${head.model} is not for this gateway's callers`,
        retryAfterMs: undefined,
        attributes: [],
      };
    }
    if (head.promptTokens < wanted.max_prompt_tokens) {
      const target = { upstream: "default", model: wanted.cheap_model, attributes: [] };
      return { rule: "small", targets: [target], retryOn: [], attributes: [] };
    }
    return undefined;
  },
};
