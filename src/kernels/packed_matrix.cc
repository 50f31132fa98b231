// packed_matrix.cc -- panels on all threads, a few MiB at a time, so that what was read can be let go.
#include "kernels/packed_matrix.h"

#include <algorithm>

#include "kernels/pack.h"

namespace heed {

static_assert(PackLayout::kPanelRows == kPanelColumns);  // rows of the weights are columns of the product

Expected<PackLayout> PackLayout::of(const Tensor& w) {
  HEED_ASSIGN(const PackKind kind, pack_kind(w.dtype));
  const DTypeInfo& type = info(w.dtype);
  if (w.rank != 2 || w.rows() < 1 || w.cols() < 1 || w.cols() % type.block != 0)
    return fail(Code::invalid_argument, "pack: a " + std::string(type.name) +
                                            " matrix needs two dimensions and whole blocks of " +
                                            std::to_string(type.block) + ", got [" + std::to_string(w.rows()) + ", " +
                                            std::to_string(w.cols()) + "]");
  return PackLayout{.panels = (w.rows() + kPanelColumns - 1) / kPanelColumns,
                    .panel_bytes = panel_bytes_of(kind, w.cols())};
}

void pack_panels(const Tensor& w, std::int64_t first, std::int64_t panels, std::byte* out, Exec& exec) {
  const std::int64_t bytes = panel_bytes_of(*pack_kind(w.dtype), w.cols());
  auto* to = reinterpret_cast<std::uint8_t*>(out);
  exec.pool.parallel_for(panels, 4, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) pack_panel(w, first + i, to + i * bytes);
  });
}

Expected<PackedMatrix> PackedMatrix::pack(const Tensor& w, Exec& exec, Allocator& allocator, const RowsPacked& packed) {
  HEED_ASSIGN(const PackLayout layout, PackLayout::of(w));
  HEED_ASSIGN(Buffer memory, Buffer::make(static_cast<std::size_t>(layout.bytes()), allocator));
  constexpr std::int64_t kStepBytes = std::int64_t{8} << 20;
  const std::int64_t step = std::max<std::int64_t>(kStepBytes / layout.panel_bytes, 1);
  for (std::int64_t first = 0; first < layout.panels; first += step) {
    const std::int64_t panels = std::min(step, layout.panels - first), row = first * kPanelColumns;
    pack_panels(w, first, panels, memory.data() + first * layout.panel_bytes, exec);
    if (packed) packed(w.row_range(row, std::min(panels * kPanelColumns, w.rows() - row)));
  }
  HEED_ASSIGN(PackedMatrix m, view(w, {memory.data(), memory.size()}));
  m.owned_ = std::move(memory);
  return m;
}

Expected<PackedMatrix> PackedMatrix::view(const Tensor& w, std::span<const std::byte> bytes) {
  HEED_ASSIGN(const PackLayout layout, PackLayout::of(w));
  if (static_cast<std::int64_t>(bytes.size()) != layout.bytes() ||
      reinterpret_cast<std::uintptr_t>(bytes.data()) % kPackAlignment != 0)
    return fail(Code::invalid_argument, "pack: expected " + std::to_string(layout.bytes()) +
                                            " aligned bytes of packed weights, got " + std::to_string(bytes.size()));
  PackedMatrix m;
  m.bytes_ = bytes;
  m.n_ = w.rows(), m.k_ = w.cols(), m.source_ = w.dtype, m.is_float_ = !is_quantized(*pack_kind(w.dtype));
  return m;
}

}  // namespace heed
