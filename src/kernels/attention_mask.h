// attention_mask.h -- which keys a row sees, as 64 bits a page, and which page of a walk comes next.
#pragma once
#include <cstdint>

#include "kernels/attention_block.h"

namespace heed {

/// Half-open ranges of key positions, over all rows of a block (block lists and labels left out). Rows see a key only
/// if it lies in `any` or below `sink`; every row sees all of `all`.
struct Sight {
  std::int32_t any_begin = 0, any_end = 0;
  std::int32_t all_begin = 0, all_end = 0;
  std::int32_t sink = 0;
};

/// The pages that a block of rows may see, in order. A step costs by what is visible, not by what is hidden: hidden
/// stretches are jumped over.
class PageWalk {
 public:
  explicit PageWalk(const RowBlock& block);

  /// The first page >= `page` that a row may see, or end().
  std::int32_t next(std::int32_t page) const;
  std::int32_t end() const { return end_; }

  /// Fills bits [rows] of the page that starts at first_key: bit t: the row sees key first_key + t.
  enum class Seen : std::uint8_t { none, some, all };
  Seen look(std::int32_t first_key, std::uint64_t* bits) const;

 private:
  std::int32_t next_in_ranges(std::int32_t page) const;
  std::int32_t next_in_list(std::int32_t page) const;
  std::int32_t next_by_label(std::int32_t page) const;

  const RowBlock& block_;
  const Mask& mask_;
  Sight sight_;
  std::int32_t end_ = 0;                           // pages
  std::uint64_t seen_labels_ = ~std::uint64_t{0};  // of any row
};

}  // namespace heed
