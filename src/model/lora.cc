// lora.cc -- an adapter's pairs are checked against the model, then every changed matrix is made once.
#include "model/lora.h"

#include <charconv>
#include <cmath>
#include <map>

#include "core/memory.h"
#include "formats/gguf.h"
#include "kernels/dequantize.h"
#include "kernels/quantize.h"
#include "model/recode.h"

namespace heed {
namespace {

struct Pair {
  const Tensor* a = nullptr;  // [rank, in]
  const Tensor* b = nullptr;  // [out, rank]
  float scale = 1;            // alpha / rank included
};
using Pairs = std::map<std::string, std::vector<Pair>, std::less<>>;  // by the model's tensor

std::string shape_text(const Tensor& t) {
  return "[" + std::to_string(t.rows()) + ", " + std::to_string(t.cols()) + "]";
}

Error refuse(Code code, const std::string& tensor, const std::string& what) {
  return fail(code, "lora: tensor " + tensor + ": " + what, tensor);
}

Expected<void> check_pair(const ModelFile& model, const std::string& name, const Pair& pair) {
  const Tensor* w = model.find(name);
  if (!w) return refuse(Code::malformed, name, "the adapter changes it, but the model has no such tensor");
  if (model.source(name) || !w->data || w->rank != 2 || pair.a->rank != 2 || pair.b->rank != 2)
    return refuse(Code::unsupported, name, "only matrices of GGUF files can be changed");
  if (pair.a->cols() == w->cols() && pair.b->rows() == w->rows() && pair.a->rows() == pair.b->cols()) return {};
  return refuse(Code::malformed, name,
                shape_text(*w) + " needs lora_a [rank, " + std::to_string(w->cols()) + "] and lora_b [" +
                    std::to_string(w->rows()) + ", rank], the adapter has " + shape_text(*pair.a) + " and " +
                    shape_text(*pair.b));
}

Expected<void> check_architecture(const ModelFile& model, const ModelFile& adapter) {
  HEED_ASSIGN(const std::string wanted, model.metadata().need_text("general.architecture"));
  HEED_ASSIGN(const std::string got, adapter.metadata().need_text("general.architecture"));
  if (wanted == got) return {};
  return fail(Code::invalid_argument, "lora: the adapter is for the architecture " + got + ", the model is " + wanted);
}

Expected<void> collect_pairs(const ModelFile& model, const LoraAdapter& adapter, Pairs& out) {
  HEED_TRY(check_architecture(model, adapter.file));
  HEED_ASSIGN(const double alpha, adapter.file.metadata().real("adapter.lora.alpha", 0));
  if (!std::isfinite(alpha)) return fail(Code::malformed, "lora: key 'adapter.lora.alpha' is not a finite number");
  constexpr std::string_view kA = ".lora_a", kB = ".lora_b";
  for (const NamedTensor& t : adapter.file.tensors()) {
    const bool is_a = t.name.ends_with(kA);
    if (!is_a && !t.name.ends_with(kB))
      return refuse(Code::unsupported, t.name, "an adapter holds pairs NAME.lora_a and NAME.lora_b, nothing else");
    const std::string name = t.name.substr(0, t.name.size() - kA.size());
    const Tensor* twin = adapter.file.find(name + std::string(is_a ? kB : kA));
    if (!twin)
      return refuse(Code::malformed, t.name, "its other half " + name + std::string(is_a ? kB : kA) + " is missing");
    if (!is_a) continue;
    Pair pair{.a = &t.tensor, .b = twin};
    HEED_TRY(check_pair(model, name, pair));
    const double by_rank = alpha == 0 ? 1 : alpha / static_cast<double>(t.tensor.rows());
    pair.scale = static_cast<float>(adapter.scale * by_rank);
    out[name].push_back(pair);
  }
  return {};
}

Expected<std::vector<float>> floats_of(const Tensor& t) try {
  std::vector<float> out(static_cast<std::size_t>(t.rows() * t.cols()));
  for (std::int64_t r = 0; r < t.rows(); ++r) dequantize_row(t.dtype, t.row(r), t.cols(), out.data() + r * t.cols());
  return out;
} catch (const std::bad_alloc&) {
  return fail(Code::out_of_memory, "lora: no memory for an adapter's tensor");
}

struct Change {  // of one pair, decoded
  std::vector<float> a, b;
  std::int64_t rank;
  float scale;
};

void change_row(const Tensor& w, std::span<const Change> changes, std::int64_t row, float* room, std::byte* out) {
  const std::int64_t n = w.cols();
  dequantize_row(w.dtype, w.row(row), n, room);
  for (const Change& c : changes)
    for (std::int64_t j = 0; j < c.rank; ++j) {
      const float weight = c.scale * c.b[static_cast<std::size_t>(row * c.rank + j)];
      const float* a = c.a.data() + j * n;
      for (std::int64_t i = 0; i < n; ++i) room[i] += weight * a[i];
    }
  quantize_row(encoding_of_changed(w.dtype), room, n, out);
}

Expected<void> change(ModelFile& model, const std::string& name, std::span<const Pair> pairs, ThreadPool& pool) {
  std::vector<Change> changes;
  for (const Pair& pair : pairs) {
    HEED_ASSIGN(auto a, floats_of(*pair.a));
    HEED_ASSIGN(auto b, floats_of(*pair.b));
    changes.push_back({std::move(a), std::move(b), pair.a->rows(), pair.scale});
  }
  Tensor w = *model.find(name);
  Buffer gathered;
  if (const TensorSource* source = model.source(name)) {
    HEED_ASSIGN(gathered, gather_rows(*source, w, 0, w.rows()));
    w.data = gathered.data();
  }
  const DType type = encoding_of_changed(w.dtype);
  const std::int64_t bytes = row_bytes(type, w.cols());
  HEED_ASSIGN(Buffer out, Buffer::make(static_cast<std::size_t>(w.rows() * bytes)));
  HEED_ASSIGN(Buffer rooms, Buffer::make(static_cast<std::size_t>(pool.threads() * w.cols()) * sizeof(float)));
  pool.parallel_for(w.rows(), 16, [&](std::int64_t begin, std::int64_t end, int worker) {
    float* room = reinterpret_cast<float*>(rooms.data()) + worker * w.cols();
    for (std::int64_t r = begin; r < end; ++r) change_row(w, changes, r, room, out.data() + r * bytes);
  });
  model.drop_pages(w);
  model.replace(name, type, std::move(out));
  return {};
}

}  // namespace

Expected<std::vector<LoraAdapter>> open_adapters(std::span<const std::string> options, FileLayer& files) {
  std::vector<LoraAdapter> adapters;
  for (const std::string& option : options) {
    HEED_ASSIGN(const auto parsed, parse_lora_option(option));
    HEED_ASSIGN(LoraAdapter adapter, LoraAdapter::open(parsed.first, parsed.second, files));
    adapters.push_back(std::move(adapter));
  }
  return adapters;
}

DType encoding_of_changed(DType type) noexcept {
  if (type == DType::f64) return DType::f32;
  return info(type).block == 1 ? type : DType::q8_0;
}

Expected<LoraAdapter> LoraAdapter::open(const std::string& path, double scale, FileLayer& files) {
  HEED_ASSIGN(GgufFile file, GgufFile::open(path, files));
  HEED_ASSIGN(const std::string type, file.metadata().text("general.type", "model"));
  HEED_ASSIGN(const std::string kind, file.metadata().text("adapter.type", ""));
  if (type != "adapter" || kind != "lora")
    return fail(Code::invalid_argument,
                path + ": expected general.type adapter and adapter.type lora, got " + type + " and " +
                    (kind.empty() ? "none" : kind),
                path);
  if (file.metadata().find("adapter.alora.invocation_tokens"))
    return fail(Code::unsupported, path + ": adapters that wait for invocation tokens (aLoRA) cannot be merged", path);
  return LoraAdapter{std::move(file), scale};
}

Expected<std::pair<std::string, double>> parse_lora_option(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::pair(text, 1.0);
  double scale = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + colon + 1, end, scale);
  if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(scale) || colon == 0)
    return fail(Code::invalid_argument,
                "lora: expected FILE or FILE:SCALE, for instance style.gguf:0.5, got \"" + text + "\"", "lora");
  return std::pair(text.substr(0, colon), scale);
}

Expected<void> merge_adapters(ModelFile& model, std::span<const LoraAdapter> adapters, ThreadPool& pool) {
  Pairs pairs;
  for (const LoraAdapter& adapter : adapters) HEED_TRY(collect_pairs(model, adapter, pairs));
  for (const auto& [name, of_one] : pairs) HEED_TRY(change(model, name, of_one, pool));
  return {};
}

}  // namespace heed
