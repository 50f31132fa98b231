// attention_cases.h -- the attention grid as data: rows of masks and scores, shapes, and one comparison with the
// oracle.
#pragma once
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "kernels/kernels.h"
#include "kernels/reference/attention_reference.h"
#include "tests/unit/kernels/half.h"

namespace heed::attention_cases {

struct Shape {
  std::int32_t q_len, first_pos, length, k_dim, v_dim;
};

/// Head counts: heads, kv_heads.
struct Grouping {
  std::int32_t heads, kv_heads;
};

inline constexpr Grouping kGroupings[] = {{2, 2}, {4, 2}, {7, 1}, {14, 2}, {8, 1}};

inline float round_to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  const std::uint32_t low = bits & 0xffffu;
  bits &= 0xffff0000u;
  if (low > 0x8000u || (low == 0x8000u && (bits & 0x10000u))) bits += 0x10000u;
  std::memcpy(&x, &bits, 4);
  return x;
}

/// Everything one call of attention() needs besides its spec. Move-only by its unique memory; addresses are stable.
struct Sequence {
  Shape shape;
  Grouping heads;
  DType dtype;
  std::vector<float> q, k, v;  // plain; k and v already rounded to the dtype
  std::vector<float> memory;   // pages; unwritten places hold 997
  std::vector<float> center;   // of the keys, or empty
  std::vector<std::int32_t> pages;
  KvView view;

  ReferenceJob reference() const {
    return {q.data(),     std::int64_t{heads.heads} * shape.k_dim,
            shape.q_len,  shape.first_pos,
            k.data(),     v.data(),
            shape.length, shape.k_dim,
            shape.v_dim};
  }
};

/// What a page holds, by the layout in attention.h: value d of key or value `t` of a KV head, scaled, not turned back.
inline double stored(const KvView& kv, bool is_key, std::int32_t head, std::int32_t t, std::int32_t d,
                     std::int32_t page) {
  const std::int32_t dim = is_key ? kv.k_dim : kv.v_dim;
  const std::byte* base = kv.base + page * kv.page_stride + (is_key ? kv.k_offset : kv.v_offset);
  const std::int64_t numbers = std::int64_t{kPageTokens} * dim;
  const std::int64_t alone = is_key ? d * kPageTokens + t : t * dim + d;
  const std::int64_t paired = is_key ? (d / 2 * kPageTokens + t) * 2 + d % 2 : (t / 2 * dim + d) * 2 + t % 2;
  if (kv.dtype == DType::f32) {
    float f;
    std::memcpy(&f, base + 4 * (head * numbers + alone), 4);
    return f;
  }
  const auto half = [](const std::byte* at) {
    CompilerHalf h;
    std::memcpy(&h, at, 2);
    return static_cast<double>(h);
  };
  if (kv.dtype == DType::f16) return half(base + 2 * (head * numbers + alone));
  if (kv.dtype == DType::bf16) {
    std::uint32_t bits = 0;
    std::memcpy(reinterpret_cast<char*>(&bits) + 2, base + 2 * (head * numbers + paired), 2);
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
  }
  const bool in_bytes = is_key || kv.dtype == DType::i8;
  const std::int64_t number_bytes = in_bytes ? numbers : numbers / 2;
  base += head * (number_bytes + 2 * kPageTokens);
  int x = 0;
  if (in_bytes) {
    x = static_cast<int>(base[paired]);
    x = x > 127 ? x - 256 : x;
  } else {
    x = static_cast<int>(base[paired / 2]) >> (paired % 2 * 4) & 15;
    x = x > 7 ? x - 16 : x;
  }
  return x * half(base + number_bytes + 2 * t);
}

