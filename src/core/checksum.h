// checksum.h -- tells damaged bytes at the speed of memory. Against accidents, not against forgers: for those,
// digest.h.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace heed {

/// A change within one aligned group of eight bytes is told for certain, others but for one in 2^64. Lies in files: the
/// values never change.
std::uint64_t checksum(std::span<const std::byte> bytes) noexcept;

}  // namespace heed
