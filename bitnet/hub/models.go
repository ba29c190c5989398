package hub

import (
	"slices"
	"strings"
)

// A Model is a line of the table of models: a file that its makers publish on
// Hugging Face.
type Model struct {
	Name       string // what to pull it by
	Repository string
	Revision   string
	File       string
	Bytes      int64  // 0 where it is not known beforehand
	SHA256     string // "" where it is not known beforehand
	Licence    string // as the repository states it
}

// models are all of the table. A size and a sum stand here only if they were
// read from the published file.
var models = []Model{
	{
		Name: "2b4t", Repository: "microsoft/bitnet-b1.58-2B-4T-gguf", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "MIT",
		Bytes: 1_187_801_280, SHA256: "4221b252fdd5fd25e15847adfeb5ee88886506ba50b8a34548374492884c2162",
	},
	{Name: "falcon-e-1b-instruct", Repository: "tiiuae/Falcon-E-1B-Instruct-GGUF", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "Falcon-LLM"},
	{Name: "falcon-e-3b-instruct", Repository: "tiiuae/Falcon-E-3B-Instruct-GGUF", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "Falcon-LLM"},
	{Name: "falcon3-1b-instruct", Repository: "tiiuae/Falcon3-1B-Instruct-1.58bit-GGUF", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "Falcon-LLM"},
	{Name: "falcon3-3b-instruct", Repository: "tiiuae/Falcon3-3B-Instruct-1.58bit-GGUF", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "Falcon-LLM"},
	{Name: "falcon3-7b-instruct", Repository: "tiiuae/Falcon3-7B-Instruct-1.58bit-GGUF", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "Falcon-LLM"},
	{Name: "falcon3-10b-instruct", Repository: "tiiuae/Falcon3-10B-Instruct-1.58bit-GGUF", Revision: "main", File: "ggml-model-i2_s.gguf", Licence: "Falcon-LLM"},
	{Name: "bonsai-1.7b", Repository: "prism-ml/Ternary-Bonsai-1.7B-gguf", Revision: "main", File: "Ternary-Bonsai-1.7B-Q2_0.gguf", Licence: "Apache-2.0"},
	{Name: "bonsai-4b", Repository: "prism-ml/Ternary-Bonsai-4B-gguf", Revision: "main", File: "Ternary-Bonsai-4B-Q2_0.gguf", Licence: "Apache-2.0"},
	{Name: "bonsai-8b", Repository: "prism-ml/Ternary-Bonsai-8B-gguf", Revision: "main", File: "Ternary-Bonsai-8B-Q2_0.gguf", Licence: "Apache-2.0"},
	{Name: "embedding-270m", Repository: "microsoft/bitnet-embedding-270m", Revision: "main", File: "bitnet-embeddings-270m-bf16-i2_s.gguf", Licence: "MIT"},
	{Name: "embedding-0.6b", Repository: "microsoft/bitnet-embedding-0.6b", Revision: "main", File: "bitnet-embeddings-0.6b-bf16-i2_s.gguf", Licence: "MIT"},
}

// Models returns the table. The slice is the caller's.
func Models() []Model { return slices.Clone(models) }

func modelNamed(name string) (Model, bool) {
	name = strings.ToLower(name)
	i := slices.IndexFunc(models, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return models[i], true
}

// modelAt returns the model of the table that lies where r is.
func modelAt(r Reference) (Model, bool) {
	i := slices.IndexFunc(models, func(m Model) bool {
		return r.repository == m.Repository && r.revision == m.Revision && r.pathInside == m.File
	})
	if i < 0 {
		return Model{}, false
	}
	return models[i], true
}

func (m Model) reference() Reference {
	return Reference{
		Name: m.Name, File: m.File, SHA256: m.SHA256, Bytes: m.Bytes, knownFrom: tableOfModels,
		repository: m.Repository, revision: m.Revision, pathInside: m.File,
	}
}
