// bench_matmul.cc -- speed of the packed matrix product per encoding, shape and rows.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <random>

#include "apps/bench_kernels.h"
#include "kernels/matmul.h"

namespace heed {
namespace {

constexpr DType kTypes[] = {DType::q4_0,  DType::q4_k,  DType::q4_1,    DType::q5_0,  DType::q5_1,   DType::q5_k,
                            DType::q6_k,  DType::q8_0,  DType::q2_k,    DType::q3_k,  DType::iq4_nl, DType::iq4_xs,
                            DType::mxfp4, DType::iq3_s, DType::iq3_xxs, DType::iq2_s, DType::iq2_xs, DType::iq2_xxs,
                            DType::iq1_s, DType::iq1_m, DType::tq1_0,   DType::tq2_0, DType::q8_k,   DType::f16,
                            DType::bf16,  DType::f32};
constexpr std::int64_t kWeightRingBytes = std::int64_t{96} << 20;
constexpr int kRingRows = 8;
constexpr std::int64_t kVocabulary = 100000;  // columns from which on only few rows are of interest

/// Weights, and activations of the most rows; cases share them.
struct Product {
  std::vector<PackedMatrix> ring;
  std::vector<float> x, out;
  std::size_t turn = 0;

  // With the quantization of its activations, as peers' products have it.
  Expected<void> run(std::int64_t rows, KernelBench& bench) {
    const PackedMatrix& w = ring[rows > kRingRows ? 0 : turn++ % ring.size()];
    const MatmulJob job{.w = &w, .out = out.data(), .out_stride = w.n()};
    bench.arena.reset();
    Exec exec = bench.exec();
    Activations a{.f32 = x.data(), .rows = rows, .k = w.k()};
    if (!w.is_float()) {
      HEED_ASSIGN(a, quantize_activations(x.data(), rows, w.k(), exec));
    }
    return matmul(a, {&job, 1}, exec);
  }
};

// Bytes below 0x40 make finite factors and no subnormal floats wherever a block keeps halfs; exponents and floats are
// given a middling size.
std::vector<std::byte> weights_of(DType type, MatmulShape shape) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(shape.n * row_bytes(type, shape.k)));
  std::mt19937 random(1);
  const bool is_float = info(type).block == 1;
  for (auto& b : bytes) b = static_cast<std::byte>(is_float ? 0x38 | (random() & 7) : random() & 0x3f);
  const auto block_bytes = static_cast<std::size_t>(info(type).block_bytes);
  for (std::size_t at = 0; type == DType::mxfp4 && at < bytes.size(); at += block_bytes) bytes[at] = std::byte{0x7c};
  for (std::size_t at = 3; type == DType::q8_k && at < bytes.size(); at += block_bytes) bytes[at] = std::byte{0x3c};
  return bytes;
}

Expected<std::shared_ptr<Product>> make_product(DType type, MatmulShape shape, std::int64_t rows, KernelBench& bench) {
  auto p = std::make_shared<Product>();
  Exec exec = bench.exec();
  const auto bytes = weights_of(type, shape);
  const Tensor tensor{.data = bytes.data(), .dtype = type, .rank = 2, .shape = {shape.n, shape.k}};
  do {
    HEED_ASSIGN(PackedMatrix packed, PackedMatrix::pack(tensor, exec));
    p->ring.push_back(std::move(packed));
  } while (static_cast<std::int64_t>(p->ring.size() * p->ring[0].bytes()) < kWeightRingBytes);
  p->x.resize(static_cast<std::size_t>(rows * shape.k));
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& v : p->x) v = normal(random);
  p->out.resize(static_cast<std::size_t>(rows * shape.n));
  return p;
}

// Exact activations meet the weights as 16-bit words, or twice as bytes: whatever the CPU does faster is the ceiling.
Work work_of(const PackedMatrix& w, std::int64_t rows, const KernelBench& bench) {
  Work work{.operations = 2.0 * static_cast<double>(rows * w.n() * w.k()), .bytes = static_cast<double>(w.bytes())};
  work.working_set = rows > kRingRows ? work.bytes : static_cast<double>(kWeightRingBytes);
  const double int8 = bench.ceilings.rate(Arithmetic::int8), int16 = bench.ceilings.rate(Arithmetic::int16);
  if (w.is_float()) return work;
  const bool is_exact = bench.activations == ActivationMode::exact, has_words = int16 >= int8 / 2;
  work.arithmetic = is_exact && has_words ? Arithmetic::int16 : Arithmetic::int8;
  work.times = is_exact && !has_words ? 2 : 1;
  return work;
}

