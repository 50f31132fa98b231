// attention_block.h -- one block of attention rows: which keys its rows see, and what the page kernel is told.
#pragma once
#include <array>
#include <cstdint>

#include "kernels/attention.h"
#include "kernels/body/attention_table.h"

namespace heed {

inline constexpr float kLog2E = 1.44269504088896341f;  // scores are kept in units of log 2: exp is exp2
inline constexpr float kLn2 = 0.69314718055994531f;

/// Row r of a block is query token (first + r) / group and query head first_head + (first + r) % group: the heads that
/// share a KV head stand side by side.
struct RowBlock {
  const AttentionSpec* spec = nullptr;
  const AttentionJob* job = nullptr;
  std::int32_t kv_head = 0, first_head = 0, group = 1;
  std::int32_t first = 0, rows = 0;

  std::int32_t token(std::int32_t r) const { return (first + r) / group; }
  std::int32_t head(std::int32_t r) const { return first_head + (first + r) % group; }
  std::int32_t position(std::int32_t r) const { return job->first_pos + token(r); }
  const Mask& mask() const { return job->mask ? *job->mask : spec->mask; }
};

class PageWalk;

struct BlockScratch {      // of one worker
  float* q;                // [rows, k_dim]
  float* bias;             // [rows, 64]
  float* shift;            // [rows]
  std::uint64_t* visible;  // [rows]
};

/// Index of a KV type in the tables.
constexpr std::size_t kv_form(DType type) noexcept {
  const KvForm form = type == DType::f32   ? KvForm::f32
                      : type == DType::f16 ? KvForm::f16
                      : type == DType::i8  ? KvForm::i8
                      : type == DType::i4  ? KvForm::i4
                                           : KvForm::bf16;
  return static_cast<std::size_t>(form);
}

/// Fills scratch.q with q * scale * log2(e), rotated like the keys, in the form that the table's steps read, and
/// scratch.shift.
void load_queries(const RowBlock& block, const AttentionTable& table, const BlockScratch& scratch);

/// Room for one worker's blocks of `rows`; all null when the arena is full.
BlockScratch take_block_scratch(Arena& arena, std::int32_t rows, std::int32_t k_dim);

/// Fills the parts of `task` that belong to page `page` of the sequence. False when no row sees any of its keys.
bool aim_at_page(const RowBlock& block, const PageWalk& walk, std::int32_t page, const BlockScratch& scratch,
                 PageTask& task);

/// The parts of a task that all pages share; o and state are left to the caller.
PageTask block_task(const RowBlock& block, const BlockScratch& scratch);

}  // namespace heed
