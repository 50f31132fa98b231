// answer_text.h -- tokens to text that is certain: whole characters, no stop string, and which tokens it consists of.
#pragma once
#include <cstddef>
#include <vector>

#include "decode/stop.h"
#include "engine/engine.h"
#include "text/stream_decode.h"

namespace heed {

/// A token goes out with the text that completes it, tokens inside a stop string never do.
class AnswerText {
 public:
  AnswerText(const Tokenizer& tokenizer, StopMatcher matcher, TextPlace place = TextPlace::start)
      : decoder_(tokenizer, place), matcher_(std::move(matcher)) {}
  /// Adds what became certain to `out`.
  void push(SampledToken token, Delta& out);
  /// No more tokens: what was held back is certain.
  void finish(Delta& out);
  bool has_stopped() const noexcept { return matcher_.has_matched(); }
  /// Index of the stop string that did it, or -1.
  int stop_index() const noexcept { return matcher_.matched(); }

 private:
  struct Pending {
    SampledToken token;
    std::size_t begin = 0;  // bytes of text before the token
    std::size_t end = 0;    // bytes of text up to its end
    bool has_end = false;   // false: the character it belongs to is unfinished
  };
  void add(const std::string& text, Delta& out);
  void release(Delta& out);

  StreamDecoder decoder_;
  StopMatcher matcher_;
  std::vector<Pending> pending_;
  std::size_t decoded_bytes_ = 0, released_bytes_ = 0;
};

}  // namespace heed
