// family.cc -- the rows, and what llama-like files share.
#include "model/family.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "model/families/families.h"

namespace heed {
namespace {

constexpr auto kFamilies = std::to_array<Family>({
    {"llama", read_llama},
    {"granite", read_granite},
    {"granitemoe", read_granite_moe},
    {"granitehybrid", read_granite_hybrid},
    {"smollm3", read_smollm3},
    {"qwen2", read_qwen2},
    {"qwen2moe", read_qwen2_moe},
    {"qwen3", read_qwen3},
    {"qwen3moe", read_qwen3_moe},
    {"gemma", read_gemma},
    {"gemma2", read_gemma2},
    {"gemma3", read_gemma3},
    {"phi2", read_phi2},
    {"phi3", read_phi3},
    {"gpt2", read_gpt2},
    {"gptneox", read_gpt_neox},
    {"starcoder2", read_starcoder2},
    {"falcon", read_falcon},
    {"stablelm", read_stablelm},
    {"olmo2", read_olmo2},
    {"olmoe", read_olmoe},
    {"command-r", read_command_r},
    {"cohere2", read_cohere2},
    {"gpt-oss", read_gpt_oss},
    {"nemotron", read_nemotron},
    {"deepseek2", read_deepseek2},
    {"minicpm3", read_minicpm3},
    {"internlm2", read_llama},
    {"xverse", read_llama},
    {"baichuan", read_baichuan},
    {"minicpm", read_minicpm},
    {"arcee", read_arcee},
    {"orion", read_orion},
    {"qwen", read_qwen},
    {"seed_oss", read_seed_oss},
    {"exaone", read_exaone},
    {"exaone4", read_exaone4},
    {"ernie4_5", read_ernie4_5},
    {"ernie4_5-moe", read_ernie4_5_moe},
    {"chatglm", read_chatglm},
    {"glm4", read_glm4},
    {"glm4moe", read_glm4_moe},
    {"dots1", read_dots1},
    {"minimax-m2", read_minimax_m2},
    {"hunyuan-dense", read_hunyuan},
    {"hunyuan-moe", read_hunyuan},
    {"starcoder", read_starcoder},
    {"codeshell", read_codeshell},
    {"mpt", read_mpt},
    {"mamba2", read_mamba2},
    {"nemotron_h", read_nemotron_h},
    {"lfm2", read_lfm2},
    {"lfm2moe", read_lfm2},
    {"t5", read_t5},
    {"bert", read_bert},
    {"nomic-bert", read_nomic_bert},
    {"modern-bert", read_modern_bert},
    {"bloom", read_bloom},
});

// What is added to scores, besides RoPE: keys of GGUF, and heed's own attention.sink_logits.
Expected<void> read_scores(const Metadata& m, const std::string& p, BlockSpec& b) {
  HEED_ASSIGN(const double softcap, m.real(p + "attn_logit_softcapping", 0.0));
  HEED_ASSIGN(const double alibi, m.real(p + "attention.max_alibi_bias", 0.0));
  HEED_ASSIGN(const std::int64_t buckets, m.integer(p + "attention.relative_buckets_count", 0, 0, 1024));
  HEED_ASSIGN(const std::int64_t distance, m.integer(p + "attention.relative_distance", 128, 1, 1 << 16));
  HEED_ASSIGN(b.has_sink_logits, m.flag(p + "attention.sink_logits", false));
  HEED_ASSIGN(const double clip, m.real(p + "attention.clamp_kqv", 0.0));
  b.qkv_clip = static_cast<float>(clip);
  b.attention.score.softcap = static_cast<float>(softcap);
  b.max_alibi_bias = static_cast<float>(alibi);
  b.has_relative_bias = buckets > 0;
  b.relative = {.buckets = static_cast<std::int32_t>(buckets), .max_distance = static_cast<std::int32_t>(distance)};
  return {};
}

// heed's own keys: attention.kinds names the kind of every layer, so that a stack may mix them.
Expected<void> read_linear_layers(const Metadata& m, const std::string& p, ModelSpec& s) {
  const auto* kinds = m.strings(p + "attention.kinds");
  if (!kinds) return {};
  if (kinds->size() != s.blocks.size())
    return fail(Code::malformed,
                "model: attention.kinds names " + std::to_string(kinds->size()) + " layers of " +
                    std::to_string(s.blocks.size()),
                p + "attention.kinds");
  HEED_ASSIGN(const std::int64_t features, m.integer(p + "attention.features", 64, 16, 1024));
  constexpr std::pair<std::string_view, LinearKind> kNames[] = {{"elu", LinearKind::elu},
                                                                {"performer", LinearKind::performer},
                                                                {"gated", LinearKind::gated},
                                                                {"gated_delta", LinearKind::gated_delta}};
  for (std::size_t i = 0; i < kinds->size(); ++i) {
    const std::string name((*kinds)[i]);
    if (name == "softmax") continue;
    const auto* found =
        std::find_if(std::begin(kNames), std::end(kNames), [&](const auto& n) { return n.first == name; });
    if (found == std::end(kNames))
      return fail(Code::unsupported, "model: attention kind \"" + name + "\" is not supported", p + "attention.kinds");
    BlockSpec& b = s.blocks[i];
    b.kind = AttentionKind::linear;
    b.rope.dims = 0;
    b.max_alibi_bias = 0;
    b.has_relative_bias = b.has_sink_logits = false;
    b.linear = {.kind = found->second,
                .heads = b.attention.heads,
                .kv_heads = b.attention.kv_heads,
                .k_dim = b.head_dim,
                .v_dim = b.head_dim,
                .features = found->second == LinearKind::performer ? static_cast<std::int32_t>(features) : 0,
                .scale = b.attention.score.scale};
  }
  return {};
}

// Constants of Granite, MiniCPM and Command R; each 1 where the file does not say otherwise.
Expected<void> read_scales(const Metadata& m, const std::string& p, ModelSpec& s) {
  HEED_ASSIGN(const double embed, m.real(p + "embedding_scale", 1.0));
  HEED_ASSIGN(const double residual, m.real(p + "residual_scale", 1.0));
  HEED_ASSIGN(const double logits, m.real(p + "logit_scale", 1.0));
  s.embed_scale = static_cast<float>(embed);
  s.residual_scale = static_cast<float>(residual);
  s.logit_scale = static_cast<float>(logits);
  return {};
}

Expected<void> read_memory(const Metadata& m, const std::string& p, ModelSpec& s) {
  HEED_ASSIGN(const std::int64_t tokens, m.integer(p + "memory_tokens", 0, 0, 4096));
  s.memory_tokens = static_cast<std::int32_t>(tokens);
  for (BlockSpec& b : s.blocks) b.attention.mask.sink = s.memory_tokens;  // matters where there is a window
  return {};
}

// {family}.pooling_type, by number. A file that says none of an encoder leaves the choice to us.
Expected<void> read_pooling(const Metadata& m, const std::string& family, ModelSpec& s) {
  constexpr Pooling kKinds[] = {Pooling::none, Pooling::mean, Pooling::first, Pooling::last};
  const std::string key = family + ".pooling_type";
  HEED_ASSIGN(const std::int64_t kind, m.integer(key, 0, 0, 255));
  if (kind >= static_cast<std::int64_t>(std::size(kKinds)))
    return fail(Code::unsupported,
                "model: pooling type " + std::to_string(kind) +
                    " is not supported; heed knows 1 (mean), 2 (first token) and 3 (last token)",
                key);
  HEED_ASSIGN(const std::int64_t length, m.integer(family + ".text_length", 0, 0, 1 << 30));  // heed's own key
  if (kind > 0) s.pooling = kKinds[kind];
  s.text_length = static_cast<std::int32_t>(length);
  return {};
}

Expected<std::int32_t> read_vocab(const Metadata& m, const std::string& prefix) {
  if (const auto* tokens = m.strings("tokenizer.ggml.tokens")) return static_cast<std::int32_t>(tokens->size());
  HEED_ASSIGN(const std::int64_t n, m.need_integer(prefix + "vocab_size", 1, 1 << 22));
  return static_cast<std::int32_t>(n);
}

// One number for all layers, or one a layer; 0 where a layer lacks that half, which the family's reader sees to. No
// key: `otherwise`, which is an error if it is 0.
Expected<std::vector<std::int64_t>> read_each_layer(const Metadata& m, const std::string& key, std::int64_t layers,
                                                    std::int64_t otherwise, std::int64_t most) {
  const auto* each = m.integers(key);
  if (!each) {
    HEED_ASSIGN(const std::int64_t all,
                otherwise > 0 ? m.integer(key, otherwise, 0, most) : m.need_integer(key, 0, most));
    return std::vector<std::int64_t>(static_cast<std::size_t>(layers), all);
  }
  const std::string name = "model: " + key.substr(key.rfind('.') + 1);
  if (static_cast<std::int64_t>(each->size()) != layers)
    return fail(Code::malformed, name + " has " + std::to_string(each->size()) + " layers of " + std::to_string(layers),
                key);
  for (const std::int64_t n : *each)
    if (n < 0 || n > most)
      return fail(Code::malformed, name + " must be in 0.." + std::to_string(most) + ", got " + std::to_string(n), key);
  return *each;
}

}  // namespace

std::span<const Family> families() noexcept { return kFamilies; }

Expected<ModelSpec> read_spec(const Metadata& metadata) {
  HEED_ASSIGN(const std::string name, metadata.need_text("general.architecture"));
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.name == name) {
      HEED_ASSIGN(ModelSpec spec, family.read(metadata));
      HEED_TRY(read_pooling(metadata, name, spec));
      HEED_TRY(check(spec));
      return spec;
    }
    known += (known.empty() ? "" : ", ") + std::string(family.name);
  }
  return fail(Code::unsupported, "model: architecture \"" + name + "\" is not supported; heed knows " + known,
              "general.architecture");
}

