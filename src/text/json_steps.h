// json_steps.h -- parts of tokenizer.json that are lists of steps: one reader a type, and sequences of them.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/growth_bound.h"
#include "text/json_fields.h"

namespace heed {

/// The "type" of a step, and what reads it.
template <class Step>
using StepReader = std::pair<std::string_view, Expected<Step> (*)(const JsonPart&)>;

template <class Step>
struct StepKind {
  const char* name;      // for errors
  const char* sequence;  // the field of a Sequence that lists its steps
  std::span<const StepReader<Step>> readers;
};

/// Appends the part's step, or those of a Sequence, nested or not. Errors: unsupported (unknown type), malformed.
template <class Step>
Expected<void> add_steps(const JsonPart& part, const StepKind<Step>& kind, std::vector<Step>& steps) {
  HEED_ASSIGN(const std::string type, part.need_text("type"));
  if (type == "Sequence") {
    HEED_ASSIGN(const std::vector<JsonPart> parts, part.parts(kind.sequence));
    for (const JsonPart& inner : parts) HEED_TRY(add_steps(inner, kind, steps));
    return {};
  }
  for (const auto& [name, reader] : kind.readers) {
    if (name != type) continue;
    HEED_ASSIGN(Step step, reader(part));
    if (steps.size() == kMostSteps) return part.malformed("expected at most " + std::to_string(kMostSteps) + " steps");
    steps.push_back(std::move(step));
    return {};
  }
  return part.unsupported(std::string("expected a ") + kind.name + " that heed knows, got " + type);
}

}  // namespace heed
