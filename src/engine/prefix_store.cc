// prefix_store.cc -- a handful of entries: a list and linear comparisons.
#include "engine/prefix_store.h"

#include <algorithm>

namespace heed {

std::int32_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) noexcept {
  const std::size_t n = std::min(a.size(), b.size());
  return static_cast<std::int32_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(n), b.begin()).first - a.begin());
}

void PrefixStore::keep(const std::string& tenant, std::span<const std::int32_t> tokens,
                       std::unique_ptr<ModelState> state) {
  const auto length = static_cast<std::int32_t>(tokens.size());
  if (capacity_ <= 0 || !state || length < kLeastTokens || state->length() != length) return;
  state->truncate(length);  // gives back memory reserved for tokens that never came
  for (auto e = entries_.begin(); e != entries_.end();) {
    const std::int32_t common = e->tenant == tenant ? common_prefix(e->tokens, tokens) : 0;
    if (e->tenant == tenant && common == length) {  // already there, perhaps with more behind it
      entries_.splice(entries_.begin(), entries_, e);
      return;
    }
    const bool is_continued = e->tenant == tenant && common == static_cast<std::int32_t>(e->tokens.size());
    e = is_continued ? entries_.erase(e) : std::next(e);
  }
  entries_.push_front({tenant, {tokens.begin(), tokens.end()}, std::move(state)});
  while (entries_.size() > static_cast<std::size_t>(capacity_)) entries_.pop_back();
}

PrefixStore::Match PrefixStore::find(const std::string& tenant, std::span<const std::int32_t> tokens) {
  Match best;
  auto used = entries_.end();
  for (auto e = entries_.begin(); e != entries_.end(); ++e) {
    if (e->tenant != tenant) continue;
    const std::int32_t common = common_prefix(e->tokens, tokens);
    if (common < kLeastTokens || common <= best.common) continue;
    best = {e->state.get(), common};
    used = e;
  }
  if (used != entries_.end()) entries_.splice(entries_.begin(), entries_, used);
  return best;
}

bool PrefixStore::evict_one() {
  if (entries_.empty()) return false;
  entries_.pop_back();
  return true;
}

}  // namespace heed
