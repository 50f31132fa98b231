// attention_table.h -- one step of attention: some query rows of one KV head meet one page of 64 keys.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "kernels/body/tile_height.h"

namespace heed {

/// Running softmax of one row over the keys seen so far: o = sum p v, l = sum p, p = 2^(s - m).
struct RowState {
  float m, l;
};

struct PageTask {
  const std::uint8_t* k = nullptr;  // the page's keys of this head (layout: attention.h)
  const std::uint8_t* v = nullptr;
  const std::uint8_t* next_k = nullptr;  // of the page that is read after this one: fetched meanwhile. Never null
  const std::uint8_t* next_v = nullptr;
  std::int32_t k_dim = 0, v_dim = 0;
  std::int32_t rows = 0;
  const float* q = nullptr;                // [rows, k_dim], times scale * log2(e); see pack_queries
  float* o = nullptr;                      // [rows, v_dim]
  RowState* state = nullptr;               // [rows]
  const std::uint64_t* visible = nullptr;  // [rows], bit t: the row sees key t; null: every row sees all
  const float* bias = nullptr;             // [rows, 64] or none, added to the scores; units of log 2
  const float* shift = nullptr;            // [rows] or none, added to all scores of a row; units of log 2
  float softcap = 0.0f;                    // > 0: applied after the bias; units of log 2
};

/// The forms that keys and values come in, as the tables below are indexed.
enum class KvForm : std::uint8_t { f32, f16, bf16, i8, i4 };
inline constexpr std::size_t kKvForms = 5;

struct AttentionTable {
  void (*page[kKvForms])(const PageTask&);
  /// The same, kTileHeight rows at once however few there are; null where no instruction does that. Rows that see
  /// nothing may stand among those that do, and q and o have room for a multiple of kTileHeight rows: what stands past
  /// the last comes to nothing. Not the bits of `page`.
  void (*tiles[kKvForms])(const PageTask&);
  std::int32_t block_rows;       // rows that walk the pages together: their outputs and one page stay in L2
  std::int32_t tile_block_rows;  // those that go by `tiles`
  /// The tap: p [rows, 64] = 2^(s - lse), 0 for hidden keys; lse [rows] in units of log 2.
  void (*probabilities[kKvForms])(const PageTask&, const float* lse, float* p);
  /// Turns q [rows, dim] in place into what the steps read, rows still dim floats apart; null: floats as they are.
  void (*pack_queries[kKvForms])(float* q, std::int64_t rows, std::int64_t dim);
  void (*finish)(const float* x, float factor, std::int64_t n, float* out);   // out = x * factor; zeros become +0
  void (*blend)(float* x, float a, const float* y, float b, std::int64_t n);  // x = a x + b y
  /// Called by a thread before its first page step and after its last; null: nothing to set up.
  void (*enter)();
  void (*leave)();
};

}  // namespace heed
