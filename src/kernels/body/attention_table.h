// attention_table.h -- one step of attention: some query rows of one KV head meet one page of 64 keys.
#pragma once
#include <cstdint>

#include "core/dtype.h"

namespace heed {

/// Running softmax of one row over the keys seen so far: o = sum p v, l = sum p, p = exp(s - m).
struct RowState {
  float m, l;
};

struct PageTask {
  const std::uint8_t* k = nullptr;  // the page's keys of this head (layout: attention.h)
  const std::uint8_t* v = nullptr;
  std::int32_t k_dim = 0, v_dim = 0;
  std::int32_t rows = 0;
  const float* q = nullptr;                // [rows, k_dim], already scaled
  float* o = nullptr;                      // [rows, v_dim]
  RowState* state = nullptr;               // [rows]
  const std::uint64_t* visible = nullptr;  // [rows], bit t: the row sees key t
  const float* bias = nullptr;             // [rows, 64] or none, added to the scores
  float softcap = 0.0f;                    // > 0: applied after the bias
};

struct AttentionTable {
  void (*page_f32)(const PageTask&);
  void (*page_bf16)(const PageTask&);
  void (*scale)(float* x, float factor, std::int64_t n);                      // x *= factor
  void (*blend)(float* x, float a, const float* y, float b, std::int64_t n);  // x = a x + b y
};

}  // namespace heed
