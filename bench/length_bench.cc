// length_bench.cc -- time against length for every way to see less than everything, with the fitted exponent.
//
// A whole prompt of n tokens goes through one attention layer in chunks of 512, as the engine does it; then one token
// is decoded behind it. Two query heads on one KV head of 64 dimensions, bf16 pages. One JSON line a case and length,
// one with the slope of log(time) over log(n) a case, and what a window costs against the keys it shows.
//   length_bench [--threads N] [--most N] [--runs N] [filter]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cache/page_choice.h"
#include "core/cpu.h"
#include "kernels/kernels.h"
#include "kernels/linear_attention.h"

namespace heed {
namespace {

constexpr std::int32_t kHeads = 2, kDim = 64, kChunk = 512;

struct Options {
  int threads = 0, runs = 3;
  std::int32_t most = 65536;
  std::string filter;
};

struct Row {
  const char* name;
  AttentionPolicy policy;
  std::int32_t most;  // longer is left out: the quadratic one would take minutes
};

const Row kRows[] = {
    {"full", {}, 16384},
    {"window 512", {AttentionKept::window, 512, 0, 64}, 65536},
    {"window 1024 + sinks 64", {AttentionKept::window, 1024, 64, 64}, 65536},
    {"big_bird window 512 + global 64 + random 512", {AttentionKept::big_bird, 512, 64, 512}, 65536},
    {"topk_pages window 512 + sinks 64 + budget 512", {AttentionKept::topk_pages, 512, 64, 512}, 65536},
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<float> normals(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& f : x) f = normal(random);
  return x;
}

// One layer's cache, and numbers that all chunks share.
class Layer {
 public:
  Layer(std::int32_t length, Exec& exec)
      : exec_(exec),
        pool_(make_pool(length)),
        cache_(pool_),
        kv_(normals(std::size_t{kChunk} * kDim, 1)),
        q_(normals(std::size_t{kChunk} * kHeads * kDim, 2)),
        out_(q_.size()) {
    if (!cache_.reserve(length)) std::abort();
  }

  // Queries first .. first+n-1 over the keys before and among them.
  void attend(const AttentionPlan& plan, std::int32_t first, std::int32_t n) {
    exec_.arena.reset();
    const KvView view = pool_.view(0, cache_.pages(), first + n);
    append_kv(view, first, n, kv_.data(), kDim, kv_.data(), kDim, exec_);
    const AttentionSpec spec{.heads = kHeads, .mask = {.causal = true}, .score = {.scale = 0.125f}};
    Mask mask = spec.mask;
    const BlockList pattern = plan.pattern.list();
    const AttentionPolicy& p = plan.policy;
    if (p.kept == AttentionKept::window) mask.window = p.window, mask.sink = p.sinks;
    if (p.kept == AttentionKept::big_bird) mask.blocks = &pattern;
    if (p.kept == AttentionKept::topk_pages) mask.blocks = choose(p, first, n);
    const AttentionJob job{.q = q_.data(),
                           .q_stride = kHeads * kDim,
                           .out = out_.data(),
                           .out_stride = kHeads * kDim,
                           .q_len = n,
                           .first_pos = first,
                           .kv = view,
                           .mask = &mask};
    if (!attention(spec, {&job, 1}, exec_)) std::abort();
  }

 private:
  static PagePool make_pool(std::int32_t length) {
    auto pool = PagePool::make({{1, kDim, kDim}}, DType::bf16, (length + kPageTokens - 1) / kPageTokens);
    if (!pool) std::abort();
    return std::move(*pool);
  }
  const BlockList* choose(const AttentionPolicy& policy, std::int32_t first, std::int32_t n) {
    pool_.summarize(0, cache_.pages(), first, n, exec_.pool);
    const auto list = choose_pages(policy,
                                   {.pool = &pool_,
                                    .pages = cache_.pages(),
                                    .q = q_.data(),
                                    .q_stride = kHeads * kDim,
                                    .q_len = n,
                                    .first_pos = first,
                                    .heads = kHeads,
                                    .k_dim = kDim,
                                    .scale = 0.125f},
                                   exec_);
    if (!list) std::abort();
    return *list;
  }

