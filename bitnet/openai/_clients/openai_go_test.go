package clients

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// clientOf returns OpenAI's client for a server, and how many requests it has sent.
func clientOf(s *server, more ...option.RequestOption) (openai.Client, *atomic.Int32) {
	sent := new(atomic.Int32)
	count := option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		sent.Add(1)
		return next(r)
	})
	return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(s.url + "/v1"), option.WithAPIKey("none"), count}, more...)...), sent
}

func asking(model, question string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:       model,
		Temperature: openai.Float(0),
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage("Be short."),
			openai.UserMessage(question),
		},
	}
}

func TestOpenAIGo(t *testing.T) {
	s := start(t, "", "--drain-delay", "0")
	client, sent := clientOf(s)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	t.Run("conversation", func(t *testing.T) {
		params := asking(sums, "What is 17+25?")
		params.Logprobs, params.TopLogprobs, params.Seed = openai.Bool(true), openai.Int(3), openai.Int(7)
		first, err := client.Chat.Completions.New(ctx, params)
		if err != nil {
			t.Fatal(err)
		}
		choice := first.Choices[0]
		if len(first.Choices) != 1 || choice.Message.Content != "42" || choice.FinishReason != "stop" || choice.Message.Role != "assistant" || first.Model != sums || !strings.HasPrefix(first.ID, "chatcmpl-") || !strings.Contains(first.RawJSON(), `"system_fingerprint":"fp_`) {
			t.Errorf("%s", first.RawJSON())
		}
		if time.Since(time.Unix(first.Created, 0)).Abs() > time.Hour {
			t.Errorf("created %d", first.Created)
		}
		if u := first.Usage; u.PromptTokens < 10 || u.CompletionTokens != 3 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
			t.Errorf("%s", u.RawJSON())
		}
		scores := choice.Logprobs.Content
		if len(scores) != 2 {
			t.Fatalf("%s", choice.Logprobs.RawJSON())
		}
		for i, digit := range []string{"4", "2"} {
			score := scores[i]
			if score.Token != digit || score.Logprob > 0 || score.Logprob < -1 || len(score.Bytes) != 1 || score.Bytes[0] != int64(digit[0]) || len(score.TopLogprobs) != 3 || score.TopLogprobs[0].Token != digit {
				t.Errorf("%s", score.RawJSON())
			}
		}
		// The second question has the first with its answer before it, of which
		// the server has kept what it knows.
		params.Messages = append(params.Messages, choice.Message.ToParam(), openai.UserMessage("What is 9+8?"))
		second, err := client.Chat.Completions.New(ctx, params)
		if err != nil {
			t.Fatal(err)
		}
		if second.Choices[0].Message.Content != "17" || second.Usage.PromptTokensDetails.CachedTokens == 0 {
			t.Errorf("%s", second.RawJSON())
		}
	})

	t.Run("stream", func(t *testing.T) {
		params := asking(sums, "What is 17+25?")
		params.Logprobs, params.TopLogprobs = openai.Bool(true), openai.Int(2)
		params.StreamOptions.IncludeUsage = openai.Bool(true)
		stream := client.Chat.Completions.NewStreaming(ctx, params)
		defer stream.Close()
		var all openai.ChatCompletionAccumulator
		finished := ""
		for stream.Next() {
			if !all.AddChunk(stream.Current()) {
				t.Fatalf("the client refuses %s", stream.Current().RawJSON())
			}
			if text, ok := all.JustFinishedContent(); ok {
				finished = text
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
		choice := all.Choices[0]
		if choice.Message.Content != "42" || finished != "42" || choice.FinishReason != "stop" || choice.Message.Role != "assistant" || len(choice.Logprobs.Content) != 2 || len(choice.Logprobs.Content[0].TopLogprobs) != 2 {
			t.Errorf("%+v, and %q is finished", choice, finished)
		}
		if u := all.Usage; u.CompletionTokens != 3 || u.TotalTokens != u.PromptTokens+3 {
			t.Errorf("%+v", u)
		}
	})

	t.Run("choices", func(t *testing.T) {
		params := asking(sums, "What is 17+25?")
		params.N = openai.Int(3)
		stream := client.Chat.Completions.NewStreaming(ctx, params)
		defer stream.Close()
		var all openai.ChatCompletionAccumulator
		for stream.Next() {
			if !all.AddChunk(stream.Current()) {
				t.Fatalf("the client refuses %s", stream.Current().RawJSON())
			}
		}
		if err := stream.Err(); err != nil || len(all.Choices) != 3 {
			t.Fatalf("%v, %d choices", err, len(all.Choices))
		}
		for i, choice := range all.Choices {
			if choice.Message.Content != "42" || choice.Index != int64(i) || choice.FinishReason != "stop" {
				t.Errorf("%+v", choice)
			}
		}
	})

	t.Run("text", func(t *testing.T) {
		params := openai.CompletionNewParams{Model: sums, Temperature: openai.Float(0), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("17+25=")}}
		whole, err := client.Completions.New(ctx, params)
		if err != nil || whole.Choices[0].Text != "42" {
			t.Fatalf("%v, %+v", err, whole)
		}
		stream := client.Completions.NewStreaming(ctx, params)
		defer stream.Close()
		text := ""
		for stream.Next() {
			for _, choice := range stream.Current().Choices {
				text += choice.Text
			}
		}
		if text != "42" || stream.Err() != nil {
			t.Errorf("%q, %v", text, stream.Err())
		}
	})

	t.Run("responses", func(t *testing.T) {
		params := responses.ResponseNewParams{Model: sums, Temperature: openai.Float(0), Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("What is 17+25?")}, Store: openai.Bool(false)}
		whole, err := client.Responses.New(ctx, params)
		if err != nil || whole.OutputText() != "42" || whole.Status != "completed" || whole.Usage.OutputTokens != 3 {
			t.Fatalf("%v, %+v", err, whole)
		}
		stream := client.Responses.NewStreaming(ctx, params)
		defer stream.Close()
		text, completed := "", ""
		for stream.Next() {
			switch event := stream.Current().AsAny().(type) {
			case responses.ResponseTextDeltaEvent:
				text += event.Delta
			case responses.ResponseCompletedEvent:
				completed = event.Response.OutputText()
			}
		}
		if text != "42" || completed != "42" || stream.Err() != nil {
			t.Errorf("%q, %q, %v", text, completed, stream.Err())
		}
	})

	t.Run("leaving", func(t *testing.T) {
		stream := client.Chat.Completions.NewStreaming(ctx, asking(endless, "Go on."))
		for range 5 {
			if !stream.Next() {
				t.Fatal(stream.Err())
			}
		}
		s.running(1)
		stream.Close()
		s.idle()

		ctx, cancel := context.WithCancel(ctx)
		left := make(chan error, 1)
		go func() {
			_, err := client.Chat.Completions.New(ctx, asking(endless, "Go on."))
			left <- err
		}()
		s.running(1)
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		s.idle()
	})

	t.Run("refusals", func(t *testing.T) {
		many := asking(sums, "What is 17+25?")
		many.Temperature = openai.Float(9)
		form := asking(sums, "What is 17+25?")
		form.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "a", Schema: map[string]any{"not": map[string]any{}}}}
		long := asking(sums, strings.Repeat("What is 17+25? ", 100))
		for _, test := range []struct {
			params            openai.ChatCompletionNewParams
			status            int
			kind, code, param string
		}{
			{asking("gpt-4", "Hello"), 404, "not_found_error", "model_not_found", "model"},
			{many, 400, "invalid_request_error", "", "temperature"},
			{form, 400, "invalid_request_error", "unsupported_parameter", "response_format"},
			{long, 400, "invalid_request_error", "context_length_exceeded", "messages"},
		} {
			before := sent.Load()
			_, err := client.Chat.Completions.New(ctx, test.params)
			stream := client.Chat.Completions.NewStreaming(ctx, test.params)
			if stream.Next() {
				t.Errorf("%s: a stream begins", test.param)
			}
			for _, err := range []error{err, stream.Err()} {
				var e *openai.Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: %v", test.param, err)
				}
				if e.StatusCode != test.status || e.Type != test.kind || e.Code != test.code || e.Param != test.param || e.Message == "" {
					t.Errorf("%s: %v: %s", test.param, err, e.RawJSON())
				}
			}
			if n := sent.Load() - before; n != 2 {
				t.Errorf("%s: refused, and asked %d times", test.param, n)
			}
		}
		_, err := client.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: sums, Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("17")}})
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != 400 || e.Code != "model_not_embedding" {
			t.Errorf("embeddings: %v", err)
		}
		// What the server does not have is an error with an object, too.
		if err := client.Post(ctx, "images/generations", map[string]any{}, nil); !errors.As(err, &e) || e.StatusCode != 404 || e.Code != "unknown_url" {
			t.Errorf("%v", err)
		}
		if err := client.Delete(ctx, "models", nil, nil); !errors.As(err, &e) || e.StatusCode != 405 || e.Code != "method_not_allowed" {
			t.Errorf("%v", err)
		}
	})

	t.Run("models", func(t *testing.T) {
		var names []string
		pages := client.Models.ListAutoPaging(ctx)
		for pages.Next() {
			names = append(names, pages.Current().ID)
		}
		if err := pages.Err(); err != nil || strings.Join(names, " ") != sums+" "+endless {
			t.Errorf("%v, %v", err, names)
		}
		for _, name := range names {
			if m, err := client.Models.Get(ctx, name); err != nil || m.ID != name || m.Created == 0 || m.Object != "model" {
				t.Errorf("%s: %v, %+v", name, err, m)
			}
		}
	})
}

