// packed_matrix.h -- weights of one linear layer in packed form: owned, or a view of a pack file.
#pragma once
#include <cstdint>
#include <functional>
#include <span>

#include "core/expected.h"
#include "core/tensor.h"
#include "kernels/exec.h"

namespace heed {

/// Grows whenever the same weights pack to other bytes (a test holds the bytes): packs that lie on disk carry it.
constexpr std::uint32_t kPackVersion = 1;
constexpr std::size_t kPackAlignment = 64;  // of a matrix' first byte; a panel is as many bytes long, or a multiple

/// What a matrix packs into: panels of 16 rows of w, one after another. The bytes depend on w alone, not on the CPU.
struct PackLayout {
  static constexpr std::int64_t kPanelRows = 16;
  std::int64_t panels = 0, panel_bytes = 0;

  /// w [n, k], any DType but I4 and the plain integers; F64 is rounded to floats, nothing else loses anything. Errors:
  /// unsupported dtype, shape.
  static Expected<PackLayout> of(const Tensor& w);
  std::int64_t bytes() const noexcept { return panels * panel_bytes; }
};

/// Sees rows of the source when nobody will read them again.
using RowsPacked = std::function<void(const Tensor& rows)>;

/// Packs panels [first, first + panels) of w into `out` [panels * panel_bytes]. Runs on the pool.
void pack_panels(const Tensor& w, std::int64_t first, std::int64_t panels, std::byte* out, Exec& exec);

/// Move-only.
class PackedMatrix {
 public:
  /// Packs w [n, k] (row n = output column n) into memory of its own. Errors: unsupported dtype, shape, memory.
  static Expected<PackedMatrix> pack(const Tensor& w, Exec& exec, Allocator& allocator = system_allocator(),
                                     const RowsPacked& packed = {});
  /// The matrix that w was packed into; `bytes` are aligned to 64 and outlive it. Only w's shape and dtype are read.
  static Expected<PackedMatrix> view(const Tensor& w, std::span<const std::byte> bytes);

  std::int64_t n() const noexcept { return n_; }
  std::int64_t k() const noexcept { return k_; }
  DType source() const noexcept { return source_; }
  bool is_float() const noexcept { return is_float_; }  // f32, f16, bf16: multiplies float activations
  const std::byte* data() const noexcept { return bytes_.data(); }
  std::size_t bytes() const noexcept { return bytes_.size(); }
  explicit operator bool() const noexcept { return n_ > 0; }

 private:
  Buffer owned_;
  std::span<const std::byte> bytes_;
  std::int64_t n_ = 0, k_ = 0;
  DType source_ = DType::f32;
  bool is_float_ = false;
};

}  // namespace heed
