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
Expected<ModelSpec> read_minicpm3(const Metadata& metadata);
Expected<ModelSpec> read_baichuan(const Metadata& metadata);
Expected<ModelSpec> read_minicpm(const Metadata& metadata);
Expected<ModelSpec> read_arcee(const Metadata& metadata);
Expected<ModelSpec> read_orion(const Metadata& metadata);
Expected<ModelSpec> read_qwen(const Metadata& metadata);
Expected<ModelSpec> read_seed_oss(const Metadata& metadata);
Expected<ModelSpec> read_exaone(const Metadata& metadata);
Expected<ModelSpec> read_exaone4(const Metadata& metadata);
Expected<ModelSpec> read_ernie4_5(const Metadata& metadata);
Expected<ModelSpec> read_ernie4_5_moe(const Metadata& metadata);
Expected<ModelSpec> read_chatglm(const Metadata& metadata);
Expected<ModelSpec> read_glm4(const Metadata& metadata);
Expected<ModelSpec> read_glm4_moe(const Metadata& metadata);
Expected<ModelSpec> read_dots1(const Metadata& metadata);
Expected<ModelSpec> read_minimax_m2(const Metadata& metadata);
Expected<ModelSpec> read_hunyuan(const Metadata& metadata);
Expected<ModelSpec> read_starcoder(const Metadata& metadata);
Expected<ModelSpec> read_codeshell(const Metadata& metadata);
Expected<ModelSpec> read_mpt(const Metadata& metadata);
Expected<ModelSpec> read_bloom(const Metadata& metadata);
Expected<ModelSpec> read_lfm2(const Metadata& metadata);
Expected<ModelSpec> read_mamba2(const Metadata& metadata);
Expected<ModelSpec> read_nemotron_h(const Metadata& metadata);

/// Makes the block a state space layer by {prefix}ssm.*.
Expected<void> read_mamba(const Metadata& metadata, const std::string& prefix, BlockSpec& block);

/// Llama's kin whose RoPE pairs are neighbours.
Expected<ModelSpec> read_with_neighbours(const Metadata& metadata, std::string_view family);
Expected<ModelSpec> read_t5(const Metadata& metadata);
Expected<ModelSpec> read_bert(const Metadata& metadata);
Expected<ModelSpec> read_nomic_bert(const Metadata& metadata);
Expected<ModelSpec> read_modern_bert(const Metadata& metadata);

}  // namespace heed