  Exec& exec_;
  PagePool pool_;
  KvCache cache_;
  std::vector<float> kv_, q_, out_;
};

struct Seconds {
  double median, least;
};

Seconds measure(int runs, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    const double begin = seconds_now();
    work();
    times.push_back(seconds_now() - begin);
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[0]};
}

struct Point {
  double length, seconds;
};

// The slope of log(seconds) over log(length) by least squares.
double exponent(const std::vector<Point>& points) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Point& p : points) {
    const double a = std::log(p.length), b = std::log(p.seconds);
    n += 1, x += a, y += b, xx += a * a, xy += a * b;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

// attend(first, n): queries first .. first+n-1; made anew for every length.
using Attend = std::function<void(std::int32_t first, std::int32_t n)>;

void run_lengths(const char* name, std::int32_t most, const Options& o,
                 const std::function<Attend(std::int32_t length)>& make) {
  std::vector<Point> prompts;
  for (std::int32_t length = 4096; length <= std::min(o.most, most); length *= 2) {
    const Attend attend = make(length);
    const Seconds prompt = measure(o.runs, [&] {
      for (std::int32_t first = 0; first < length; first += kChunk) attend(first, kChunk);
    });
    const Seconds token = measure(101, [&] { attend(length, 1); });
    prompts.push_back({static_cast<double>(length), prompt.least});
    std::printf(
        "{\"case\": \"%s\", \"tokens\": %d, \"prompt_ms\": %.2f, \"least_prompt_ms\": %.2f, \"decode_us\": %.1f, "
        "\"runs\": %d}\n",
        name, length, prompt.median * 1e3, prompt.least * 1e3, token.median * 1e6, o.runs);
    std::fflush(stdout);
  }
  if (prompts.size() > 1)
    std::printf("{\"case\": \"%s\", \"from\": 4096, \"to\": %.0f, \"prompt_exponent\": %.3f}\n", name,
                prompts.back().length, exponent(prompts));
}

void run_row(const Row& row, const Options& o, Exec& exec) {
  run_lengths(row.name, row.most, o, [&](std::int32_t length) -> Attend {
    auto layer = std::make_shared<Layer>(length + 64, exec);
    auto plan = std::make_shared<AttentionPlan>(plan_attention(row.policy, length + 64));
    return [layer, plan](std::int32_t first, std::int32_t n) { layer->attend(*plan, first, n); };
  });
}

void run_linear(const char* name, LinearKind kind, std::int32_t features, const Options& o, Exec& exec) {
  if (!std::strstr(name, o.filter.c_str())) return;
  const std::vector<float> projection = draw_features(kDim, features, 1);
  const std::size_t per_token = (kHeads + 2) * kDim;
  std::vector<float> rows = normals(kChunk * per_token, 3), out(std::size_t{kChunk} * kHeads * kDim);
  const std::vector<float> decay(kChunk, -0.01f), write(kChunk, 0.5f);
  const LinearSpec spec{.kind = kind,
                        .heads = kHeads,
                        .k_dim = kDim,
                        .v_dim = kDim,
                        .features = features,
                        .scale = 0.125f,
                        .projection = projection};
  std::vector<float> state(static_cast<std::size_t>(linear_state_floats(spec)));
  run_lengths(name, 65536, o, [&](std::int32_t) -> Attend {
    return [&](std::int32_t first, std::int32_t n) {
      exec.arena.reset();
      const LinearJob job{.q = rows.data(),
                          .k = rows.data() + kHeads * kDim,
                          .v = rows.data() + (kHeads + 1) * kDim,
                          .stride = static_cast<std::int64_t>(per_token),
                          .out = out.data(),
                          .out_stride = kHeads * kDim,
                          .log_decay = decay.data(),
                          .write = write.data(),
                          .q_len = n,
                          .first_pos = first,
                          .state = state.data()};
      if (!linear_attention(spec, {&job, 1}, exec)) std::abort();
    };
  });
}

// Keys that a mask hides must not cost: a window of 512 behind 32k keys against 512 keys.
void window_price(const Options& o, Exec& exec) {
  constexpr std::int32_t kLong = 32768, kWindow = 512;
  Layer far(kLong, exec), near(2 * kWindow, exec);
  const AttentionPlan window = plan_attention({AttentionKept::window, kWindow, 0, 64}, kLong), full;
  const int runs = 40 * o.runs;
  for (const bool decodes : {true, false}) {
    const std::int32_t n = decodes ? 1 : kChunk;
    const auto hidden = [&] { far.attend(window, kLong - n, n); };
    // Decoding: 512 keys in all. A chunk: every query has 512 keys, as behind 32k.
    const auto alone = [&] { near.attend(decodes ? full : window, (decodes ? kWindow : 2 * kWindow) - n, n); };
    hidden(), alone();
    const double a = measure(runs, hidden).median, b = measure(runs, alone).median, c = measure(runs, hidden).median;
    std::printf("{\"case\": \"window 512 at 32k, %s\", \"us\": %.1f, \"us_of_512_keys\": %.1f, \"ratio\": %.3f}\n",
                decodes ? "decode" : "chunk of 512", (a + c) / 2 * 1e6, b * 1e6, (a + c) / 2 / b);
  }
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--threads" && i + 1 < argc)
      o.threads = std::atoi(argv[++i]);
    else if (arg == "--runs" && i + 1 < argc)
      o.runs = std::max(1, std::atoi(argv[++i]));
    else if (arg == "--most" && i + 1 < argc)
      o.most = std::atoi(argv[++i]);
    else
      o.filter = arg;
  }
  return o;
}

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  auto arena = Arena::make(std::size_t{64} << 20);
  if (!arena) return 2;
  ThreadPool pool(options.threads);
  Counters counters;
  Exec exec{pool, *arena, best_kernels(), counters};
  std::printf("{\"cpu\": \"%s\", \"isa\": \"%s\", \"threads\": %d}\n", cpu_name().c_str(), best_kernels().name,
              pool.threads());
  if (std::strstr("window price", options.filter.c_str())) window_price(options, exec);
  for (const Row& row : kRows)
    if (std::strstr(row.name, options.filter.c_str())) run_row(row, options, exec);
  run_linear("linear elu", LinearKind::elu, 64, options, exec);
  run_linear("linear performer, 256 features", LinearKind::performer, 256, options, exec);
  run_linear("linear gated delta", LinearKind::gated_delta, 64, options, exec);
  return 0;
}

}  // namespace
}  // namespace heed

int main(int argc, char** argv) { return heed::run(argc, argv); }
