// hf_families.cc -- the tables, and the one matcher of names.
#include "formats/hf_families.h"

#include <array>
#include <charconv>

namespace heed {
namespace {

constexpr auto kKeys = std::to_array<HfKey>({
    {"hidden_size", "embedding_length"},
    {"num_hidden_layers", "block_count"},
    {"intermediate_size", "feed_forward_length"},
    {"num_attention_heads", "attention.head_count"},
    {"num_key_value_heads", "attention.head_count_kv"},
    {"head_dim", "attention.key_length"},
    {"head_dim", "attention.value_length"},
    {"max_position_embeddings", "context_length"},
    {"n_embd", "embedding_length"},
    {"n_layer", "block_count"},
    {"n_inner", "feed_forward_length"},
    {"n_head", "attention.head_count"},
    {"n_positions", "context_length"},
    {"vocab_size", "vocab_size"},
    {"sliding_window", "attention.sliding_window"},
    {"local_attention", "attention.sliding_window"},
    {"global_attn_every_n_layers", "attention.sliding_window_pattern"},
    {"global_rope_theta", "rope.freq_base", HfValue::real},
    {"rotary_emb_base", "rope.freq_base", HfValue::real},
    {"local_rope_theta", "rope.freq_base_swa", HfValue::real},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", HfValue::real},
    {"layer_norm_eps", "attention.layer_norm_epsilon", HfValue::real},
    {"norm_epsilon", "attention.layer_norm_epsilon", HfValue::real},
    {"layer_norm_epsilon", "attention.layer_norm_epsilon", HfValue::real},
    {"norm_eps", "attention.layer_norm_epsilon", HfValue::real},
    {"attn_logit_softcapping", "attn_logit_softcapping", HfValue::real},
    {"final_logit_softcapping", "final_logit_softcapping", HfValue::real},
    {"query_pre_attn_scalar", "attention.scale", HfValue::rsqrt},
    {"attention_multiplier", "attention.scale", HfValue::real},
    {"embedding_multiplier", "embedding_scale", HfValue::real},
    {"residual_multiplier", "residual_scale", HfValue::real},
    {"logits_scaling", "logit_scale", HfValue::real},
    {"logit_scale", "logit_scale", HfValue::real},
    {"num_local_experts", "expert_count"},
    {"num_experts", "expert_count"},
    {"num_experts_per_tok", "expert_used_count"},
    {"moe_intermediate_size", "expert_feed_forward_length"},
    {"shared_expert_intermediate_size", "expert_shared_feed_forward_length"},
});

constexpr auto kCommon = std::to_array<HfName>({
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.layers.{i}.input_layernorm", "blk.{i}.attn_norm"},
    {"model.layers.{i}.post_attention_layernorm", "blk.{i}.ffn_norm"},
    {"model.layers.{i}.self_attn.q_proj", "blk.{i}.attn_q"},
    {"model.layers.{i}.self_attn.k_proj", "blk.{i}.attn_k"},
    {"model.layers.{i}.self_attn.v_proj", "blk.{i}.attn_v"},
    {"model.layers.{i}.self_attn.o_proj", "blk.{i}.attn_output"},
    {"model.layers.{i}.self_attn.q_norm", "blk.{i}.attn_q_norm"},
    {"model.layers.{i}.self_attn.k_norm", "blk.{i}.attn_k_norm"},
    {"model.layers.{i}.mlp.gate_proj", "blk.{i}.ffn_gate"},
    {"model.layers.{i}.mlp.up_proj", "blk.{i}.ffn_up"},
    {"model.layers.{i}.mlp.down_proj", "blk.{i}.ffn_down"},
});

constexpr auto kSandwich = std::to_array<HfName>({
    {"model.layers.{i}.post_attention_layernorm", "blk.{i}.post_attention_norm"},
    {"model.layers.{i}.pre_feedforward_layernorm", "blk.{i}.ffn_norm"},
    {"model.layers.{i}.post_feedforward_layernorm", "blk.{i}.post_ffw_norm"},
});

constexpr auto kMixtral = std::to_array<HfName>({
    {"model.layers.{i}.block_sparse_moe.gate", "blk.{i}.ffn_gate_inp"},
    {"model.layers.{i}.block_sparse_moe.experts.{e}.w1", "blk.{i}.ffn_gate_exps"},
    {"model.layers.{i}.block_sparse_moe.experts.{e}.w2", "blk.{i}.ffn_down_exps"},
    {"model.layers.{i}.block_sparse_moe.experts.{e}.w3", "blk.{i}.ffn_up_exps"},
});

constexpr auto kQwenMoe = std::to_array<HfName>({
    {"model.layers.{i}.mlp.gate", "blk.{i}.ffn_gate_inp"},
    {"model.layers.{i}.mlp.experts.{e}.gate_proj", "blk.{i}.ffn_gate_exps"},
    {"model.layers.{i}.mlp.experts.{e}.down_proj", "blk.{i}.ffn_down_exps"},
    {"model.layers.{i}.mlp.experts.{e}.up_proj", "blk.{i}.ffn_up_exps"},
    {"model.layers.{i}.mlp.shared_expert.gate_proj", "blk.{i}.ffn_gate_shexp"},
    {"model.layers.{i}.mlp.shared_expert.down_proj", "blk.{i}.ffn_down_shexp"},
    {"model.layers.{i}.mlp.shared_expert.up_proj", "blk.{i}.ffn_up_shexp"},
    {"model.layers.{i}.mlp.shared_expert_gate", "blk.{i}.ffn_gate_inp_shexp"},
});

constexpr auto kPhi3 = std::to_array<HfName>({
    {"model.layers.{i}.self_attn.qkv_proj", "blk.{i}.attn_qkv"},
    {"model.layers.{i}.mlp.gate_up_proj", "blk.{i}.ffn_up"},
});

constexpr auto kSeedOss = std::to_array<HfName>({
    {"model.layers.{i}.post_attention_layernorm", "blk.{i}.post_attention_norm"},
});

constexpr auto kGlm4 = std::to_array<HfName>({
    {"model.layers.{i}.post_self_attn_layernorm", "blk.{i}.post_attention_norm"},
    {"model.layers.{i}.post_mlp_layernorm", "blk.{i}.post_ffw_norm"},
    {"model.layers.{i}.mlp.gate_up_proj", "blk.{i}.ffn_up"},
});

constexpr auto kStarcoder2 = std::to_array<HfName>({
    {"model.layers.{i}.mlp.c_fc", "blk.{i}.ffn_up"},
    {"model.layers.{i}.mlp.c_proj", "blk.{i}.ffn_down"},
});

constexpr auto kBert = std::to_array<HfName>({
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.{i}.attention.self.query", "blk.{i}.attn_q"},
    {"encoder.layer.{i}.attention.self.key", "blk.{i}.attn_k"},
    {"encoder.layer.{i}.attention.self.value", "blk.{i}.attn_v"},
    {"encoder.layer.{i}.attention.output.dense", "blk.{i}.attn_output"},
    {"encoder.layer.{i}.attention.output.LayerNorm", "blk.{i}.attn_output_norm"},
    {"encoder.layer.{i}.intermediate.dense", "blk.{i}.ffn_up"},
    {"encoder.layer.{i}.output.dense", "blk.{i}.ffn_down"},
    {"encoder.layer.{i}.output.LayerNorm", "blk.{i}.layer_output_norm"},
    {"pooler.dense", ""},
    {"cls.predictions", ""},
    {"cls.predictions.decoder", ""},
    {"cls.predictions.transform.dense", ""},
    {"cls.predictions.transform.LayerNorm", ""},
    {"cls.seq_relationship", ""},
    {"lm_head", ""},
    {"lm_head.decoder", ""},
    {"lm_head.dense", ""},
    {"lm_head.layer_norm", ""},
});

constexpr auto kNomicBert = std::to_array<HfName>({
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"emb_ln", "token_embd_norm"},
    {"encoder.layers.{i}.attn.Wqkv", "blk.{i}.attn_qkv"},
    {"encoder.layers.{i}.attn.out_proj", "blk.{i}.attn_output"},
    {"encoder.layers.{i}.norm1", "blk.{i}.attn_output_norm"},
    {"encoder.layers.{i}.mlp.fc11", "blk.{i}.ffn_up"},
    {"encoder.layers.{i}.mlp.fc12", "blk.{i}.ffn_gate"},
    {"encoder.layers.{i}.mlp.fc2", "blk.{i}.ffn_down"},
    {"encoder.layers.{i}.norm2", "blk.{i}.layer_output_norm"},
});

constexpr auto kModernBert = std::to_array<HfName>({
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm"},
    {"layers.{i}.attn_norm", "blk.{i}.attn_norm"},
    {"layers.{i}.attn.Wqkv", "blk.{i}.attn_qkv"},
    {"layers.{i}.attn.Wo", "blk.{i}.attn_output"},
    {"layers.{i}.mlp_norm", "blk.{i}.ffn_norm"},
    {"layers.{i}.mlp.Wi", "blk.{i}.ffn_up"},
    {"layers.{i}.mlp.Wo", "blk.{i}.ffn_down"},
    {"final_norm", "output_norm"},
    {"head.dense", ""},
    {"head.norm", ""},
    {"decoder", ""},
});

constexpr auto kBertFacts = std::to_array<HfFact>(
    {{"hidden_act", "\"gelu\""}, {"position_embedding_type", "\"absolute\""}, {"is_decoder", "false"}});
constexpr auto kNomicBertFacts = std::to_array<HfFact>({{"hidden_act", "\"silu\""},
                                                        {"activation_function", "\"swiglu\""},
                                                        {"prenorm", "false"},
                                                        {"parallel_block", "false"},
                                                        {"rotary_emb_interleaved", "false"},
                                                        {"rotary_emb_fraction", "1.0"}});
constexpr auto kModernBertFacts = std::to_array<HfFact>({{"hidden_activation", "\"gelu\""}});

constexpr auto kFamilies = std::to_array<HfFamily>({
    {"llama", "llama", {}, true},
    {"mistral", "llama", {}, true},
    {"mixtral", "llama", kMixtral, true},
    {"granite", "granite", {}, true},
    {"smollm3", "smollm3", {}, true},
    {"qwen2", "qwen2", {}},
    {"qwen2_moe", "qwen2moe", kQwenMoe},
    {"qwen3", "qwen3", {}},
    {"qwen3_moe", "qwen3moe", kQwenMoe},
    {"olmoe", "olmoe", kQwenMoe},
    {"gemma", "gemma", {}, false, 1.0f},
    {"gemma2", "gemma2", kSandwich, false, 1.0f},
    {.model_type = "gemma3_text",
     .architecture = "gemma3",
     .names = kSandwich,
     .norm_add = 1.0f,
     .period = 6,
     .global = 5},
    {"olmo2", "olmo2", kSandwich},
    {"phi3", "phi3", kPhi3},
    {"starcoder2", "starcoder2", kStarcoder2},
    {"stablelm", "stablelm", {}},
    {"cohere", "command-r", {}},
    {"cohere2", "cohere2", {}},
    {"arcee", "arcee", {}, true},
    {"seed_oss", "seed_oss", kSeedOss},
    {"ernie4_5", "ernie4_5", {}},
    {"glm", "chatglm", kPhi3},
    {"glm4", "glm4", kGlm4},
    {.model_type = "bert", .architecture = "bert", .names = kBert, .prefix = "bert.", .facts = kBertFacts},
    {.model_type = "roberta",
     .architecture = "bert",
     .names = kBert,
     .prefix = "roberta.",
     .unused_positions = 2,
     .facts = kBertFacts},
    {.model_type = "xlm-roberta",
     .architecture = "bert",
     .names = kBert,
     .prefix = "roberta.",
     .unused_positions = 2,
     .facts = kBertFacts},
    {.model_type = "nomic_bert", .architecture = "nomic-bert", .names = kNomicBert, .facts = kNomicBertFacts},
    {.model_type = "modernbert",
     .architecture = "modern-bert",
     .names = kModernBert,
     .prefix = "model.",
     .facts = kModernBertFacts,
     .period = 3,
     .global = 0},
});

struct Match {
  std::int64_t layer = -1, expert = -1;
};

/// `pattern` against the whole of `name`; a number stands for itself alone: no sign, no leading zero.
bool matches(std::string_view pattern, std::string_view name, Match& found) {
  while (!pattern.empty()) {
    if (pattern[0] != '{') {
      if (name.empty() || name[0] != pattern[0]) return false;
      pattern.remove_prefix(1);
      name.remove_prefix(1);
      continue;
    }
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const auto digits = static_cast<std::size_t>(end - name.data());
    if (error != std::errc() || (digits > 1 && name[0] == '0')) return false;
    (pattern[1] == 'i' ? found.layer : found.expert) = number;
    pattern.remove_prefix(3);
    name.remove_prefix(digits);
  }
  return name.empty();
}

std::optional<HfPlace> place_in(std::span<const HfName> names, std::string_view stem) {
  for (const HfName& rule : names) {
    Match found;
    if (!matches(rule.from, stem, found)) continue;
    std::string name(rule.to);
    if (const std::size_t at = name.find("{i}"); at != std::string::npos)
      name.replace(at, 3, std::to_string(found.layer));
    return HfPlace{std::move(name), found.expert};
  }
  return std::nullopt;
}

}  // namespace

std::span<const HfFamily> hf_families() noexcept { return kFamilies; }
std::span<const HfKey> hf_keys() noexcept { return kKeys; }

const HfFamily* hf_family(std::string_view model_type) noexcept {
  for (const HfFamily& family : kFamilies)
    if (family.model_type == model_type) return &family;
  return nullptr;
}

std::optional<HfPlace> hf_place(const HfFamily& family, std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  std::string_view stem = name.substr(0, dot), leaf = name.substr(dot);
  if (leaf == ".gamma") leaf = ".weight";  // norms of the first checkpoints
  if (leaf == ".beta") leaf = ".bias";
  if (leaf != ".weight" && leaf != ".bias") return std::nullopt;
  if (!family.prefix.empty() && stem.starts_with(family.prefix)) stem.remove_prefix(family.prefix.size());
  auto place = place_in(family.names, stem);
  if (!place) place = place_in(kCommon, stem);
  if (place && !place->name.empty()) place->name += leaf;
  return place;
}

}  // namespace heed
