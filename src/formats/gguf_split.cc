// gguf_split.cc -- the keys and names of parts, and how parts become one model.
#include "formats/gguf_split.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace heed {
namespace {

constexpr std::int64_t kMostParts = 65535;  // both keys are 16 bits

std::string five_digits(std::int64_t n) {
  const std::string digits = std::to_string(n);
  return std::string(5 - std::min<std::size_t>(digits.size(), 5), '0') + digits;
}

std::string part_suffix(std::int64_t part, std::int64_t parts) {
  return "-" + five_digits(part + 1) + "-of-" + five_digits(parts) + ".gguf";
}

std::string part_label(std::int64_t part, std::int64_t parts) {
  return "part " + std::to_string(part + 1) + " of " + std::to_string(parts);
}

Error wrong_tensors(std::int64_t wanted, std::size_t found) {
  return fail(Code::malformed,
              "gguf: key 'split.tensors.count' says " + std::to_string(wanted) + " tensors, the parts hold " +
                  std::to_string(found),
              "split.tensors.count");
}

}  // namespace

Expected<GgufSplit> read_gguf_split(const Metadata& metadata) {
  GgufSplit split;
  HEED_ASSIGN(split.parts, metadata.integer("split.count", 1, 1, kMostParts));
  HEED_ASSIGN(split.part, metadata.integer("split.no", 0, 0, split.parts - 1));
  HEED_ASSIGN(split.tensors, metadata.integer("split.tensors.count", -1));
  return split;
}

Expected<std::string> gguf_part_path(const std::string& first, std::int64_t part, std::int64_t parts) {
  const std::string suffix = part_suffix(0, parts);
  if (!std::string_view(first).ends_with(suffix))
    return fail(Code::invalid_argument,
                "gguf: the first of " + std::to_string(parts) + " parts is named NAME" + suffix +
                    ", so that the others are found beside it; this file is not",
                first);
  return first.substr(0, first.size() - suffix.size()) + part_suffix(part, parts);
}

Expected<GgufFile> GgufFile::join(std::vector<GgufFile> parts) {
  if (parts.empty()) return fail(Code::invalid_argument, "gguf: a model has at least one part");
  const auto count = static_cast<std::int64_t>(parts.size());
  GgufFile model = std::move(parts.front());
  HEED_ASSIGN(const GgufSplit whole, read_gguf_split(model.metadata_));
  for (std::int64_t i = 0; i < count; ++i) {
    GgufFile* part = i == 0 ? &model : &parts[static_cast<std::size_t>(i)];
    HEED_ASSIGN(const GgufSplit split, read_gguf_split(part->metadata_));
    if (split.part != i || split.parts != count || split.tensors != whole.tensors)
      return fail(Code::malformed, "gguf: expected " + part_label(i, count) + " with " + std::to_string(whole.tensors) +
                                       " tensors in all, got " + part_label(split.part, split.parts) + " with " +
                                       std::to_string(split.tensors));
    if (i == 0) continue;
    for (NamedTensor& tensor : part->tensors_) model.tensors_.push_back(std::move(tensor));
    for (MappedFile& file : part->files_) model.files_.push_back(std::move(file));
    model.file_bytes_ += part->file_bytes_;
  }
  if (whole.tensors >= 0 && static_cast<std::size_t>(whole.tensors) != model.tensors_.size())
    return wrong_tensors(whole.tensors, model.tensors_.size());
  HEED_TRY(model.index_tensors());
  return model;
}

Expected<GgufFile> GgufFile::open(const std::string& path, FileLayer& files) {
  HEED_ASSIGN(GgufFile first, open_one(path, files));
  const auto named = [&path](Error error) {
    error.text = path + ": " + error.text;
    if (error.where.empty()) error.where = path;
    return error;
  };
  const auto split = read_gguf_split(first.metadata_);
  if (!split) return named(split.error());
  if (split->parts == 1) return first;
  if (split->part != 0)
    return named(fail(Code::invalid_argument, "gguf: this is " + part_label(split->part, split->parts) +
                                                  "; open the first, NAME" + part_suffix(0, split->parts)));
  std::vector<GgufFile> parts;
  parts.push_back(std::move(first));
  for (std::int64_t i = 1; i < split->parts; ++i) {
    const auto beside = gguf_part_path(path, i, split->parts);
    if (!beside) return named(beside.error());
    auto part = open_one(*beside, files);
    if (!part) {
      Error error = std::move(part).error();
      error.text = "gguf: " + part_label(i, split->parts) + ": " + error.text;
      return named(std::move(error));
    }
    parts.push_back(std::move(*part));
  }
  auto model = join(std::move(parts));
  if (!model) return named(std::move(model).error());
  return model;
}

}  // namespace heed
