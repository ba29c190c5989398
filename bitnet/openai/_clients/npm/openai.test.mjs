// OpenAI's client: its plain calls, and its helper for streams.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError } from "openai";
import { counting, endless, fails, full, occupy, roomy, running, sums } from "./common.mjs";

const clientOf = (server, more) => new OpenAI({ baseURL: server + "/v1", apiKey: "none", ...more });
const client = clientOf(roomy);
const ask = (model, question, more) => ({
  model, temperature: 0, messages: [{ role: "system", content: "Be short." }, { role: "user", content: question }], ...more,
});
const question = more => ask(sums, "What is 17+25?", more);

test("a conversation", async () => {
  const first = await client.chat.completions.create(question({ logprobs: true, top_logprobs: 3, seed: 7 }));
  const choice = first.choices[0];
  assert.deepEqual(choice.message, { role: "assistant", content: "42", refusal: null });
  assert.equal(choice.finish_reason, "stop");
  assert.equal(first.object, "chat.completion");
  assert.match(first.id, /^chatcmpl-/);
  assert.equal(first.usage.completion_tokens, 3);
  assert.equal(first.usage.total_tokens, first.usage.prompt_tokens + 3);
  assert.equal(choice.logprobs.content.map(t => t.token).join(""), "42");
  for (const t of choice.logprobs.content) {
    assert(t.logprob <= 0 && t.logprob > -1);
    assert.deepEqual(t.bytes, [...Buffer.from(t.token)]);
    assert.equal(t.top_logprobs.length, 3);
  }
  const second = await client.chat.completions.create({ ...question(), messages: [...question().messages, choice.message, { role: "user", content: "What is 9+8?" }] });
  assert.equal(second.choices[0].message.content, "17");
  assert(second.usage.prompt_tokens_details.cached_tokens > 0);
});

test("a stream", async () => {
  let text = "", role, reason, usage;
  const tokens = [];
  for await (const chunk of await client.chat.completions.create(question({ stream: true, stream_options: { include_usage: true }, logprobs: true, top_logprobs: 2 }))) {
    assert.equal(chunk.object, "chat.completion.chunk");
    usage = chunk.usage;
    if (!chunk.choices.length) continue;
    const choice = chunk.choices[0];
    role ??= choice.delta.role;
    text += choice.delta.content ?? "";
    tokens.push(...choice.logprobs?.content ?? []);
    reason ??= choice.finish_reason;
  }
  assert.deepEqual([text, role, reason], ["42", "assistant", "stop"]);
  assert.equal(usage.completion_tokens, 3);
  assert.deepEqual(tokens.map(t => [t.token, t.top_logprobs.length]), [["4", 2], ["2", 2]]);
});

test("the helper for streams", async () => {
  const stream = client.chat.completions.stream(question({ stream_options: { include_usage: true }, logprobs: true }));
  const pieces = [], scores = [];
  stream.on("content.delta", e => pieces.push(e.delta));
  stream.on("logprobs.content.delta", e => scores.push(...e.content));
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, "42");
  assert.equal(final.choices[0].finish_reason, "stop");
  assert.deepEqual(pieces.filter(p => p), ["4", "2"]);
  assert.equal(scores.length, 2);
  assert.equal(final.choices[0].logprobs.content.length, 2);
  assert.equal((await stream.totalUsage()).completion_tokens, 3);
  assert.equal(await stream.finalContent(), "42");
});

test("leaving", async () => {
  const stream = await client.chat.completions.create(ask(endless, "Go on.", { stream: true }));
  let count = 0;
  for await (const _ of stream) if (++count === 5) break; // ends the request
  await running(roomy, 0);

  const helped = client.chat.completions.stream(ask(endless, "Go on."));
  await new Promise(done => helped.once("content", done));
  await running(roomy, 1);
  helped.abort();
  assert(await fails(helped.done()) instanceof APIUserAbortError);
  await running(roomy, 0);

  const abort = new AbortController();
  const whole = fails(client.chat.completions.create(ask(endless, "Go on."), { signal: abort.signal }));
  await running(roomy, 1);
  abort.abort();
  assert(await whole instanceof APIUserAbortError);
  await running(roomy, 0);
});

test("refusals", async () => {
  for (const [body, kind, code, param] of [
    [ask("gpt-4", "Hello"), NotFoundError, "model_not_found", "model"],
    [question({ temperature: 9 }), BadRequestError, null, "temperature"],
    [question({ tools: [{ type: "function", function: { name: "f", parameters: {} } }] }), BadRequestError, "unsupported_parameter", "tools"],
    [ask(sums, "What is 17+25? ".repeat(100)), BadRequestError, "context_length_exceeded", "messages"],
  ]) {
    for (const stream of [false, true]) {
      const fetch = counting();
      const e = await fails(clientOf(roomy, { fetch }).chat.completions.create({ ...body, stream }));
      assert(e instanceof kind, String(e));
      assert.deepEqual([e.code, e.param, fetch.sent], [code, param, 1]);
      assert.equal(e.type, code === "model_not_found" ? "not_found_error" : "invalid_request_error");
    }
  }
  // What it does not have.
  const e = await fails(client.images.generate({ prompt: "a cat" }));
  assert(e instanceof NotFoundError);
  assert.equal(e.code, "unknown_url");
  assert(!(e instanceof AuthenticationError));
});

test("a full server", async () => {
  const free = await occupy();
  const e = await fails(clientOf(full, { maxRetries: 0 }).chat.completions.create(question()));
  assert(e instanceof RateLimitError, String(e));
  assert.deepEqual([e.status, e.type, e.code], [429, "rate_limit_error", "queue_full"]);
  assert(Number(e.headers.get("retry-after")) >= 1);
  // By itself the client tries again, until there is room.
  const fetch = counting();
  setTimeout(free, 200);
  const answer = await clientOf(full, { fetch }).chat.completions.create(question());
  assert.equal(answer.choices[0].message.content, "42");
  assert(fetch.sent > 1);
});

test("embeddings are refused", async () => {
  const e = await fails(client.embeddings.create({ model: sums, input: "17" }));
  assert(e instanceof BadRequestError);
  assert.equal(e.code, "model_not_embedding");
});

test("text, responses and models", async () => {
  const text = await client.completions.create({ model: sums, prompt: "17+25=", temperature: 0 });
  assert.equal(text.choices[0].text, "42");
  const input = { model: sums, input: "What is 17+25?", temperature: 0, store: false };
  const response = await client.responses.create(input);
  assert.deepEqual([response.output_text, response.status], ["42", "completed"]);
  const final = await client.responses.stream(input).finalResponse();
  assert.equal(final.output_text, "42");
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.deepEqual(names, [sums, endless]);
  assert.equal((await client.models.retrieve(endless)).id, endless);
});