/// The Hadamard rotation in blocks of the largest power of two in dim, at most 256, by its definition; divided by the
/// square root of the block it is its own inverse.
inline std::size_t turned_together(std::size_t dim) {
  std::size_t n = 1;
  while (n < 256 && dim % (2 * n) == 0) n *= 2;
  return n;
}
inline std::vector<double> turned(const std::vector<double>& x) {
  const std::size_t n = turned_together(x.size());
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const bool negative = __builtin_parity(static_cast<unsigned>(i % n & j));
      y[i] += negative ? -x[i / n * n + j] : x[i / n * n + j];
    }
    y[i] /= std::sqrt(static_cast<double>(n));
  }
  return y;
}

/// One stored row as a reader means it: turned back where it is turned.
inline std::vector<double> stored_row(const KvView& kv, bool is_key, std::int32_t head, std::int32_t token) {
  const std::int32_t page = kv.pages[static_cast<std::size_t>(token / kPageTokens)];
  std::vector<double> row;
  for (std::int32_t d = 0; d < (is_key ? kv.k_dim : kv.v_dim); ++d)
    row.push_back(stored(kv, is_key, head, token % kPageTokens, d, page));
  if (!is_integer_kv(kv.dtype)) return row;
  row = turned(row);  // the page holds H x, not H x / sqrt(n)
  for (double& x : row) x /= std::sqrt(static_cast<double>(turned_together(row.size())));
  return row;
}

enum class PageOrder : std::uint8_t { identity, shuffled };

inline std::vector<float> normals(std::size_t n, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& f : x) f = normal(random);
  return x;
}

/// Plain keys and values become what the pages mean. Floats are rounded here, by other code than the kernels'.
inline void round_as_stored(Sequence& s) {
  const auto rounded = [&](float f) {
    if (s.dtype == DType::f16) return static_cast<float>(static_cast<CompilerHalf>(f));
    return s.dtype == DType::bf16 ? round_to_bf16(f) : f;
  };
  if (!is_integer_kv(s.dtype)) {
    for (std::size_t i = 0; i < s.k.size(); ++i) {
      const float c = s.center.empty() ? 0.0f : s.center[i % s.center.size()];
      s.k[i] = rounded(s.k[i] - c) + c;
    }
    for (float& f : s.v) f = rounded(f);
    return;
  }
  const std::int32_t kv_heads = s.heads.kv_heads;
  for (std::int32_t t = 0; t < s.shape.length; ++t)
    for (std::int32_t h = 0; h < kv_heads; ++h)
      for (const bool is_key : {true, false}) {
        const std::vector<double> row = stored_row(s.view, is_key, h, t);
        float* plain = (is_key ? s.k : s.v).data() + (std::int64_t{t} * kv_heads + h) * std::ssize(row);
        for (std::size_t d = 0; d < row.size(); ++d) {
          const float c = is_key && !s.center.empty() ? s.center[static_cast<std::size_t>(h) * row.size() + d] : 0.0f;
          plain[d] = static_cast<float>(row[d] + static_cast<double>(c));
        }
      }
}

