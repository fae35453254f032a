// The shapes of the bench `hook_shapes` in JavaScript. After `make languages`, from the repository's root:
//
//   .cache/languages/javascript/node_modules/.bin/componentize-js tests/guests/languages/shapes.js \
//       -w tests/guests/examples/shapes/wit -n shapes -d http fetch-event clocks random stdio -o FOLDER/javascript.wasm
//   HOOK_SHAPES_GUESTS=FOLDER cargo bench -p witgate-benches --bench hook_shapes

import { all, field, header, number, planModel, text } from "witgate:shapes/facts";

const plan = {
  rule: "small subagents",
  targets: [{ upstream: "default", model: "claude-haiku-5-5", attributes: [] }],
  retryOn: [],
  attributes: [],
};

const decide = (envelope) => (envelope.tenant === undefined ? undefined : plan);

const read = (texts, numbers, text, number) => {
  let sum = 0n;
  for (let i = 0; i < texts; i++) sum += BigInt(text().length);
  for (let i = 0; i < numbers; i++) sum += number();
  return sum;
};

export const nop = () => {};
export const bytes = (data) => data.length;
export const today = (request, envelope, upstreams) => decide(envelope);
export const todayExtra = (request, envelope, upstreams) => {
  request.caller();
  request.head();
  return decide(envelope);
};
export const pushed = (caller, head, envelope, estimate, upstreams) => decide(envelope);
export const byHandle = (request, texts, numbers) =>
  read(texts, numbers, () => request.text(), () => request.number());
export const byFunction = (texts, numbers) => read(texts, numbers, text, number);
export const byRecord = (texts, numbers) => all().promptTokens + read(texts, numbers, text, number);
export const byArguments = (basics) => basics.promptTokens;
export const route = (basics) => (basics.model === undefined ? undefined : plan);
export const budget = (basics, estimate) => {
  const amount = estimate.costPicousd ?? 0n;
  const charge = (tag, window) => ({ account: { tag }, window, tokens: false, limit: 5_000_000_000_000n, amount });
  return [charge("key", "day"), charge("user", "day"), charge("tenant", "month")];
};
export const envelopeOf = () => {
  const names = ["vmx", "x-vmx-correlation-id", "x-vmx-metadata-", "x-claude-code-session-id"];
  const found = names.map(header);
  return { user: text(), session: found[3], responseHeaders: [["x-vmx-correlation-id", "req_01JD3Z8T5K"]] };
};
export const givesOption = (change) => (change ? plan : undefined);
export const givesChoice = (change) => (change ? { tag: "model", val: "claude-haiku-5-5" } : { tag: "pass" });
export const givesByCall = (change) => {
  if (change) planModel("claude-haiku-5-5");
};
export const givesEdits = (change) =>
  change ? [{ tag: "drop", val: "metadata.*" }, { tag: "hash", val: "user" }] : [];
export const givesReceipt = (change) => ({ id: "req_01JD3Z8T5K", fields: [] });
export const leanOption = givesOption;
export const leanChoice = givesChoice;
export const leanEdits = givesEdits;
export const receiptsToday = (receipts) => receipts;
export const receiptsEdits = (count, reads) => {
  for (let i = 0; i < count; i++) for (let j = 0; j < reads; j++) field(i, "usage.output_tokens");
  return givesEdits(true);
};
