// matmul.cc -- packing, quantization and the blocking of a matrix product over panels and rows.
#include "kernels/matmul.h"

#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "kernels/pack.h"

namespace heed {
namespace {

// A row block's int8 activations should stay in half of a 512 KiB L2 while the panels pass.
constexpr std::int64_t kRowBlockBytes = std::int64_t{256} << 10;
constexpr std::int64_t kMinRowBlock = 32, kMaxRowBlock = 256;
// From here on unpacking a panel once is cheaper than unpacking it for every four rows.
constexpr std::int64_t kExpandRows = 8;
// A thread takes a few panels at a time: enough to stream, few enough to balance.
constexpr std::int64_t kPanelsPerTask = 8;

struct Scratch {
  std::uint8_t* expanded = nullptr;
  float* out = nullptr;  // [row block, 16]
};

struct Product {  // one call of matmul()
  const Activations& x;
  std::span<const MatmulJob> jobs;
  const MatmulTable& table;
  std::int64_t row_block;
  std::array<std::int64_t, 9> first_panel;  // of each job; the last entry is the total
};

std::int64_t panels_of(const PackedMatrix& w) { return (w.n() + kPanelColumns - 1) / kPanelColumns; }

// Adds bias or what was there; kept apart from the kernels because it is a few floats per k products.
void store(const MatmulJob& job, std::int64_t panel, std::int64_t row, std::int64_t rows, const float* tile) {
  const std::int64_t first = panel * kPanelColumns, columns = std::min(kPanelColumns, job.w->n() - first);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* out = job.out + (row + r) * job.out_stride + first;
    const float* from = tile + r * kPanelColumns;
    for (std::int64_t c = 0; c < columns; ++c) {
      float value = from[c];
      if (job.bias) value += job.bias[first + c];
      out[c] = job.accumulate ? out[c] + value : value;
    }
  }
}

void multiply_panel(const Product& p, const MatmulJob& job, std::int64_t panel, std::int64_t row, std::int64_t rows,
                    const Scratch& scratch) {
  const PackKind kind = *pack_kind(job.w->source());
  const auto* data = reinterpret_cast<const std::uint8_t*>(job.w->data()) + panel * panel_bytes_of(kind, p.x.k);
  if (is_quantized(kind)) {
    const std::int64_t k = p.x.k;
    const PanelTask task{.panel = data,
                         .units = k / kUnitDepth,
                         .q = p.x.q8.q + row * k,
                         .scale = p.x.q8.scale + row * (k / 32),
                         .sum = p.x.q8.sum + row * (k / 16),
                         .rows = rows,
                         .out = scratch.out,
                         .scratch = scratch.expanded};
    const auto index = static_cast<std::size_t>(kind);
    (rows >= kExpandRows ? p.table.expanded : p.table.direct)[index](task);
  } else {
    const FloatPanelTask task{.panel = data, .k = p.x.k, .x = p.x.f32 + row * p.x.k, .rows = rows, .out = scratch.out};
    p.table.floats[static_cast<std::size_t>(kind) - kQuantKinds](task);
  }
  store(job, panel, row, rows, scratch.out);
}

void multiply_range(const Product& p, std::int64_t begin, std::int64_t end, const Scratch& scratch) {
  for (std::int64_t row = 0; row < p.x.rows; row += p.row_block) {
    const std::int64_t rows = std::min(p.row_block, p.x.rows - row);
    std::size_t job = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      while (i >= p.first_panel[job + 1]) ++job;
      multiply_panel(p, p.jobs[job], i - p.first_panel[job], row, rows, scratch);
    }
  }
}

Expected<void> check_jobs(const Activations& x, std::span<const MatmulJob> jobs) {
  if (jobs.size() > 8)
    return fail(Code::invalid_argument,
                "matmul: at most 8 matrices share one call, got " + std::to_string(jobs.size()));
  for (const MatmulJob& job : jobs) {
    if (job.w->k() != x.k)
      return fail(Code::invalid_argument, "matmul: weights of depth " + std::to_string(job.w->k()) +
                                              " meet activations of " + std::to_string(x.k));
    if (job.w->is_float() ? !x.f32 : !x.q8.q)
      return fail(Code::invalid_argument, "matmul: the activations lack the form the weights need");
  }
  return {};
}

