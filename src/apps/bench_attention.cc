// bench_attention.cc -- speed of attention(): prefill against the arithmetic ceiling, decode against the bytes of keys
// and values, windows against the keys they hide.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <random>

#include "apps/bench_kernels.h"
#include "cache/kv_cache.h"

namespace heed {
namespace {

constexpr std::int64_t kKeyRingBytes = std::int64_t{96} << 20;

/// Keys and values of some sequences, filled with normal numbers; queries and room for the output.
struct Problem {
  AttentionShape shape;
  AttentionSpec spec;
  std::unique_ptr<PagePool> pages;
  std::vector<KvCache> ring;
  std::vector<float> q, out;
  std::size_t turn = 0;

  Expected<void> run(KernelBench& bench) {
    const KvCache& cache = ring[turn++ % ring.size()];
    const std::int64_t stride = std::int64_t{shape.heads} * shape.dim;
    const AttentionJob job{.q = q.data(),
                           .q_stride = stride,
                           .out = out.data(),
                           .out_stride = stride,
                           .q_len = shape.queries,
                           .first_pos = shape.keys - shape.queries,
                           .kv = pages->view(0, cache.pages(), shape.keys)};
    bench.arena.reset();
    Exec exec = bench.exec();
    return attention(spec, {&job, 1}, exec);
  }
};

std::vector<float> normal_numbers(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

Expected<KvCache> filled_cache(const AttentionShape& s, PagePool& pages, Exec& exec) {
  constexpr std::int32_t kRows = 256;
  KvCache cache(pages);
  HEED_TRY(cache.reserve(s.keys));
  cache.advance(s.keys);
  const std::int64_t stride = std::int64_t{s.kv_heads} * s.dim;
  const auto rows = normal_numbers(static_cast<std::size_t>(kRows * stride), 1);
  for (std::int32_t t = 0; t < s.keys; t += kRows)
    append_kv(pages.view(0, cache.pages(), s.keys), t, std::min(kRows, s.keys - t), rows.data(), stride, rows.data(),
              stride, exec);
  return cache;
}

double kv_bytes(const AttentionShape& s, double keys) {
  return keys * s.kv_heads *
         static_cast<double>(kv_head_bytes(key_dtype(s.dtype), s.dim) + kv_head_bytes(s.dtype, s.dim)) / kPageTokens;
}

Expected<std::shared_ptr<Problem>> make_problem(const AttentionShape& s, KernelBench& bench) {
  auto p = std::make_shared<Problem>();
  p->shape = s;
  p->spec = {.heads = s.heads,
             .kv_heads = s.kv_heads,
             .mask = s.mask,
             .score = {.scale = 1.0f / std::sqrt(static_cast<float>(s.dim))}};
  const auto copies =
      s.queries > 1 ? 1
                    : static_cast<std::int32_t>(std::ceil(static_cast<double>(kKeyRingBytes) / kv_bytes(s, s.keys)));
  const std::int32_t pages = (s.keys + kPageTokens - 1) / kPageTokens;
  HEED_ASSIGN(PagePool pool, PagePool::make({{s.kv_heads, s.dim, s.dim}}, s.dtype, pages * copies));
  p->pages = std::make_unique<PagePool>(std::move(pool));
  Exec exec = bench.exec();
  for (std::int32_t i = 0; i < copies; ++i) {
    HEED_ASSIGN(KvCache cache, filled_cache(s, *p->pages, exec));
    p->ring.push_back(std::move(cache));
  }
  p->q = normal_numbers(static_cast<std::size_t>(s.queries) * static_cast<std::size_t>(s.heads * s.dim), 2);
  p->out.resize(p->q.size());
  return p;
}

// Query-key pairs that the mask leaves, over all rows of one head.
double visible_pairs(const AttentionShape& s) {
  double pairs = 0;
  for (std::int32_t i = 0; i < s.queries; ++i) {
    const std::int32_t position = s.keys - s.queries + i, end = s.mask.causal ? position + 1 : s.keys;
    pairs += s.mask.window > 0 ? std::min(end, s.mask.window) : end;
  }
  return pairs;
}

Work work_of(const AttentionShape& s, const KernelBench& bench) {
  const std::string_view isa = bench.kernels.name;
  const bool has_bf16_dots = s.dtype == DType::bf16 && (isa.ends_with("bf16") || isa == "amx");
  const Arithmetic arithmetic = is_integer_kv(s.dtype) ? Arithmetic::int16
                                : has_bf16_dots        ? Arithmetic::bf16
                                                       : Arithmetic::f32;
  const double keys = s.mask.window > 0 ? std::min(s.keys, s.mask.window + s.queries - 1) : s.keys;
  Work w{.operations = visible_pairs(s) * s.heads * 4 * s.dim, .arithmetic = arithmetic, .bytes = kv_bytes(s, keys)};
  w.working_set = s.queries > 1 ? w.bytes : static_cast<double>(kKeyRingBytes);
  return w;
}

constexpr Mask kCausal{.causal = true};
constexpr Mask kWindow{.causal = true, .window = 512};

const std::vector<AttentionShape>& default_shapes() {
  static const std::vector<AttentionShape> shapes = {
      {"prefill full 2k d64", 4, 4, 64, 2048, 2048, {}},
      {"prefill causal 2k d64", 4, 4, 64, 2048, 2048, kCausal},
      {"prefill full 2k d128", 4, 4, 128, 2048, 2048, {}},
      {"prefill causal 2k d128", 4, 4, 128, 2048, 2048, kCausal},
      {"prefill full 2k d64 f32", 4, 4, 64, 2048, 2048, {}, DType::f32},
      {"prefill causal 2k d64 f16", 4, 4, 64, 2048, 2048, kCausal, DType::f16},
      {"prefill full 8k d64", 1, 1, 64, 8192, 8192, {}},
      {"prefill causal 8k d64", 1, 1, 64, 8192, 8192, kCausal},
      {"prefill causal 8k d128", 1, 1, 128, 8192, 8192, kCausal},
      {"prefill causal 512 14/2 d64", 14, 2, 64, 512, 512, kCausal},
      {"prefill causal 2k 14/2 d64", 14, 2, 64, 2048, 2048, kCausal},
      {"prefill causal 2k 4/1 d256", 4, 1, 256, 2048, 2048, kCausal},
      {"prefill window 512 8k d64", 4, 4, 64, 8192, 8192, kWindow},
      {"decode 14/2 512", 14, 2, 64, 1, 512, kCausal},
      {"decode 14/2 4k", 14, 2, 64, 1, 4096, kCausal},
      {"decode 14/2 32k", 14, 2, 64, 1, 32768, kCausal},
      {"decode 14/2 32k f16", 14, 2, 64, 1, 32768, kCausal, DType::f16},
      {"decode 14/2 32k int8", 14, 2, 64, 1, 32768, kCausal, DType::i8},
      {"decode 14/2 32k int4", 14, 2, 64, 1, 32768, kCausal, DType::i4},
      {"decode 14/2 32k f32", 14, 2, 64, 1, 32768, kCausal, DType::f32},
      {"decode 12/2 d128 32k", 12, 2, 128, 1, 32768, kCausal},
      {"decode 4/4 32k", 4, 4, 64, 1, 32768, kCausal},
      {"decode 14/2 window 512 at 32k", 14, 2, 64, 1, 32768, kWindow},
  };
  return shapes;
}

/// Whole numbers apart by one character each; false where the text is anything else.
bool read_numbers(std::string_view text, std::string_view separators, std::span<std::int32_t> out, std::size_t& used) {
  const char *at = text.data(), *end = at + text.size();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i > 0 && (at == end || *at != separators[i - 1])) return false;
    const auto [next, error] = std::from_chars(i > 0 ? at + 1 : at, end, out[i]);
    if (error != std::errc{} || out[i] < 1) return false;
    at = next;
  }
  used = static_cast<std::size_t>(at - text.data());
  return true;
}

bool read_word(std::string_view word, AttentionShape& s) {
  if (word == "causal") return s.mask.causal = true;
  if (const DType* type = kv_dtype_named(word)) {
    s.dtype = *type;
    return true;
  }
  constexpr std::string_view kWindowWord = "window=";
  if (!word.starts_with(kWindowWord)) return false;
  word.remove_prefix(kWindowWord.size());
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), s.mask.window);
  return error == std::errc{} && end == word.data() + word.size() && s.mask.window > 0;
}

