// half.h -- the compiler's own half precision, to compare ours with.
#pragma once

namespace heed {

#if defined(__aarch64__)
using CompilerHalf = __fp16;  // GCC 12 has no _Float16 in C++ for Arm
#else
using CompilerHalf = _Float16;
#endif

}  // namespace heed
