// stable_sort.h -- merge sort whose comparison may fail and may be inconsistent (NaN): neither harms it.
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "core/expected.h"

namespace heed::jinja {

/// `comes_before(a, b)` gives Expected<bool>. The first error ends the sort, the items in any order.
template <class T, class Before>
Expected<void> stable_sort(std::vector<T>& items, Before comes_before) {
  std::vector<T> merged(items.size());
  for (std::size_t width = 1; width < items.size(); width *= 2) {
    for (std::size_t from = 0; from < items.size(); from += 2 * width) {
      const std::size_t middle = std::min(from + width, items.size());
      const std::size_t end = std::min(middle + width, items.size());
      std::size_t left = from;
      std::size_t right = middle;
      for (std::size_t to = from; to < end; ++to) {
        bool takes_right = left == middle;
        if (left < middle && right < end) {
          HEED_ASSIGN(takes_right, comes_before(items[right], items[left]));
        }
        merged[to] = std::move(items[takes_right ? right++ : left++]);
      }
    }
    std::swap(items, merged);
  }
  return {};
}

}  // namespace heed::jinja