// TestOpenAIGoFull has a server without a free place.
func TestOpenAIGoFull(t *testing.T) {
	s := start(t, "", "--drain-delay", "0", "--parallel", "1", "--queue", "0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	free := s.occupy()
	defer free()
	client, sent := clientOf(s, option.WithMaxRetries(0))
	_, err := client.Chat.Completions.New(ctx, asking(sums, "What is 17+25?"))
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != 429 || e.Type != "rate_limit_error" || e.Code != "queue_full" || e.Response.Header.Get("Retry-After") == "" || sent.Load() != 1 {
		t.Fatalf("%v after %d requests", err, sent.Load())
	}
	// By itself the client tries again, until there is room.
	client, sent = clientOf(s)
	time.AfterFunc(200*time.Millisecond, free)
	answer, err := client.Chat.Completions.New(ctx, asking(sums, "What is 17+25?"))
	if err != nil || answer.Choices[0].Message.Content != "42" || sent.Load() < 2 {
		t.Errorf("%v, %+v after %d requests", err, answer, sent.Load())
	}
}

// TestOpenAIGoKeys has a server that serves only those who bring a key.
func TestOpenAIGoKeys(t *testing.T) {
	file := t.TempDir() + "/keys"
	writeFile(t, file, "sesame\n")
	s := launch(t, "", "--drain-delay", "0", "--api-key-file", file)
	defer s.stop()
	for key, want := range map[string]int{"sesame": 0, "guess": 401} {
		client, sent := clientOf(s, option.WithAPIKey(key))
		answer, err := client.Chat.Completions.New(t.Context(), asking(sums, "What is 17+25?"))
		var e *openai.Error
		switch {
		case want == 0 && (err != nil || answer.Choices[0].Message.Content != "42"):
			t.Errorf("%s: %v", key, err)
		case want != 0 && (!errors.As(err, &e) || e.StatusCode != want || e.Code != "invalid_api_key" || sent.Load() != 1):
			t.Errorf("%s: %v", key, err)
		}
	}
}
