// weight_pack.cc -- a pack is a head of text, which tells model, version and every part, and then the parts.
//
// Nothing in a pack is parsed: the head must be, byte for byte, what this build would write for this model file, and
// from that follows where every part lies.
#include "model/weight_pack.h"

#include <algorithm>
#include <cstring>

#include "core/digest.h"
#include "model/recode.h"

namespace heed {
namespace {

constexpr std::int64_t kRoomBytes = std::int64_t{8} << 20;  // packed and written at a time

constexpr std::int64_t kFloatBytes = sizeof(float);

struct PackPlan {
  std::string head;                   // padded with zeros
  std::vector<std::int64_t> offsets;  // [parts]
  std::int64_t bytes = 0;
};

std::int64_t aligned(std::int64_t bytes) {
  constexpr auto kAlignment = static_cast<std::int64_t>(kPackAlignment);
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

template <class T>
T* target_of(const WeightPart& part) {
  auto* const* target = std::get_if<T*>(&part.slot.target);
  return target ? *target : nullptr;
}

/// Bytes of one part without padding; views of the model file take none.
Expected<std::int64_t> part_bytes(const WeightPart& part) {
  if (target_of<Vector>(part)) return part.tensor.rows() * part.tensor.cols() * kFloatBytes;
  if (!target_of<PackedMatrix>(part)) return std::int64_t{0};
  HEED_ASSIGN(const PackLayout layout, PackLayout::of(part.tensor));
  return layout.bytes();
}

Expected<PackPlan> plan_pack(std::span<const WeightPart> parts, const std::string& name) {
  PackPlan plan;
  plan.head = "heed pack of weights, " + name + "\n";
  for (const WeightPart& part : parts) {
    HEED_ASSIGN(const std::int64_t bytes, part_bytes(part));
    plan.offsets.push_back(plan.bytes);
    plan.bytes += aligned(bytes);
    plan.head += part.slot.name + " " + std::string(info(part.tensor.dtype).name) + " " +
                 std::to_string(part.tensor.rows()) + " " + std::to_string(part.tensor.cols()) + " " +
                 std::to_string(bytes) + "\n";
  }
  plan.head.resize(static_cast<std::size_t>(aligned(static_cast<std::int64_t>(plan.head.size()))));
  for (std::int64_t& offset : plan.offsets) offset += static_cast<std::int64_t>(plan.head.size());
  plan.bytes += static_cast<std::int64_t>(plan.head.size());
  return plan;
}

/// Writes the parts one after another, a few MiB at a time.
class PackWriter {
 public:
  PackWriter(const ModelFile& file, Exec& exec, const LoadWeightsOptions& options, OutputFile& out)
      : file_(file), exec_(exec), options_(options), out_(out) {}

  Expected<void> write(std::span<const WeightPart> parts, const PackPlan& plan) {
    std::int64_t done = 0, total = 0;
    for (const WeightPart& part : parts) total += part.tensor.bytes();
    HEED_TRY(out_.write(std::as_bytes(std::span(plan.head))));
    for (const WeightPart& part : parts) {
      if (target_of<Vector>(part)) HEED_TRY(write_vector(part));
      if (target_of<PackedMatrix>(part)) HEED_TRY(write_matrix(part));
      done += part.tensor.bytes();
      if (options_.progress && !options_.progress(done, total)) return fail(Code::cancelled, "load: cancelled");
    }
    return {};
  }

 private:
  Expected<void> write_vector(const WeightPart& part) {
    Vector floats;
    HEED_TRY(read_vector(part, floats));
    const auto bytes = static_cast<std::int64_t>(floats.size()) * kFloatBytes;
    floats.resize(static_cast<std::size_t>(aligned(bytes) / kFloatBytes));
    return out_.write(std::as_bytes(std::span(floats)));
  }

  Expected<void> write_matrix(const WeightPart& part) {
    Tensor w = part.tensor;
    Buffer turned;
    if (part.slot.turned_heads > 0) {
      HEED_ASSIGN(turned, turn_heads(part.whole, exec_.pool));
      w.data = turned.data();
      file_.drop_pages(part.whole);
    }
    HEED_ASSIGN(const PackLayout layout, PackLayout::of(w));
    const std::int64_t step = std::max<std::int64_t>(kRoomBytes / layout.panel_bytes, 1);
    const auto room_bytes = static_cast<std::size_t>(std::min(step, layout.panels) * layout.panel_bytes);
    if (room_.size() < room_bytes) {
      HEED_ASSIGN(room_, Buffer::make(room_bytes));
    }
    for (std::int64_t first = 0; first < layout.panels; first += step) {
      const std::int64_t panels = std::min(step, layout.panels - first), row = first * PackLayout::kPanelRows;
      pack_panels(w, first, panels, room_.data(), exec_);
      file_.drop_pages(w.row_range(row, std::min(panels * PackLayout::kPanelRows, w.rows() - row)));
      HEED_TRY(out_.write({room_.data(), static_cast<std::size_t>(panels * layout.panel_bytes)}));
    }
    return {};
  }

  const ModelFile& file_;
  Exec& exec_;
  const LoadWeightsOptions& options_;
  OutputFile& out_;
  Buffer room_;
};

Expected<void> fill_from(const WeightPart& part, std::span<const std::byte> bytes) {
  if (Tensor* view = target_of<Tensor>(part)) *view = part.tensor;
  if (PackedMatrix* matrix = target_of<PackedMatrix>(part)) {
    HEED_ASSIGN(*matrix, PackedMatrix::view(part.tensor, bytes));
  }
  if (Vector* vector = target_of<Vector>(part)) {
    vector->resize(bytes.size() / sizeof(float));
    std::memcpy(vector->data(), bytes.data(), bytes.size());
  }
  return {};
}

bool is_pack_of_version(const std::string& name) {
  return name.starts_with("v" + std::to_string(kPackVersion) + "-") && name.ends_with(".pack");
}

struct OpenPack {
  PackPlan plan;
  CachedFile file;
};

CachedFileMaker maker_of(const PackPlan& plan, const std::function<Expected<void>(OutputFile&)>& write) {
  const auto is_fit = [&plan](std::span<const std::byte> content) {
    return std::memcmp(content.data(), plan.head.data(), plan.head.size()) == 0;
  };
  return {.bytes = plan.bytes, .is_fit = is_fit, .write = write};
}

/// By the note of an earlier start, when the model file has not changed since.
Expected<OpenPack> open_noted(std::span<const WeightPart> parts, const ModelFile& file, Exec& exec, FileCache& packs) {
  const auto name = packs.noted(file.mapped().identity());
  if (!name || !is_pack_of_version(*name)) return fail(Code::not_found, "pack: nothing is noted");
  OpenPack out;
  HEED_ASSIGN(out.plan, plan_pack(parts, *name));
  HEED_ASSIGN(out.file, packs.open(*name, maker_of(out.plan, {}), exec.pool));
  return out;
}

/// By all the bytes of the model file.
Expected<OpenPack> open_or_make(std::span<const WeightPart> parts, const ModelFile& file, Exec& exec,
                                const LoadWeightsOptions& options) {
  HEED_ASSIGN(const std::string digest, tree_sha256(file.mapped(), exec.pool));
  const std::string name = "v" + std::to_string(kPackVersion) + "-" + digest + ".pack";
  OpenPack out;
  HEED_ASSIGN(out.plan, plan_pack(parts, name));
  const auto write = [&](OutputFile& to) { return PackWriter(file, exec, options, to).write(parts, out.plan); };
  HEED_ASSIGN(out.file, options.packs->open_or_make(name, maker_of(out.plan, write), exec.pool));
  options.packs->note(file.mapped().identity(), name);
  return out;
}

}  // namespace

Expected<MappedFile> map_weights(std::span<const WeightPart> parts, const ModelFile& file, Exec& exec,
                                 const LoadWeightsOptions& options) {
  auto pack = open_noted(parts, file, exec, *options.packs);
  if (!pack) pack = open_or_make(parts, file, exec, options);
  if (!pack) return std::move(pack).error();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    HEED_ASSIGN(const std::int64_t bytes, part_bytes(parts[i]));
    const auto offset = static_cast<std::size_t>(pack->plan.offsets[i]);
    HEED_TRY(fill_from(parts[i], pack->file.content.subspan(offset, static_cast<std::size_t>(bytes))));
  }
  return std::move(pack->file.file);
}

}  // namespace heed