Expected<AttentionShape> shape_of(const std::string& text) {
  AttentionShape s{.name = text};
  std::int32_t n[5] = {};
  std::size_t used = 0;
  bool is_read = read_numbers(text, "/,,,", n, used);
  s.heads = n[0], s.kv_heads = n[1], s.dim = n[2], s.queries = n[3], s.keys = n[4];
  std::string_view rest = std::string_view(text).substr(used);
  while (is_read && !rest.empty()) {
    is_read = rest.front() == ',';
    rest.remove_prefix(1);
    const std::string_view word = rest.substr(0, rest.find(','));
    is_read = is_read && read_word(word, s);
    rest.remove_prefix(word.size());
  }
  if (!is_read || s.dim % 16 != 0 || s.queries > s.keys || s.heads % s.kv_heads != 0)
    return fail(
        Code::invalid_argument,
        "attention: a case is HEADS/KV_HEADS,DIM,QUERIES,KEYS[,causal][,window=N][,bf16|f16|f32|int8|int4], got \"" +
            text + "\": for instance 14/2,64,1,32768,causal",
        "case");
  return s;
}

}  // namespace

Expected<BenchCase> attention_case(const AttentionShape& s, KernelBench& bench) {
  HEED_ASSIGN(auto problem, make_problem(s, bench));
  const Work work = work_of(s, bench);
  BenchCase c;
  c.result = {.name = s.name, .unit = "GFLOP/s"};
  set_ceiling(c, bench.ceilings, *bench.meter, work);
  c.run = [problem = std::move(problem), work, &bench]() -> Expected<double> {
    HEED_ASSIGN(const double seconds, seconds_per_call([&] { return problem->run(bench); }));
    return work.operations / seconds / 1e9;
  };
  HEED_TRY(c.run());  // first touch
  return c;
}

Expected<void> bench_attention(const BenchOptions& o) {
  std::vector<AttentionShape> shapes;
  if (!o.attention_case.empty()) {
    HEED_ASSIGN(AttentionShape shape, shape_of(o.attention_case));
    shapes.push_back(std::move(shape));
  } else {
    for (const AttentionShape& s : default_shapes())
      if (s.name.find(o.filter) != std::string::npos) shapes.push_back(s);
  }
  HEED_ASSIGN(auto bench, KernelBench::make(o));
  for (const AttentionShape& s : shapes) {
    HEED_ASSIGN(BenchCase c, attention_case(s, *bench));
    HEED_TRY(run_cases(o, {&c, 1}));
  }
  return {};
}

}  // namespace heed
