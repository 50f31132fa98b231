// scalar_ceilings.cc -- the ceilings of one lane: what plain C++ does, on any processor.
#include "kernels/ceilings.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

constexpr int kChains = 8;

// The empty asm keeps every product: the compiler cannot know what a register holds after it.
template <class Number>
inline void keep(Number& x) {
  if constexpr (sizeof(Number) == 4 && Number(0.5f) != Number(0)) {
#if defined(__x86_64__)
    asm volatile("" : "+x"(x));
#elif defined(__aarch64__)
    asm volatile("" : "+w"(x));
#else
    asm volatile("" : "+m"(x));
#endif
  } else {
    asm volatile("" : "+r"(x));
  }
}

template <class Number>
void chains(std::int64_t rounds) {
  Number sum[kChains] = {}, a = Number(1), b = Number(1);
  for (; rounds > 0; --rounds)
#pragma GCC unroll 8
    for (auto& s : sum) {
      keep(a);
      s = static_cast<Number>(s + a * b);
      keep(s);
    }
}

// Eight independent sums keep the adders busy; the compiler vectorizes the inner loop as it likes.
std::uint64_t read_memory(const std::byte* p, std::int64_t n) {
  std::uint64_t sums[8] = {};
  for (std::int64_t i = 0; i < n; i += 64)
    for (std::int64_t j = 0; j < 8; ++j) {
      std::uint64_t word;
      __builtin_memcpy(&word, p + i + 8 * j, sizeof word);
      sums[j] += word;
    }
  std::uint64_t total = 0;
  for (const std::uint64_t x : sums) total += x;
  return total;
}

constexpr CeilingTable kTable = {{"integer multiply, add", kChains * 2, chains<std::int32_t>},
                                 {"integer multiply, add", kChains * 2, chains<std::int32_t>},
                                 {"float multiply, add", kChains * 2, chains<float>},
                                 {"float multiply, add", kChains * 2, chains<float>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_scalar() noexcept { return kTable; }

}  // namespace heed
