// chat_template.h -- the model file's own chat template (Jinja), run in a sandbox with step, memory and depth limits.
#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/expected.h"
#include "text/tokenizer.h"

namespace heed {

struct ChatTemplateLimits {
  std::int64_t steps = 2'000'000;
  std::int64_t output_bytes = std::int64_t{16} << 20;
  std::int32_t depth = 64;
};

class ChatTemplate {
 public:
  /// Errors carry line and column of the template.
  static Expected<ChatTemplate> compile(std::string_view source, ChatTemplateLimits limits = {});
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// `input` is an object: messages (array of {role, content, ...}), tools (array, optional), bos_token, eos_token and
  /// any template variable. add_generation_prompt is set by the caller. Strings that come from `input["messages"]`
  /// and `input["tools"]` stay untrusted through every filter and concatenation; template text, and strings of the
  /// other keys, are trusted. raise_exception in the template -> invalid_argument with its text. strftime_now uses
  /// `clock`.
  Expected<std::vector<Segment>> render(const nlohmann::ordered_json& input, const Clock& clock = system_clock()) const;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace heed
