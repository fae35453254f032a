// The TypeScript SDK against faults, with its own retries as they are by default.

import { createRequire } from 'node:module';
import { join } from 'node:path';

const { default: Anthropic } = createRequire(join(process.env.CLIENTS, 'npm', 'package.json'))('@anthropic-ai/sdk');

const client = new Anthropic({ timeout: 30_000 });
const hello = { model: 'claude-sonnet-5-5', max_tokens: 100, messages: [{ role: 'user', content: 'Hello!' }] };

async function ask(scenario, run) {
  const headers = { 'x-fault': scenario, 'x-fault-run': run, 'x-vmx-correlation-id': run };
  const message = await client.messages.stream(hello, { headers }).finalMessage();
  return message.content[0].text;
}

for (const [scenario, run] of Object.entries(JSON.parse(process.env.RUNS))) {
  let outcome;
  try {
    outcome = { text: await ask(scenario, run) };
  } catch (error) {
    outcome = { error: error.constructor.name, type: error.type ?? null };
  }
  console.log(JSON.stringify({ scenario, outcome }));
}
