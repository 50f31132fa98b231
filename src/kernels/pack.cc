// pack.cc -- from a file's rows to panels (layout: body/matmul_table.h; block layouts: the GGUF specification).
#include "kernels/pack.h"

#include <algorithm>
#include <cstring>

#include "kernels/dequantize.h"

namespace heed {
namespace {

// One column's share of one unit: 32 stored quants and what scales them.
struct Column {
  std::uint8_t q[32];
  std::uint16_t scale = 0, min = 0;           // halfs: half32, or the factors of a super form
  std::uint8_t small[2] = {}, small_min = 0;  // super forms
};

std::uint16_t half_at(const std::byte* p) {
  std::uint16_t h;
  std::memcpy(&h, p, 2);
  return h;
}
std::uint8_t byte_at(const std::byte* p) { return static_cast<std::uint8_t>(*p); }

void low_nibbles(const std::byte* p, std::uint8_t* q, int n) {
  for (int i = 0; i < n; ++i) q[i] = byte_at(p + i) & 0x0f;
}
void high_nibbles(const std::byte* p, std::uint8_t* q, int n) {
  for (int i = 0; i < n; ++i) q[i] = static_cast<std::uint8_t>(byte_at(p + i) >> 4);
}

// Bit i of `bits` -> 0x10 in byte i: each byte keeps its own bit of a copy, and carries it into its top bit.
void or_fifth_bits(std::uint32_t bits, std::uint8_t* q) {
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t own = (bits >> (8 * i) & 0xffu) * 0x0101010101010101u & 0x8040201008040201u;
    const std::uint64_t top = (own + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u;
    std::uint64_t eight;
    std::memcpy(&eight, q + 8 * i, 8);
    eight |= top >> 3;
    std::memcpy(q + 8 * i, &eight, 8);
  }
}

void read_4(const std::byte* p, Column& c, bool has_min) {
  c.scale = half_at(p);
  if (has_min) c.min = half_at(p + 2);
  p += has_min ? 4 : 2;
  low_nibbles(p, c.q, 16);
  high_nibbles(p, c.q + 16, 16);
}

void read_5(const std::byte* p, Column& c, bool has_min) {
  c.scale = half_at(p);
  if (has_min) c.min = half_at(p + 2);
  p += has_min ? 4 : 2;
  std::uint32_t high;
  std::memcpy(&high, p, 4);
  low_nibbles(p + 4, c.q, 16);
  high_nibbles(p + 4, c.q + 16, 16);
  or_fifth_bits(high, c.q);
}

void read_8(const std::byte* p, Column& c) {
  c.scale = half_at(p);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>(byte_at(p + 2 + i) ^ 0x80);
}

// The packed 6-bit scales and mins of Q4_K and Q5_K, entry `j` of 8.
void read_small(const std::byte* s, int j, Column& c) {
  if (j < 4) {
    c.small[0] = byte_at(s + j) & 63;
    c.small_min = byte_at(s + j + 4) & 63;
  } else {
    c.small[0] = static_cast<std::uint8_t>((byte_at(s + j + 4) & 0x0f) | (byte_at(s + j - 4) >> 6 << 4));
    c.small_min = static_cast<std::uint8_t>((byte_at(s + j + 4) >> 4) | (byte_at(s + j) >> 6 << 4));
  }
}

// Two-bit fields of 32 values: one shift over 32 bytes; entry `j` of 8.
void two_bits(const std::byte* p, int j, std::uint8_t* q) {
  const std::byte* bytes = p + j / 4 * 32;
  for (int i = 0; i < 32; ++i) q[i] = byte_at(bytes + i) >> (j % 4 * 2) & 3;
}

void read_2k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p + 80), c.min = half_at(p + 82);
  c.small[0] = byte_at(p + 2 * j), c.small[1] = byte_at(p + 2 * j + 1);  // nibbles stay together
  two_bits(p + 16, j, c.q);
}

void read_3k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p + 108);
  const std::byte* scales = p + 96;
  for (int half = 0; half < 2; ++half) {
    const int k = 2 * j + half;
    const int low = k < 8 ? byte_at(scales + k) & 15 : byte_at(scales + k - 8) >> 4;
    const int high = byte_at(scales + 8 + k % 4) >> (k / 4 * 2) & 3;
    c.small[half] = static_cast<std::uint8_t>((low | high << 4) - 32);
  }
  two_bits(p + 32, j, c.q);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>(c.q[i] | (byte_at(p + i) >> j & 1) << 2);
}

void read_4k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p), c.min = half_at(p + 2);
  read_small(p + 4, j, c);
  const std::byte* q = p + 16 + (j / 2) * 32;
  if (j % 2 == 0)
    low_nibbles(q, c.q, 32);
  else
    high_nibbles(q, c.q, 32);
}

