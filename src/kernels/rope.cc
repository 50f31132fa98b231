// rope.cc -- angles of a step, and the one walk over its query and key heads.
#include "kernels/rope.h"

#include <cmath>

#include "kernels/body/layer_table.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr std::int64_t kRowsPerTask = 8;

void rotate_interleaved(float* x, const float* cos, const float* sin, std::int64_t half) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = a * cos[i] - b * sin[i];
    x[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

}  // namespace

double rope_frequency(const RopeSpec& spec, std::int64_t i) noexcept {
  const double factor = spec.factors.empty() ? 1.0 : static_cast<double>(spec.factors[static_cast<std::size_t>(i)]);
  return std::pow(static_cast<double>(spec.base), -2.0 * static_cast<double>(i) / spec.dims) *
         static_cast<double>(spec.scale) / factor;
}

Expected<RopeAngles> rope_angles(const RopeSpec& spec, std::span<const std::int32_t> positions, Exec& exec) {
  const std::int64_t half = spec.dims / 2, rows = static_cast<std::int64_t>(positions.size());
  if (half == 0) return RopeAngles{};
  auto* cos = exec.arena.allocate_array<float>(static_cast<std::size_t>(rows * half));
  auto* sin = exec.arena.allocate_array<float>(static_cast<std::size_t>(rows * half));
  auto* frequency = exec.arena.allocate_array<double>(static_cast<std::size_t>(half));
  if (!cos || !sin || !frequency) return fail(Code::out_of_memory, "rope: the step's arena is full");
  for (std::int64_t i = 0; i < half; ++i) frequency[i] = rope_frequency(spec, i);
  const double magnitude = spec.magnitude;
  exec.pool.parallel_for(rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t i = 0; i < half; ++i) {
        const double angle = positions[static_cast<std::size_t>(r)] * frequency[i];
        cos[r * half + i] = static_cast<float>(magnitude * std::cos(angle));
        sin[r * half + i] = static_cast<float>(magnitude * std::sin(angle));
      }
  });
  return RopeAngles{cos, sin};
}

void norm_and_rotate(const RopeSpec& spec, const RopeAngles& angles, const HeadRows& heads, Exec& exec) {
  const std::int64_t half = spec.dims / 2;
  const auto norm = exec.kernels.layers->rms_norm;
  const auto rotate = spec.interleaved ? rotate_interleaved : exec.kernels.layers->rotate_split;
  exec.pool.parallel_for(heads.rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      float* head = heads.x + r * heads.stride;
      for (const HeadGroup& group : heads.groups)
        for (std::int32_t h = 0; h < group.heads; ++h, head += heads.head_dim) {
          if (group.norm) norm(head, group.norm, heads.norm_eps, heads.head_dim, head);
          if (half > 0) rotate(head, angles.cos + r * half, angles.sin + r * half, half);
        }
    }
  });
}

}  // namespace heed
