// The plugin of plugins/languages/README.md in JavaScript.

import { resource } from "witgate:plugin/context@0.3.0";
import { head } from "witgate:plugin/request@0.3.0";
import { json } from "witgate:plugin/settings@0.3.0";

// The settings. The host calls `configure` before any hook.
let wanted;

export const lifecycle = {
  configure() {
    const found = JSON.parse(json());
    const problems = [];
    for (const name of ["cheap_model", "blocked_prefix"]) {
      if (typeof found[name] !== "string") {
        problems.push({ path: name, message: "must be a string" });
      }
    }
    const limit = found.max_prompt_tokens;
    if (!Number.isSafeInteger(limit) || limit < 0) {
      problems.push({ path: "max_prompt_tokens", message: "must be a whole number, 0 or more" });
    }
    // A thrown value is the error of the `result`.
    if (problems.length > 0) throw problems;
    // Integers of 64 bits are BigInts in JavaScript.
    wanted = { ...found, max_prompt_tokens: BigInt(limit) };
    // The host does not call `decide` for other endpoints.
    const messages = { hook: "route", endpoints: [{ tag: "messages" }], secondaryIndex: false };
    return { interests: [messages], content: [], windows: [] };
  },
};

export const route = {
  decide() {
    if (resource() !== undefined) return undefined;
    const { model, promptTokens } = head();
    if (model === undefined) return undefined;
    if (model.startsWith(wanted.blocked_prefix)) {
      throw {
        status: 403,
        code: "permission_error",
        message: `the model ${model} is not for this gateway's callers`,
        retryAfterMs: undefined,
        attributes: [],
      };
    }
    if (promptTokens < wanted.max_prompt_tokens) {
      const target = { upstream: "default", model: wanted.cheap_model, edits: [], attributes: [] };
      return { rule: "small", targets: [target], attributes: [] };
    }
    return undefined;
  },
};