void read_5k(const std::byte* p, int j, Column& c) {
  c.scale = half_at(p), c.min = half_at(p + 2);
  read_small(p + 4, j, c);
  const std::byte* q = p + 48 + (j / 2) * 32;
  if (j % 2 == 0)
    low_nibbles(q, c.q, 32);
  else
    high_nibbles(q, c.q, 32);
  for (int i = 0; i < 32; ++i) c.q[i] = static_cast<std::uint8_t>(c.q[i] | ((byte_at(p + 16 + i) >> j & 1) << 4));
}

void read_6k(const std::byte* p, int j, Column& c) {
  const int part = j / 4, line = j % 4;  // 128 values a part; four lines of 32
  const std::byte* low = p + part * 64 + (line % 2) * 32;
  const std::byte* high = p + 128 + part * 32;
  if (line < 2)
    low_nibbles(low, c.q, 32);
  else
    high_nibbles(low, c.q, 32);
  for (int i = 0; i < 32; ++i)
    c.q[i] = static_cast<std::uint8_t>(c.q[i] | ((byte_at(high + i) >> (2 * line) & 3) << 4));
  c.small[0] = byte_at(p + 192 + 2 * j), c.small[1] = byte_at(p + 192 + 2 * j + 1);
  c.scale = half_at(p + 208);
}

void read_column(PackKind kind, const std::byte* row, std::int64_t unit, Column& c) {
  const DTypeInfo& type = info(kPackFormats[static_cast<std::size_t>(kind)].source);
  const std::byte* p = row + unit * kUnitDepth / type.block * type.block_bytes;
  const int j = static_cast<int>(unit % kSuperUnits);
  switch (kind) {
    case PackKind::q4_0:
      return read_4(p, c, false);
    case PackKind::q4_1:
      return read_4(p, c, true);
    case PackKind::q5_0:
      return read_5(p, c, false);
    case PackKind::q5_1:
      return read_5(p, c, true);
    case PackKind::q8_0:
      return read_8(p, c);
    case PackKind::q2_k:
      return read_2k(p, j, c);
    case PackKind::q3_k:
      return read_3k(p, j, c);
    case PackKind::q4_k:
      return read_4k(p, j, c);
    case PackKind::q5_k:
      return read_5k(p, j, c);
    default:
      return read_6k(p, j, c);
  }
}

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

void write_halfs(std::uint8_t* out, std::int64_t column, std::uint16_t value) {
  std::memcpy(out + 2 * column, &value, 2);
}

void write_scales(const PackFormat& f, std::int64_t unit, std::int64_t column, const Column& c, std::uint8_t* panel) {
  if (f.scales == ScaleForm::half32) {
    write_halfs(panel + scale_bytes(f, unit), column, c.scale);
    if (f.has_min) write_halfs(panel + scale_bytes(f, unit) + 32, column, c.min);
    return;
  }
  std::uint8_t* super = panel + scale_bytes(f, unit & ~(kSuperUnits - 1));
  std::uint8_t* small = super + factor_bytes(f) + unit % kSuperUnits * 32;
  write_halfs(super, column, c.scale);
  if (f.has_min) write_halfs(super + 32, column, c.min);
  small[column] = c.small[0];
  small[16 + column] = f.scales == ScaleForm::super16 ? c.small[1] : c.small_min;
}

void pack_quantized(const Tensor& w, PackKind kind, std::int64_t panel, std::uint8_t* out) {
  const PackFormat& f = kPackFormats[static_cast<std::size_t>(kind)];
  const std::int64_t units = w.cols() / kUnitDepth, columns = std::min(kPanelColumns, w.rows() - panel * kPanelColumns);
  std::uint8_t* quants = out + quants_offset(f, units);
  std::memset(out, 0, static_cast<std::size_t>(quants - out));
  alignas(64) std::uint8_t quads[8][64] = {};
  for (std::int64_t u = 0; u < units; ++u) {
    for (std::int64_t column = 0; column < columns; ++column) {
      Column c;
      read_column(kind, w.row(panel * kPanelColumns + column), u, c);
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

}  // namespace

Expected<PackKind> pack_kind(DType type) {
  for (std::size_t i = 0; i < kQuantKinds; ++i)
    if (kPackFormats[i].source == type) return static_cast<PackKind>(i);
  switch (type) {
    case DType::f32:
      return PackKind::f32;
    case DType::f16:
      return PackKind::f16;
    case DType::bf16:
      return PackKind::bf16;
    default:
      return fail(Code::unsupported, "pack: no matrix product for " + std::string(info(type).name));
  }
}

std::int64_t panel_bytes_of(PackKind kind, std::int64_t k) {
  if (is_quantized(kind)) return panel_bytes(kPackFormats[static_cast<std::size_t>(kind)], k / kUnitDepth);
  return align64(k * kPanelColumns * (kind == PackKind::f32 ? 4 : 2));
}

void pack_panel(const Tensor& w, PackKind kind, std::int64_t panel, std::uint8_t* out) {
  if (is_quantized(kind))
    pack_quantized(w, kind, panel, out);
  else
    pack_floats(w, kind, panel, out);
}

}  // namespace heed
