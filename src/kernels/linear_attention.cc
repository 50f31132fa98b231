// linear_attention.cc -- chunks of 64 rows: features, the chunk's own causal matrix, the state before it.
#include "kernels/linear_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "kernels/body/layer_table.h"
#include "kernels/kernels.h"

namespace heed {
namespace {

constexpr std::int64_t kChunk = kLinearChunk;
constexpr const char* kArenaFull = "linear attention: the step's arena is full";

std::int64_t features_of(const LinearSpec& s) { return s.kind == LinearKind::performer ? s.features : s.k_dim; }
bool is_normalized(LinearKind kind) { return !is_gated(kind); }

// One KV head's state. Numbers of the past are kept relative to a level (a logarithm), so that exponentials of any size
// fit: the true weight of chunk row j, seen from row r, is exp(decay[r] + level[j]).
struct HeadState {
  float* s;       // [features, v_dim]
  float* z;       // [features], sum of phi(k)
  float* level;   // [16], the first: of s and z
  float* phi;     // [64, features], rows of the current chunk
  float* u;       // [64, v_dim]
  float* levels;  // [64]
  float* decays;  // [64], sums of log_decay since the chunk began
};

std::int64_t head_floats(const LinearSpec& s) {
  const std::int64_t f = features_of(s);
  return f * s.v_dim + f + 16 + kChunk * (f + s.v_dim + 2);
}

HeadState head_state(const LinearSpec& spec, float* state, std::int32_t kv_head) {
  const std::int64_t f = features_of(spec), d = spec.v_dim;
  HeadState h{};
  h.s = state + kv_head * head_floats(spec);
  h.z = h.s + f * d;
  h.level = h.z + f;
  h.phi = h.level + 16;
  h.u = h.phi + kChunk * f;
  h.levels = h.u + kChunk * d;
  h.decays = h.levels + kChunk;
  return h;
}

struct Worker {
  float* phi_q;    // [64, features]
  float* weights;  // [64, 64]
  float* factors;  // [64]
  float* sums;     // [64, v_dim]
  float* turned;   // [features, 64]
  float* scaled;   // [64, k_dim]
};

struct Call {
  const LinearSpec& spec;
  const DenseTable& table;
  Worker* workers;
};

struct Rows {                      // of one chunk, in one call
  std::int64_t first, count, end;  // places in the chunk
  std::int64_t at;                 // row of the job
};

void normalize(float* x, std::int64_t n, float length) {
  float squares = 0;
  for (std::int64_t i = 0; i < n; ++i) squares += x[i] * x[i];
  const float factor = length / std::sqrt(squares + 1e-6f);
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

// phi of `count` rows of q or k; levels [count] get what was taken out of the exponentials.
void features(const Call& c, const float* x, std::int64_t stride, std::int64_t count, bool is_query, const Worker& w,
              float* phi, float* levels) {
  const LinearSpec& s = c.spec;
  const std::int64_t dim = s.k_dim, f = features_of(s);
  std::fill_n(levels, count, 0.0f);
  if (s.kind != LinearKind::performer) {
    for (std::int64_t r = 0; r < count; ++r) {
      float* row = std::copy_n(x + r * stride, dim, phi + r * f) - dim;
      if (s.kind == LinearKind::elu) c.table.elu_plus_one(row, dim);
      if (s.kind == LinearKind::gated_delta) normalize(row, dim, is_query ? s.scale : 1.0f);
      if (s.kind == LinearKind::gated && is_query)
        for (std::int64_t i = 0; i < dim; ++i) row[i] *= s.scale;
    }
    return;
  }
  const float root = std::sqrt(s.scale);
  for (std::int64_t r = 0; r < count; ++r)
    for (std::int64_t i = 0; i < dim; ++i) w.scaled[r * dim + i] = x[r * stride + i] * root;
  std::fill_n(phi, count * f, 0.0f);
  c.table.product(w.scaled, dim, count, dim, s.projection.data(), f, f, phi, f);
  for (std::int64_t r = 0; r < count; ++r) {
    float half = 0;  // |x|^2 / 2
    for (std::int64_t i = 0; i < dim; ++i) half += w.scaled[r * dim + i] * w.scaled[r * dim + i];
    const float top = *std::max_element(phi + r * f, phi + (r + 1) * f);
    c.table.exponentials(phi + r * f, top, f);
    levels[r] = top - half / 2;
  }
}

// factors[j] = what chunk row j <= r is worth to row r, 0 behind it; returns the factor of the state. What is
// normalized is worth it relative to the largest.
float weigh(const Call& c, const HeadState& h, std::int64_t r, float* factors) {
  float top = 0.0f;
  if (is_normalized(c.spec.kind)) top = std::max(h.level[0], *std::max_element(h.levels, h.levels + r + 1));
  const std::int64_t n = (r + 16) / 16 * 16;
  for (std::int64_t j = 0; j < n; ++j) factors[j] = h.decays[r] + (j <= r ? h.levels[j] : 0.0f);
  c.table.exponentials(factors, top, n);
  std::fill(factors + r + 1, factors + kChunk, 0.0f);
  alignas(64) float of_state[16] = {h.decays[r] + h.level[0]};
  c.table.exponentials(of_state, top, 16);
  return of_state[0];
}

// u = write * (v - what the past already says about k), row by row: each needs the ones before it.
void delta_rows(const Call& c, const HeadState& h, const Rows& rows, const float* write, std::int64_t write_stride,
                const Worker& w) {
  const std::int64_t f = features_of(c.spec), d = c.spec.v_dim;
  const float* keys = h.phi + rows.first * f;
  std::fill_n(w.sums, rows.count * d, 0.0f);
  c.table.product(keys, f, rows.count, f, h.s, d, d, w.sums, d);
  for (std::int64_t j = 0; j + 1 < rows.end; ++j) {
    const std::int64_t from = std::max(rows.first, j + 1);  // rows behind j
    c.table.dots(h.phi + from * f, f, rows.end - from, f, h.phi + j * f, w.weights + (from - rows.first) * kChunk + j,
                 kChunk);
  }
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t r = rows.first + i;
    float *u = h.u + r * d, *known = w.sums + i * d, *weight = w.weights + i * kChunk;
    const float of_state = weigh(c, h, r, w.factors);
    for (std::int64_t x = 0; x < d; ++x) known[x] *= of_state;
    for (std::int64_t j = 0; j < r; ++j) weight[j] *= w.factors[j];
    if (r > 0) c.table.product(weight, kChunk, 1, r, h.u, d, d, known, d);
    const float beta = write[(rows.at + i) * write_stride];
    for (std::int64_t x = 0; x < d; ++x) u[x] = beta * (u[x] - known[x]);
  }
}

void append(const Call& c, const LinearJob& job, std::int32_t kv_head, const HeadState& h, const Rows& rows,
            const Worker& w) {
  const LinearSpec& s = c.spec;
  const std::int64_t f = features_of(s), d = s.v_dim;
  features(c, job.k + rows.at * job.stride + std::int64_t{kv_head} * s.k_dim, job.stride, rows.count, false, w,
           h.phi + rows.first * f, h.levels + rows.first);
  for (std::int64_t i = 0; i < rows.count; ++i) {
    const std::int64_t r = rows.first + i;
    std::copy_n(job.v + (rows.at + i) * job.stride + kv_head * d, d, h.u + r * d);
    const float before = r > 0 ? h.decays[r - 1] : 0.0f;
    h.decays[r] = is_gated(s.kind) ? before + job.log_decay[(rows.at + i) * s.kv_heads + kv_head] : 0.0f;
    h.levels[r] -= h.decays[r];
  }
  if (s.kind == LinearKind::gated_delta) delta_rows(c, h, rows, job.write + kv_head, s.kv_heads, w);
}

// The rows of one query head.
void read(const Call& c, const LinearJob& job, std::int32_t head, const HeadState& h, const Rows& rows,
          const Worker& w) {
  const LinearSpec& s = c.spec;
  const std::int64_t f = features_of(s), d = s.v_dim;
  features(c, job.q + rows.at * job.stride + std::int64_t{head} * s.k_dim, job.stride, rows.count, true, w, w.phi_q,
           w.factors);
  std::fill_n(w.sums, rows.count * d, 0.0f);
  std::fill_n(w.weights, rows.count * kChunk, 0.0f);
  c.table.product(w.phi_q, f, rows.count, f, h.s, d, d, w.sums, d);
  for (std::int64_t j = 0; j < rows.end; ++j) {
    const std::int64_t from = std::max(rows.first, j) - rows.first;
    c.table.dots(w.phi_q + from * f, f, rows.count - from, f, h.phi + j * f, w.weights + from * kChunk + j, kChunk);
  }
  float norms[kChunk];
  for (std::int64_t i = 0; i < rows.count; ++i) {
    float *sum = w.sums + i * d, *weight = w.weights + i * kChunk;
    const float of_state = weigh(c, h, rows.first + i, w.factors);
    for (std::int64_t x = 0; x < d; ++x) sum[x] *= of_state;
    float norm = 0;
    c.table.dots(w.phi_q + i * f, f, 1, f, h.z, &norm, 1);
    norm *= of_state;
    for (std::int64_t j = 0; j <= rows.first + i; ++j) norm += weight[j] *= w.factors[j];
    norms[i] = is_normalized(s.kind) ? (norm > 0 ? 1.0f / norm : 0.0f) : 1.0f;
  }
  c.table.product(w.weights, kChunk, rows.count, rows.end, h.u, d, d, w.sums, d);
  for (std::int64_t i = 0; i < rows.count; ++i) {
    float* out = job.out + (rows.at + i) * job.out_stride + head * d;
    for (std::int64_t x = 0; x < d; ++x) out[x] = w.sums[i * d + x] * norms[i] + 0.0f;  // zeros become +0
  }
}

// A full chunk becomes part of the state.
void fold(const Call& c, const HeadState& h, const Worker& w) {
  const std::int64_t f = features_of(c.spec), d = c.spec.v_dim, last = kChunk - 1;
  const float of_state = weigh(c, h, last, w.factors);
  for (std::int64_t i = 0; i < f * d; ++i) h.s[i] *= of_state;
  for (std::int64_t i = 0; i < f; ++i) {
    float* row = w.turned + i * kChunk;
    float sum = h.z[i] * of_state;
    for (std::int64_t j = 0; j < kChunk; ++j) sum += row[j] = h.phi[j * f + i] * w.factors[j];
    h.z[i] = sum;
  }
  c.table.product(w.turned, kChunk, f, kChunk, h.u, d, d, h.s, d);
  h.level[0] = is_normalized(c.spec.kind) ? std::max(h.level[0], *std::max_element(h.levels, h.levels + kChunk)) : 0.0f;
}

void run_head(const Call& c, const LinearJob& job, std::int32_t kv_head, const Worker& w) {
  const HeadState h = head_state(c.spec, job.state, kv_head);
  const std::int32_t group = c.spec.heads / c.spec.kv_heads;
  if (job.first_pos == 0) {
    std::fill_n(h.s, features_of(c.spec) * (c.spec.v_dim + 1), 0.0f);
    h.level[0] = is_normalized(c.spec.kind) ? -std::numeric_limits<float>::max() / 2 : 0.0f;
  }
  for (std::int64_t at = 0; at < job.q_len;) {
    const std::int64_t first = (job.first_pos + at) % kChunk, count = std::min(kChunk - first, job.q_len - at);
    const Rows rows{first, count, first + count, at};
    append(c, job, kv_head, h, rows, w);
    for (std::int32_t g = 0; g < group; ++g) read(c, job, kv_head * group + g, h, rows, w);
    if (rows.end == kChunk) fold(c, h, w);
    at += count;
  }
}

Error wrong(std::string text, const char* where) {
  return fail(Code::invalid_argument, "linear attention: " + std::move(text), where);
}

Expected<void> check(const LinearSpec& s, std::span<const LinearJob> jobs) {
  if (s.kv_heads < 1 || s.heads < 1 || s.heads % s.kv_heads != 0)
    return wrong("kv_heads " + std::to_string(s.kv_heads) + " does not divide heads " + std::to_string(s.heads),
                 "kv_heads");
  if (s.k_dim < 16 || s.v_dim < 16 || s.k_dim % 16 != 0 || s.v_dim % 16 != 0)
    return wrong("head sizes are multiples of 16, got " + std::to_string(s.k_dim) + " and " + std::to_string(s.v_dim),
                 "k_dim");
  const auto f = static_cast<std::int64_t>(s.features);
  if (s.kind == LinearKind::performer &&
      (f < 16 || f % 16 != 0 || static_cast<std::int64_t>(s.projection.size()) != f * s.k_dim || !(s.scale > 0)))
    return wrong(
        "a performer needs a projection [k_dim, features] and a positive scale; features, a multiple of 16, are " +
            std::to_string(f),
        "features");
  for (const LinearJob& job : jobs) {
    if (job.q_len < 0 || job.first_pos < 0 || !job.state) return wrong("a job has positions and a state", "state");
    if (is_gated(s.kind) && !job.log_decay) return wrong("a gated kind needs log_decay", "log_decay");
    if (s.kind == LinearKind::gated_delta && !job.write) return wrong("a delta rule needs write", "write");
  }
  return {};
}

Expected<Worker> take_worker(const LinearSpec& s, Arena& arena) {
  const std::int64_t f = features_of(s);
  const auto take = [&](std::int64_t n) { return arena.allocate_array<float>(static_cast<std::size_t>(n)); };
  const Worker w{take(kChunk * f),       take(kChunk * kChunk), take(kChunk),
                 take(kChunk * s.v_dim), take(kChunk * f),      take(kChunk * s.k_dim)};
  if (!w.phi_q || !w.weights || !w.factors || !w.sums || !w.turned || !w.scaled)
    return fail(Code::out_of_memory, kArenaFull);
  return w;
}

Expected<void> run(const LinearSpec& spec, std::span<const LinearJob> jobs, Exec& exec) {
  const int threads = exec.pool.threads();
  Call call{spec, exec.kernels.layers->dense, exec.arena.allocate_array<Worker>(static_cast<std::size_t>(threads))};
  if (!call.workers) return fail(Code::out_of_memory, kArenaFull);
  for (int i = 0; i < threads; ++i) {
    HEED_ASSIGN(call.workers[i], take_worker(spec, exec.arena));
  }
  const auto heads = static_cast<std::int64_t>(spec.kv_heads);
  exec.pool.parallel_for(static_cast<std::int64_t>(jobs.size()) * heads, 1,
                         [&](std::int64_t begin, std::int64_t end, int worker) {
                           for (std::int64_t i = begin; i < end; ++i)
                             run_head(call, jobs[static_cast<std::size_t>(i / heads)],
                                      static_cast<std::int32_t>(i % heads), call.workers[worker]);
                         });
  ++exec.counters.regions;
  return {};
}

}  // namespace

std::int64_t linear_state_floats(const LinearSpec& spec) noexcept { return spec.kv_heads * head_floats(spec); }

Expected<void> linear_attention(const LinearSpec& spec, std::span<const LinearJob> jobs, Exec& exec) {
  HEED_TRY(check(spec, jobs));
  const std::size_t mark = exec.arena.mark();
  auto done = run(spec, jobs, exec);
  exec.arena.rewind(mark);
  return done;
}

}  // namespace heed
