// hf_families.h -- how model hubs name things, as data: keys of config.json, names of tensors, one row a model_type.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace heed {

enum class HfValue : std::uint8_t { integer, real, rsqrt };

/// A key of config.json and the GGUF key, without its architecture, that says the same.
struct HfKey {
  std::string_view from, to;
  HfValue value = HfValue::integer;
};

/// A tensor's name with {i} for the layer and {e} for the expert, and GGUF's, without ".weight" and ".bias". Empty: no
/// part of the model that heed runs.
struct HfName {
  std::string_view from, to;
};

/// What a key of config.json must be where it is there; heed would compute something else.
struct HfFact {
  std::string_view key, value;  // value: as JSON
};

struct HfFamily {
  std::string_view model_type, architecture;
  std::span<const HfName> names;      // looked up before the common ones
  bool turns_neighbours = false;      // GGUF wants q and k with RoPE's pairs side by side
  float norm_add = 0.0f;              // what the kept norm weights lack
  std::string_view prefix = {};       // of the names of classes that wrap the model
  std::int64_t unused_positions = 0;  // learned, ahead of a text's first one
  std::span<const HfFact> facts = {};
  std::int64_t period = 0,
               global = 0;  // > 0: of `period` layers the one at `global` sees everything, the others a window
};

/// nullptr: no such row.
const HfFamily* hf_family(std::string_view model_type) noexcept;
std::span<const HfFamily> hf_families() noexcept;
std::span<const HfKey> hf_keys() noexcept;

struct HfPlace {
  std::string name;          // GGUF's; empty: of no use
  std::int64_t expert = -1;  // which part of a stack it is; -1: it is the whole tensor
};

/// Where a tensor belongs; none: nothing is known of it, so that it keeps its name.
std::optional<HfPlace> hf_place(const HfFamily& family, std::string_view name);

}  // namespace heed
