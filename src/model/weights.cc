// weights.cc -- one visit over the spec's weights serves loading and checking.
#include "model/weights.h"

#include <set>

#include "kernels/dequantize.h"
#include "model/key_center.h"
#include "model/weight_pack.h"

namespace heed {
namespace {

using Visit = std::function<Expected<void>(const WeightSlot&)>;

std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return "[" + (rows > 0 ? std::to_string(rows) + ", " : std::string()) + std::to_string(cols) + "]";
}

Expected<void> visit_scores(const BlockSpec& b, const std::string& p, BlockWeights& w, const Visit& visit) {
  if (b.has_sink_logits) HEED_TRY(visit({p + "attn_sinks.weight", "", 0, b.attention.heads, &w.sink_logit}));
  if (!b.has_relative_bias) return {};
  return visit({p + "attn_rel_b.weight", "", b.relative.buckets, b.attention.heads, &w.relative_bias});
}

// What the kernels look up, made once of what the file holds.
void make_tables(const BlockSpec& b, BlockWeights& w) {
  if (b.max_alibi_bias > 0) w.alibi_slope = alibi_slopes(b.attention.heads, b.max_alibi_bias);
  if (b.has_qkv_bias && !b.has_qk_norm && b.kind == AttentionKind::softmax)
    w.k_center = key_center(b.rope, b.head_dim, w.k.bias);
  if (b.has_relative_bias) w.by_distance = t5_by_distance(b.relative, w.relative_bias, b.attention.heads);
}

Expected<void> visit_linear(const BlockSpec& b, const std::string& p, std::int64_t dim, BlockWeights& w,
                            const Visit& visit) {
  if (b.kind != AttentionKind::linear) return {};
  const std::int64_t kv_heads = b.attention.kv_heads;
  if (b.linear.kind == LinearKind::performer)
    return visit({p + "attn_features.weight", "", b.head_dim, b.linear.features, &w.features});
  if (!is_gated(b.linear.kind)) return {};
  HEED_TRY(visit({p + "ssm_alpha.weight", "", kv_heads, dim, &w.decay.w}));
  HEED_TRY(visit({p + "ssm_dt.bias", "", 0, kv_heads, &w.decay_bias}));
  HEED_TRY(visit({p + "ssm_a", "", 0, kv_heads, &w.decay_rate}));
  if (b.linear.kind != LinearKind::gated_delta) return {};
  return visit({p + "ssm_beta.weight", "", kv_heads, dim, &w.write.w});
}

Expected<void> visit_block(const ModelSpec& spec, const BlockSpec& b, const std::string& p, BlockWeights& w,
                           const Visit& visit) {
  const std::int64_t dim = spec.dim, ffn = b.ffn_dim, head = b.head_dim;
  const std::int64_t q = head * b.attention.heads, kv = head * b.attention.kv_heads;
  const auto vector = [&](const char* name, std::int64_t n, Vector& v) { return visit({p + name, "", 0, n, &v}); };
  const auto matrix = [&](const char* name, std::int64_t rows, std::int64_t cols, Linear& l) {
    return visit({p + name, "", rows, cols, &l.w});
  };
  HEED_TRY(vector("attn_norm.weight", dim, w.attn_norm));
  HEED_TRY(matrix("attn_q.weight", q, dim, w.q));
  HEED_TRY(matrix("attn_k.weight", kv, dim, w.k));
  HEED_TRY(matrix("attn_v.weight", kv, dim, w.v));
  if (b.has_qkv_bias) {
    HEED_TRY(vector("attn_q.bias", q, w.q.bias));
    HEED_TRY(vector("attn_k.bias", kv, w.k.bias));
    HEED_TRY(vector("attn_v.bias", kv, w.v.bias));
  }
  if (b.has_qk_norm) {
    HEED_TRY(vector("attn_q_norm.weight", head, w.q_norm));
    HEED_TRY(vector("attn_k_norm.weight", head, w.k_norm));
  }
  HEED_TRY(visit_scores(b, p, w, visit));
  HEED_TRY(visit_linear(b, p, dim, w, visit));
  HEED_TRY(matrix("attn_output.weight", dim, q, w.o));
  HEED_TRY(vector("ffn_norm.weight", dim, w.ffn_norm));
  if (spec.norm_place == NormPlace::sandwich) {
    HEED_TRY(vector("post_attention_norm.weight", dim, w.attn_post_norm));
    HEED_TRY(vector("post_ffw_norm.weight", dim, w.ffn_post_norm));
  }
  HEED_TRY(matrix("ffn_gate.weight", ffn, dim, w.gate));
  HEED_TRY(matrix("ffn_up.weight", ffn, dim, w.up));
  return matrix("ffn_down.weight", dim, ffn, w.down);
}

Expected<void> check_shape(const WeightSlot& slot, const Tensor& t) {
  const bool fits = slot.rows > 0 ? t.rank == 2 && t.shape[0] == slot.rows && t.shape[1] == slot.cols
                                  : t.rank == 1 && t.shape[0] == slot.cols;
  if (fits) return {};
  return fail(Code::malformed,
              "load: tensor " + slot.name + " must be " + shape_text(slot.rows, slot.cols) + ", the file has " +
                  shape_text(t.rank > 1 ? t.rows() : 0, t.cols()),
              slot.name);
}

Expected<PackedMatrix> pack_as_f32(const Tensor& t, Exec& exec) {
  HEED_ASSIGN(Buffer floats, Buffer::make(static_cast<std::size_t>(t.rows() * t.cols()) * sizeof(float)));
  auto* out = reinterpret_cast<float*>(floats.data());
  exec.pool.parallel_for(t.rows(), 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) dequantize_row(t.dtype, t.row(r), t.cols(), out + r * t.cols());
  });
  return PackedMatrix::pack({.data = floats.data(), .dtype = DType::f32, .rank = t.rank, .shape = t.shape}, exec);
}

