// weights.cc -- one visit over the spec's weights serves loading and checking.
#include "model/weights.h"

#include <algorithm>
#include <set>

#include "kernels/dequantize.h"
#include "model/key_center.h"
#include "model/recode.h"
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
void make_tables(const BlockSpec& b, const ModelWeights& weights, BlockWeights& w) {
  if (b.max_alibi_bias > 0) w.alibi_slope = alibi_slopes(b.attention.heads, b.max_alibi_bias);
  if (b.has_qkv_bias && b.qk_norm == QkNorm::none && b.kind == AttentionKind::softmax)
    w.k_center = key_center(rope_of(b, weights), b.head_dim, w.k.bias);
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

// Part of a tensor that holds more: rows [first, ...) of `of`.
struct Cut {
  std::string name;
  std::int64_t first = 0, of = 0;
};

// One block's slots.
struct BlockVisit {
  const ModelSpec& spec;
  const BlockSpec& b;
  const std::string& p;
  BlockWeights& w;
  const Visit& visit;

  Expected<void> vector(const char* name, std::int64_t n, Vector& v) const { return visit({p + name, "", 0, n, &v}); }

  Expected<void> linear(const std::string& name, std::int64_t rows, std::int64_t cols, Linear& l, const Cut& cut = {},
                        bool needs_bias = false) const {
    const auto of_cut = [&](const char* leaf) { return cut.name.empty() ? std::string() : p + cut.name + leaf; };
    HEED_TRY(visit({p + name + ".weight", of_cut(".weight"), rows, cols, &l.w, cut.first, cut.of}));
    return visit({p + name + ".bias", of_cut(".bias"), 0, rows, &l.bias, cut.first, cut.of, !needs_bias});
  }

  Expected<void> norm(const char* name, NormWeights& n, const std::string& otherwise = "",
                      bool optional = false) const {
    HEED_TRY(visit({p + name + ".weight", otherwise, 0, spec.dim, &n.weight, 0, 0, optional}));
    if (spec.norm == NormKind::rms) return {};
    return visit({p + name + ".bias", "", 0, spec.dim, &n.bias, 0, 0, true});
  }

  Expected<void> norms() const {
    if (spec.norm_place != NormPlace::post) {
      const bool is_pre = spec.norm_place == NormPlace::pre;
      HEED_TRY(norm("attn_norm", w.attn_norm));
      HEED_TRY(norm("ffn_norm", w.ffn_norm, is_pre ? p + "post_attention_norm.weight" : "", b.is_parallel));
    }
    if (spec.norm_place == NormPlace::pre) return {};
    HEED_TRY(norm("post_attention_norm", w.attn_post_norm));
    return norm("post_ffw_norm", w.ffn_post_norm);
  }

  Expected<void> attention() const {
    const std::int64_t head = b.head_dim, q = head * b.attention.heads, kv = head * b.attention.kv_heads;
    const std::int64_t dim = spec.dim, all = q + 2 * kv;
    HEED_TRY(linear("attn_q", q, dim, w.q, {"attn_qkv", 0, all}, b.has_qkv_bias));
    HEED_TRY(linear("attn_k", kv, dim, w.k, {"attn_qkv", q, all}, b.has_qkv_bias));
    HEED_TRY(linear("attn_v", kv, dim, w.v, {"attn_qkv", q + kv, all}, b.has_qkv_bias));
    if (b.qk_norm != QkNorm::none) {
      HEED_TRY(vector("attn_q_norm.weight", b.qk_norm == QkNorm::heads ? head : q, w.q_norm));
      HEED_TRY(vector("attn_k_norm.weight", b.qk_norm == QkNorm::heads ? head : kv, w.k_norm));
    }
    HEED_TRY(visit_scores(b, p, w, visit));
    HEED_TRY(visit_linear(b, p, dim, w, visit));
    return linear("attn_output", dim, q, w.o);
  }

  Expected<void> feed_forward() const {
    const std::int64_t dim = spec.dim, ffn = b.ffn_dim;
    if (b.is_gate_in_up) {
      HEED_TRY(visit({p + "ffn_up.weight", "", ffn, dim, &w.gate.w, 0, 2 * ffn}));
      HEED_TRY(visit({p + "ffn_up.weight", "", ffn, dim, &w.up.w, ffn, 2 * ffn}));
    } else {
      if (b.is_gated) HEED_TRY(linear("ffn_gate", ffn, dim, w.gate));
      HEED_TRY(linear("ffn_up", ffn, dim, w.up));
    }
    return linear("ffn_down", dim, ffn, w.down);
  }

  Expected<void> expert_part(const std::string& name, std::int64_t i, std::int64_t rows, std::int64_t cols,
                             Linear& l) const {
    const std::int64_t first = i * rows, of = b.experts.count * rows;
    HEED_TRY(visit({p + name + ".weight", "", rows, cols, &l.w, first, of}));
    return visit({p + name + ".bias", "", 0, rows, &l.bias, first, of, true});
  }

  Expected<void> experts() const {
    const ExpertSpec& e = b.experts;
    const std::int64_t dim = spec.dim, shared = e.shared_ffn_dim;
    HEED_TRY(linear("ffn_gate_inp", e.count, dim, w.router));
    w.experts.resize(static_cast<std::size_t>(e.count));
    for (std::int64_t i = 0; i < e.count; ++i) {
      Expert& x = w.experts[static_cast<std::size_t>(i)];
      HEED_TRY(expert_part("ffn_gate_exps", i, e.ffn_dim, dim, x.gate));
      HEED_TRY(expert_part("ffn_up_exps", i, e.ffn_dim, dim, x.up));
      HEED_TRY(expert_part("ffn_down_exps", i, dim, e.ffn_dim, x.down));
    }
    if (shared == 0) return {};
    if (e.is_shared_gated) HEED_TRY(vector("ffn_gate_inp_shexp.weight", dim, w.shared_gate));
    HEED_TRY(linear("ffn_gate_shexp", shared, dim, w.shared.gate));
    HEED_TRY(linear("ffn_up_shexp", shared, dim, w.shared.up));
    return linear("ffn_down_shexp", dim, shared, w.shared.down);
  }

  Expected<void> all() const {
    HEED_TRY(norms());
    HEED_TRY(attention());
    return b.experts.count > 0 ? experts() : feed_forward();
  }
};

Expected<void> visit_rope_factors(const ModelSpec& spec, ModelWeights& w, const Visit& visit) {
  const auto scaled =
      std::find_if(spec.blocks.begin(), spec.blocks.end(), [](const auto& b) { return b.is_rope_scaled; });
  if (scaled == spec.blocks.end() || !spec.rope_factors.empty()) return {};
  const std::int64_t n = scaled->rope.dims / 2;
  HEED_TRY(visit({"rope_freqs.weight", "rope_factors_long.weight", 0, n, &w.rope_factors, 0, 0, true}));
  return visit({"rope_factors_short.weight", "", 0, n, &w.short_rope_factors, 0, 0, true});
}

Expected<void> check_shape(const WeightSlot& slot, const Tensor& t, bool is_cut) {
  const bool fits = is_cut && slot.rows == 0 ? t.rank <= 2 && t.rows() * t.cols() == slot.of
                    : is_cut                 ? t.rank >= 2 && t.rows() == slot.of && t.cols() == slot.cols
                    : slot.rows > 0          ? t.rank == 2 && t.shape[0] == slot.rows && t.shape[1] == slot.cols
                                             : t.rank == 1 && t.shape[0] == slot.cols;
  if (fits) return {};
  const std::string want = !is_cut          ? shape_text(slot.rows, slot.cols)
                           : slot.rows == 0 ? shape_text(0, slot.of)
                                            : shape_text(slot.of, slot.cols);
  return fail(Code::malformed,
              "load: tensor " + slot.name + " must be " + want + ", the file has " +
                  shape_text(t.rank > 1 ? t.rows() : 0, t.cols()),
              slot.name);
}

// The slot's share of the tensor.
Expected<Tensor> cut_of(const WeightSlot& slot, const Tensor& t) {
  if (slot.rows > 0 && !t) return Tensor{.dtype = t.dtype, .rank = 2, .shape = {slot.rows, slot.cols}};
  if (slot.rows > 0) return t.row_range(slot.first, slot.rows);
  if (info(t.dtype).block != 1 || !t)
    return fail(Code::unsupported,
                "load: tensor " + slot.name + " must be of floats, the file has " + std::string(info(t.dtype).name),
                slot.name);
  return Tensor{.data = t.data + row_bytes(t.dtype, slot.first), .dtype = t.dtype, .rank = 1, .shape = {slot.cols}};
}

Expected<PackedMatrix> pack_recoded(const Tensor& t, DType type, Exec& exec) {
  HEED_ASSIGN(const Buffer coded, recode(t, type, exec.pool));
  return PackedMatrix::pack({.data = coded.data(), .dtype = type, .rank = t.rank, .shape = t.shape}, exec);
}

/// What place_weights needs to know of the whole.
struct Loading {
  const ModelFile& file;
  Exec& exec;
  const LoadWeightsOptions& options;
  MixedModel model;
};

Expected<PackedMatrix> pack_part(const WeightPart& part, const Loading& loading) {
  const auto drop = [&](const Tensor& rows) { loading.file.drop_pages(rows); };
  const std::string& name = part.slot.name;
  DType type = part.tensor.dtype;
  if (loading.options.mix) type = mixed_type(*loading.options.mix, loading.model, name, part.tensor);
  auto made = type != part.tensor.dtype ? pack_recoded(part.tensor, type, loading.exec)
                                        : PackedMatrix::pack(part.tensor, loading.exec, system_allocator(), drop);
  loading.file.drop_pages(part.tensor);
  if (!made) return fail(made.error().code, "load: tensor " + name + ": " + made.error().text, name);
  return made;
}

Expected<void> fill_whole(const WeightPart& part, const Loading& loading) {
  if (auto* const* view = std::get_if<Tensor*>(&part.slot.target)) **view = part.tensor;
  if (auto* const* vector = std::get_if<Vector*>(&part.slot.target)) return read_vector(part, **vector);
  if (auto* const* packed = std::get_if<PackedMatrix*>(&part.slot.target)) {
    HEED_ASSIGN(**packed, pack_part(part, loading));
  }
  return {};
}

/// `kept`: what views of gathered rows look at.
Expected<void> fill(const WeightPart& part, const Loading& loading, std::vector<Buffer>& kept) {
  if (!part.source) return fill_whole(part, loading);
  HEED_ASSIGN(Buffer rows, gather_rows(*part.source, part.whole, part.first, part.tensor.rows()));
  WeightPart gathered = part;
  gathered.tensor.data = rows.data();
  HEED_TRY(fill_whole(gathered, loading));
  if (std::holds_alternative<Tensor*>(part.slot.target)) kept.push_back(std::move(rows));
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
    bool is_cut = slot.of > 0 && slot.otherwise.empty();
    std::string name = slot.name;
    const Tensor* t = file.find(name);
    if (!t && !slot.otherwise.empty()) {
      name = slot.otherwise;
      t = file.find(name);
      is_cut = slot.of > 0;
    }
    if (!t && slot.is_optional) return {};
    if (!t)
      return fail(Code::malformed,
                  "load: tensor " + slot.name + " " + shape_text(slot.rows, slot.cols) + " is missing from the file",
                  slot.name);
    used.insert(name);
    HEED_TRY(check_shape(slot, *t, is_cut));
    Tensor share = *t;
    if (is_cut) {
      HEED_ASSIGN(share, cut_of(slot, *t));
    }
    parts.push_back({slot, share, file.source(name), *t, is_cut ? slot.first : 0});
    return {};
  };
  HEED_TRY(visit_weights(spec, weights, find_one));
  HEED_TRY(refuse_unused(file, used));
  return parts;
}

