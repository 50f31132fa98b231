// input_values.h -- JSON input to values, marked with its author.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "text/jinja/value.h"

namespace heed::jinja {

enum class Author : std::uint8_t { program, user };

/// Messages, tools and documents come from users; the other variables from the program.
Author author_of(std::string_view variable) noexcept;

/// Fails for values nested deeper than kMaxValueDepth. Costs no budget: the caller has bounded the input.
Expected<Value> input_value(const nlohmann::ordered_json& json, Author author);

}  // namespace heed::jinja