inline std::unique_ptr<Sequence> make_sequence(Shape s, Grouping h, DType dtype, PageOrder order, std::uint32_t seed,
                                               Exec& exec, float center = 0) {
  std::mt19937 random(seed);
  auto made = std::make_unique<Sequence>(Sequence{.shape = s, .heads = h, .dtype = dtype});
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  made->q = normals(size(std::int64_t{s.q_len} * h.heads * s.k_dim), random);
  made->k = normals(size(std::int64_t{s.length} * h.kv_heads * s.k_dim), random);
  made->v = normals(size(std::int64_t{s.length} * h.kv_heads * s.v_dim), random);
  const std::int32_t pages = (s.length + kPageTokens - 1) / kPageTokens, spare = 2;
  for (std::int32_t p = 0; p < pages + spare; ++p) made->pages.push_back(p);
  if (order == PageOrder::shuffled) std::shuffle(made->pages.begin(), made->pages.end(), random);
  made->pages.resize(size(pages));
  const std::int64_t k_bytes = h.kv_heads * kv_head_bytes(key_dtype(dtype), s.k_dim),
                     v_bytes = h.kv_heads * kv_head_bytes(dtype, s.v_dim);
  if (center != 0) {
    made->center = normals(size(std::int64_t{h.kv_heads} * s.k_dim), random);
    for (float& c : made->center) c *= center;
    for (std::size_t i = 0; i < made->k.size(); ++i) made->k[i] += made->center[i % made->center.size()];
  }
  made->memory.resize(size((pages + spare) * (k_bytes + v_bytes) / 4));
  const std::uint16_t stale = 0x4479;
  for (std::size_t i = 0; i < made->memory.size() * 2; ++i)
    std::memcpy(reinterpret_cast<char*>(made->memory.data()) + 2 * i, &stale, 2);
  made->view = {.base = reinterpret_cast<std::byte*>(made->memory.data()),
                .page_stride = k_bytes + v_bytes,
                .k_offset = 0,
                .v_offset = k_bytes,
                .pages = made->pages,
                .dtype = dtype,
                .length = s.length,
                .kv_heads = h.kv_heads,
                .k_dim = s.k_dim,
                .v_dim = s.v_dim,
                .k_center = made->center.empty() ? nullptr : made->center.data()};
  const std::int32_t first_part = s.length / 3;  // two calls: the second starts inside a page
  const std::int64_t ks = std::int64_t{h.kv_heads} * s.k_dim, vs = std::int64_t{h.kv_heads} * s.v_dim;
  append_kv(made->view, 0, first_part, made->k.data(), ks, made->v.data(), vs, exec);
  append_kv(made->view, first_part, s.length - first_part, made->k.data() + first_part * ks, ks,
            made->v.data() + first_part * vs, vs, exec);
  round_as_stored(*made);
  return made;
}

struct MaskRow {
  const char* name;
  Mask mask;
  std::int32_t block = 0;  // > 0: a block list of this granularity joins the mask
  std::int32_t query_block = 0;
  bool per_kv_head = false, labels = false, for_job = false;
};

inline std::vector<MaskRow> mask_rows() {
  return {{"full", {}},
          {"causal", {.causal = true}},
          {"prefix", {.causal = true, .prefix = 77}},
          {"window", {.causal = true, .window = 9}},
          {"window 100", {.causal = true, .window = 100}},
          {"window + sink", {.causal = true, .window = 70, .sink = 5}},
          {"window + wide sink", {.causal = true, .window = 9, .sink = 130}},
          {"window, two-sided", {.window = 33}},
          {"window, two-sided + sink", {.window = 20, .sink = 70}},
          {"prefix + window", {.causal = true, .window = 40, .prefix = 90}},
          {"blocks 16", {.causal = true}, 16},
          {"blocks 64", {}, 64},
          {"blocks 128 + window + sink", {.causal = true, .window = 150, .sink = 3}, 128},
          {"pages for each query and KV head", {.causal = true}, 64, 1, true},
          {"blocks 32 for 16 queries, of the job", {.causal = true}, 32, 16, true, false, true},
          {"labels", {.causal = true}, 0, 0, false, true},
          {"labels + prefix + blocks", {.causal = true, .prefix = 90}, 16, 0, false, true},
          {"labels + window + sink, of the job", {.causal = true, .window = 80, .sink = 9}, 0, 0, false, true, true}};
}

/// Per query block: the first block, one in the middle (another one for each KV head), its own; every fifth query block
/// sees nothing but block 1.
struct Blocks {
  BlockList list;
  std::vector<std::int32_t> row_start{0}, key_block;

