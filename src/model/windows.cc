// windows.cc -- which layers of a stack see a window of the text, as files say it.
#include "model/family.h"

namespace heed {

Expected<void> read_windows(const Metadata& m, std::string_view family, std::int32_t period, ModelSpec& spec) {
  const std::string key = std::string(family) + ".attention.sliding_window", pattern = key + "_pattern";
  HEED_ASSIGN(const std::int64_t window, m.integer(key, 0, 0, 1 << 30));
  const auto* each = m.integers(pattern);
  if (each && each->size() < spec.blocks.size())
    return fail(Code::malformed,
                "model: sliding_window_pattern lists " + std::to_string(each->size()) + " layers of " +
                    std::to_string(spec.blocks.size()),
                pattern);
  for (std::size_t i = 0; i < spec.blocks.size(); ++i) {
    const auto n = static_cast<std::size_t>(period);
    const bool is_local = each ? (*each)[i] != 0 : i % n != n - 1;
    spec.blocks[i].attention.mask.window = is_local ? static_cast<std::int32_t>(window) : 0;
  }
  return {};
}

}  // namespace heed
