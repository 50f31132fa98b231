// matmul.cc -- quantization and the blocking of a matrix product over panels and rows.
#include "kernels/matmul.h"

#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "kernels/pack.h"

namespace heed {
namespace {

// A row block of int8 activations should stay in the second-level cache (512 KiB and up), half for themselves, while
// the panels pass; more rows than 256 no longer make unpacking a panel cheaper, fewer than 64 do make it dearer. Words
// are walked a stretch of their depth at a time, so that any depth fits.
constexpr std::int64_t kRowBlockBytes = std::int64_t{192} << 10;
constexpr std::int64_t kMinRowBlock = 64, kMaxRowBlock = 256;
// A task is a few panels times a row block: enough to stream, few enough to balance. Even: some tiles are two wide.
constexpr std::int64_t kMaxTaskPanels = 8, kTasksPerThread = 4;
// One or two rows only stream: longer stretches of memory, so that what is fetched ahead is the same thread's.
constexpr std::int64_t kStreamRows = 2, kMaxStreamPanels = 32;

constexpr std::size_t kMaxJobs = 8;

struct Scratch {
  std::uint8_t* kernel = nullptr;  // [scratch_bytes + widened_bytes]
  float* out = nullptr;            // [row block, most panels of a task * 16]
  float* gate = nullptr;           // likewise, where a job has a gate
};

struct Segment {  // neighbouring panels of one job times a row block
  std::int64_t panel, panels, row, rows;
};

struct Product {  // one call of matmul()
  const Activations& x;
  std::span<const MatmulJob> jobs;
  const MatmulTable& table;
  std::int64_t row_block, row_blocks, task_panels;
  std::array<std::int64_t, kMaxJobs + 1> first_panel;  // of each job; the last entry is the total
};

std::int64_t panels_of(const PackedMatrix& w) { return (w.n() + kPanelColumns - 1) / kPanelColumns; }

// Adds bias or what was there; kept apart from the kernels because it is a few floats per k products.
void store(const MatmulJob& job, const Segment& s, const float* tile) {
  const std::int64_t first = s.panel * kPanelColumns, stride = s.panels * kPanelColumns;
  const std::int64_t columns = std::min(stride, job.w->n() - first);
  const float* bias = job.bias ? job.bias + first : nullptr;
  for (std::int64_t r = 0; r < s.rows; ++r, tile += stride) {
    float* out = job.out + (s.row + r) * job.out_stride + first;
    if (job.accumulate && bias)
      for (std::int64_t c = 0; c < columns; ++c) out[c] += tile[c] + bias[c];
    else if (job.accumulate)
      for (std::int64_t c = 0; c < columns; ++c) out[c] += tile[c];
    else if (bias)
      for (std::int64_t c = 0; c < columns; ++c) out[c] = tile[c] + bias[c];
    else
      std::copy_n(tile, columns, out);  // the last panel's columns that exist
  }
}

// out [s.rows, stride] = rows x the segment's panels of w.
void multiply_panels(const Product& p, const PackedMatrix& w, const Segment& s, std::uint8_t* room, float* out,
                     std::int64_t stride) {
  const PackKind kind = *pack_kind(w.source());
  const std::int64_t k = p.x.k, bytes = panel_bytes_of(kind, k);
  const auto* data = reinterpret_cast<const std::uint8_t*>(w.data()) + s.panel * bytes;
  if (is_quantized(kind)) {
    const QuantizedRows rows = p.x.quantized.from(s.row, k);
    const auto& table = rows.is_exact() ? p.table.exact : p.table.fast;
    table[static_cast<std::size_t>(kind)]({.panel = data,
                                           .panel_bytes = bytes,
                                           .panels = s.panels,
                                           .units = k / kUnitDepth,
                                           .q = rows.q,
                                           .low = rows.low,
                                           .words = rows.words,
                                           .tiles = rows.tiles,
                                           .scale = rows.scale,
                                           .sum = rows.sum,
                                           .rows = s.rows,
                                           .out = out,
                                           .out_stride = stride,
                                           .scratch = room});
  } else {
    p.table.floats[static_cast<std::size_t>(kind) - kQuantKinds]({.panel = data,
                                                                  .panel_bytes = bytes,
                                                                  .panels = s.panels,
                                                                  .k = k,
                                                                  .x = p.x.f32 + s.row * k,
                                                                  .rows = s.rows,
                                                                  .out = out,
                                                                  .out_stride = stride});
  }
}

// Rows of both halves become rows of the result, in scratch.out, while they are in the second-level cache.
void join_gate(const MatmulJob& job, const Segment& s, const Scratch& scratch) {
  const std::int64_t first = s.panel * kPanelColumns, stride = s.panels * kPanelColumns;
  const std::int64_t columns = std::min(stride, job.w->n() - first);
  for (std::int64_t r = 0; r < s.rows; ++r) {
    float *up = scratch.out + r * stride, *gate = scratch.gate + r * stride;
    if (job.bias)
      for (std::int64_t c = 0; c < columns; ++c) up[c] += job.bias[first + c];
    if (job.gate_bias)
      for (std::int64_t c = 0; c < columns; ++c) gate[c] += job.gate_bias[first + c];
    job.gated(gate, up, stride, up);
    std::copy_n(up, columns, job.out + (s.row + r) * job.out_stride + first);
  }
}

void multiply_segment(const Product& p, const MatmulJob& job, const Segment& s, const Scratch& scratch) {
  const std::int64_t stride = s.panels * kPanelColumns;
  if (job.gate) {
    multiply_panels(p, *job.gate, s, scratch.kernel, scratch.gate, stride);
    multiply_panels(p, *job.w, s, scratch.kernel, scratch.out, stride);
    return join_gate(job, s, scratch);
  }
  // Whole columns that replace what was there go where they belong, others past a tile of scratch.
  const bool is_direct = !job.bias && !job.accumulate && (s.panel + s.panels) * kPanelColumns <= job.w->n();
  if (is_direct)
    return multiply_panels(p, *job.w, s, scratch.kernel, job.out + s.row * job.out_stride + s.panel * kPanelColumns,
                           job.out_stride);
  multiply_panels(p, *job.w, s, scratch.kernel, scratch.out, stride);
  store(job, s, scratch.out);
}

// Task t: panels [t / row_blocks * task_panels, + task_panels) of all jobs laid side by side, row block t % row_blocks.
void run_task(const Product& p, std::int64_t task, const Scratch& scratch) {
  const std::int64_t row = task % p.row_blocks * p.row_block, rows = std::min(p.row_block, p.x.rows - row);
  std::int64_t begin = task / p.row_blocks * p.task_panels;
  const std::int64_t end = std::min(begin + p.task_panels, p.first_panel[p.jobs.size()]);
  for (std::size_t job = 0; begin < end; ++job) {
    const std::int64_t stop = std::min(end, p.first_panel[job + 1]);
    if (begin >= stop) continue;
    multiply_segment(p, p.jobs[job], {begin - p.first_panel[job], stop - begin, row, rows}, scratch);
    begin = stop;
  }
}

Expected<void> check_matrix(const Activations& x, const PackedMatrix& w) {
  if (w.k() != x.k)
    return fail(Code::invalid_argument,
                "matmul: weights of depth " + std::to_string(w.k()) + " meet activations of " + std::to_string(x.k));
  if (w.is_float() ? !x.f32 : !x.quantized.scale)
    return fail(Code::invalid_argument, "matmul: the activations lack the form the weights need");
  return {};
}

Expected<void> check_jobs(const Activations& x, std::span<const MatmulJob> jobs) {
  if (jobs.size() > kMaxJobs)
    return fail(Code::invalid_argument, "matmul: at most " + std::to_string(kMaxJobs) +
                                            " matrices share one call, got " + std::to_string(jobs.size()));
  for (const MatmulJob& job : jobs) {
    HEED_TRY(check_matrix(x, *job.w));
    if (!job.gate) continue;
    HEED_TRY(check_matrix(x, *job.gate));
    if (job.gate->n() != job.w->n() || !job.gated || job.accumulate)
      return fail(Code::invalid_argument, "matmul: a gate has as many columns as its matrix (" +
                                              std::to_string(job.w->n()) + ", got " + std::to_string(job.gate->n()) +
                                              "), a function, and no residual");
  }
  return {};
}

std::int64_t row_block_of(const Activations& x) {
  const std::int64_t most =
      x.quantized.words ? kMaxRowBlock : std::clamp(kRowBlockBytes / x.k, kMinRowBlock, kMaxRowBlock);
  const std::int64_t blocks = (x.rows + most - 1) / most;  // of about equal height
  constexpr std::int64_t kWholeTiles = 48;                 // of 4, 6 and 16 rows
  return std::min(((x.rows + blocks - 1) / blocks + kWholeTiles - 1) / kWholeTiles * kWholeTiles, x.rows);
}

// Row `row` of `rows`, or zeros behind the last, where its tile has it.
void lay_out(const QuantizedRows& rows, std::int64_t k, std::int64_t row, bool is_there, std::int8_t* tiles) {
  const TileUnit unit = rows.unit();
  const std::int64_t units = k / kUnitDepth, lane = row % kTileHeight;
  std::int8_t* to = tiles + row / kTileHeight * units * unit.bytes();
  for (std::int64_t u = 0; u < units; ++u, to += unit.bytes()) {
    const auto put = [&](const std::int8_t* from, std::int8_t* half) {
      if (is_there)
        std::copy_n(from + row * k + u * kUnitDepth, kUnitDepth, half + lane * kUnitDepth);
      else
        std::fill_n(half + lane * kUnitDepth, kUnitDepth, std::int8_t{0});
    };
    put(rows.q, to);
    if (rows.low) put(rows.low, to + TileUnit::kHalfBytes);
    const float scale = !is_there ? 0.0f : rows.low ? 1.0f : rows.scale[row * units + u];
    auto* sums = reinterpret_cast<float*>(to + unit.sums()) + lane;
    if (!rows.low) reinterpret_cast<float*>(to + unit.floats())[lane] = scale;
    const std::int32_t *sum = rows.sum + 2 * (row * units + u), first = is_there ? sum[0] : 0,
                       second = is_there ? sum[1] : 0;
    sums[0] = scale * static_cast<float>(first + second);
    sums[kTileHeight] = scale * static_cast<float>(first);
    sums[2 * kTileHeight] = scale * static_cast<float>(second);
  }
}

}  // namespace

Expected<QuantizedBuffer> QuantizedBuffer::make(std::int64_t rows, std::int64_t k, Exec& exec) {
  if (k % kUnitDepth != 0)
    return fail(Code::invalid_argument, "quantize: rows must be multiples of 32 long, got " + std::to_string(k));
  const auto n = static_cast<std::size_t>(rows * k);
  const bool is_exact = exec.activations == ActivationMode::exact;
  const bool is_words = is_exact && exec.kernels.matmul->word_rows > 0 && rows >= exec.kernels.matmul->word_rows;
  QuantizedBuffer b{.q = is_words ? nullptr : exec.arena.allocate_array<std::int8_t>(n),
                    .low = is_exact && !is_words ? exec.arena.allocate_array<std::int8_t>(n) : nullptr,
                    .words = is_words ? exec.arena.allocate_array<std::int16_t>(n) : nullptr,
                    .scale = exec.arena.allocate_array<float>(is_exact ? static_cast<std::size_t>(rows) : n / 32),
                    .sum = exec.arena.allocate_array<std::int32_t>(n / 16),
                    .k = k};
  const bool has_numbers = is_words ? b.words != nullptr : b.q && (b.low || !is_exact);
  const std::int64_t tile_rows = exec.kernels.matmul->tile_rows, heights = (rows + kTileHeight - 1) / kTileHeight;
  const bool has_tiles = tile_rows > 0 && rows >= tile_rows;
  if (has_tiles)
    b.tiles = exec.arena.allocate_array<std::int8_t>(
        static_cast<std::size_t>(heights * (k / kUnitDepth) * b.rows().unit().bytes()));
  if (!has_numbers || !b.scale || !b.sum || (has_tiles && !b.tiles))
    return fail(Code::out_of_memory, "quantize: the step's arena is full");
  for (std::int64_t row = rows; has_tiles && row < heights * kTileHeight; ++row)
    lay_out(b.rows(), k, row, false, b.tiles);
  return b;
}

void QuantizedBuffer::fill(std::int64_t row, const float* x, const Exec& exec) const {
  const MatmulTable& table = *exec.kernels.matmul;
  float* row_scale = scale + row * (low || words ? 1 : k / 32);
  std::int32_t* row_sum = sum + row * (k / 16);
  if (words)
    table.quantize_words(x, k, words + row * k, row_scale, row_sum);
  else if (low)
    table.quantize_exact(x, k, q + row * k, low + row * k, row_scale, row_sum);
  else
    table.quantize_fast(x, k, q + row * k, row_scale, row_sum);
  if (tiles) lay_out(rows(), k, row, true, tiles);
}

Expected<Activations> quantize_activations(const float* x, std::int64_t rows, std::int64_t k, Exec& exec) {
  HEED_ASSIGN(const QuantizedBuffer out, QuantizedBuffer::make(rows, k, exec));
  constexpr std::int64_t kRowsPerTask = 8;
  exec.pool.parallel_for(rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) out.fill(r, x + r * k, exec);
  });
  return Activations{.f32 = x, .quantized = out.rows(), .rows = rows, .k = k};
}