  Blocks(const MaskRow& m, const Shape& shape, std::int32_t kv_heads) {
    const std::int32_t queries = m.query_block > 0 ? m.query_block : m.block;
    const std::int32_t first = m.query_block > 0 ? shape.first_pos / queries : 0, lists = m.per_kv_head ? kv_heads : 1;
    for (std::int32_t row = first; row * queries < shape.first_pos + shape.q_len; ++row)
      for (std::int32_t head = 0; head < lists; ++head) add(row, row * queries / m.block, head);
    list = {m.block, m.query_block, first, lists, row_start, key_block};
  }

 private:
  void add(std::int32_t row, std::int32_t own, std::int32_t head) {
    if (row % 5 == 4) {
      key_block.push_back(1);
    } else {
      const std::int32_t middle = std::min(own / 2 + head, own);
      key_block.push_back(0);
      if (middle > 0) key_block.push_back(middle);
      if (own > middle) key_block.push_back(own);
    }
    row_start.push_back(static_cast<std::int32_t>(key_block.size()));
  }
};

/// Spans inside a page, over page borders, and one without end; who sees whom is not symmetric.
struct Labels {
  SpanLabels labels;
  std::vector<std::int32_t> start{0, 30, 64, 100, 150, 333, 640, 1030, 2200};
  std::vector<std::uint8_t> label{0, 1, 2, 0, 3, 1, 2, 1, 3};
  std::vector<std::uint64_t> sees{0b0001, 0b0011, 0b0101, 0b1011};

  Labels() { labels = {start, label, sees}; }
};

struct ScoreRow {
  const char* name;
  float softcap = 0;
  bool alibi = false, by_distance = false, sink_logit = false;
};

inline std::vector<ScoreRow> score_rows() {
  return {{"plain"},
          {"softcap", 3.0f},
          {"alibi", 0, true},
          {"by_distance", 0, false, true},
          {"sink_logit", 0, false, false, true},
          {"everything", 5.0f, true, true, true}};
}

/// A spec and what its spans point at.
struct OwnedSpec {
  AttentionSpec spec;
  bool for_job = false;  // the mask is the job's, the spec has another one
  std::vector<float> slopes, table, sinks;
  std::unique_ptr<Blocks> blocks;
  Labels labels;
};

inline std::unique_ptr<OwnedSpec> make_spec(const MaskRow& m, const ScoreRow& s, Grouping h, const Shape& shape) {
  std::mt19937 random(11);
  auto own = std::make_unique<OwnedSpec>();
  own->spec = {.heads = h.heads, .kv_heads = h.kv_heads, .mask = m.mask};
  Score& score = own->spec.score;
  score.scale = 1.2f / std::sqrt(static_cast<float>(shape.k_dim));
  score.softcap = s.softcap;
  const auto heads = static_cast<std::size_t>(h.heads);
  if (s.alibi) {
    for (std::size_t i = 0; i < heads; ++i) own->slopes.push_back(0.002f * static_cast<float>(i + 1));
    score.alibi_slope = own->slopes;
  }
  if (s.by_distance) {
    score.reach = 20;
    own->table = normals(heads * 41, random);
    score.by_distance = own->table;
  }
  if (s.sink_logit) {
    own->sinks = normals(heads, random);
    own->sinks[0] = 30.0f;  // takes nearly everything
    score.sink_logit = own->sinks;
  }
  if (m.block > 0) {
    own->blocks = std::make_unique<Blocks>(m, shape, h.kv_heads);
    own->spec.mask.blocks = &own->blocks->list;
  }
  if (m.labels) own->spec.mask.labels = &own->labels.labels;
  own->for_job = m.for_job;
  return own;
}

/// What a subject computed, in the oracle's shapes; probs for the heads of `tapped` only.
struct Output {
  std::vector<float> out, lse, probs;
};

inline const std::vector<std::int32_t> kTapped{1, 0};

/// The code under test: fills an Output for one sequence.
using Subject = std::function<Output(const AttentionSpec&, const Sequence&, const Mask* of_job)>;

