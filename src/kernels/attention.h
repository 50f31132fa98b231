// attention.h -- one call for every attention in the engine.
//
// What an attention computes is data: which keys a query sees (Mask), what a pair is worth (Score), where the keys
// live (KvView). The kernel takes each branch once per tile, never per element.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/dtype.h"
#include "core/expected.h"
#include "kernels/exec.h"

namespace heed {

inline constexpr std::int32_t kPageTokens = 64;

/// Visible key blocks per query block (CSR): block-sparse, BigBird, hierarchical, tree, chosen pages.
struct BlockList {
  std::int32_t block = kPageTokens;         // keys; a multiple of kPageTokens or a divisor of it
  std::int32_t query_block = 0;             // queries that share a row; 0: as many as `block`
  std::int32_t first_row = 0;               // query blocks before it are not listed
  std::int32_t kv_heads = 1;                // rows per query block: one for all KV heads, or one each
  std::span<const std::int32_t> row_start;  // [rows + 1]
  std::span<const std::int32_t> key_block;  // ascending within a row

  std::int32_t query_tokens() const { return query_block > 0 ? query_block : block; }
  std::int32_t row(std::int32_t position, std::int32_t kv_head) const {
    return (position / query_tokens() - first_row) * kv_heads + (kv_heads > 1 ? kv_head : 0);
  }
};

/// Who may see what, by spans of positions: documents that must not see each other, text that a role must not read.
/// A query sees a key when the query's label allows the key's.
struct SpanLabels {
  std::span<const std::int32_t> start;  // [spans], ascending, from 0; the last span has no end
  std::span<const std::uint8_t> label;  // [spans], below 64
  std::span<const std::uint64_t> sees;  // [labels]: bit l: queries with this label see keys labelled l
};

/// Which keys a query at position p sees. All conditions are intersected.
struct Mask {
  bool causal = false;
  std::int32_t window = 0;  // > 0: only the last `window` keys, p itself included; not causal: as many ahead, too
  std::int32_t sink = 0;    // with window: the first `sink` keys stay visible
  std::int32_t prefix = 0;  // with causal: keys < prefix are visible to everyone
  const BlockList* blocks = nullptr;
  const SpanLabels* labels = nullptr;
};

/// What a pair is worth: softcap(scale * q.k + bias).
struct Score {
  float scale = 1.0f;
  float softcap = 0.0f;                // > 0: cap * tanh(s / cap)
  std::span<const float> alibi_slope;  // [heads]: += slope * (key position - query position)
  std::span<const float> by_distance;  // [heads, 2*reach+1]: += bias[clamp(key - query, -reach, reach)]
  std::int32_t reach = 0;
  std::span<const float> sink_logit;  // [heads]: one extra logit that owns no value
};

struct AttentionSpec {  // immutable, one per layer
  std::int32_t heads = 1, kv_heads = 1;
  Mask mask;
  Score score;
};

/// Keys and values of ONE sequence and layer in packed pages of 64 tokens. Page p of the sequence lives at
/// base + pages[p] * page_stride. Inside it, per KV head h:
///   K at k_offset + h * kv_head_bytes(key_dtype(dtype), k_dim): bf16, i8 [k_dim/2][64][2]; f32, f16 [k_dim][64]
///   V at v_offset + h * kv_head_bytes(dtype, v_dim): bf16, i8 [32][v_dim][2] (token pairs); f32, f16 [64][v_dim]
///   i4: K as i8, whose products decide which values are read at all; V like i8, a pair in a byte, the first one low
/// Integers are followed by the scales of the 64 tokens in f16. Their keys and values are rotated (rotation.h): the
/// kernel turns queries and outputs.
/// Dims are multiples of 16, at most kMostHeadDim. Unwritten tokens of the last page hold zeros or old finite numbers.
struct KvView {
  std::byte* base = nullptr;
  std::int64_t page_stride = 0, k_offset = 0, v_offset = 0;  // bytes
  std::span<const std::int32_t> pages;
  DType dtype = DType::bf16;  // see is_kv_dtype
  std::int32_t length = 0;    // visible tokens: keys at positions 0 .. length-1
  std::int32_t kv_heads = 1, k_dim = 0, v_dim = 0;
  const float* k_center = nullptr;  // [kv_heads, k_dim] or none: keys are stored less it, scores come out as if not
};

inline constexpr std::int32_t kMostHeadDim = 1024;

constexpr bool is_integer_kv(DType type) noexcept { return type == DType::i8 || type == DType::i4; }
constexpr DType key_dtype(DType type) noexcept { return type == DType::i4 ? DType::i8 : type; }
constexpr bool is_kv_dtype(DType type) noexcept {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16 || is_integer_kv(type);
}
/// As users name them: "bf16", "f16", "f32", "int8" (i8), "int4" (i4); null for any other name.
const DType* kv_dtype_named(std::string_view name) noexcept;
inline constexpr const char* kKvDtypes = "f32, f16, bf16, int8 or int4";

/// Bytes of one head's keys or values in a page.
inline std::int64_t kv_head_bytes(DType type, std::int64_t dim) noexcept {
  return kPageTokens * (row_bytes(type, dim) + (is_integer_kv(type) ? 2 : 0));
}

/// Optional: read the probabilities of a few heads.
struct Tap {
  std::span<const std::int32_t> heads;
  float* probs = nullptr;  // [heads.size(), q_len, kv.length]
};

struct AttentionJob {        // one sequence of a ragged batch
  const float* q = nullptr;  // [q_len, heads, k_dim], rows q_stride floats apart
  std::int64_t q_stride = 0;
  float* out = nullptr;  // [q_len, heads, v_dim], rows out_stride floats apart
  std::int64_t out_stride = 0;
  std::int32_t q_len = 0;
  std::int32_t first_pos = 0;  // position of q[0]
  KvView kv;
  const Mask* mask = nullptr;  // for this sequence instead of the spec's (a request's policy)
  float* lse = nullptr;        // optional [q_len, heads]: log-sum-exp of the scores (natural log)
  const Tap* tap = nullptr;
};

/// Exact softmax attention. A row's bits depend only on its own q, keys and mask: not on q_len, batch or threads
/// (keys are reduced page by page inside fixed spans of pages, spans merged in order).
Expected<void> attention(const AttentionSpec& spec, std::span<const AttentionJob> jobs, Exec& exec);

/// Writes k [n, kv_heads, k_dim] and v [n, kv_heads, v_dim] (row strides in floats) at positions first .. first+n-1 of
/// the view's pages. Rounds to the view's dtype (nearest even); f16 stops at its largest number. i8 and i4 have one
/// scale per token and head: its largest number becomes 127 or 7.
void append_kv(const KvView& kv, std::int32_t first, std::int32_t n, const float* k, std::int64_t k_stride,
               const float* v, std::int64_t v_stride, Exec& exec);

/// Joins partial attentions over disjoint keys: o1, lse1 <- merge(o1, lse1, o2, lse2); o [rows, dim], lse [rows].
void merge_attention(float* o1, float* lse1, const float* o2, const float* lse2, std::int64_t rows, std::int64_t dim,
                     Exec& exec);

}  // namespace heed
