// byte_trie.cc -- sorted keys become nodes from the root down; every node's children take the first place that fits.
#include "text/byte_trie.h"

#include <algorithm>
#include <string>
#include <utility>

namespace heed {
namespace {

/// The keys in [low, high) share their first `depth` bytes, which lead to `node`.
struct Range {
  std::uint32_t node = 0;
  std::size_t low = 0, high = 0, depth = 0;
};

/// By key; of equal keys the first, and no empty ones.
std::vector<ByteTrie::Entry> sorted(const std::vector<ByteTrie::Entry>& entries) {
  std::vector<std::pair<std::string_view, std::size_t>> order;
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (!entries[i].key.empty()) order.emplace_back(entries[i].key, i);
  std::sort(order.begin(), order.end());
  std::vector<ByteTrie::Entry> out;
  for (const auto& [key, i] : order)
    if (out.empty() || out.back().key != key) out.push_back(entries[i]);
  return out;
}

}  // namespace

/// Finds a base where the children of a node are all free.
std::uint32_t ByteTrie::place(std::string_view bytes) {
  constexpr std::uint32_t kMostTries = 128;  // then the end of the array: bounds the time for any set of keys
  const auto first = static_cast<unsigned char>(bytes[0]);
  while (first_free_ < units_.size() && units_[first_free_].parent != kFree) ++first_free_;
  std::uint32_t at = std::max<std::uint32_t>(first_free_, first + 1U);
  for (std::uint32_t tries = 0; tries < kMostTries && at + kBytes < units_.size(); ++at, ++tries) {
    const std::uint32_t base = at - first;
    if (std::all_of(bytes.begin(), bytes.end(),
                    [&](char c) { return units_[base + static_cast<unsigned char>(c)].parent == kFree; })) {
      return base;
    }
  }
  if (at + kBytes < units_.size()) first_free_ = at;  // what was tried here is crowded
  return std::max<std::uint32_t>(static_cast<std::uint32_t>(units_.size()) - kBytes, first + 1U) - first;
}

ByteTrie::ByteTrie(const std::vector<Entry>& all) {
  const std::vector<Entry> entries = sorted(all);
  units_[0].parent = 0;
  units_[0].base = 1;
  std::vector<Range> open;
  if (!entries.empty()) open.push_back({0, 0, entries.size(), 0});
  std::string bytes;
  std::vector<std::size_t> begins;
  while (!open.empty()) {
    Range range = open.back();
    open.pop_back();
    if (entries[range.low].key.size() == range.depth) units_[range.node].value = entries[range.low++].value;
    bytes.clear();
    begins.clear();
    for (std::size_t i = range.low; i < range.high; ++i) {
      const char byte = entries[i].key[range.depth];
      if (!bytes.empty() && bytes.back() == byte) continue;
      bytes += byte;
      begins.push_back(i);
    }
    if (bytes.empty()) continue;
    begins.push_back(range.high);
    const std::uint32_t base = place(bytes);
    const std::size_t last = static_cast<unsigned char>(bytes.back());
    units_.resize(std::max(units_.size(), base + last + 1 + kBytes));
    units_[range.node].base = base;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::uint32_t child = base + static_cast<unsigned char>(bytes[i]);
      units_[child].parent = range.node;
      open.push_back({child, begins[i], begins[i + 1], range.depth + 1});
    }
  }
}

}  // namespace heed
