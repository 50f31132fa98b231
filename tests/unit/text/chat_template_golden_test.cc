// chat_template_golden_test.cc -- replays tests/golden/chat_templates: every outcome as Python's jinja2 gave it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "text/chat_template.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;
const std::filesystem::path kGoldens = std::filesystem::path(HEED_SOURCE_DIR) / "tests/golden/chat_templates";

/// tools/compare_templates.py has others.
std::filesystem::path families() {
  const char* elsewhere = std::getenv("HEED_CHAT_TEMPLATE_GOLDENS");
  return elsewhere ? std::filesystem::path(elsewhere) : kGoldens;
}

Json read(const std::filesystem::path& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return Json::parse(file);
}

/// As the golden spells it: the text, or the message of raise_exception, or merely that it failed.
struct Outcome {
  std::string kind;
  std::string text;
};

Outcome outcome(const std::string& source, const Json& input) {
  const auto compiled = ChatTemplate::compile(source);
  if (!compiled) return {"fails", compiled.error().text};
  const auto segments = compiled->render(input, FakeClock());
  if (!segments) return {"fails", segments.error().text};
  std::string text;
  for (const Segment& segment : *segments) text += segment.text;
  return {"expected", text};
}

void expect_golden(const Json& golden, const std::string& source, const Json& input, const std::string& label) {
  const Outcome got = outcome(source, input);
  if (golden.contains("raises")) {
    EXPECT_EQ(got.kind, "fails") << label << got.text;
    EXPECT_EQ(got.text, golden["raises"].get<std::string>()) << label;
  } else if (golden.contains("fails")) {
    EXPECT_EQ(got.kind, "fails") << label << "\n got: " << got.text << "\n want failure: " << golden["fails"];
  } else {
    EXPECT_EQ(got.kind, "expected") << label << got.text;
    EXPECT_EQ(got.text, golden["expected"].get<std::string>()) << label;
  }
}

TEST(ChatTemplateGolden, Families) {
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(families())) {
    if (entry.path().stem() == "snippets") continue;
    const Json golden = read(entry.path());
    for (const Json& one : golden["cases"]) {
      const std::string label =
          "\ncase: " + entry.path().stem().string() + ": " + one["name"].get<std::string>() + "\n";
      expect_golden(one, golden["template"].get<std::string>(), one["input"], label);
      ++cases;
    }
  }
  EXPECT_GT(cases, families() == kGoldens ? 300U : 0U);
}

TEST(ChatTemplateGolden, Snippets) {
  const Json golden = read(kGoldens / "snippets.json");
  for (const Json& one : golden["snippets"]) {
    const std::string source = one["template"].get<std::string>();
    expect_golden(one, source, golden["input"], source + "\n");
  }
  EXPECT_GT(golden["snippets"].size(), 400U);
}

// Trusted text must stay where it is and the marks must not change what is rendered.
TEST(ChatTemplateGolden, NeighboursDiffer) {
  const Json golden = read(kGoldens / "qwen3.json");
  const auto compiled = ChatTemplate::compile(golden["template"].get<std::string>());
  ASSERT_TRUE(compiled) << compiled.error().text;
  for (const Json& one : golden["cases"]) {
    const auto segments = compiled->render(one["input"], FakeClock());
    if (!segments) continue;
    for (std::size_t i = 0; i < segments->size(); ++i) {
      EXPECT_FALSE((*segments)[i].text.empty());
      EXPECT_TRUE(i == 0 || (*segments)[i].trusted != (*segments)[i - 1].trusted);
    }
  }
}

}  // namespace
}  // namespace heed