std::int64_t row_block_of(const Activations& x) {
  const std::int64_t rows = std::clamp(kRowBlockBytes / x.k, kMinRowBlock, kMaxRowBlock) & ~std::int64_t{7};
  return std::min(rows, x.rows);
}

}  // namespace

Expected<PackedMatrix> PackedMatrix::pack(const Tensor& w, Exec& exec, Allocator& allocator) {
  HEED_ASSIGN(const PackKind kind, pack_kind(w.dtype));
  const DTypeInfo& type = info(w.dtype);
  if (w.rank != 2 || w.rows() < 1 || w.cols() < 1 || w.cols() % type.block != 0)
    return fail(Code::invalid_argument, "pack: a " + std::string(type.name) +
                                            " matrix needs two dimensions and whole blocks of " +
                                            std::to_string(type.block) + ", got [" + std::to_string(w.rows()) + ", " +
                                            std::to_string(w.cols()) + "]");
  PackedMatrix m;
  m.n_ = w.rows(), m.k_ = w.cols(), m.source_ = w.dtype, m.is_float_ = !is_quantized(kind);
  const std::int64_t panels = panels_of(m), bytes = panel_bytes_of(kind, m.k_);
  HEED_ASSIGN(m.data_, Buffer::make(static_cast<std::size_t>(panels * bytes), allocator));
  auto* out = reinterpret_cast<std::uint8_t*>(m.data_.data());
  exec.pool.parallel_for(panels, 4, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t panel = begin; panel < end; ++panel) pack_panel(w, kind, panel, out + panel * bytes);
  });
  return m;
}

Expected<Activations> quantize_activations(const float* x, std::int64_t rows, std::int64_t k, Exec& exec) {
  if (k % kUnitDepth != 0)
    return fail(Code::invalid_argument, "quantize: rows must be multiples of 32 long, got " + std::to_string(k));
  const auto n = static_cast<std::size_t>(rows * k);
  auto* q = exec.arena.allocate_array<std::int8_t>(n);
  auto* scale = exec.arena.allocate_array<float>(n / 32);
  auto* sum = exec.arena.allocate_array<std::int32_t>(n / 16);
  if (!q || !scale || !sum) return fail(Code::out_of_memory, "quantize: the step's arena is full");
  const auto run = exec.kernels.matmul->quantize_row;
  constexpr std::int64_t kRowsPerTask = 8;
  exec.pool.parallel_for(rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) run(x + r * k, k, q + r * k, scale + r * (k / 32), sum + r * (k / 16));
  });
  return Activations{.f32 = x, .q8 = {q, scale, sum}, .rows = rows, .k = k};
}

Expected<void> matmul(const Activations& x, std::span<const MatmulJob> jobs, Exec& exec) {
  if (x.rows == 0 || jobs.empty()) return {};
  HEED_TRY(check_jobs(x, jobs));
  Product p{.x = x, .jobs = jobs, .table = *exec.kernels.matmul, .row_block = row_block_of(x), .first_panel = {}};
  std::int64_t macs = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    p.first_panel[i + 1] = p.first_panel[i] + panels_of(*jobs[i].w);
    macs += x.rows * x.k * jobs[i].w->n();
  }
  const std::size_t mark = exec.arena.mark();
  const auto threads = static_cast<std::size_t>(exec.pool.threads());
  const auto expanded = static_cast<std::size_t>(expanded_bytes(x.k / kUnitDepth + 1)),
             out = static_cast<std::size_t>(p.row_block * kPanelColumns);
  auto* bytes = exec.arena.allocate_array<std::uint8_t>(
      threads * static_cast<std::size_t>(align64(static_cast<std::int64_t>(expanded))));
  auto* floats = exec.arena.allocate_array<float>(threads * out);
  if (!bytes || !floats) return fail(Code::out_of_memory, "matmul: the step's arena is full");
  const std::int64_t total = p.first_panel[jobs.size()];
  exec.pool.parallel_for(total, kPanelsPerTask, [&](std::int64_t begin, std::int64_t end, int worker) {
    const auto w = static_cast<std::size_t>(worker);
    multiply_range(
        p, begin, end,
        {bytes + w * static_cast<std::size_t>(align64(static_cast<std::int64_t>(expanded))), floats + w * out});
  });
  exec.arena.rewind(mark);
  exec.counters.matmul_macs += macs;
  ++exec.counters.regions;
  return {};
}

}  // namespace heed
