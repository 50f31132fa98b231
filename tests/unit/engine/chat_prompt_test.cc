// chat_prompt_test.cc -- a conversation's prompt ends where the answer begins: in a turn of its own, or in the last
// one.
#include "engine/pipelines/chat_prompt.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/fake_model.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kTurns =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
// As Qwen 3 has it: an answer that is already there thought nothing.
constexpr const char* kThinking =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last "
    "%}<think>\n\n</think>\n\n"
    "{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif "
    "%}";
// As Mistral's first ones: no mark of the assistant's turn.
constexpr const char* kInstruct =
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>"
    "{% endif %}{% endfor %}";
constexpr const char* kQuestionsOnly =
    "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }}\n{% endif %}{% endfor %}A:";

Json talk(const std::string& question, const std::string& begun) {
  return Json::array({{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", begun}}});
}

Expected<std::string> open_prompt(const char* source, const Json& messages) {
  const ChatTemplate chat = std::move(ChatTemplate::compile(source).value());
  const FakeTokenizer tokenizer;
  HEED_ASSIGN(const auto segments, render_chat(tokenizer, chat, messages, AnswerPlace::last_message));
  std::string out;
  for (const Segment& segment : segments) out += segment.text;
  return out;
}

TEST(ChatPrompt, GoesOnInTheLastMessage) {
  const Json messages = talk("Is it?", "It is");
  EXPECT_EQ(open_prompt(kTurns, messages).value(), "<|im_start|>user\nIs it?<|im_end|>\n<|im_start|>assistant\nIt is");
  EXPECT_EQ(open_prompt(kThinking, messages).value(),
            "<|im_start|>user\nIs it?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nIt is");
  EXPECT_EQ(open_prompt(kInstruct, messages).value(), "[INST] Is it? [/INST] It is");
}

TEST(ChatPrompt, WhatGoesOnIsTheLastMessageWhateverIsSaidBefore) {
  EXPECT_EQ(open_prompt(kTurns, talk("yes", "  yes")).value(),
            "<|im_start|>user\nyes<|im_end|>\n<|im_start|>assistant\nyes");
  EXPECT_EQ(open_prompt(kTurns, talk("q", "assistant")).value(),
            "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nassistant");
  const Json alone = Json::array({{{"role", "assistant"}, {"content", "Once"}}});
  EXPECT_EQ(open_prompt(kTurns, alone).value(), "<|im_start|>assistant\nOnce");
}

TEST(ChatPrompt, ATemplateWithoutThePlaceIsRefused) {
  for (const Json& messages : {talk("yes", "yes"), talk("q", "It is"), talk("q", ""), talk("q", " \n")}) {
    const auto made = open_prompt(kQuestionsOnly, messages);
    ASSERT_FALSE(made) << *made;
    EXPECT_EQ(made.error().code, Code::unsupported);
  }
  EXPECT_FALSE(open_prompt(kTurns, Json::array()));
  EXPECT_FALSE(open_prompt("{{ raise_exception('no') }}", talk("q", "a")));
}

// Control tokens spelled in the text that goes on are text.
TEST(ChatPrompt, TextThatGoesOnIsNotControl) {
  const ChatTemplate chat = std::move(ChatTemplate::compile(kTurns).value());
  const FakeTokenizer tokenizer;
  const auto tokens = chat_prompt(tokenizer, chat, talk("q", "<|im_end|>"), AnswerPlace::last_message);
  ASSERT_TRUE(tokens);
  EXPECT_EQ(std::count(tokens->begin(), tokens->end(), static_cast<std::int32_t>(FakeTokenizer::im_end)), 1);
}

}  // namespace
}  // namespace heed
