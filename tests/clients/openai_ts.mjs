// OpenAI's SDK for TypeScript, configured by its environment variables alone. It tells what it saw as checks.py describes.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { default: OpenAI } = createRequire(join(process.env.CLIENTS, 'npm', 'package.json'))('openai');

const model = 'claude-sonnet-5-5';
const client = new OpenAI({ maxRetries: 0, timeout: 30_000 });
const messages = [{ role: 'user', content: 'Hello!' }];
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'The weather of a city.', parameters } }];
const options = (id) => ({ headers: { 'x-vmx-correlation-id': id } });
const due = (stop_reason) => ({ endpoint: 'messages', stop_reason, dialect: { plugin: 'openai', path: '/v1/chat/completions' } });

async function check(name, act) {
  const told = { check: name, correlation_id: `clients-${randomUUID()}` };
  try {
    told.receipts = await act(told.correlation_id);
  } catch (error) {
    told.problem = String(error);
  }
  console.log(JSON.stringify(told));
}

function expect(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

await check('plain message', async (id) => {
  const answer = await client.chat.completions.create({ model, messages }, options(id));
  expect(answer.choices[0].message.content.includes('Hello!'), `answered ${JSON.stringify(answer)}`);
  return [due('end_turn')];
});

await check('streamed message', async (id) => {
  let text = '';
  let usage;
  const asked = { model, messages, stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create(asked, options(id))) {
    text += chunk.choices[0]?.delta?.content ?? '';
    usage = chunk.usage ?? usage;
  }
  expect(text.includes('Hello!'), `streamed ${text}`);
  expect(usage?.completion_tokens > 0, `told ${JSON.stringify(usage)}`);
  return [due('end_turn')];
});

await check('tool round', async (id) => {
  const question = { role: 'user', content: 'Call get_weather for Lisbon.' };
  const call = await client.chat.completions.create({ model, tools, messages: [question] }, options(id));
  const message = call.choices[0].message;
  expect(JSON.parse(message.tool_calls[0].function.arguments).city === 'Lisbon', `called ${JSON.stringify(message)}`);
  const results = message.tool_calls.map((it) => ({ role: 'tool', tool_call_id: it.id, content: '18 degrees, sunny' }));
  const final = await client.chat.completions.create({ model, tools, messages: [question, message, ...results] }, options(id));
  expect(final.choices[0].message.content.includes('18 degrees, sunny'), `answered ${JSON.stringify(final)}`);
  return [due('tool_use'), due('end_turn')];
});

await check('streamed tool', async (id) => {
  const question = [{ role: 'user', content: 'Call get_weather for Lisbon.' }];
  const stream = client.chat.completions.stream({ model, tools, messages: question }, options(id));
  const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
  expect(JSON.parse(call.function.arguments).city === 'Lisbon', `called ${JSON.stringify(call)}`);
  return [due('tool_use')];
});

await check('error', async (id) => {
  try {
    await client.chat.completions.create({ model, messages, seed: 1 }, options(id));
  } catch (error) {
    expect(error instanceof OpenAI.BadRequestError && error.param === 'seed', `told ${error}`);
    return null;
  }
  throw new Error('a seed was accepted');
});
