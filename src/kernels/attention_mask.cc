// attention_mask.cc -- every condition of a mask twice: as bits of one page, and as "where does it go on?".
#include "kernels/attention_mask.h"

#include <algorithm>

namespace heed {
namespace {

constexpr std::uint64_t kAllKeys = ~std::uint64_t{0};

struct RowSight {
  std::int32_t begin, end, sink;  // [begin, end) and [0, sink)
};

RowSight row_sight(const Mask& m, std::int32_t position, std::int32_t length) {
  RowSight s{0, m.causal ? std::min(length, std::max(position + 1, m.prefix)) : length, 0};
  if (m.window == 0) return s;
  if (!m.causal) {
    s.end = m.window < length - position ? position + m.window : length;
    s.sink = std::min(m.sink, length);
  }
  if (position + 1 > m.window) {
    s.begin = std::min(position + 1 - m.window, s.end);
    if (m.causal) s.sink = std::min(m.sink, s.end);
  }
  return s;
}

std::uint64_t bits_below(std::int32_t n) {
  if (n <= 0) return 0;
  return n >= kPageTokens ? kAllKeys : (std::uint64_t{1} << n) - 1;
}

std::int32_t page_of(std::int32_t key) { return key / kPageTokens; }
std::int32_t pages_until(std::int32_t key) { return (key + kPageTokens - 1) / kPageTokens; }

std::span<const std::int32_t> list_row(const BlockList& list, std::int32_t position, std::int32_t kv_head) {
  const auto row = static_cast<std::size_t>(list.row(position, kv_head));
  const auto begin = static_cast<std::size_t>(list.row_start[row]),
             end = static_cast<std::size_t>(list.row_start[row + 1]);
  return list.key_block.subspan(begin, end - begin);
}

// The first of the ascending keys that is not below `least`. Few keys are counted: there is nothing to mispredict.
std::span<const std::int32_t>::iterator first_from(std::span<const std::int32_t> keys, std::int32_t least) {
  constexpr std::size_t kFew = 64;
  if (keys.size() > kFew) return std::lower_bound(keys.begin(), keys.end(), least);
  std::int32_t below = 0;
  for (const std::int32_t key : keys) below += key < least ? 1 : 0;
  return keys.begin() + below;
}

std::uint64_t block_bits(const BlockList& list, std::int32_t position, std::int32_t kv_head, std::int32_t first_key) {
  std::uint64_t bits = 0;
  const auto keys = list_row(list, position, kv_head);
  auto it = first_from(keys, first_key / list.block);
  for (; it != keys.end() && *it * list.block < first_key + kPageTokens; ++it) {
    const std::int32_t key = *it * list.block - first_key;
    bits |= bits_below(key + list.block) & ~bits_below(key);
  }
  return bits;
}

// The span that holds a position; the last one goes on for ever.
std::size_t span_of(const SpanLabels& labels, std::int32_t position) {
  const auto after = std::upper_bound(labels.start.begin(), labels.start.end(), position);
  return static_cast<std::size_t>(after - labels.start.begin()) - 1;
}

std::uint64_t labels_seen_from(const SpanLabels& labels, std::int32_t position) {
  return labels.sees[labels.label[span_of(labels, position)]];
}

bool has_bit(std::uint64_t bits, std::uint8_t bit) { return (bits >> bit & 1) != 0; }

std::uint64_t label_bits(const SpanLabels& labels, std::uint64_t seen, std::int32_t first_key) {
  std::uint64_t bits = 0;
  for (std::size_t i = span_of(labels, first_key); i < labels.start.size(); ++i) {
    const std::int32_t begin = labels.start[i] - first_key;
    if (begin >= kPageTokens) break;
    const std::int32_t end = i + 1 < labels.start.size() ? labels.start[i + 1] - first_key : kPageTokens;
    if (has_bit(seen, labels.label[i])) bits |= bits_below(end) & ~bits_below(begin);
  }
  return bits;
}

Sight sight_of(const RowBlock& b, const Mask& m) {
  const std::int32_t length = b.job->kv.length;
  // Begin, end and sink grow with the position.
  const RowSight low = row_sight(m, b.position(0), length), high = row_sight(m, b.position(b.rows - 1), length);
  return {low.begin, high.end, high.begin, low.end, std::max(low.sink, high.sink)};
}

}  // namespace

PageWalk::PageWalk(const RowBlock& block)
    : block_(block),
      mask_(block.mask()),
      sight_(sight_of(block, mask_)),
      end_(pages_until(std::max(sight_.any_end, sight_.sink))) {
  if (!mask_.labels) return;
  seen_labels_ = 0;
  for (std::int32_t p = block.position(0); p <= block.position(block.rows - 1); ++p)
    seen_labels_ |= labels_seen_from(*mask_.labels, p);
}

std::int32_t PageWalk::next_in_ranges(std::int32_t page) const {
  if (page < pages_until(sight_.sink)) return page;
  const std::int32_t from = std::max(page, page_of(sight_.any_begin));
  return sight_.any_begin < sight_.any_end ? from : end_;
}

// The least of what the rows' lists name at or after the page.
std::int32_t PageWalk::next_in_list(std::int32_t page) const {
  const BlockList& list = *mask_.blocks;
  const std::int32_t last = block_.position(block_.rows - 1);
  std::int32_t least = end_;
  for (std::int32_t position = block_.position(0); position <= last && least > page;) {
    const auto keys = list_row(list, position, block_.kv_head);
    const auto it = first_from(keys, page * kPageTokens / list.block);
    if (it != keys.end()) least = std::min(least, std::max(page, page_of(*it * list.block)));
    position = (position / list.query_tokens() + 1) * list.query_tokens();
  }
  return least;
}

std::int32_t PageWalk::next_by_label(std::int32_t page) const {
  const SpanLabels& labels = *mask_.labels;
  std::size_t i = span_of(labels, page * kPageTokens);
  while (i < labels.start.size() && !has_bit(seen_labels_, labels.label[i])) ++i;
  return i == labels.start.size() ? end_ : std::max(page, page_of(labels.start[i]));
}

std::int32_t PageWalk::next(std::int32_t page) const {
  for (;;) {
    if (page >= end_) return end_;
    std::int32_t found = next_in_ranges(page);
    if (mask_.blocks && found < end_) found = next_in_list(found);
    if (mask_.labels && found < end_) found = next_by_label(found);
    if (found == page) return page;
    page = found;
  }
}

PageWalk::Seen PageWalk::look(std::int32_t first_key, std::uint64_t* bits) const {
  const bool all_by_range = first_key >= sight_.all_begin && first_key + kPageTokens <= sight_.all_end;
  if (all_by_range && !mask_.blocks && !mask_.labels) return Seen::all;
  std::uint64_t any = 0, all = kAllKeys;
  for (std::int32_t r = 0; r < block_.rows; ++r) {
    const std::int32_t position = block_.position(r);
    if (r > 0 && position == block_.position(r - 1)) {  // the heads of one token
      bits[r] = bits[r - 1];
      continue;
    }
    const RowSight s = row_sight(mask_, position, block_.job->kv.length);
    bits[r] = (bits_below(s.end - first_key) & ~bits_below(s.begin - first_key)) | bits_below(s.sink - first_key);
    if (mask_.blocks && bits[r]) bits[r] &= block_bits(*mask_.blocks, position, block_.kv_head, first_key);
    if (mask_.labels && bits[r])
      bits[r] &= label_bits(*mask_.labels, labels_seen_from(*mask_.labels, position), first_key);
    any |= bits[r];
    all &= bits[r];
  }
  return any == 0 ? Seen::none : all == kAllKeys ? Seen::all : Seen::some;
}

}  // namespace heed
