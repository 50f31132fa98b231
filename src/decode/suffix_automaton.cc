// suffix_automaton.cc -- the online construction: one new state a token, sometimes a split.
#include "decode/suffix_automaton.h"

#include <algorithm>
#include <bit>

namespace heed {
namespace {

constexpr std::int32_t kMaxCapacity = 1 << 28;  // 3n edges must fit the index type
constexpr int kRefreshedLinks = 4;              // how many shorter suffixes learn of their latest place

}  // namespace

SuffixAutomaton::SuffixAutomaton(std::int32_t capacity) : capacity_(std::clamp(capacity, 0, kMaxCapacity)) {
  const auto n = static_cast<std::size_t>(capacity_);
  states_.reserve(2 * n + 1);
  edges_.reserve(3 * n);
  buckets_.assign(std::bit_ceil(2 * n + 1), -1);
  add_state(0, -1, 0);
}

std::size_t SuffixAutomaton::bucket(std::int32_t from, std::int32_t token) const noexcept {
  std::uint64_t x =
      (static_cast<std::uint64_t>(static_cast<std::uint32_t>(from)) << 32) | static_cast<std::uint32_t>(token);
  x *= 0x9e3779b97f4a7c15ULL;  // Fibonacci hashing: the high bits are mixed best
  return static_cast<std::size_t>((x ^ (x >> 32)) & (buckets_.size() - 1));
}

std::int32_t SuffixAutomaton::find(std::int32_t from, std::int32_t token) const noexcept {
  std::int32_t at = buckets_[bucket(from, token)];
  while (at >= 0) {
    const Edge& edge = edges_[static_cast<std::size_t>(at)];
    if (edge.from == from && edge.token == token) return at;
    at = edge.next_in_bucket;
  }
  return -1;
}

void SuffixAutomaton::add_edge(std::int32_t from, std::int32_t token, std::int32_t to) noexcept {
  std::int32_t& head = buckets_[bucket(from, token)];
  State& state = states_[static_cast<std::size_t>(from)];
  edges_.push_back({from, token, to, state.first_edge, head});
  head = state.first_edge = static_cast<std::int32_t>(edges_.size()) - 1;
}

std::int32_t SuffixAutomaton::add_state(std::int32_t length, std::int32_t link, std::int32_t end) noexcept {
  states_.push_back({length, link, end, -1});
  return static_cast<std::int32_t>(states_.size()) - 1;
}

/// Follows `edge` out of `from`; a target that also holds longer strings is split first. Returns the state whose
/// longest string is `from`'s longest and the edge's token.
std::int32_t SuffixAutomaton::split(std::int32_t from, std::int32_t edge) noexcept {
  const std::int32_t token = edges_[static_cast<std::size_t>(edge)].token,
                     to = edges_[static_cast<std::size_t>(edge)].to;
  const std::int32_t length = states_[static_cast<std::size_t>(from)].length + 1;
  const State target = states_[static_cast<std::size_t>(to)];
  if (target.length == length) return to;
  const std::int32_t half = add_state(length, target.link, target.end);
  for (std::int32_t e = target.first_edge; e >= 0; e = edges_[static_cast<std::size_t>(e)].next_of_state) {
    const auto at = static_cast<std::size_t>(e);
    add_edge(half, edges_[at].token, edges_[at].to);
  }
  states_[static_cast<std::size_t>(to)].link = half;
  for (std::int32_t s = from; s >= 0; s = states_[static_cast<std::size_t>(s)].link) {
    const std::int32_t e = find(s, token);
    if (e < 0 || edges_[static_cast<std::size_t>(e)].to != to) break;
    edges_[static_cast<std::size_t>(e)].to = half;
  }
  return half;
}

/// The suffixes of the text that occurred before now also occur at its end.
void SuffixAutomaton::refresh(std::int32_t state) noexcept {
  for (int i = 0; i < kRefreshedLinks && state > 0; ++i) {
    states_[static_cast<std::size_t>(state)].end = size_;
    state = states_[static_cast<std::size_t>(state)].link;
  }
}

void SuffixAutomaton::push(std::int32_t token) noexcept {
  match_ = {};
  if (size_ == capacity_) return;
  ++size_;
  const std::int32_t fresh = add_state(size_, 0, size_);
  std::int32_t s = last_, edge = -1;
  while (s >= 0 && (edge = find(s, token)) < 0) {
    add_edge(s, token, fresh);
    s = states_[static_cast<std::size_t>(s)].link;
  }
  last_ = fresh;
  if (s < 0) return;
  const std::int32_t suffix = split(s, edge);
  State& state = states_[static_cast<std::size_t>(suffix)];
  states_[static_cast<std::size_t>(fresh)].link = suffix;
  match_ = {state.length, state.end};
  refresh(suffix);
}

}  // namespace heed
