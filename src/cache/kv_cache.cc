// kv_cache.cc -- the page table of one sequence: grows, shrinks, forks.
#include "cache/kv_cache.h"

#include "kernels/linear_attention.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace heed {
namespace {

std::size_t pages_for(std::int32_t tokens) {
  return static_cast<std::size_t>((tokens + kPageTokens - 1) / kPageTokens);
}

}  // namespace

KvCache::KvCache(KvCache&& o) noexcept
    : pool_(o.pool_),
      pages_(std::exchange(o.pages_, {})),
      states_(std::move(o.states_)),
      length_(std::exchange(o.length_, 0)) {}

KvCache& KvCache::operator=(KvCache&& o) noexcept {
  std::swap(pool_, o.pool_);
  std::swap(pages_, o.pages_);
  std::swap(states_, o.states_);
  std::swap(length_, o.length_);
  return *this;
}

KvCache::~KvCache() {
  for (const std::int32_t page : pages_) pool_->release(page);
}

Expected<void> KvCache::reserve(std::int32_t tokens) {
  if (tokens <= length_) return {};
  if (pool_->state_floats() > 0 && states_.size() == 0) {
    HEED_ASSIGN(states_, Buffer::make(static_cast<std::size_t>(pool_->state_floats()) * sizeof(float)));
  }
  const std::size_t before = pages_.size();
  const auto undo = [&](Error error) -> Error {
    for (std::size_t i = before; i < pages_.size(); ++i) pool_->release(pages_[i]);
    pages_.resize(before);
    return error;
  };
  while (pages_.size() < pages_for(tokens)) {
    auto page = pool_->take();
    if (!page) return undo(std::move(page).error());
    pages_.push_back(*page);
  }
  // Appending writes into the last, partly filled page; earlier pages are never written again.
  const auto last = static_cast<std::size_t>(length_ / kPageTokens);
  if (last >= before || pool_->references(pages_[last]) == 1) return {};
  auto own = pool_->take();
  if (!own) return undo(std::move(own).error());
  pool_->copy(pages_[last], *own);
  pool_->release(std::exchange(pages_[last], *own));
  return {};
}

void KvCache::truncate(std::int32_t tokens) noexcept {
  tokens = std::clamp(tokens, 0, length_);
  const bool is_in_chunk = tokens >= length_ / kLinearChunk * kLinearChunk;
  length_ = pool_->state_floats() > 0 && !is_in_chunk ? 0 : tokens;
  while (pages_.size() > pages_for(length_)) {
    pool_->release(pages_.back());
    pages_.pop_back();
  }
}

KvCache KvCache::fork() const {
  KvCache other(*pool_);
  if (states_.size() > 0) {
    auto copied = Buffer::make(states_.size());
    if (!copied) return other;
    std::memcpy(copied->data(), states_.data(), states_.size());
    other.states_ = std::move(*copied);
  }
  other.pages_ = pages_;
  other.length_ = length_;
  for (const std::int32_t page : pages_) pool_->retain(page);
  return other;
}

}  // namespace heed