Expected<void> pack_in_memory(std::span<const WeightPart> parts, const Loading& loading, std::vector<Buffer>& kept) {
  std::int64_t done = 0, total = 0;
  for (const WeightPart& part : parts) total += part.tensor.bytes();
  for (const WeightPart& part : parts) {
    HEED_TRY(fill(part, loading, kept));
    done += part.tensor.bytes();
    if (loading.options.progress && !loading.options.progress(done, total))
      return fail(Code::cancelled, "load: cancelled");
  }
  return {};
}

/// Fills every slot: from the cache when there is one and it works, else by packing. Returns what the matrices view.
Expected<MappedFile> place_weights(std::span<const WeightPart> parts, const Loading& loading,
                                   std::vector<Buffer>& kept) {
  const LoadWeightsOptions& options = loading.options;
  const bool is_plain = std::none_of(parts.begin(), parts.end(), [](const WeightPart& part) { return part.source; });
  if (options.packs && !options.mix && is_plain && !loading.file.mapped().bytes().empty()) {
    auto pack = map_weights(parts, loading.file, loading.exec, options);
    if (pack || pack.error().code == Code::cancelled) return pack;
    if (options.warn) options.warn(pack.error().text + ": the weights are packed in memory, at every start");
  }
  HEED_TRY(pack_in_memory(parts, loading, kept));
  return MappedFile{};
}

}  // namespace

