// answer_text.cc -- byte positions tie tokens to the text that left the stop matcher.
#include "engine/answer_text.h"

#include <algorithm>

namespace heed {

void AnswerText::push(SampledToken token, Delta& out) {
  const std::string text = decoder_.push(token.token);
  pending_.push_back({std::move(token), decoded_bytes_, 0, false});
  add(text, out);
}

void AnswerText::add(const std::string& text, Delta& out) {
  if (text.empty()) return;
  decoded_bytes_ += text.size();
  for (Pending& p : pending_) {
    if (!p.has_end) p.end = decoded_bytes_;
    p.has_end = true;
  }
  const std::string certain = matcher_.push(text);
  released_bytes_ += certain.size();
  out.text += certain;
  release(out);
}

void AnswerText::release(Delta& out) {
  const auto is_open = [&](const Pending& p) {
    // After a stop string, a token counts when any of its text came before it.
    return has_stopped() ? p.begin >= released_bytes_ : !p.has_end || p.end > released_bytes_;
  };
  const auto first_open = std::find_if(pending_.begin(), pending_.end(), is_open);
  for (auto p = pending_.begin(); p != first_open; ++p) out.tokens.push_back(std::move(p->token));
  pending_.erase(pending_.begin(), has_stopped() ? pending_.end() : first_open);
}

void AnswerText::finish(Delta& out) {
  add(decoder_.finish(), out);
  if (has_stopped()) return;
  const std::string rest = matcher_.finish();
  released_bytes_ += rest.size();
  out.text += rest;
  for (Pending& p : pending_) out.tokens.push_back(std::move(p.token));
  pending_.clear();
}

}  // namespace heed
