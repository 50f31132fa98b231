// normalizer.h -- the normalizer of tokenizer.json: what happens to a text before it is cut.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/expected.h"
#include "text/growth_bound.h"
#include "text/json_fields.h"

namespace heed {

class Normalizer {
 public:
  /// A text on its way.
  struct Text {
    std::string bytes;        // valid UTF-8
    bool keeps_start = true;  // what it begins with stands for what the text began with: nothing was cut off there
  };
  using Step = std::function<void(Text&)>;

  Normalizer() = default;
  /// "normalizer" of the file, null for none. Errors name the part: malformed, or unsupported for a type that is not
  /// known.
  static Expected<Normalizer> read(const JsonPart& part);

  void apply(Text& text) const {
    const GrowthBound bound(text.bytes.size());
    for (const Step& step : steps_)
      if (bound.holds(text.bytes.size())) step(text);
  }
  bool is_empty() const noexcept { return steps_.empty(); }

 private:
  Expected<void> add(const JsonPart& part);  // as deep as the file, which is bounded

  std::vector<Step> steps_;
};

}  // namespace heed
