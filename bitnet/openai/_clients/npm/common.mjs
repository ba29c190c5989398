// What the tests of all clients share. The servers are started by npm_test.go.
import assert from "node:assert/strict";

export const roomy = process.env.BITNET_ROOMY; // a server with places enough
export const full = process.env.BITNET_FULL; // one that computes one answer at a time, and lets none wait
export const sums = "arithmetic";
export const endless = "made-up/endless"; // a model that does not end by itself
assert(roomy && full, "BITNET_ROOMY and BITNET_FULL must name servers");

// gauge returns a metric of a server.
async function gauge(server, name) {
  const text = await (await fetch(server + "/metrics")).text();
  const value = text.match(new RegExp("^" + name + " (.*)$", "m"));
  assert(value, "there is no metric " + name);
  return Number(value[1]);
}

export async function running(server, count) {
  for (const end = Date.now() + 30_000; ;) {
    const now = await gauge(server, "bitnet_requests_running") + await gauge(server, "bitnet_requests_waiting");
    if (now === count) return;
    assert(Date.now() < end, `${now} requests run, not ${count}`);
    await new Promise(done => setTimeout(done, 10));
  }
}

// occupy takes the only place of the full server until it is called.
export async function occupy() {
  const abort = new AbortController();
  const response = await fetch(full + "/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: endless, messages: [{ role: "user", content: "Go on." }], temperature: 0, stream: true }),
    signal: abort.signal,
  });
  assert.equal(response.status, 200);
  await response.body.getReader().read();
  return async () => {
    abort.abort();
    await running(full, 0);
  };
}

// counting is fetch, and counts how often it was called.
export function counting() {
  const count = (...args) => {
    count.sent++;
    return fetch(...args);
  };
  count.sent = 0;
  return count;
}

// fails returns what a promise fails with.
export async function fails(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  assert.fail("it did not fail");
}
