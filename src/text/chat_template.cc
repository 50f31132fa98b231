// chat_template.cc -- compiles a template once, renders it under limits, keeps who wrote what.
#include "text/chat_template.h"

#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "text/jinja/input_values.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/parser.h"

namespace heed {
namespace {

constexpr std::size_t kMaxSourceBytes = std::size_t{512} << 10;  // the longest known templates have about 30 KiB

std::vector<Segment> segments_of(const jinja::Text& text) {
  std::vector<Segment> segments;
  std::size_t from = 0;
  for (const jinja::Run& run : text.runs) {
    segments.push_back({text.bytes.substr(from, run.end - from), run.trusted});
    from = run.end;
  }
  return segments;
}

/// The libraries below may throw; nothing above is to see that.
template <class F>
auto guarded(const char* operation, F function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return fail(Code::out_of_memory, std::string("chat template: ") + operation + ": out of memory");
  } catch (const std::exception& exception) {
    return fail(Code::internal, std::string("chat template: ") + operation + ": " + exception.what());
  }
}

}  // namespace

struct ChatTemplate::Program {
  jinja::Program parsed;
  ChatTemplateLimits limits;
};

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program_(std::move(program)) {}
ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

Expected<ChatTemplate> ChatTemplate::compile(std::string_view source, ChatTemplateLimits limits) {
  if (source.size() > kMaxSourceBytes) {
    return fail(Code::too_long,
                "chat template: expected at most 512 KiB of source, got " + std::to_string(source.size()) + " bytes");
  }
  return guarded("compile", [&]() -> Expected<ChatTemplate> {
    HEED_ASSIGN(jinja::Program parsed, jinja::parse(source, limits.depth));
    return ChatTemplate(std::unique_ptr<Program>(new Program{std::move(parsed), limits}));
  });
}

Expected<std::vector<Segment>> ChatTemplate::render(const nlohmann::ordered_json& input, const Clock& clock) const {
  if (!input.is_object()) {
    return fail(Code::invalid_argument,
                "chat template: expected an object of variables, got " + std::string(input.type_name()), "input");
  }
  return guarded("render", [&]() -> Expected<std::vector<Segment>> {
    const ChatTemplateLimits& limits = program_->limits;
    jinja::Runtime runtime{.budget{limits.steps, limits.output_bytes}, .clock = clock, .spaces = {}};
    jinja::Interpreter interpreter(program_->parsed, runtime, limits.depth);
    for (const auto& [name, value] : input.items()) {
      std::uint32_t id = 0;
      if (!program_->parsed.names.find(name, id)) continue;
      HEED_ASSIGN(jinja::Value converted, jinja::input_value(value, jinja::author_of(name)));
      interpreter.set_variable(id, std::move(converted));
    }
    HEED_ASSIGN(const jinja::TextPtr text, interpreter.run());
    return segments_of(*text);
  });
}

}  // namespace heed
