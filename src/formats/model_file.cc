// model_file.cc -- look-up by name, and which reader a file is for.
#include "formats/model_file.h"

#include <algorithm>
#include <type_traits>

#include "formats/byte_reader.h"
#include "formats/gguf.h"
#include "formats/hf_model.h"
#include "formats/llama2c.h"
#include "formats/onnx_t5.h"

namespace heed {

Expected<void> ModelFile::index_tensors() {
  index_.clear();
  index_.reserve(tensors_.size());
  for (std::size_t i = 0; i < tensors_.size(); ++i) index_.emplace_back(tensors_[i].name, i);
  std::sort(index_.begin(), index_.end());
  const auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
  const auto twin = std::adjacent_find(index_.begin(), index_.end(), same);
  if (twin == index_.end()) return {};
  return fail(Code::malformed, format_ + ": tensor name '" + printable(twin->first) + "' appears twice",
              std::string(twin->first));
}

const Tensor* ModelFile::find(std::string_view name) const noexcept {
  const auto before = [](const auto& entry, std::string_view wanted) { return entry.first < wanted; };
  const auto it = std::lower_bound(index_.begin(), index_.end(), name, before);
  return it == index_.end() || it->first != name ? nullptr : &tensors_[it->second].tensor;
}

const TensorSource* ModelFile::source(std::string_view name) const noexcept {
  const auto it = sources_.find(name);
  return it == sources_.end() ? nullptr : &it->second;
}

void ModelFile::replace(std::string_view name, DType type, Buffer data) {
  const auto before = [](const auto& entry, std::string_view wanted) { return entry.first < wanted; };
  const auto it = std::lower_bound(index_.begin(), index_.end(), name, before);
  Tensor& tensor = tensors_[it->second].tensor;
  tensor.dtype = type;
  tensor.data = data.data();
  replaced_.push_back(std::move(data));
  is_changed_ = true;
  if (const auto source = sources_.find(name); source != sources_.end()) sources_.erase(source);
}

void ModelFile::release_replaced(std::span<const Tensor> kept) noexcept {
  const auto is_freed = [&](const Buffer& buffer) {
    return std::none_of(kept.begin(), kept.end(), [&](const Tensor& t) { return t.data == buffer.data(); });
  };
  for (NamedTensor& named : tensors_)
    for (const Buffer& buffer : replaced_)
      if (named.tensor.data == buffer.data() && is_freed(buffer)) named.tensor.data = nullptr;
  std::erase_if(replaced_, is_freed);
}

void ModelFile::drop_pages(const Tensor& tensor) const noexcept {
  if (!tensor) return;
  for (const MappedFile& file : files_) {
    const std::span<const std::byte> bytes = file.bytes();
    if (bytes.empty() || tensor.data < bytes.data() || tensor.data >= bytes.data() + bytes.size()) continue;
    return file.drop_pages({tensor.data, static_cast<std::size_t>(tensor.bytes())});
  }
}

void ModelFile::drop_pages() const noexcept {
  for (const MappedFile& file : files_) file.drop_pages(file.bytes());
}

const MappedFile& ModelFile::mapped() const noexcept {
  static const MappedFile none;
  return files_.size() == 1 && !is_changed_ ? files_.front() : none;
}

Expected<std::unique_ptr<ModelFile>> open_model_file(const std::string& path, FileLayer& files) {
  const auto held = [](auto file) -> Expected<std::unique_ptr<ModelFile>> {
    if (!file) return std::move(file).error();
    return std::unique_ptr<ModelFile>(std::make_unique<std::remove_reference_t<decltype(*file)>>(std::move(*file)));
  };
  if (is_hf_model(path, files)) return held(HfModel::open(path, files));
  if (is_onnx_t5(path, files)) return held(OnnxT5::open(path, files));
  HEED_ASSIGN(const MappedFile file, files.map(path));
  if (is_llama2c(file.bytes())) return held(Llama2cFile::open(path, files));
  return held(GgufFile::open(path, files));
}

}  // namespace heed
