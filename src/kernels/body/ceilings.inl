// ceilings.inl -- the loops of kernels/ceilings.h, written once. Included like matmul.inl, after the SIMD layer and
// after the unit's own Vector and steps: each step is one asm statement, so that neither its operands nor its
// instructions can be optimized away.

// Covers a latency of 4 to 5 cycles on two ports, and leaves registers for the operands.
constexpr int kChains = 12;

template <auto kStep>
void chains(std::int64_t rounds) {
  Vector sum[kChains] = {};
  const Vector a = {}, b = {};
  for (; rounds > 0; --rounds)
#pragma GCC unroll 12
    for (auto& s : sum) kStep(s, a, b);
}

// Four running unions: what is read costs one instruction and cannot be skipped. From memory the next page is fetched
// into the second-level cache, as the kernels do it; nearer that would only cost.
template <bool kAhead>
void unite(const std::uint8_t* from, std::int64_t n, Bytes (&seen)[4]) {
  for (std::int64_t i = 0; i < n; i += 256)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if constexpr (kAhead) __builtin_prefetch(from + i + 64 * j + kAheadBytes, 0, 2);
      seen[j] = or_bytes(seen[j], load_bytes(from + i + 64 * j));
    }
}

std::uint64_t read_memory(const std::byte* p, std::int64_t n) {
  constexpr std::int64_t kFar = std::int64_t{16} << 20;
  const auto* from = reinterpret_cast<const std::uint8_t*>(p);
  Bytes seen[4] = {load_bytes(from), load_bytes(from), load_bytes(from), load_bytes(from)};
  n < kFar ? unite<false>(from, n, seen) : unite<true>(from, n, seen);
  std::uint8_t folded[64];
  store_bytes(folded, or_bytes(or_bytes(seen[0], seen[1]), or_bytes(seen[2], seen[3])));
  std::uint64_t result;
  __builtin_memcpy(&result, folded, sizeof result);
  return result;
}