Expected<PackedMatrix> pack_part(const WeightPart& part, const ModelFile& file, WeightPrecision precision, Exec& exec) {
  const auto drop = [&](const Tensor& rows) { file.drop_pages(rows); };
  auto made = precision == WeightPrecision::f32 ? pack_as_f32(part.tensor, exec)
                                                : PackedMatrix::pack(part.tensor, exec, system_allocator(), drop);
  file.drop_pages(part.tensor);
  const std::string& name = part.slot.name;
  if (!made) return fail(made.error().code, "load: tensor " + name + ": " + made.error().text, name);
  return made;
}

Expected<void> fill(const WeightPart& part, const ModelFile& file, WeightPrecision precision, Exec& exec) {
  if (auto* const* view = std::get_if<Tensor*>(&part.slot.target)) **view = part.tensor;
  if (auto* const* vector = std::get_if<Vector*>(&part.slot.target)) return read_vector(part, **vector);
  if (auto* const* packed = std::get_if<PackedMatrix*>(&part.slot.target)) {
    HEED_ASSIGN(**packed, pack_part(part, file, precision, exec));
  }
  return {};
}

Expected<void> refuse_unused(const ModelFile& file, const std::set<std::string, std::less<>>& used) {
  std::string names;
  int count = 0;
  for (const NamedTensor& t : file.tensors())
    if (!used.contains(t.name) && ++count <= 3) names += (names.empty() ? "" : ", ") + t.name;
  if (count == 0) return {};
  return fail(Code::unsupported, "load: the file holds " + std::to_string(count) +
                                     " tensors this model has no use for: " + names + (count > 3 ? ", ..." : ""));
}

