// pack.cc -- from a file's rows to panels (layout: body/matmul_table.h).
#include "kernels/pack.h"

#include <algorithm>
#include <cstring>

#include "kernels/dequantize.h"
#include "kernels/pack_columns.h"

namespace heed {
namespace {

// Bits from `first_bit` on, `bits` of each quad, side by side in as few vectors as hold them.
void write_plane(const std::uint8_t (*quads)[64], int first_bit, int bits, std::uint8_t* out) {
  const int each = 8 / bits, mask = (1 << bits) - 1;
  std::memset(out, 0, 64 * static_cast<std::size_t>(bits));
  for (int j = 0; j < 8; ++j)
    for (int b = 0; b < 64; ++b) {
      std::uint8_t& byte = out[j / each * 64 + b];
      byte = static_cast<std::uint8_t>(byte | (quads[j][b] >> first_bit & mask) << (j % each * bits));
    }
}

// quads [8][64]: one byte a quant -> the unit's vectors.
void write_quants(const PackFormat& f, const std::uint8_t (*quads)[64], std::uint8_t* out) {
  if (f.bits == 8) {
    std::memcpy(out, quads, 512);
    return;
  }
  if (f.bits < 4) {
    write_plane(quads, 0, 2, out);
    if (f.bits == 3) write_plane(quads, 2, 1, out + 128);
    return;
  }
  for (int v = 0; v < 4; ++v)
    for (int b = 0; b < 64; ++b)
      out[v * 64 + b] = static_cast<std::uint8_t>((quads[v][b] & 0x0f) | (quads[v + 4][b] & 0x0f) << 4);
  if (f.bits > 4) write_plane(quads, 4, f.bits - 4, out + 256);
}

template <class T>
void write_one(std::uint8_t* out, std::int64_t column, T value) {
  std::memcpy(out + static_cast<std::int64_t>(sizeof value) * column, &value, sizeof value);
}

void write_scales(const PackFormat& f, std::int64_t unit, std::int64_t column, const Column& c, std::uint8_t* panel) {
  if (f.scales == ScaleForm::half32 || f.scales == ScaleForm::bf16_32) {
    write_one(panel + scale_bytes(f, unit), column, c.scale);
    if (f.has_min) write_one(panel + scale_bytes(f, unit) + 32, column, c.min);
    return;
  }
  std::uint8_t* super = panel + scale_bytes(f, unit & ~(kSuperUnits - 1));
  if (f.scales == ScaleForm::float256) return write_one(super, column, c.wide_scale);
  std::uint8_t* small = super + factor_bytes(f) + unit % kSuperUnits * small_bytes(f);
  write_one(super, column, c.scale);
  if (f.has_min) write_one(super + 32, column, c.min);
  small[column] = c.small[0];
  if (small_bytes(f) == 32) small[16 + column] = f.scales == ScaleForm::super16 ? c.small[1] : c.small_min;
}

void pack_quantized(const Tensor& w, const PackSource& source, std::int64_t panel, std::uint8_t* out) {
  const PackFormat& f = kPackFormats[static_cast<std::size_t>(source.kind)];
  const DTypeInfo& type = info(w.dtype);
  const std::int64_t block_units = type.block / kUnitDepth;
  const std::int64_t units = w.cols() / kUnitDepth, columns = std::min(kPanelColumns, w.rows() - panel * kPanelColumns);
  std::uint8_t* quants = out + quants_offset(f, units);
  std::memset(out, 0, static_cast<std::size_t>(quants - out));
  alignas(64) std::uint8_t quads[8][64] = {};
  for (std::int64_t u = 0; u < units; ++u) {
    for (std::int64_t column = 0; column < columns; ++column) {
      Column c;
      source.read(w.row(panel * kPanelColumns + column) + u / block_units * type.block_bytes,
                  static_cast<int>(u % block_units), c);
      for (int j = 0; j < 8; ++j) std::memcpy(&quads[j][4 * column], c.q + 4 * j, 4);
      write_scales(f, u, column, c, out);
    }
    write_quants(f, quads, quants + u * f.bits * 64);
  }
}

void pack_floats(const Tensor& w, PackKind kind, std::int64_t panel, std::uint8_t* out) {
  const std::int64_t size = kind == PackKind::f32 ? 4 : 2, k = w.cols();
  const std::int64_t columns = std::min(kPanelColumns, w.rows() - panel * kPanelColumns);
  std::memset(out, 0, static_cast<std::size_t>(k * kPanelColumns * size));
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::byte* row = w.row(panel * kPanelColumns + column);
    for (std::int64_t i = 0; i < k; ++i)
      std::memcpy(out + (i * kPanelColumns + column) * size, row + i * size, static_cast<std::size_t>(size));
  }
}

// Doubles are rounded to floats: the activations they meet have no more bits.
void pack_doubles(const Tensor& w, std::int64_t panel, std::uint8_t* out) {
  const std::int64_t k = w.cols(), columns = std::min(kPanelColumns, w.rows() - panel * kPanelColumns);
  std::memset(out, 0, static_cast<std::size_t>(k * kPanelColumns) * sizeof(float));
  for (std::int64_t column = 0; column < columns; ++column)
    for (std::int64_t i = 0; i < k; ++i) {
      float rounded;
      dequantize_row(w.dtype, w.row(panel * kPanelColumns + column) + i * info(w.dtype).block_bytes, 1, &rounded);
      write_one(out, i * kPanelColumns + column, rounded);
    }
}

}  // namespace

Expected<PackKind> pack_kind(DType type) {
  if (const PackSource* source = pack_source(type)) return source->kind;
  return fail(Code::unsupported, "pack: no matrix product for " + std::string(info(type).name));
}

std::int64_t panel_bytes_of(PackKind kind, std::int64_t k) {
  if (is_quantized(kind)) return panel_bytes(kPackFormats[static_cast<std::size_t>(kind)], k / kUnitDepth);
  return align64(k * kPanelColumns * (kind == PackKind::f32 ? 4 : 2));
}

void pack_panel(const Tensor& w, std::int64_t panel, std::uint8_t* out) {
  const PackSource& source = *pack_source(w.dtype);
  if (source.read)
    pack_quantized(w, source, panel, out);
  else if (w.dtype == DType::f64)
    pack_doubles(w, panel, out);
  else
    pack_floats(w, source.kind, panel, out);
}

}  // namespace heed
