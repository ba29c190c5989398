// Package bitnet runs BitNet b1.58 language models: Microsoft's transformers
// with ternary weights and 8-bit activations, on ordinary processors, without
// cgo, Python or a compiler.
//
// # From a file to text
//
// [Open] maps a GGUF file as it is published, [Model.NewSession] begins a
// sequence of tokens, [Session.Generate] continues it:
//
//	m, err := bitnet.Open("ggml-model-i2_s.gguf")
//	if err != nil {
//		return err
//	}
//	defer m.Close()
//
//	s, err := m.NewSession()
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//
//	r, err := s.Generate(ctx, "The capital of France is", bitnet.GenerateOptions{MaxTokens: 8})
//	if err != nil {
//		return err
//	}
//	fmt.Println(r.Text)
//
// [OpenBytes] opens a file that lies in memory. The package bitnet/arithmetic has
// a small trained model to begin with, which needs no file.
//
// [Session.Stream] gives the same text token by token.
// [Session.Append] is what lies beneath: token ids in, logits out;
// [Session.AppendEach] gives the logits after each of them, [Session.Score] how
// likely the model holds a text that is there.
// [Session.Fork] and [Session.Truncate] let several texts share a beginning, and
// [Session.Save] and [Model.RestoreSession] have it outlive the process.
//
// # Conversations
//
// [NewChat] holds a conversation in the form that the published models were
// trained on, [ResumeChat] goes on with one that is there as messages:
//
//	c, err := bitnet.NewChat(ctx, s, "You are a helpful assistant.")
//	if err != nil {
//		return err
//	}
//	r, err := c.Send(ctx, "What is the capital of France?", bitnet.GenerateOptions{})
//
// Which form that is, the chat template in the file says. Of models that think before
// they answer, [Result.Reasoning] has the one and Text the other.
//
// A program that is given the whole conversation each time, as a server is, calls
// [Model.EncodeChat], [Session.Follow], which evaluates only what the session
// does not hold yet, and [Session.StreamTokens], with SplitReasoning for models that
// may think.
//
// # The same bits everywhere
//
// The same model and the same tokens give the same bits of every logit,
// whatever the number of threads, the way in which tokens are handed to Append,
// what other sessions do, and the processor: plain Go, AVX2, AVX-512, AMX and
// NEON compute the same numbers, not nearly the same. So greedy decoding, and
// sampling from a seed, give the same text on every machine, and a result can
// be checked by computing it again somewhere else. ARITHMETIC.md in the
// project's root defines every operation.
//
// # Time and memory
//
// Decoding reads all weights for each token, so the memory decides its speed;
// prompts go through in blocks of up to 192 tokens and are bound by the
// processor. A model of 1.19 GB takes that much of the page cache, which
// processes that have it open share, and for each session 77 KB a token of KV
// cache (39 MB for 512 tokens). Greedy and top-k decoding keep an 8-bit screen of
// the output head, 330 MB for that model, and hand back the memory of the
// float16 head meanwhile; [WithoutScreen] trades it for speed.
//
// # Concurrency
//
// A [Model] may be used by any number of goroutines, a [Session] or [Chat] by
// one at a time. Sessions of a model that wait at the same time are computed
// together, which costs little more than one of them: many sessions in
// goroutines of their own are the way to serve many users, or to work through
// many texts. Prompts go beside them piece by piece. A context.Context that ends
// stops the work of its session within one pass through the model, or within a
// layer where nobody else is in it.
//
// # Errors
//
// Errors are values to be asked by errors.Is and errors.As: [ErrModel],
// [ErrToken], [ErrContext], [ErrOption], [ErrSave], [ErrNotFinite], [ErrEmpty] and
// [ErrClosed] here, gguf.ErrFormat for files that are no GGUF, gguf.ErrChanged for
// one that was changed while it was open, tokenizer.ErrVocabulary for an unusable
// vocabulary. Their texts begin with no package's name. Whatever a file, a text or
// token ids hold, the package does not panic over it; it writes no log and reads
// no environment.
package bitnet