Expected<void> visit_weights(const ModelSpec& spec, ModelWeights& weights, const Visit& visit) {
  weights.blocks.resize(spec.blocks.size());
  HEED_TRY(visit({"token_embd.weight", "", spec.vocab, spec.dim, &weights.tokens}));
  if (spec.has_position_table)
    HEED_TRY(visit({"position_embd.weight", "", spec.context, spec.dim, &weights.positions}));
  HEED_TRY(visit_rope_factors(spec, weights, visit));
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    const std::string p = "blk." + std::to_string(i) + ".";
    HEED_TRY((BlockVisit{spec, spec.blocks[i], p, weights.blocks[i], visit}.all()));
  }
  if (spec.memory_tokens > 0)
    HEED_TRY(visit({"memory_embd.weight", "", spec.memory_tokens, spec.dim, &weights.memory}));
  HEED_TRY(visit({"output_norm.weight", "", 0, spec.dim, &weights.output_norm.weight}));
  if (spec.norm == NormKind::layer)
    HEED_TRY(visit({"output_norm.bias", "", 0, spec.dim, &weights.output_norm.bias, 0, 0, true}));
  HEED_TRY(visit({"output.weight", "token_embd.weight", spec.vocab, spec.dim, &weights.output.w}));
  return visit({"output.bias", "", 0, spec.vocab, &weights.output.bias, 0, 0, true});
}

RopeSpec rope_of(const BlockSpec& b, const ModelWeights& weights) noexcept {
  RopeSpec rope = b.rope;
  if (b.is_rope_scaled) rope.factors = weights.rope_factors;
  return rope;
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
  const MixedModel model = {.layers = static_cast<std::int64_t>(spec.blocks.size()),
                            .is_tied = file.find("output.weight") == nullptr};
  HEED_ASSIGN(weights.pack, place_weights(parts, {file, exec, options, model}, weights.gathered));
  if (!spec.rope_factors.empty()) weights.rope_factors = spec.rope_factors;
  const std::int32_t context = options.context > 0 ? options.context : spec.context;
  if (!weights.short_rope_factors.empty() && context <= spec.short_context)
    weights.rope_factors = weights.short_rope_factors;
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) make_tables(spec.blocks[i], weights, weights.blocks[i]);
  return weights;
}

}  // namespace heed
