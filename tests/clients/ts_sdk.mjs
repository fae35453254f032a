// The TypeScript SDK, configured by its environment variables alone. It tells what it saw as checks.py describes.

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { default: Anthropic } = createRequire(join(process.env.CLIENTS, 'npm', 'package.json'))('@anthropic-ai/sdk');

const CORRELATION_ID = 'x-vmx-correlation-id';
const model = 'claude-sonnet-5-5';
const client = new Anthropic({ maxRetries: 0, timeout: 30_000 });
const hello = { model, max_tokens: 100, messages: [{ role: 'user', content: 'Hello!' }] };
const weather = {
  name: 'get_weather',
  description: 'The weather of a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};

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

function expectEcho(response, id) {
  const echo = response.headers.get(CORRELATION_ID);
  expect(echo === id, `${CORRELATION_ID} came back as ${echo}`);
}

const options = (id) => ({ headers: { [CORRELATION_ID]: id } });

// The receipt of a message whose client was told this.
const answered = ({ usage: { input_tokens, output_tokens }, stop_reason }) =>
  ({ endpoint: 'messages', stop_reason, usage: { input_tokens, output_tokens } });

async function create(id, parameters) {
  const { data, response } = await client.messages.create(parameters, options(id)).withResponse();
  expectEcho(response, id);
  return data;
}

await check('plain message', async (id) => {
  const message = await create(id, hello);
  expect(message.content[0].text.includes('Hello!'), `answered ${JSON.stringify(message.content)}`);
  return [answered(message)];
});

await check('streamed message', async (id) => {
  let text = '';
  const stream = client.messages.stream(hello, options(id)).on('text', (delta) => { text += delta; });
  const { response } = await stream.withResponse();
  expectEcho(response, id);
  const message = await stream.finalMessage();
  expect(text.includes('Hello!') && text === message.content[0].text, `streamed ${JSON.stringify(text)}`);
  return [answered(message)];
});

await check('tool round', async (id) => {
  const question = { role: 'user', content: 'Call get_weather for Lisbon.' };
  const round = { ...hello, tools: [weather] };
  const call = await create(id, { ...round, messages: [question] });
  expect(call.stop_reason === 'tool_use', `stopped for ${call.stop_reason}`);
  const use = call.content.find((block) => block.type === 'tool_use');
  expect(use.name === 'get_weather' && use.input.city === 'Lisbon', `called ${JSON.stringify(use)}`);

  const result = { type: 'tool_result', tool_use_id: use.id, content: '18 degrees, sunny' };
  const history = [question, { role: 'assistant', content: call.content }, { role: 'user', content: [result] }];
  const final = await create(id, { ...round, messages: history });
  expect(final.content[0].text.includes('18 degrees, sunny'), `answered ${JSON.stringify(final.content)}`);
  return [answered(call), answered(final)];
});

await check('count_tokens', async (id) => {
  const parameters = { model, messages: hello.messages };
  const { data, response } = await client.messages.countTokens(parameters, options(id)).withResponse();
  expectEcho(response, id);
  expect(data.input_tokens > 0, `counted ${JSON.stringify(data)}`);
  return [{ endpoint: 'count-tokens' }];
});

await check('model list', async (id) => {
  const { data, response } = await client.models.list({}, options(id)).withResponse();
  expectEcho(response, id);
  const models = data.data.map((listed) => listed.id);
  expect(models.includes(model), `listed ${models}`);
  return [{ endpoint: 'models' }];
});
