// spec.cc -- what a spec must satisfy before any kernel sees it.
#include "model/spec.h"

namespace heed {
namespace {

Error wrong(const std::string& what, std::int64_t got) {
  return fail(Code::malformed, "model: " + what + ", got " + std::to_string(got));
}

Expected<void> check_groups(const ExpertSpec& e, const std::string& at) {
  const std::int32_t least = e.is_sigmoid && e.groups > 1 ? 2 : 1;  // experts that say what a group is worth
  if (e.groups < 1 || e.count % e.groups != 0 || e.count / e.groups < least)
    return wrong(at + "groups of at least " + std::to_string(least) + " must divide the experts, which are " +
                     std::to_string(e.count),
                 e.groups);
  if (e.used_groups < 1 || e.used_groups > e.groups)
    return wrong(at + "groups used must be in 1.." + std::to_string(e.groups), e.used_groups);
  if (e.used > e.used_groups * (e.count / e.groups))
    return wrong(at + "experts used must be at most those of " + std::to_string(e.used_groups) + " groups of " +
                     std::to_string(e.count / e.groups),
                 e.used);
  return {};
}

Expected<void> check_heads(const BlockSpec& b, const std::string& at) {
  const auto& a = b.attention;
  if (a.heads < 1 || a.heads > 1024) return wrong(at + "heads must be in 1..1024", a.heads);
  if (a.kv_heads < 1 || a.heads % a.kv_heads != 0)
    return wrong(at + "kv_heads must divide heads " + std::to_string(a.heads), a.kv_heads);
  if (b.head_dim < 16 || b.head_dim > 256 || b.head_dim % 16 != 0)
    return wrong(at + "head_dim must be a multiple of 16 in 16..256", b.head_dim);
  if (b.value_dim() < 16 || b.value_dim() > 256 || b.value_dim() % 16 != 0)
    return wrong(at + "value dim must be a multiple of 16 in 16..256", b.value_dim());
  for (const std::int32_t rank : {b.latent.kv_rank, b.latent.q_rank})
    if (rank < 0 || rank > 1 << 16 || rank % 32 != 0)
      return wrong(at + "ranks of latent attention must be multiples of 32 up to 65536", rank);
  if (b.rope.dims < 0 || b.rope.dims > b.head_dim || b.rope.dims % 2 != 0)
    return wrong(at + "rope dims must be even and at most head_dim " + std::to_string(b.head_dim), b.rope.dims);
  if (!(b.rope.base > 0.0f)) return wrong(at + "rope base must be positive", static_cast<std::int64_t>(b.rope.base));
  return {};
}

Expected<void> check_block(const BlockSpec& b, std::size_t layer) {
  const std::string at = "block " + std::to_string(layer) + ": ";
  const bool has_heads = b.kind == AttentionKind::softmax || b.kind == AttentionKind::linear;
  if (b.has_first_half && has_heads) HEED_TRY(check_heads(b, at));
  if (b.has_relative_bias && !(b.has_first_half && b.kind == AttentionKind::softmax && b.latent.kv_rank == 0))
    return fail(Code::unsupported, "model: " + at + "only attention of its own keys has a bias by distance");
  if (b.has_relative_bias && (b.relative.buckets < 4 || b.relative.buckets > 1024 || b.relative.buckets % 4 != 0 ||
                              b.relative.max_distance <= b.relative.buckets || b.relative.max_distance > 1 << 16))
    return wrong(at + "relative buckets must be a multiple of 4 in 4..1024 and fewer than their distance",
                 b.relative.buckets);
  if (b.kind == AttentionKind::linear && b.linear.kind == LinearKind::performer &&
      (b.linear.features < 16 || b.linear.features > 1024 || b.linear.features % 16 != 0))
    return wrong(at + "features must be a multiple of 16 in 16..1024", b.linear.features);
  if (b.kind == AttentionKind::conv && (b.mamba.taps < 1 || b.mamba.taps > 16))
    return wrong(at + "convolution taps must be in 1..16", b.mamba.taps);
  if (b.kind == AttentionKind::mamba) {
    const LinearSpec& l = b.linear;
    if (b.mamba.taps < 1 || b.mamba.taps > 16) return wrong(at + "convolution taps must be in 1..16", b.mamba.taps);
    if (l.heads < 1 || l.heads > 1024 || b.mamba.groups < 1 || l.heads % b.mamba.groups != 0)
      return wrong(at + "groups must divide the heads, in 1..1024, which are " + std::to_string(l.heads),
                   b.mamba.groups);
    if (b.mamba.inner(l) / b.mamba.groups % 16 != 0)
      return wrong(at + "a group must have a multiple of 16 channels", b.mamba.inner(l) / b.mamba.groups);
    if (l.k_dim < 16 || l.k_dim > 1024 || l.k_dim % 16 != 0)
      return wrong(at + "state size must be a multiple of 16 in 16..1024", l.k_dim);
    if (l.v_dim < 16 || l.v_dim > 1024 || l.v_dim % 16 != 0)
      return wrong(at + "head size must be a multiple of 16 in 16..1024", l.v_dim);
  }
  if (const ExpertSpec& e = b.experts; e.count > 0) {
    if (e.used < 1 || e.used > e.count || e.used > 64)
      return wrong(at + "experts used must be in 1..64 and at most " + std::to_string(e.count), e.used);
    if (e.ffn_dim < 32 || e.ffn_dim > 1 << 20 || e.ffn_dim % 32 != 0)
      return wrong(at + "ffn_dim of experts must be a multiple of 32 in 32..1048576", e.ffn_dim);
    if (e.shared_ffn_dim < 0 || e.shared_ffn_dim > 1 << 20 || e.shared_ffn_dim % 32 != 0)
      return wrong(at + "ffn_dim of the shared expert must be a multiple of 32 up to 1048576", e.shared_ffn_dim);
    HEED_TRY(check_groups(e, at));
  }
  if (!b.has_second_half) return {};
  if (b.ffn_dim < 32 || b.ffn_dim > 1 << 20 || b.ffn_dim % 32 != 0)
    return wrong(at + "ffn_dim must be a multiple of 32 in 32..1048576", b.ffn_dim);
  return {};
}

// Whole texts share one layer of keys and values.
Expected<void> check_pooling(const ModelSpec& spec) {
  if (spec.pooling == Pooling::none) return {};
  const BlockSpec& first = spec.blocks.front();
  for (const BlockSpec& b : spec.blocks)
    if (b.kind != AttentionKind::softmax || b.attention.kv_heads != first.attention.kv_heads ||
        b.head_dim != first.head_dim || b.value_dim() != first.value_dim())
      return fail(Code::unsupported, "model: vectors need blocks that keep keys and values of one size");
  if (!spec.encoder.empty() || spec.memory_tokens > 0)
    return fail(Code::unsupported, "model: vectors come from one stack of blocks without memory tokens");
  return {};
}

}  // namespace

Expected<void> check(const ModelSpec& spec) {
  if (spec.dim < 32 || spec.dim > 1 << 16 || spec.dim % 32 != 0)
    return wrong("dim must be a multiple of 32 in 32..65536", spec.dim);
  if (spec.vocab < 1 || spec.vocab > 1 << 22) return wrong("vocabulary size must be in 1..4194304", spec.vocab);
  if (spec.context < 1) return wrong("context length must be positive", spec.context);
  if (spec.memory_tokens < 0 || spec.memory_tokens > 4096)
    return wrong("memory tokens must be in 0..4096", spec.memory_tokens);
  if (spec.blocks.empty() || spec.blocks.size() > 1024)
    return wrong("block count must be in 1..1024", static_cast<std::int64_t>(spec.blocks.size()));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) HEED_TRY(check_block(spec.blocks[i], i));
  if (spec.encoder.size() > 1024)
    return wrong("encoder block count must be at most 1024", static_cast<std::int64_t>(spec.encoder.size()));
  for (std::size_t i = 0; i < spec.encoder.size(); ++i) HEED_TRY(check_block(spec.encoder[i], i));
  if (spec.start_token < 0 || spec.start_token >= spec.vocab)
    return wrong("the start token must be of the vocabulary of " + std::to_string(spec.vocab), spec.start_token);
  if (spec.token_types < 0 || spec.token_types > 1024) return wrong("token types must be in 0..1024", spec.token_types);
  return check_pooling(spec);
}

}  // namespace heed
