// Package openai serves models by OpenAI's HTTP interface, so that programs that
// are not written in Go, editors and web pages can use them.
//
//	h, err := openai.NewHandler(map[string]*bitnet.Model{"2b4t": m}, openai.Options{})
//	if err != nil {
//		return err
//	}
//	server := &http.Server{Addr: "127.0.0.1:8080", Handler: h}
//
// [Handler] is an [http.Handler] without flags and globals of its own, for any
// server. The command bitnet serve is such a one.
//
// # What is answered
//
//	POST /v1/chat/completions    conversations, streamed or as a whole
//	POST /v1/completions         text or tokens that are written on
//	POST /v1/responses           OpenAI's newer interface, without what it stores
//	POST /v1/embeddings          vectors, of models made for that
//	GET  /v1/models              and /v1/models/ID
//	POST /tokenize, /detokenize  as llama-server and vLLM have them
//	GET  /                       a page to talk to a model, in a browser
//	GET  /health, /livez, /readyz, /version, /metrics
//	GET  /api/tags, /api/version, /api/ps; POST /api/show, /api/chat,
//	     /api/generate: what clients of ollama use
//
// Fields that are not known are ignored, as clients need it. A field that is known
// and would change the answer is obeyed, or refused by its name.
//
// # Answers that fit
//
// An answer can be held to a form. The package
// [github.com/gobitnet/gobitnet/bitnet/constrain] tells what is supported.
//
//	response_format      {"type": "json_object"}, or "json_schema" with a schema;
//	                     text.format on /v1/responses
//	structured_outputs   with json, json_object, regex, choice or grammar, and
//	guided_json, guided_regex, guided_choice, guided_grammar: as vLLM has it
//	json_schema, grammar, regex, choice: as llama-server and others have it
//	format               "json" or a schema, on /api/chat and /api/generate
//
// A request has one of them. Grammars are GBNF under each of the names. A schema is
// kept to whether it is strict or not. What cannot be kept to is refused at once,
// with the keyword and its place. The model is not told of the form: its prompt
// should.
//
// The form is that of all the text. So a model that thinks ahead of its answers is
// told not to, where its template has a switch for that, and then a request that asks
// for thinking, too, is refused. An answer that ends at a limit, with the
// finish_reason length, or at a stop string need not be whole.
//
// # The same answer again
//
// An answer depends on the request, its seed and its system_fingerprint, which
// names the model's file, the version of the arithmetic and the form in which the
// model reads conversations, and, where it fills it, on the context: not on what
// else is answered at the time, on the sessions that are kept, on the processor or
// the number of threads. Where a request gives no seed, it follows from the id of the
// answer: so an answer can always be computed again. [Handler.Do] does that. The n
// answers of a request have the seeds seed, seed+1 and so on.
//
// A request with the header X-Bitnet-Digest: sha256 gets a header of that name, or a
// trailer where it is streamed, with a digest for each answer: SHA-256 over each
// token that was chosen, the one that ends the text too, as a little-endian uint32,
// followed by the logits of all tokens in its place as little-endian float32. Two
// machines that agree on it have computed the same bits everywhere. It has all logits
// computed for each token, which takes about half as long again.
//
// # Many at a time
//
// Requests wait for their turn: [Options.Parallel] answers are computed at a time, as
// far as [Options.KVMemory] has room for all that they may come to need. Between
// API keys turns are fair. What waits beyond [Options.Queue] is refused with 429. A
// request whose client leaves ends wherever it is: waiting, in its prompt, or
// between two tokens.
//
// Sessions that are done stay in what memory is left, and a request that begins as
// one of them did pays for its new part only: usage tells how much was there. The
// sessions of one API key never serve another.
package openai
