// Vercel's AI SDK, which checks all that it gets against its schemas.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, RetryError, embed, generateText, jsonSchema, streamText } from "ai";
import { counting, endless, fails, full, occupy, roomy, running, sums } from "./common.mjs";

const providerOf = (server, more) => createOpenAICompatible({ name: "bitnet", baseURL: server + "/v1", includeUsage: true, ...more });
const provider = providerOf(roomy);
const question = { system: "Be short.", prompt: "What is 17+25?", temperature: 0 };

test("a conversation", async () => {
  const messages = [{ role: "user", content: "What is 17+25?" }];
  const first = await generateText({ model: provider(sums), messages, temperature: 0, seed: 7 });
  assert.deepEqual([first.text, first.finishReason, first.usage.outputTokens], ["42", "stop", 3]);
  assert.equal(first.usage.totalTokens, first.usage.inputTokens + 3);
  assert.deepEqual(first.warnings, []);
  assert.equal(first.response.modelId, sums);
  const second = await generateText({ model: provider(sums), messages: [...messages, ...first.response.messages, { role: "user", content: "What is 9+8?" }], temperature: 0 });
  assert.equal(second.text, "17");
  assert(second.usage.inputTokenDetails.cacheReadTokens > 0);
});

test("a stream", async () => {
  const result = streamText({ model: provider(sums), ...question, onError: ({ error }) => assert.fail(error) });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  assert.deepEqual(pieces, ["4", "2"]);
  assert.equal(await result.finishReason, "stop");
  assert.equal((await result.usage).outputTokens, 3);
  assert.match((await result.response).id, /^chatcmpl-/);
});

test("leaving", async () => {
  const abort = new AbortController();
  let aborted = false;
  const result = streamText({ model: provider(endless), prompt: "Go on.", temperature: 0, abortSignal: abort.signal, onAbort: () => { aborted = true; } });
  let count = 0;
  for await (const part of result.fullStream) {
    if (part.type === "text-delta" && ++count === 5) {
      await running(roomy, 1);
      abort.abort();
    }
  }
  assert(aborted && count >= 5);
  await running(roomy, 0);

  const whole = new AbortController();
  const failed = fails(generateText({ model: provider(endless), prompt: "Go on.", temperature: 0, abortSignal: whole.signal }));
  await running(roomy, 1);
  whole.abort();
  assert.equal((await failed).name, "AbortError");
  await running(roomy, 0);
});

test("refusals", async () => {
  for (const [model, more, status, code, param] of [
    ["gpt-4", {}, 404, "model_not_found", "model"],
    [sums, { temperature: 9 }, 400, null, "temperature"],
    [sums, { tools: { f: { inputSchema: jsonSchema({ type: "object" }) } } }, 400, "unsupported_parameter", "tools"],
  ]) {
    const e = await fails(generateText({ model: provider(model), ...question, ...more }));
    assert(APICallError.isInstance(e), String(e));
    assert.deepEqual([e.statusCode, e.isRetryable, e.data.error.code, e.data.error.param], [status, false, code, param]);
    let streamed;
    const result = streamText({ model: provider(model), ...question, ...more, onError: ({ error }) => { streamed = error; } });
    await result.consumeStream();
    assert.deepEqual([streamed.statusCode, streamed.message], [status, e.message]);
  }
  const e = await fails(embed({ model: provider.embeddingModel(sums), value: "17" }));
  assert.deepEqual([e.statusCode, e.data.error.code], [400, "model_not_embedding"]);
});

test("a full server", async () => {
  const free = await occupy();
  const e = await fails(generateText({ model: providerOf(full)(sums), ...question, maxRetries: 0 }));
  assert(APICallError.isInstance(e) && !RetryError.isInstance(e), String(e));
  assert.deepEqual([e.statusCode, e.isRetryable, e.data.error.code], [429, true, "queue_full"]);
  const fetch = counting();
  setTimeout(free, 200);
  const answer = await generateText({ model: providerOf(full, { fetch })(sums), ...question });
  assert.equal(answer.text, "42");
  assert(fetch.sent > 1);
});
