// filters.cc -- finds a filter by its name.
#include "text/jinja/filters.h"

namespace heed::jinja {

NativeFunction find_filter(std::string_view name) noexcept {
  for (const auto table : {text_filters(), number_filters(), sequence_filters(), order_filters()}) {
    if (const NativeFunction found = find_in(table.data(), table.size(), name); found != nullptr) return found;
  }
  return nullptr;
}

}  // namespace heed::jinja