inline Output make_output(const AttentionSpec& spec, const Sequence& s) {
  const auto rows = static_cast<std::size_t>(s.shape.q_len * spec.heads);
  return {std::vector<float>(rows * static_cast<std::size_t>(s.shape.v_dim), -7.0f), std::vector<float>(rows, -7.0f),
          std::vector<float>(kTapped.size() * static_cast<std::size_t>(s.shape.q_len * s.shape.length), -7.0f)};
}

inline double nmse(const float* got, const double* want, std::size_t n) {
  double error = 0, power = 1e-12;
  for (std::size_t i = 0; i < n; ++i) {
    const double e = got[i] - want[i];
    error += e * e;
    power += want[i] * want[i];
  }
  return error / power;
}

/// The largest NMSE of outputs, log-sum-exps and probabilities; infinite for anything not finite or a wrong -inf.
inline double distance(const Output& got, const ReferenceResult& want, const Sequence& s) {
  double worst = nmse(got.out.data(), want.out.data(), want.out.size());
  for (std::size_t i = 0; i < want.lse.size(); ++i) {
    if (std::isinf(want.lse[i]) || std::isinf(got.lse[i])) {
      if (static_cast<double>(got.lse[i]) != want.lse[i]) return HUGE_VAL;
      continue;
    }
    const double e = got.lse[i] - want.lse[i];
    worst = std::max(worst, e * e / (1.0 + want.lse[i] * want.lse[i]));
  }
  const auto per_head = static_cast<std::size_t>(s.shape.q_len * s.shape.length);
  if (!got.probs.empty())
    for (std::size_t t = 0; t < kTapped.size(); ++t)
      worst = std::max(worst, nmse(got.probs.data() + t * per_head,
                                   want.probs.data() + static_cast<std::size_t>(kTapped[t]) * per_head, per_head));
  return std::isfinite(worst) ? worst : HUGE_VAL;
}

inline constexpr Shape kShortShapes[] = {
    {1, 0, 1, 32, 32},       {1, 63, 64, 64, 64},   {1, 64, 65, 64, 64},   {2, 0, 2, 32, 64},   {5, 60, 65, 80, 80},
    {5, 0, 5, 128, 128},     {33, 0, 33, 64, 64},   {33, 95, 128, 32, 32}, {70, 0, 70, 64, 32}, {70, 130, 200, 32, 32},
    {1, 299, 300, 256, 256}, {2, 190, 192, 16, 48}, {5, 180, 300, 64, 64},  // keys ahead of the last query
    {9, 0, 65, 64, 32},      {3, 400, 70, 32, 32},  // cross attention: positions of queries and keys are unrelated
};

/// Keys in two, three and four spans.
inline constexpr Shape kLongShapes[] = {{1, 1023, 1024, 32, 32},
                                        {1, 1024, 1025, 64, 64},
                                        {3, 2100, 2103, 32, 32},
                                        {1, 3199, 3200, 32, 32},
                                        {40, 1000, 1040, 32, 32}};

struct Verdict {
  int cases = 0, failures = 0;
  double worst = 0;
  std::string first_failure;
};

struct GridOptions {
  double max_nmse = 1e-11, max_nmse_bf16 = 1e-11, max_nmse_integers = 1e-7;  // by the dtype of the pages
  double max_multiplications = 1e9;  // larger cases are left out (slow subjects)
  int shapes_per_row = 3;
  bool stop_at_first_failure = false;
  std::vector<DType> dtypes = {DType::f32, DType::f16, DType::bf16, DType::i8, DType::i4};
};

