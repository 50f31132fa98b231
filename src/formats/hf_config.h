// hf_config.h -- config.json, generation_config.json and tokenizer_config.json as GGUF's metadata.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "core/expected.h"
#include "formats/hf_families.h"
#include "formats/metadata.h"

namespace heed {

/// The row of config.json's model_type. unsupported: there is none, or the weights are quantized in another way.
Expected<const HfFamily*> read_hf_family(const nlohmann::ordered_json& config);

/// What the model is. Errors name the key.
Expected<void> read_hf_config(const nlohmann::ordered_json& config, const HfFamily& family, Metadata& out);

/// Ids that begin and end a text: generation_config.json's where it says them, else config.json's.
Expected<void> read_hf_token_ids(const nlohmann::ordered_json& config, const nlohmann::ordered_json& generation,
                                 Metadata& out);

/// The chat template and whether texts begin with the bos token.
Expected<void> read_hf_tokenizer_config(const nlohmann::ordered_json& tokenizer, Metadata& out);

/// What GGUF keeps as a tensor and config.json as numbers: what RoPE's frequencies are divided by, [dims / 2]; empty:
/// nothing. Llama 3's scaling (Llama 3 report, 2024).
Expected<std::vector<float>> hf_rope_factors(const nlohmann::ordered_json& config);

}  // namespace heed
