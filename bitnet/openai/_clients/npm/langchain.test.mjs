// LangChain.js, which asks every server for the usage of streams.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { counting, endless, fails, full, occupy, roomy, running, sums } from "./common.mjs";

const modelOf = (server, model, more, configuration) => new ChatOpenAI({
  model, temperature: 0, apiKey: "none", maxRetries: 0, ...more,
  configuration: { baseURL: server + "/v1", ...configuration },
});

test("a conversation", async () => {
  const model = modelOf(roomy, sums, { logprobs: true, topLogprobs: 2 });
  const first = await model.invoke([["system", "Be short."], ["human", "What is 17+25?"]]);
  assert.equal(first.content, "42");
  assert.equal(first.getType(), "ai");
  assert.equal(first.response_metadata.finish_reason, "stop");
  assert.equal(first.response_metadata.model_name, sums);
  assert.equal(first.usage_metadata.output_tokens, 3);
  assert.equal(first.usage_metadata.total_tokens, first.usage_metadata.input_tokens + 3);
  assert.deepEqual(first.response_metadata.logprobs.content.map(t => t.token), ["4", "2"]);
  const second = await model.invoke([["system", "Be short."], ["human", "What is 17+25?"], first, ["human", "What is 9+8?"]]);
  assert.equal(second.content, "17");
  assert(second.usage_metadata.input_token_details.cache_read > 0);
});

test("a stream", async () => {
  let all;
  const pieces = [];
  for await (const chunk of await modelOf(roomy, sums).stream("What is 17+25?")) {
    if (chunk.content) pieces.push(chunk.content);
    all = all ? all.concat(chunk) : chunk;
  }
  assert.deepEqual(pieces, ["4", "2"]);
  assert.equal(all.content, "42");
  assert.equal(all.response_metadata.finish_reason, "stop");
  assert.equal(all.usage_metadata.output_tokens, 3);
});

test("several at once", async () => {
  const answers = await modelOf(roomy, sums).batch(["What is 17+25?", "What is 9+8?", "What is 30+4?"]);
  assert.deepEqual(answers.map(a => a.content), ["42", "17", "34"]);
});

test("leaving", async () => {
  let count = 0;
  for await (const _ of await modelOf(roomy, endless).stream("Go on.")) if (++count === 5) break;
  await running(roomy, 0);
  for (const call of ["invoke", "stream"]) {
    const abort = new AbortController();
    const failed = fails((async () => {
      const answer = await modelOf(roomy, endless)[call]("Go on.", { signal: abort.signal });
      if (call === "stream") for await (const _ of answer);
    })());
    await running(roomy, 1);
    abort.abort();
    assert.match(String(await failed), /abort/i);
    await running(roomy, 0);
  }
});

test("refusals", async () => {
  for (const [model, more, status, code, param] of [
    ["gpt-4", {}, 404, "model_not_found", "model"],
    [sums, { temperature: 9 }, 400, null, "temperature"],
    [sums, { modelKwargs: { response_format: { type: "json_schema", json_schema: { name: "a", schema: { not: {} } } } } }, 400, "unsupported_parameter", "response_format"],
  ]) {
    for (const call of ["invoke", "stream"]) {
      const e = await fails(modelOf(roomy, model, more)[call]("What is 17+25?").then(async answer => {
        if (call === "stream") for await (const _ of answer);
      }));
      assert.deepEqual([e.status, e.code, e.param], [status, code, param]);
    }
  }
  const e = await fails(new OpenAIEmbeddings({ model: sums, apiKey: "none", maxRetries: 0, configuration: { baseURL: roomy + "/v1" } }).embedQuery("17"));
  assert.deepEqual([e.status, e.code], [400, "model_not_embedding"]);
});

test("a full server", async () => {
  const free = await occupy();
  const e = await fails(modelOf(full, sums).invoke("What is 17+25?"));
  assert.deepEqual([e.status, e.type, e.code], [429, "rate_limit_error", "queue_full"]);
  const fetch = counting();
  setTimeout(free, 200);
  const answer = await modelOf(full, sums, { maxRetries: 4 }, { fetch }).invoke("What is 17+25?");
  assert.equal(answer.content, "42");
  assert(fetch.sent > 1);
});
