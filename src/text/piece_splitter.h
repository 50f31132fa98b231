// piece_splitter.h -- the pre-tokenizer of tokenizer.json: cuts a text into the pieces that the model sees.
#pragma once
#include <functional>
#include <vector>

#include "core/expected.h"
#include "text/growth_bound.h"
#include "text/json_fields.h"
#include "text/piece_list.h"

namespace heed {

class PieceSplitter {
 public:
  using Step = std::function<void(PieceList&)>;

  PieceSplitter() = default;
  /// "pre_tokenizer" of the file, null for none. Errors name the part: malformed, or unsupported for a type that is
  /// not known.
  static Expected<PieceSplitter> read(const JsonPart& part);

  void apply(PieceList& list) const {
    const GrowthBound bound(list.text.size());
    for (const Step& step : steps_)
      if (bound.holds(list.text.size())) step(list);
  }

 private:
  Expected<void> add(const JsonPart& part);  // as deep as the file, which is bounded

  std::vector<Step> steps_;
};

}  // namespace heed
