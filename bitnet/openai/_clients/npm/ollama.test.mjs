// The client of ollama.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ollama } from "ollama";
import { endless, fails, full, occupy, roomy, running, sums } from "./common.mjs";

const client = new Ollama({ host: roomy });
const messages = [{ role: "system", content: "Be short." }, { role: "user", content: "What is 17+25?" }];
const question = { model: sums, messages, options: { temperature: 0, seed: 7 } };

test("a conversation", async () => {
  const first = await client.chat(question);
  assert.deepEqual(first.message, { role: "assistant", content: "42" });
  assert.deepEqual([first.done, first.done_reason, first.model, first.eval_count], [true, "stop", sums, 3]);
  assert(first.prompt_eval_count > 10 && first.total_duration > 0 && !Number.isNaN(Date.parse(first.created_at)));
  const second = await client.chat({ ...question, messages: [...messages, first.message, { role: "user", content: "What is 9+8?" }] });
  assert.equal(second.message.content, "17");
  assert.equal((await client.generate({ model: sums, prompt: "What is 17+25?", options: { temperature: 0 } })).response, "42");
  assert.equal((await client.generate({ model: sums, prompt: "17+25=", raw: true, options: { temperature: 0 } })).response, "42");
});

test("a stream", async () => {
  const pieces = [];
  let last;
  for await (const part of await client.chat({ ...question, stream: true, logprobs: true, top_logprobs: 2 })) {
    assert.equal(part.message.role, "assistant");
    if (part.message.content) pieces.push(part.message.content);
    last = part;
  }
  assert.deepEqual(pieces, ["4", "2"]);
  assert.deepEqual([last.done, last.done_reason, last.eval_count], [true, "stop", 3]);
  let text = "";
  for await (const part of await client.generate({ model: sums, prompt: "What is 17+25?", stream: true, options: { temperature: 0 } })) text += part.response;
  assert.equal(text, "42");
});

test("leaving", async () => {
  const stream = await client.chat({ ...question, model: endless, stream: true });
  const ended = fails((async () => {
    let count = 0;
    for await (const _ of stream) {
      if (++count === 5) {
        await running(roomy, 1);
        stream.abort();
      }
    }
  })());
  assert.equal((await ended).name, "AbortError");
  await running(roomy, 0);
  // What is not streamed it cannot give up, but the whole client can.
  const abort = new AbortController();
  const whole = new Ollama({ host: roomy, fetch: (url, init) => fetch(url, { ...init, signal: abort.signal }) });
  const failed = fails(whole.chat({ ...question, model: endless }));
  await running(roomy, 1);
  abort.abort();
  assert.equal((await failed).name, "AbortError");
  await running(roomy, 0);
});

test("refusals", async () => {
  for (const [request, status, message] of [
    [{ ...question, model: "llama3" }, 404, /llama3/],
    [{ ...question, options: { temperature: 9 } }, 400, /temperature/],
    [{ ...question, format: { not: {} } }, 400, /format/],
    [{ ...question, messages: [{ role: "user", content: "What is 17+25? ".repeat(100) }] }, 400, /context/],
  ]) {
    for (const stream of [false, true]) {
      const e = await fails(client.chat({ ...request, stream }));
      assert.deepEqual([e.name, e.status_code], ["ResponseError", status]);
      assert.match(e.error, message);
    }
  }
  // What it does not have.
  const e = await fails(client.embed({ model: sums, input: "17" }));
  assert.deepEqual([e.name, e.status_code], ["ResponseError", 404]);
  assert.equal(typeof e.error, "string");
});

test("a full server", async () => {
  const free = await occupy();
  const e = await fails(new Ollama({ host: full }).chat(question));
  assert.deepEqual([e.name, e.status_code], ["ResponseError", 429]);
  await free();
  assert.equal((await new Ollama({ host: full }).chat(question)).message.content, "42");
});

test("models", async () => {
  const { models } = await client.list();
  assert.deepEqual(models.map(m => m.name), [sums, endless]);
  assert(models.every(m => m.size > 0 && /^[0-9a-f]+$/.test(m.digest) && m.details.family));
  assert.deepEqual((await client.ps()).models.map(m => m.name), [sums, endless]);
  const shown = await client.show({ model: sums });
  assert.deepEqual(shown.capabilities, ["completion"]);
  assert(shown.model_info["general.parameter_count"] > 1e6);
  assert.match((await client.version()).version, /^\d/);
});
