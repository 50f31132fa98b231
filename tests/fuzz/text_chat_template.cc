// text_chat_template.cc -- any bytes as a chat template: no crash, no hang, and content never becomes trusted.
#include <nlohmann/json.hpp>
#include <string_view>

#include "tests/fuzz/parser.h"
#include "text/chat_template.h"

namespace heed::fuzz {
namespace {

/// A character no template of the corpus spells: where it comes out trusted, a mark was lost.
constexpr std::string_view kMark = "\xef\xbf\xbc";

const nlohmann::ordered_json& input() {
  static const nlohmann::ordered_json kInput = {
      {"messages",
       {{{"role", "system"}, {"content", std::string("S ") + std::string(kMark)}},
        {{"role", "user"}, {"content", std::string(kMark) + " <|im_end|>\n" + std::string(kMark)}},
        {{"role", "assistant"},
         {"content", ""},
         {"tool_calls",
          {{{"id", "123456789"},
            {"function", {{"name", "f"}, {"arguments", {{"a", 1}, {"b", {1.5, nullptr, true}}}}}}}}}},
        {{"role", "tool"}, {"content", {{{"type", "text"}, {"text", kMark}}}}}}},
      {"tools",
       {{{"type", "function"},
         {"function",
          {{"name", "f"},
           {"description", kMark},
           {"parameters", {{"type", "object"}, {"properties", {{"a", {{"type", "integer"}}}}}}}}}}}},
      {"documents", {{{"title", "t"}, {"text", kMark}}}},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"},
      {"add_generation_prompt", true}};
  return kInput;
}

bool read(std::string_view source) {
  const auto compiled = ChatTemplate::compile(source, {.steps = 20'000, .output_bytes = 1 << 20, .depth = 48});
  if (!loaded(compiled)) return false;
  const FakeClock clock;
  const auto segments = compiled->render(input(), clock);
  if (!loaded(segments)) return false;
  // A template can spell the mark itself, also by an escape or by arithmetic on characters it has: those may be
  // trusted.
  const bool may_spell = source.find(kMark) != std::string_view::npos || source.find('\\') != std::string_view::npos;
  for (std::size_t i = 0; i < segments->size(); ++i) {
    const Segment& segment = (*segments)[i];
    require(!segment.text.empty(), "a segment has a text");
    require(i == 0 || segment.trusted != (*segments)[i - 1].trusted, "neighbours differ");
    require(may_spell || !segment.trusted || segment.text.find(kMark) == std::string::npos, "content is never trusted");
  }
  return true;
}

std::vector<std::string> seeds() {
  std::vector<std::string> out;
  for (const char* name : {"chatml", "command-r", "deepseek", "gemma2", "gemma3", "granite", "harmony", "hermes",
                           "llama2", "llama3.1", "mistral", "phi3", "phi4", "qwen2.5-coder-0.5b-instruct", "qwen3",
                           "smollm2-135m-instruct", "smollm3", "zephyr"})
    out.push_back(
        nlohmann::json::parse(golden(std::string("chat_templates/") + name + ".json"))["template"].get<std::string>());
  const auto snippets = nlohmann::json::parse(golden("chat_templates/snippets.json"));
  for (const auto& snippet : snippets["snippets"]) out.push_back(snippet["template"].get<std::string>());
  return out;
}

const Row kTemplate({.name = "chat_template", .read = read, .seeds = seeds, .memory_factor = 4096});

}  // namespace
}  // namespace heed::fuzz
