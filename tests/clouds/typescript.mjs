// Prints what Anthropic's TypeScript clients for Vertex AI and Foundry send for the bodies on its input, as JSON.
//
//     npm install @anthropic-ai/sdk@1.14.0 @anthropic-ai/vertex-sdk@1.1.3 @anthropic-ai/foundry-sdk@1.1.1
//     node tests/clouds/typescript.mjs FOLDER_WITH_NODE_MODULES <CASES

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const need = createRequire(`${process.argv[2]}/`);
const { AnthropicVertex } = need("@anthropic-ai/vertex-sdk");
const { AnthropicFoundry } = need("@anthropic-ai/foundry-sdk");
const rows = [];

async function seen(name, cloud, make, { asked, body, betas }) {
  let row;
  const fetch = async (url, init) => {
    row = { cloud, name, url: String(url), method: init.method, headers: Object.fromEntries(new Headers(init.headers)), body: init.body };
    return new Response(JSON.stringify({ error: { message: "recorded" } }), { status: 400 });
  };
  const headers = betas ? { "anthropic-beta": betas } : {};
  const path = asked === "count" ? "/v1/messages/count_tokens" : "/v1/messages";
  try {
    await make(fetch).post(path, { body, headers, stream: body.stream ?? false });
  } catch (error) {
    if (!String(error).includes("recorded")) throw error;
  }
  rows.push(row);
}

// A client of Google's that has a token already.
const authClient = { projectId: "my-project", getRequestHeaders: async () => new Headers({ authorization: "Bearer a-token" }) };
for (const { name, cloud, location, ...request } of JSON.parse(readFileSync(0, "utf8"))) {
  const make = (fetch) =>
    cloud === "vertex"
      ? new AnthropicVertex({ region: location, projectId: "my-project", authClient, fetch, maxRetries: 0 })
      : new AnthropicFoundry({ resource: "my-resource", apiKey: "a-key", fetch, maxRetries: 0 });
  await seen(name, cloud, make, request);
}
process.stdout.write(JSON.stringify(rows));
