// checksum.cc -- four lanes, so that the multiplier is never idle; every step is a bijection of its lane.
#include "core/checksum.h"

#include <cstring>

namespace heed {
namespace {

constexpr std::size_t kWordBytes = sizeof(std::uint64_t), kRowBytes = 4 * kWordBytes;
constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15ULL;  // 2^64 / golden ratio, odd

std::uint64_t mix(std::uint64_t lane, std::uint64_t word) noexcept {
  lane = (lane ^ word) * kFactor;
  return lane ^ lane >> 29;
}

struct Lanes {
  std::uint64_t a = mix(0, 1), b = mix(0, 2), c = mix(0, 3), d = mix(0, 4);

  void add(const std::byte* row) noexcept {
    std::uint64_t words[4];  // one by one: as a loop, compilers make slow vector products of it
    std::memcpy(words, row, kRowBytes);
    a = mix(a, words[0]);
    b = mix(b, words[1]);
    c = mix(c, words[2]);
    d = mix(d, words[3]);
  }
};

}  // namespace

std::uint64_t checksum(std::span<const std::byte> bytes) noexcept {
  Lanes lanes;
  std::size_t at = 0;
  for (; at + kRowBytes <= bytes.size(); at += kRowBytes) lanes.add(bytes.data() + at);
  std::byte rest[kRowBytes] = {};
  if (at < bytes.size()) std::memcpy(rest, bytes.data() + at, bytes.size() - at);
  lanes.add(rest);
  return mix(mix(mix(mix(mix(kFactor, bytes.size()), lanes.a), lanes.b), lanes.c), lanes.d);
}

}  // namespace heed
