// read_ahead.h -- how far ahead of its use a stream from memory is fetched, by the kernels and by the ceiling they are
// held against: one page, where the processor's own prefetching ends.
#pragma once
#include <cstdint>

namespace heed {

inline constexpr std::int64_t kAheadBytes = 4096;

}  // namespace heed
