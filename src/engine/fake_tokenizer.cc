// fake_tokenizer.cc -- one token a byte; control tokens are parsed in trusted text only.
#include <array>

#include "engine/fake_model.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 6> kControls = {"<|im_start|>",   "<|im_end|>",     "<|endoftext|>",
                                                       "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"};

}  // namespace

FakeTokenizer::FakeTokenizer() {
  eos_ = im_end;
  ends_ = {im_end, end_of_text};
  fim_ = {fim_prefix, fim_suffix, fim_middle};
}

std::vector<std::int32_t> FakeTokenizer::encode(std::span<const Segment> segments, EncodeOptions) const {
  std::vector<std::int32_t> out;
  for (const Segment& segment : segments) {
    const std::string_view text = segment.text;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t control = kControls.size();
      for (std::size_t i = 0; segment.trusted && i < kControls.size(); ++i) {
        if (text.substr(at).starts_with(kControls[i])) control = i;
      }
      const bool is_byte = control == kControls.size();
      out.push_back(is_byte ? static_cast<unsigned char>(text[at]) : im_start + static_cast<std::int32_t>(control));
      at += is_byte ? 1 : kControls[control].size();
    }
  }
  return out;
}

std::string FakeTokenizer::token_bytes(std::int32_t token, bool show_control) const {
  if (token >= 0 && token < im_start) return std::string(1, static_cast<char>(token));
  const bool is_shown = show_control && token >= im_start && token < vocab;
  return is_shown ? std::string(kControls[static_cast<std::size_t>(token - im_start)]) : std::string();
}

std::string FakeTokenizer::decode(std::span<const std::int32_t> tokens, bool show_control, bool) const {
  std::string out;
  for (const std::int32_t token : tokens) out += token_bytes(token, show_control);
  return out;
}

TokenKind FakeTokenizer::kind(std::int32_t token) const noexcept {
  if (token < 0 || token >= vocab) return TokenKind::unused;
  return token < im_start ? TokenKind::normal : TokenKind::control;
}

std::int32_t FakeTokenizer::find(std::string_view spelled) const noexcept {
  if (spelled.size() == 1) return static_cast<unsigned char>(spelled[0]);
  for (std::size_t i = 0; i < kControls.size(); ++i) {
    if (spelled == kControls[i]) return im_start + static_cast<std::int32_t>(i);
  }
  return -1;
}

}  // namespace heed