Expected<BenchCase> case_of(DType type, MatmulShape shape, std::int64_t rows, std::shared_ptr<Product> product,
                            KernelBench& bench) {
  const PackedMatrix& w = product->ring[0];
  const Work work = work_of(w, rows, bench);
  BenchCase c;
  c.result = {.name = std::string(info(type).name) + " " + std::to_string(shape.k) + "x" + std::to_string(shape.n) +
                      " rows " + std::to_string(rows),
              .unit = "GOP/s"};
  set_ceiling(c, bench.ceilings, *bench.meter, work);
  c.run = [rows, work, product = std::move(product), &bench]() -> Expected<double> {
    HEED_ASSIGN(const double seconds, seconds_per_call([&] { return product->run(rows, bench); }));
    return work.operations / seconds / 1e9;
  };
  HEED_TRY(c.run());  // first touch of the ring
  return c;
}

Expected<DType> type_of(const std::string& name) {
  std::string known, upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const DType type : kTypes) {
    if (upper == info(type).name) return type;
    known += (known.empty() ? "" : ", ") + std::string(info(type).name);
  }
  return fail(Code::invalid_argument, "matmul: no encoding \"" + name + "\": take one of " + known, "type");
}

Expected<MatmulShape> matmul_shape_of(const std::string& text) {
  MatmulShape s;
  const char* end = text.data() + text.size();
  const auto k = std::from_chars(text.data(), end, s.k);
  const auto n = k.ptr < end && *k.ptr == 'x' ? std::from_chars(k.ptr + 1, end, s.n) : k;
  const bool is_read = k.ec == std::errc{} && n.ec == std::errc{} && n.ptr == end;
  if (!is_read || s.k < 32 || s.k % 32 != 0 || s.n < 1 || s.k * s.n > (std::int64_t{1} << 31))
    return fail(
        Code::invalid_argument,
        "matmul: a shape is depth x columns, the depth a multiple of 32, got \"" + text + "\": for instance 896x4864",
        "shape");
  return s;
}

}  // namespace

Expected<std::unique_ptr<KernelBench>> KernelBench::make(const BenchOptions& o) {
  HEED_ASSIGN(const Kernels* kernels, bench_kernels(o));
  if (o.load.activations != "auto" && o.load.activations != "exact" && o.load.activations != "fast")
    return fail(Code::invalid_argument, "bench: activations are auto, exact or fast, got " + o.load.activations,
                "activations");
  const auto mode = o.load.activations == "fast" ? ActivationMode::fast : ActivationMode::exact;
  std::unique_ptr<KernelBench> bench(new KernelBench(bench_threads(o), *kernels, mode));
  HEED_ASSIGN(bench->arena, Arena::make(std::size_t{256} << 20));
  constexpr std::int32_t kCeilingRuns = 5;
  HEED_ASSIGN(CeilingMeter meter, CeilingMeter::make(*kernels, bench->pool));
  bench->meter = std::make_unique<CeilingMeter>(std::move(meter));
  HEED_ASSIGN(bench->ceilings, bench->meter->measure(kCeilingRuns));
  return bench;
}

Expected<std::vector<BenchCase>> matmul_cases(DType type, MatmulShape shape, std::span<const int> rows,
                                              KernelBench& bench) {
  std::vector<BenchCase> cases;
  HEED_ASSIGN(auto product, make_product(type, shape, *std::max_element(rows.begin(), rows.end()), bench));
  for (const int m : rows) {
    HEED_ASSIGN(BenchCase c, case_of(type, shape, m, product, bench));
    cases.push_back(std::move(c));
  }
  return cases;
}

Expected<void> bench_matmul(const BenchOptions& o) {
  std::vector<DType> types(std::begin(kTypes), std::end(kTypes));
  std::vector<MatmulShape> shapes = {{896, 4864}, {4864, 896}, {1536, 8960}, {896, 151936}};
  if (!o.types.empty()) types.clear();
  for (const std::string& name : o.types) {
    HEED_ASSIGN(const DType type, type_of(name));
    types.push_back(type);
  }
  if (!o.shapes.empty()) shapes.clear();
  for (const std::string& text : o.shapes) {
    HEED_ASSIGN(const MatmulShape shape, matmul_shape_of(text));
    shapes.push_back(shape);
  }
  const std::vector<int> rows = o.rows.empty() ? std::vector<int>{1, 4, 8, 16, 64, 512} : o.rows;
  HEED_ASSIGN(auto bench, KernelBench::make(o));
  for (const MatmulShape shape : shapes)
    for (const DType type : types) {
      if (shape.k % info(type).block != 0) continue;
      std::vector<int> fit = rows;
      if (o.rows.empty() && shape.n > kVocabulary) std::erase_if(fit, [](int m) { return m > 16; });
      HEED_ASSIGN(auto cases, matmul_cases(type, shape, fit, *bench));
      HEED_TRY(run_cases(o, cases));
    }
  return {};
}

}  // namespace heed