Expected<void> matmul(const Activations& x, std::span<const MatmulJob> jobs, Exec& exec) {
  if (x.rows == 0 || jobs.empty()) return {};
  HEED_TRY(check_jobs(x, jobs));
  const std::int64_t row_block = row_block_of(x), threads = exec.pool.threads();
  Product p{.x = x,
            .jobs = jobs,
            .table = *exec.kernels.matmul,
            .row_block = row_block,
            .row_blocks = (x.rows + row_block - 1) / row_block,
            .task_panels = kMaxTaskPanels,
            .first_panel = {}};
  std::int64_t macs = 0;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    p.first_panel[i + 1] = p.first_panel[i] + panels_of(*jobs[i].w);
    macs += x.rows * x.k * jobs[i].w->n() * (jobs[i].gate ? 2 : 1);
  }
  const bool has_gate = std::any_of(jobs.begin(), jobs.end(), [](const MatmulJob& job) { return job.gate; });
  const std::int64_t total = p.first_panel[jobs.size()],
                     most_panels = x.rows <= kStreamRows ? kMaxStreamPanels : kMaxTaskPanels;
  p.task_panels =
      std::clamp(total * p.row_blocks / (threads * kTasksPerThread) & ~std::int64_t{1}, std::int64_t{2}, most_panels);
  const std::size_t mark = exec.arena.mark();
  const std::int64_t units = x.k / kUnitDepth, widened = x.quantized.words ? 0 : widened_bytes(row_block, units),
                     kernel_bytes = align64(scratch_bytes(row_block, units) + widened),
                     out_floats = row_block * most_panels * kPanelColumns,
                     both_floats = out_floats * (has_gate ? 2 : 1);
  auto* bytes = exec.arena.allocate_array<std::uint8_t>(static_cast<std::size_t>(threads * kernel_bytes));
  auto* floats = exec.arena.allocate_array<float>(static_cast<std::size_t>(threads * both_floats));
  if (!bytes || !floats) return fail(Code::out_of_memory, "matmul: the step's arena is full");
  const std::int64_t tasks = (total + p.task_panels - 1) / p.task_panels * p.row_blocks;
  exec.pool.parallel_for(tasks, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
    float* out = floats + worker * both_floats;
    for (std::int64_t task = begin; task < end; ++task)
      run_task(p, task, {bytes + worker * kernel_bytes, out, has_gate ? out + out_floats : nullptr});
  });
  exec.arena.rewind(mark);
  exec.counters.matmul_macs += macs;
  ++exec.counters.regions;
  return {};
}

}  // namespace heed