inline void run_case(const MaskRow& m, const ScoreRow& s, const Sequence& sequence, const Subject& subject,
                     const GridOptions& options, Verdict& verdict) {
  const auto own = make_spec(m, s, sequence.heads, sequence.shape);
  AttentionSpec spec = own->spec;
  const Mask* of_job = nullptr;
  if (own->for_job) spec.mask = {.causal = true, .window = 1}, of_job = &own->spec.mask;
  const double e =
      distance(subject(spec, sequence, of_job), attention_reference(own->spec, sequence.reference()), sequence);
  ++verdict.cases;
  verdict.worst = std::max(verdict.worst, e);
  const double allowed = is_integer_kv(sequence.dtype)   ? options.max_nmse_integers
                         : sequence.dtype == DType::bf16 ? options.max_nmse_bf16
                                                         : options.max_nmse;
  if (e <= allowed) return;
  const Shape& h = sequence.shape;
  if (verdict.failures++ == 0)
    verdict.first_failure =
        std::string(m.name) + " x " + s.name + " x " + std::string(info(sequence.dtype).name) + ", heads " +
        std::to_string(sequence.heads.heads) + "/" + std::to_string(sequence.heads.kv_heads) + ", q_len " +
        std::to_string(h.q_len) + ", first " + std::to_string(h.first_pos) + ", keys " + std::to_string(h.length) +
        ", dims " + std::to_string(h.k_dim) + "/" + std::to_string(h.v_dim) + ": NMSE " + std::to_string(e);
}

/// Every mask row x every score row x every dtype; shapes, head groupings and page orders take turns, so that each of
/// them meets every row.
inline Verdict run_grid(const Subject& subject, Exec& exec, const GridOptions& options = {}) {
  Verdict verdict;
  std::size_t turn = 0;
  constexpr std::size_t kShort = std::size(kShortShapes), kLong = std::size(kLongShapes);
  for (const MaskRow& m : mask_rows())
    for (const ScoreRow& s : score_rows())
      for (const DType dtype : options.dtypes)
        for (int i = 0; i <= options.shapes_per_row; ++i, ++turn) {
          const bool is_long = i == options.shapes_per_row;  // one long case a row
          const Shape shape = is_long ? kLongShapes[turn % kLong] : kShortShapes[turn * 7 % kShort];
          const Grouping h = kGroupings[turn % std::size(kGroupings)];
          if (1.0 * shape.q_len * shape.length * h.heads * (shape.k_dim + shape.v_dim) > options.max_multiplications)
            continue;
          const auto order = turn % 3 == 0 ? PageOrder::identity : PageOrder::shuffled;
          const auto sequence = make_sequence(shape, h, dtype, order, static_cast<std::uint32_t>(turn), exec,
                                              turn % 4 == 1 ? 2.0f : 0.0f);
          run_case(m, s, *sequence, subject, options, verdict);
          if (options.stop_at_first_failure && verdict.failures > 0) return verdict;
        }
  return verdict;
}

/// attention() itself as the subject.
inline Subject kernel_subject(Exec& exec) {
  return [&exec](const AttentionSpec& spec, const Sequence& s, const Mask* of_job) {
    Output o = make_output(spec, s);
    const Tap tap{.heads = kTapped, .probs = o.probs.data()};
    const AttentionJob job{.q = s.q.data(),
                           .q_stride = std::int64_t{spec.heads} * s.shape.k_dim,
                           .out = o.out.data(),
                           .out_stride = std::int64_t{spec.heads} * s.shape.v_dim,
                           .q_len = s.shape.q_len,
                           .first_pos = s.shape.first_pos,
                           .kv = s.view,
                           .mask = of_job,
                           .lse = o.lse.data(),
                           .tap = &tap};
    if (!attention(spec, {&job, 1}, exec)) o.out.assign(o.out.size(), NAN);
    return o;
  };
}

/// An Exec and what it refers to.
struct Rig {
  explicit Rig(const Kernels& table, int threads = 2) : pool(threads), kernels(&table) {
    if (auto made = Arena::make(std::size_t{32} << 20)) arena = std::move(*made);
  }
  Exec exec() { return {pool, arena, *kernels, counters}; }

  ThreadPool pool;
  const Kernels* kernels;
  Arena arena;
  Counters counters;
};

}  // namespace heed::attention_cases