Expected<ModelSpec> read_llama_like(const Metadata& m, std::string_view family) {
  const std::string p = std::string(family) + ".";
  ModelSpec s{.family = std::string(family)};
  constexpr std::int64_t kMax = 1 << 24;
  HEED_ASSIGN(const std::int64_t dim, m.need_integer(p + "embedding_length", 1, kMax));
  HEED_ASSIGN(const std::int64_t all_layers, m.need_integer(p + "block_count", 1, 1024));
  HEED_ASSIGN(const std::int64_t guessing, m.integer(p + "nextn_predict_layers", 0, 0, all_layers - 1));
  HEED_ASSIGN(const ExpertSpec experts, read_experts(m, family));
  HEED_ASSIGN(const std::vector<std::int64_t> ffn_dim,
              read_each_layer(m, p + "feed_forward_length", all_layers, experts.ffn_dim, kMax));
  HEED_ASSIGN(const std::int64_t heads, m.need_integer(p + "attention.head_count", 0, 1024));
  HEED_ASSIGN(const std::vector<std::int64_t> kv_heads,
              read_each_layer(m, p + "attention.head_count_kv", all_layers, std::max<std::int64_t>(heads, 1), 1024));
  HEED_ASSIGN(const std::int64_t head_dim,
              m.integer(p + "attention.key_length", dim / std::max<std::int64_t>(heads, 1), 1, kMax));
  HEED_ASSIGN(const std::int64_t v_dim, m.integer(p + "attention.value_length", head_dim, 1, kMax));
  if (v_dim != head_dim && !m.find(p + "attention.kv_lora_rank"))
    return fail(Code::unsupported,
                "model: value_length " + std::to_string(v_dim) + " differs from key_length " + std::to_string(head_dim),
                p + "attention.value_length");
  HEED_ASSIGN(const std::int64_t rope_dims, m.integer(p + "rope.dimension_count", head_dim, 0, kMax));
  HEED_ASSIGN(const std::int64_t context, m.integer(p + "context_length", 4096, 1, 1 << 30));
  HEED_ASSIGN(const double layer_eps, m.real(p + "attention.layer_norm_epsilon", 1e-5));
  HEED_ASSIGN(const double eps, m.real(p + "attention.layer_norm_rms_epsilon", layer_eps));
  HEED_ASSIGN(const double base, m.real(p + "rope.freq_base", 10000.0));
  HEED_ASSIGN(const double score_scale, m.real(p + "attention.scale", 1.0 / std::sqrt(static_cast<double>(head_dim))));
  HEED_ASSIGN(s.vocab, read_vocab(m, p));
  s.dim = static_cast<std::int32_t>(dim);
  s.context = static_cast<std::int32_t>(context);
  s.norm_eps = static_cast<float>(eps);
  BlockSpec b;
  b.attention = {.heads = static_cast<std::int32_t>(heads),
                 .mask = {.causal = true},
                 .score = {.scale = static_cast<float>(score_scale)}};
  b.rope = {.dims = static_cast<std::int32_t>(rope_dims), .base = static_cast<float>(base)};
  b.head_dim = static_cast<std::int32_t>(head_dim);
  b.v_dim = static_cast<std::int32_t>(v_dim);
  b.experts = experts;
  s.blocks.assign(static_cast<std::size_t>(all_layers - guessing), b);
  s.guessing_blocks = static_cast<std::int32_t>(guessing);
  for (std::size_t i = 0; i < s.blocks.size(); ++i) {
    s.blocks[i].attention.kv_heads = static_cast<std::int32_t>(kv_heads[i]);
    s.blocks[i].ffn_dim = static_cast<std::int32_t>(ffn_dim[i]);
  }
  for (BlockSpec& block : s.blocks) HEED_TRY(read_scores(m, p, block));
  HEED_TRY(read_rope_scaling(m, family, family != "gpt-oss", s));
  HEED_TRY(read_scales(m, p, s));
  HEED_TRY(read_linear_layers(m, p, s));
  HEED_TRY(read_memory(m, p, s));
  return s;
}

}  // namespace heed
