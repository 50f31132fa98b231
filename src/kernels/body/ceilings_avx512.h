// ceilings_avx512.h -- one instruction of each kind on 512 bits, for the ceilings of every unit that has them.
#pragma once
#include <immintrin.h>

namespace heed {
namespace {

using Vector = __m512i;

inline void dot_bytes(Vector& sum, Vector a, Vector b) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}
inline void dot_words(Vector& sum, Vector a, Vector b) {
  asm volatile("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}
inline void dot_pairs(Vector& sum, Vector a, Vector b) {
  asm volatile("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}
inline void multiply_add(Vector& sum, Vector a, Vector b) {
  asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

}  // namespace
}  // namespace heed
