// families.h -- one reader per family; kin share a file.
#pragma once
#include "model/family.h"

namespace heed {

Expected<ModelSpec> read_llama(const Metadata& metadata);
Expected<ModelSpec> read_granite(const Metadata& metadata);
Expected<ModelSpec> read_granite_moe(const Metadata& metadata);
Expected<ModelSpec> read_granite_hybrid(const Metadata& metadata);
Expected<ModelSpec> read_smollm3(const Metadata& metadata);
Expected<ModelSpec> read_qwen2(const Metadata& metadata);
Expected<ModelSpec> read_qwen2_moe(const Metadata& metadata);
Expected<ModelSpec> read_qwen3(const Metadata& metadata);
Expected<ModelSpec> read_qwen3_moe(const Metadata& metadata);
Expected<ModelSpec> read_gemma(const Metadata& metadata);
Expected<ModelSpec> read_gemma2(const Metadata& metadata);
Expected<ModelSpec> read_gemma3(const Metadata& metadata);
Expected<ModelSpec> read_phi2(const Metadata& metadata);
Expected<ModelSpec> read_phi3(const Metadata& metadata);
Expected<ModelSpec> read_gpt2(const Metadata& metadata);
Expected<ModelSpec> read_gpt_neox(const Metadata& metadata);
Expected<ModelSpec> read_starcoder2(const Metadata& metadata);
Expected<ModelSpec> read_falcon(const Metadata& metadata);
Expected<ModelSpec> read_stablelm(const Metadata& metadata);
Expected<ModelSpec> read_olmo2(const Metadata& metadata);
Expected<ModelSpec> read_olmoe(const Metadata& metadata);
Expected<ModelSpec> read_command_r(const Metadata& metadata);
Expected<ModelSpec> read_cohere2(const Metadata& metadata);
Expected<ModelSpec> read_gpt_oss(const Metadata& metadata);
Expected<ModelSpec> read_nemotron(const Metadata& metadata);
Expected<ModelSpec> read_deepseek2(const Metadata& metadata);
Expected<ModelSpec> read_t5(const Metadata& metadata);
Expected<ModelSpec> read_bert(const Metadata& metadata);
Expected<ModelSpec> read_nomic_bert(const Metadata& metadata);
Expected<ModelSpec> read_modern_bert(const Metadata& metadata);

}  // namespace heed
