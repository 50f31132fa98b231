// arguments.cc -- binding of positional and named arguments.
#include <algorithm>

#include "text/jinja/runtime.h"

namespace heed::jinja {

Expected<Arguments> Arguments::bind(const Call& call, std::initializer_list<std::string_view> names,
                                    std::size_t required) {
  const std::string where = "chat template: " + std::string(call.name) + "(): ";
  if (call.arguments.size() > names.size()) {
    return fail(Code::invalid_argument, where + "expected at most " + std::to_string(names.size()) +
                                            " arguments, got " + std::to_string(call.arguments.size()));
  }
  Arguments bound;
  bound.values_.resize(names.size());
  for (std::size_t i = 0; i < call.arguments.size(); ++i) bound.values_[i] = &call.arguments[i];
  for (const auto& [name, value] : call.named) {
    const auto place = std::find(names.begin(), names.end(), name);
    if (place == names.end()) {
      return fail(Code::invalid_argument, where + "got an unexpected keyword argument '" + name + "'");
    }
    const Value*& slot = bound.values_[static_cast<std::size_t>(place - names.begin())];
    if (slot != nullptr) return fail(Code::invalid_argument, where + "got multiple values for argument '" + name + "'");
    slot = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (bound.has(i)) continue;
    return fail(Code::invalid_argument, where + "missing argument '" + std::string(names.begin()[i]) + "'");
  }
  return bound;
}

Expected<std::int64_t> Arguments::integer(std::size_t index, std::int64_t otherwise) const {
  if (!has(index)) return otherwise;
  if (!at(index)->is_whole()) {
    return type_error("expected an integer argument, got '" + std::string(type_name(*at(index))) + "'");
  }
  return at(index)->whole();
}

Expected<TextPtr> Arguments::text(Budget& budget, std::size_t index, std::string_view otherwise) const {
  if (!has(index)) return made_text(budget, otherwise, true);
  return to_text(budget, *at(index));
}

NativeFunction find_in(const NamedFunction* table, std::size_t count, std::string_view name) noexcept {
  const auto* found =
      std::find_if(table, table + count, [&](const NamedFunction& entry) { return entry.name == name; });
  return found == table + count ? nullptr : found->function;
}

}  // namespace heed::jinja
