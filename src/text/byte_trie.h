// byte_trie.h -- which of many keys begin a text: one step a byte, whatever the number of keys.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace heed {

class ByteTrie {
 public:
  struct Entry {
    std::string_view key;
    std::int32_t value = 0;  // not negative
  };

  ByteTrie() = default;
  /// Of equal keys the first stays; empty ones are left out. The keys are not kept.
  explicit ByteTrie(const std::vector<Entry>& entries);

  /// visit(bytes, value) for every key that `text` begins with, shortest first.
  template <class Visit>
  void each_prefix(std::string_view text, const Visit& visit) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::uint32_t next = units_[node].base + static_cast<unsigned char>(text[i]);
      if (units_[next].parent != node) return;
      node = next;
      if (units_[node].value >= 0) visit(i + 1, units_[node].value);
    }
  }

 private:
  static constexpr std::uint32_t kFree = 0xFFFFFFFF, kBytes = 256;

  /// The child of node n for byte b is at base(n) + b, if its parent is n (Aoe 1989, a double array). Past the last
  /// base there are always 256 units, so that no step needs a check of bounds.
  struct Unit {
    std::uint32_t base = 0;
    std::uint32_t parent = kFree;
    std::int32_t value = -1;
  };

  std::uint32_t place(std::string_view bytes);

  std::vector<Unit> units_ = std::vector<Unit>(kBytes + 1);
  std::uint32_t first_free_ = 1;  // no free unit before it that is worth a try
};

}  // namespace heed
