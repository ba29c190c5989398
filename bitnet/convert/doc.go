// Package convert makes GGUF files of ternary models: from the folders of Hugging
// Face repositories, and from other GGUF files.
//
//	f, err := os.Create("model.gguf.part")
//	…
//	report, err := convert.Write(ctx, f, "bitnet-b1.58-2B-4T-bf16", convert.Options{})
//
// # From a folder
//
// A folder has config.json, the weights as [safetensors], tokenizer.json or
// tokenizer.model, and mostly tokenizer_config.json, generation_config.json and a
// chat template. These classes of models are read:
//
//	BitNetForCausalLM   Microsoft's BitNet b1.58     becomes bitnet-b1.58
//	BitnetForCausalLM   1bitLLM's                    becomes bitnet
//	LlamaForCausalLM    Falcon-E, Falcon3, Llama 3   becomes llama
//	Qwen3ForCausalLM    Ternary Bonsai               becomes qwen3
//
// Of the two BitNets the activation decides the name: engines take bitnet-b1.58
// for a model with ReLU² and bitnet for one with SiLU, and nothing in a GGUF tells
// them otherwise.
//
// The weights of projections come in three ways.
//
//   - Packed, four in a byte, with a weight_scale. What that means is for
//     config.json to say: by linear_class autobitlinear a weight is the code times
//     weight_scale, by bitlinear it is the code divided by it.
//   - As floats that the model itself rounds in each pass (quantization_mode
//     online, and every BitnetForCausalLM). They are rounded as it does: with
//     γ = max(10⁻⁵, mean|w|) over the whole tensor, w becomes the integer nearest
//     to w·(1/γ), half to even, cut to −1, 0, +1, all in float32, and γ is the
//     scale. The mean is added up in float64, which is closer to the true one than
//     whatever order a GPU adds in.
//   - As floats that are ternary already, with one scale for a tensor or for each
//     256, 128 or 64 weights of a row. They are stored exactly.
//
// Floats that are none of this are of no ternary model. They are rounded only
// where Options.Type asks for I2_S.
//
// In the llama architecture rotary positions turn neighbouring pairs; the rows of
// queries and keys are put in the order that fits it.
//
// # From a GGUF file
//
// Ternary tensors are repacked from one ternary type into another with the same
// codes and scales, or refused; embedding and output head are encoded anew. All
// else is copied as it is, and so are the keys.
//
// I2_S has one float32 scale for a tensor; the other types have a float16 scale for
// each block. A scale that float16 does not hold is rounded, as other converters
// do, and its exact value stays in the file under the keys
// "convert.exact_scale.names" and "convert.exact_scale.values". On the way back to
// I2_S it is taken from there, so that every bit comes back.
//
// # What is the same everywhere
//
// The same input and options give the same bytes on every platform, whatever the
// number of threads. Memory stays within some tens of megabytes beside the
// vocabulary, whatever the size of the model.
//
// [safetensors]: https://pkg.go.dev/github.com/gobitnet/gobitnet/bitnet/safetensors
package convert
