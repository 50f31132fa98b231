// prefix_store.h -- states of finished conversations, kept for the next turn of the same tenant.
#pragma once
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/language_model.h"

namespace heed {

std::int32_t common_prefix(std::span<const std::int32_t> a, std::span<const std::int32_t> b) noexcept;

/// Least recently used goes first. A state is never shown to another tenant (more precisely: Sequence::state_owner).
class PrefixStore {
 public:
  static constexpr std::int32_t kLeastTokens = 16;  // shorter prefixes are cheaper to compute than to keep

  explicit PrefixStore(std::int32_t capacity) : capacity_(capacity) {}

  /// `tokens` are what `state` holds. Replaces states of the tenant that this one continues.
  void keep(const std::string& tenant, std::span<const std::int32_t> tokens, std::unique_ptr<ModelState> state);

  struct Match {
    const ModelState* state = nullptr;
    std::int32_t common = 0;
  };
  /// The longest common prefix among the tenant's states; found states count as used.
  Match find(const std::string& tenant, std::span<const std::int32_t> tokens);

  /// Drops the least recently used. False when there is none.
  bool evict_one();
  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::string tenant;
    std::vector<std::int32_t> tokens;
    std::unique_ptr<ModelState> state;
  };
  std::int32_t capacity_;
  std::list<Entry> entries_;  // most recently used first
};

}  // namespace heed
