// convert.cc -- tensor after tensor, a few MiB of rows at a time: the memory does not grow with the model.
#include "model/convert.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "formats/gguf_writer.h"
#include "kernels/dequantize.h"
#include "model/recode.h"

namespace heed {
namespace {

constexpr std::int64_t kStepBytes = std::int64_t{8} << 20;

std::vector<NamedTensor> plan(const ModelFile& from, const Mix& mix) {
  MixedModel model;
  const auto architecture = from.metadata().text("general.architecture", "");
  const auto layers = from.metadata().integer((architecture ? *architecture : "") + ".block_count", 0, 0, 1 << 16);
  model.layers = layers ? *layers : 0;
  model.is_tied = from.find("output.weight") == nullptr;
  std::vector<NamedTensor> out;
  for (const NamedTensor& named : from.tensors()) {
    Tensor t = named.tensor;
    const bool is_integer =
        t.dtype == DType::i8 || t.dtype == DType::i16 || t.dtype == DType::i32 || t.dtype == DType::i64;
    if (!is_integer) t.dtype = mixed_type(mix, model, named.name, t);
    t.data = nullptr;
    out.push_back({named.name, t});
  }
  return out;
}

Metadata metadata_of(const ModelFile& from, const Mix& mix) {
  Metadata out;
  out.insert("general.file_type", std::int64_t{mix.file_type});
  out.insert("general.quantization_version", std::int64_t{2});
  for (const auto& [key, value] : from.metadata().all())
    if (!key.starts_with("split.")) out.insert(key, value);
  return out;
}

class Converter {
 public:
  Converter(const ModelFile& from, ThreadPool& pool, const ConvertOptions& options, OutputFile& out)
      : from_(from), pool_(pool), options_(options), out_(out) {
    for (const NamedTensor& named : from.tensors()) total_ += named.tensor.bytes();
  }

  Expected<void> write(const NamedTensor& to) {
    const Tensor& source = *from_.find(to.name);
    const TensorSource* kept = from_.source(to.name);
    const std::int64_t source_bytes = row_bytes(source.dtype, source.cols());
    const std::int64_t step = std::max<std::int64_t>(kStepBytes / source_bytes, 1);
    for (std::int64_t first = 0; first < source.rows(); first += step) {
      const std::int64_t rows = std::min(step, source.rows() - first);
      Tensor part = {.dtype = source.dtype, .rank = 2, .shape = {rows, source.cols()}};
      Buffer gathered;
      if (kept) {
        HEED_ASSIGN(gathered, gather_rows(*kept, source, first, rows));
        part.data = gathered.data();
      } else {
        part.data = source.row(first);
      }
      HEED_TRY(write_rows(to, part));
      if (!kept) from_.drop_pages(part);
      done_ += rows * source_bytes;
      if (options_.progress && !options_.progress(to.name, done_, total_))
        return fail(Code::cancelled, "convert: cancelled");
    }
    static constexpr std::array<std::byte, kGgufAlignment> kZeros{};
    return out_.write({kZeros.data(), static_cast<std::size_t>(gguf_padding(to.tensor.bytes()))});
  }

 private:
  Expected<void> write_rows(const NamedTensor& to, const Tensor& part) {
    if (to.tensor.dtype == part.dtype) return out_.write({part.data, static_cast<std::size_t>(part.bytes())});
    const auto coded = recode(part, to.tensor.dtype, pool_);
    if (!coded) return fail(coded.error().code, "convert: tensor " + to.name + ": " + coded.error().text, to.name);
    return out_.write({coded->data(), coded->size()});
  }

  const ModelFile& from_;
  ThreadPool& pool_;
  const ConvertOptions& options_;
  OutputFile& out_;
  std::int64_t done_ = 0, total_ = 0;
};

Expected<void> write_file(const ModelFile& from, const Mix& mix, const std::vector<NamedTensor>& tensors,
                          ThreadPool& pool, const ConvertOptions& options, OutputFile& out) {
  HEED_ASSIGN(const auto head, gguf_head(metadata_of(from, mix), tensors));
  HEED_TRY(out.write(head));
  Converter converter(from, pool, options, out);
  for (const NamedTensor& to : tensors) HEED_TRY(converter.write(to));
  return out.sync();
}

}  // namespace

Expected<std::int64_t> convert_model(const ModelFile& from, const Mix& mix, const std::string& to, ThreadPool& pool,
                                     const ConvertOptions& options, FileLayer& files) {
  const std::string partial = to + ".part";
  const std::vector<NamedTensor> tensors = plan(from, mix);
  Expected<void> written = [&]() -> Expected<void> {
    HEED_ASSIGN(const auto out, files.create(partial, WriteMode::truncate));
    return write_file(from, mix, tensors, pool, options, *out);
  }();
  if (written) written = files.rename(partial, to);
  if (!written) {
    (void)files.remove(partial);
    return std::move(written).error();
  }
  return files.size(to);
}

}  // namespace heed