/// Every slot of `weights` with its tensor; all of the file is used.
Expected<std::vector<WeightPart>> find_parts(const ModelSpec& spec, const ModelFile& file, ModelWeights& weights) {
  std::vector<WeightPart> parts;
  std::set<std::string, std::less<>> used;
  const auto find_one = [&](const WeightSlot& slot) -> Expected<void> {
    const Tensor* t = file.find(slot.name);
    if (!t && !slot.otherwise.empty()) t = file.find(slot.otherwise);
    if (!t)
      return fail(Code::malformed,
                  "load: tensor " + slot.name + " " + shape_text(slot.rows, slot.cols) + " is missing from the file",
                  slot.name);
    used.insert(slot.name);
    HEED_TRY(check_shape(slot, *t));
    parts.push_back({slot, *t});
    return {};
  };
  HEED_TRY(visit_weights(spec, weights, find_one));
  HEED_TRY(refuse_unused(file, used));
  return parts;
}

Expected<void> pack_in_memory(std::span<const WeightPart> parts, const ModelFile& file, Exec& exec,
                              const LoadWeightsOptions& options) {
  std::int64_t done = 0, total = 0;
  for (const WeightPart& part : parts) total += part.tensor.bytes();
  for (const WeightPart& part : parts) {
    HEED_TRY(fill(part, file, options.precision, exec));
    done += part.tensor.bytes();
    if (options.progress && !options.progress(done, total)) return fail(Code::cancelled, "load: cancelled");
  }
  return {};
}

/// Fills every slot: from the cache when there is one and it works, else by packing. Returns what the matrices view.
Expected<MappedFile> place_weights(std::span<const WeightPart> parts, const ModelFile& file, Exec& exec,
                                   const LoadWeightsOptions& options) {
  if (options.packs && options.precision == WeightPrecision::file && !file.mapped().bytes().empty()) {
    auto pack = map_weights(parts, file, exec, options);
    if (pack || pack.error().code == Code::cancelled) return pack;
    if (options.warn) options.warn(pack.error().text + ": the weights are packed in memory, at every start");
  }
  HEED_TRY(pack_in_memory(parts, file, exec, options));
  return MappedFile{};
}

}  // namespace

Expected<void> visit_weights(const ModelSpec& spec, ModelWeights& weights, const Visit& visit) {
  weights.blocks.resize(spec.blocks.size());
  HEED_TRY(visit({"token_embd.weight", "", spec.vocab, spec.dim, &weights.tokens}));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i)
    HEED_TRY(visit_block(spec, spec.blocks[i], "blk." + std::to_string(i) + ".", weights.blocks[i], visit));
  if (spec.memory_tokens > 0)
    HEED_TRY(visit({"memory_embd.weight", "", spec.memory_tokens, spec.dim, &weights.memory}));
  HEED_TRY(visit({"output_norm.weight", "", 0, spec.dim, &weights.output_norm}));
  return visit({"output.weight", "token_embd.weight", spec.vocab, spec.dim, &weights.output});
}

Expected<void> read_vector(const WeightPart& part, Vector& out) {
  const Tensor& t = part.tensor;
  const std::string& name = part.slot.name;
  if (t.dtype != DType::f32 && t.dtype != DType::f16 && t.dtype != DType::bf16)
    return fail(Code::unsupported,
                "load: tensor " + name + " must be F32, F16 or BF16, the file has " + std::string(info(t.dtype).name),
                name);
  out.resize(static_cast<std::size_t>(t.rows() * t.cols()));
  for (std::int64_t r = 0; r < t.rows(); ++r) dequantize_row(t.dtype, t.row(r), t.cols(), out.data() + r * t.cols());
  return {};
}

Expected<ModelWeights> load_weights(const ModelSpec& spec, const ModelFile& file, Exec& exec,
                                    const LoadWeightsOptions& options) {
  ModelWeights weights;
  HEED_ASSIGN(const std::vector<WeightPart> parts, find_parts(spec, file, weights));
  HEED_ASSIGN(weights.pack, place_weights(parts, file, exec, options));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) make_tables(spec.blocks[i], weights.blocks[i]);
  return weights;
}

}  // namespace heed
