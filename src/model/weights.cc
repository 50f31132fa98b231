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

std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return "[" + (rows > 0 ? std::to_string(rows) + ", " : std::string()) + std::to_string(cols) + "]";
}

// [rows, cols] -> [cols, rows].
Vector turned(const Vector& x, std::int64_t cols) {
  Vector out(x.size());
  const std::int64_t rows = static_cast<std::int64_t>(x.size()) / cols;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = x[static_cast<std::size_t>(r * cols + c)];
  return out;
}

// What the kernels look up, made once of what the file holds.
void make_tables(const BlockSpec& b, const ModelWeights& weights, BlockWeights& w) {
  if (b.max_alibi_bias > 0) w.alibi_slope = alibi_slopes(b.attention.heads, b.max_alibi_bias);
  if (b.has_qkv_bias && b.qk_norm == QkNorm::none && b.kind == AttentionKind::softmax)
    w.k_center = key_center(rope_of(b, weights), b.head_dim, w.k.bias);
  if (b.kind == AttentionKind::mamba || b.kind == AttentionKind::conv) w.conv_by_tap = turned(w.conv, b.mamba.taps);
  if (b.has_relative_bias) w.by_distance = t5_by_distance(b.relative, w.relative_bias, b.attention.heads);
}

Error misshapen(const WeightSlot& slot, const Tensor& t, const std::string& want) {
  return fail(Code::malformed,
              "load: tensor " + slot.name + " must be " + want + ", the file has " +
                  shape_text(t.rank > 1 ? t.rows() : 0, t.cols()),
              slot.name);
}

Expected<void> check_turned(const WeightSlot& slot, const Tensor& t) {
  const std::int64_t heads = slot.turned_heads, n = slot.rows / heads;
  if (t.rank == 3 && t.shape[0] == heads && t.shape[1] == slot.cols && t.shape[2] == n) return {};
  return misshapen(slot, t,
                   "[" + std::to_string(heads) + ", " + std::to_string(slot.cols) + ", " + std::to_string(n) + "]");
}

Expected<void> check_shape(const WeightSlot& slot, const Tensor& t, bool is_cut) {
  if (slot.turned_heads > 0) return check_turned(slot, t);
  const bool fits = is_cut && slot.rows == 0 ? t.rank <= 2 && t.rows() * t.cols() == slot.of
                    : is_cut                 ? t.rank >= 2 && t.rows() == slot.of && t.cols() == slot.cols
                    : slot.rows > 0          ? t.rank == 2 && t.shape[0] == slot.rows && t.shape[1] == slot.cols
                                             : t.rank == 1 && t.shape[0] == slot.cols;
  if (fits) return {};
  return misshapen(slot, t,
                   !is_cut          ? shape_text(slot.rows, slot.cols)
                   : slot.rows == 0 ? shape_text(0, slot.of)
                                    : shape_text(slot.of, slot.cols));
}

// The slot's share of the tensor.
Expected<Tensor> share_of(const WeightSlot& slot, const Tensor& t, bool is_cut) {
  if (slot.turned_heads > 0)  // made when it is packed
    return Tensor{.dtype = turned_type(t.dtype), .rank = 2, .shape = {slot.rows, slot.cols}};
  if (!is_cut) return t;
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
  const bool is_turned = part.slot.turned_heads > 0;
  if (!part.source && !is_turned) return fill_whole(part, loading);
  HEED_ASSIGN(Buffer rows, is_turned ? turn_heads(part.whole, loading.exec.pool)
                                     : gather_rows(*part.source, part.whole, part.first, part.tensor.rows()));
  WeightPart gathered = part;
  gathered.tensor.data = rows.data();
  HEED_TRY(fill_whole(gathered, loading));
  if (std::holds_alternative<Tensor*>(part.slot.target)) kept.push_back(std::move(rows));
  return {};
}

bool is_guessing(const ModelSpec& spec, const std::string& name) {
  for (std::int32_t i = 0; i < spec.guessing_blocks; ++i)
    if (name.starts_with("blk." + std::to_string(spec.blocks.size() + static_cast<std::size_t>(i)) + ".")) return true;
  return false;
}

Expected<void> refuse_unused(const ModelSpec& spec, const ModelFile& file,
                             const std::set<std::string, std::less<>>& used) {
  std::string names;
  int count = 0;
  for (const NamedTensor& t : file.tensors())
    if (!used.contains(t.name) && !is_guessing(spec, t.name) && ++count <= 3)
      names += (names.empty() ? "" : ", ") + t.name;
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
    HEED_ASSIGN(const Tensor share, share_of(slot, *t, is_cut));
    parts.push_back({slot, share, file.source(name), *t, is_cut ? slot.first : 0});
    return {};
  };
  HEED_TRY(visit_weights(spec, weights, find_one));
  HEED_TRY(refuse_unused(spec, file, used));
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
  weights.is_tied = file.find("output.weight") == nullptr;
  const MixedModel model = {.layers = static_cast<std::int64_t>(spec.blocks.size()), .is_tied = weights.is_tied};
  HEED_ASSIGN(weights.pack, place_weights(parts, {file, exec, options, model}, weights.gathered));
  if (!spec.rope_factors.empty()) weights.rope_factors = spec.rope_factors;
  const std::int32_t context = options.context > 0 ? options.context : spec.context;
  if (!weights.short_rope_factors.empty() && context <= spec.short_context)
    weights.rope_factors = weights.short_rope_factors;
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) make_tables(spec.blocks[i], weights, weights.blocks[i]);
  for (std::size_t i = 0; i < spec.encoder.size(); ++i) make_tables(spec.encoder[i], weights, weights.encoder[i]);
  return weights;
}

}  // namespace heed
