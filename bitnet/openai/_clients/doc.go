// Package clients tests bitnet serve with the programs of others: OpenAI's Go
// client, four clients from npm, a browser with the server's page, and haproxy and
// nginx in front of it. It is a module of its own, so that what they need is not
// needed by who uses the SDK. The step clients of .ci/run installs what they need
// and runs them.
package clients
