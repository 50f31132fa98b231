// filters.h -- the tables of filters, one a file.
#pragma once
#include <span>

#include "text/jinja/runtime.h"

namespace heed::jinja {

std::span<const NamedFunction> text_filters() noexcept;
std::span<const NamedFunction> number_filters() noexcept;
std::span<const NamedFunction> sequence_filters() noexcept;
std::span<const NamedFunction> order_filters() noexcept;

/// Lower case for texts, everything else unchanged: how Jinja compares without case.
Expected<Value> without_case(Runtime& runtime, const Value& value);

}  // namespace heed::jinja
