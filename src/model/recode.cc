// recode.cc -- rows are moved whole; only what must change becomes floats.
#include "model/recode.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/dequantize.h"
#include "kernels/quantize.h"

namespace heed {
namespace {

/// Where row r of the result lies among the rows of the pieces.
std::int64_t source_row(const TensorSource& source, std::int64_t r, std::int64_t rows) {
  if (source.rotary_heads == 0) return r;
  const std::int64_t head = rows / source.rotary_heads, in_head = r % head;
  return r - in_head + in_head % 2 * (head / 2) + in_head / 2;
}

struct Rows {
  std::int64_t count, cols;
};

/// A vector is one row, unless its numbers change places.
Rows rows_of(const TensorSource& source, const Tensor& t) {
  if (t.rank == 1 && source.rotary_heads > 0) return {t.cols(), 1};
  return {t.rows(), t.cols()};
}

}  // namespace

Expected<Buffer> gather_rows(const TensorSource& source, const Tensor& shown, std::int64_t first, std::int64_t rows) {
  const Rows all = rows_of(source, shown);
  if (all.count != shown.rows()) rows = all.count;
  const Tensor& piece = source.pieces.front();
  const std::int64_t piece_rows = rows_of(source, piece).count;
  const auto from_bytes = static_cast<std::size_t>(row_bytes(piece.dtype, all.cols));
  const auto to_bytes = static_cast<std::size_t>(row_bytes(shown.dtype, all.cols));
  HEED_ASSIGN(Buffer out, Buffer::make(static_cast<std::size_t>(rows) * to_bytes));
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t at = source_row(source, first + r, all.count);
    const std::byte* from = source.pieces[static_cast<std::size_t>(at / piece_rows)].data +
                            static_cast<std::size_t>(at % piece_rows) * from_bytes;
    std::byte* to = out.data() + static_cast<std::size_t>(r) * to_bytes;
    if (source.add == 0) {
      std::memcpy(to, from, from_bytes);
      continue;
    }
    auto* floats = reinterpret_cast<float*>(to);
    dequantize_row(piece.dtype, from, all.cols, floats);
    for (std::int64_t i = 0; i < all.cols; ++i) floats[i] += source.add;
  }
  return out;
}

Expected<Buffer> recode(const Tensor& t, DType type, ThreadPool& pool) {
  const std::int64_t bytes = row_bytes(type, t.cols());
  HEED_ASSIGN(Buffer out, Buffer::make(static_cast<std::size_t>(t.rows() * bytes)));
  constexpr float kMostHalf = 65504.0f;  // what scales can be
  const bool is_block = info(type).block > 1;
  std::atomic<bool> is_bad = false;
  std::vector<float> room(static_cast<std::size_t>(t.cols()) * static_cast<std::size_t>(pool.threads()));
  pool.parallel_for(t.rows(), 4, [&](std::int64_t begin, std::int64_t end, int thread) {
    float* floats = room.data() + static_cast<std::size_t>(thread) * static_cast<std::size_t>(t.cols());
    for (std::int64_t r = begin; r < end; ++r) {
      dequantize_row(t.dtype, t.row(r), t.cols(), floats);
      const auto is_fit = [](float x) { return std::fabs(x) <= kMostHalf; };  // false of NaN, too
      if (is_block && !std::all_of(floats, floats + t.cols(), is_fit)) {
        is_bad = true;
      } else {
        quantize_row(type, floats, t.cols(), out.data() + r * bytes);
      }
    }
  });
  if (is_bad)
    return fail(Code::malformed,
                "a number is none, or larger than 65504: " + std::string(info(type).name) + " has no place for it");
  return out;
}

DType turned_type(DType type) noexcept { return info(type).block > 1 ? DType::f32 : type; }

Expected<Buffer> turn_heads(const Tensor& t, ThreadPool& pool) {
  const std::int64_t heads = t.shape[0], cols = t.shape[1], n = t.shape[2];
  const DType type = turned_type(t.dtype);
  const std::int64_t bytes = row_bytes(type, cols);
  HEED_ASSIGN(Buffer out, Buffer::make(static_cast<std::size_t>(heads * n * bytes)));
  const std::int64_t head_floats = cols * n, room_floats = head_floats + cols;
  HEED_ASSIGN(Buffer room, Buffer::make(static_cast<std::size_t>(pool.threads() * room_floats) * sizeof(float)));
  pool.parallel_for(heads, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
    float* head = reinterpret_cast<float*>(room.data()) + thread * room_floats;
    float* row = head + head_floats;
    for (std::int64_t h = begin; h < end; ++h) {
      for (std::int64_t c = 0; c < cols; ++c) dequantize_row(t.dtype, t.row(h * cols + c), n, head + c * n);
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t c = 0; c < cols; ++c) row[c] = head[c * n + i];
        quantize_row(type, row, cols, out.data() + (h * n + i) * bytes);
      }
    }
  });
  return out;
}

}  // namespace heed
