// bench_policies.cc -- what a lossy attention policy costs in quality, next to what it gains in speed.
//
// One prompt a length: a chat message of running text with five facts ("needles") hidden at tenths 1, 3, 5, 7 and 9 of
// it; its last 256 tokens of text are scored (perplexity), then each fact is asked for. A second prompt says three
// facts in the first turns of a conversation whose later turns are text, and asks for them at the end. An answer counts
// when it contains the number. All answers are greedy; every policy gets the same tokens.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/bench.h"
#include "apps/model_path.h"
#include "core/file.h"
#include "engine/pipelines/chat_prompt.h"

namespace heed {
namespace {

using Json = nlohmann::ordered_json;
using Tokens = std::vector<std::int32_t>;

constexpr std::int32_t kScored = 256, kAnswer = 16, kSpeed = 32;

struct Fact {
  const char* name;
  const char* number;
};
constexpr std::array<Fact, 5> kNeedles = {{{"lighthouse", "48213"},
                                           {"orchard", "90577"},
                                           {"windmill", "13864"},
                                           {"observatory", "72945"},
                                           {"shipyard", "36108"}}};
constexpr std::array<Fact, 3> kTurns = {{{"red folder", "5521"}, {"green folder", "8307"}, {"white folder", "1946"}}};

struct Sheet {
  std::string policy;
  std::int32_t tokens = 0;
  double loss = 0;
  int needles = 0, turns = 0;
  double prefill_rate = 0, decode_rate = 0;
};

std::string sentence(const Fact& f) {
  return std::string("The secret number of the ") + f.name + " is " + f.number + ".";
}
std::string question(const Fact& f) {
  return std::string("What is the secret number of the ") + f.name + "? Answer with the number only.";
}

/// A model, one policy, and prompts that share a beginning.
class Examiner {
 public:
  Examiner(LanguageModel& model, const ChatTemplate& chat, const AttentionPolicy& policy)
      : model_(model), chat_(chat), policy_(policy), vocab_(static_cast<std::size_t>(model.vocab_size())) {}

  Expected<Tokens> prompt(const Json& messages) const { return chat_prompt(model_.tokenizer(), chat_, messages); }

  /// Feeds the common beginning of the prompts; scores the last `scored` tokens of it.
  Expected<std::unique_ptr<ModelState>> begin(std::span<const std::int32_t> tokens, std::int32_t scored, Sheet& sheet) {
    auto state = model_.new_state(policy_);
    const std::size_t head = tokens.size() - static_cast<std::size_t>(scored);
    const double start = seconds_now();
    HEED_TRY(feed(*state, tokens.first(head), {}));
    sheet.prefill_rate = static_cast<double>(head) / (seconds_now() - start);
    constexpr std::size_t kSlice = 64;  // rows of logits at a time
    std::vector<float> logits(kSlice * vocab_);
    double loss = 0;
    int count = 0;
    for (std::size_t at = head; at < tokens.size(); at += kSlice) {
      const auto part = tokens.subspan(at, std::min(kSlice, tokens.size() - at));
      HEED_TRY(feed(*state, part, std::span(logits).first(part.size() * vocab_)));
      for (std::size_t i = 0; at + i + 1 < tokens.size() && i < part.size(); ++i, ++count)
        loss += loss_of(std::span(logits).subspan(i * vocab_, vocab_), tokens[at + i + 1]);
    }
    if (count > 0) sheet.loss = loss / count;
    return state;
  }

  /// The greedy answer to what follows `from`.
  Expected<std::string> answer(const ModelState& from, std::span<const std::int32_t> rest) {
    auto state = from.fork();
    std::vector<float> logits(vocab_);
    HEED_TRY(feed(*state, rest, logits));
    Tokens said;
    const auto ends = model_.tokenizer().end_tokens();
    while (static_cast<std::int32_t>(said.size()) < kAnswer) {
      const auto best = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      if (std::find(ends.begin(), ends.end(), best) != ends.end()) break;
      said.push_back(best);
      HEED_TRY(feed(*state, std::span(said).last(1), logits));
    }
    return model_.tokenizer().decode(said);
  }

  Expected<double> decode_rate(const ModelState& from) {
    auto state = from.fork();
    std::vector<float> logits(vocab_);
    const Tokens token = {1};
    HEED_TRY(feed(*state, token, logits));
    const double start = seconds_now();
    for (std::int32_t i = 0; i < kSpeed; ++i) HEED_TRY(feed(*state, token, logits));
    return kSpeed / (seconds_now() - start);
  }

 private:
  Expected<void> feed(ModelState& state, std::span<const std::int32_t> tokens, std::span<float> logits) {
    const auto most = static_cast<std::size_t>(std::min(model_.max_step_tokens(), 512));
    for (std::size_t i = 0; i < tokens.size(); i += most) {
      const auto part = tokens.subspan(i, std::min(most, tokens.size() - i));
      HEED_TRY(model_.reserve(state, static_cast<std::int32_t>(part.size())));
      StepItem item{&state, part, i + part.size() == tokens.size() ? logits : std::span<float>{}};
      HEED_TRY(model_.step({&item, 1}));
    }
    return {};
  }

  static double loss_of(std::span<const float> logits, std::int32_t token) {
    const float top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(double{x} - top);
    return top + std::log(sum) - logits[static_cast<std::size_t>(token)];
  }

  LanguageModel& model_;
  const ChatTemplate& chat_;
  AttentionPolicy policy_;
  std::size_t vocab_;
};

std::size_t common_length(const std::vector<Tokens>& prompts) {
  std::size_t n = prompts[0].size();
  for (const Tokens& p : prompts) {
    n = std::min(n, p.size());
    n = static_cast<std::size_t>(
        std::mismatch(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(n), prompts[0].begin()).first - p.begin());
  }
  return n;
}

// Asks every fact behind the common beginning of its prompts; returns how many answers hold the number.
template <std::size_t kFacts>
Expected<int> ask_all(Examiner& examiner, const std::array<Fact, kFacts>& facts, const std::vector<Tokens>& prompts,
                      const ModelState& state, std::size_t common) {
  int found = 0;
  for (std::size_t i = 0; i < kFacts; ++i) {
    HEED_ASSIGN(const std::string said, examiner.answer(state, std::span(prompts[i]).subspan(common)));
    found += said.find(facts[i].number) != std::string::npos;
  }
  return found;
}

// Cuts at a space near `at`.
std::size_t word_border(const std::string& text, std::size_t at) {
  const std::size_t space = text.find(' ', std::min(at, text.size()));
  return space == std::string::npos ? text.size() : space;
}

Expected<void> needles(Examiner& examiner, const std::string& text, Sheet& sheet) {
  std::string hay = text;
  for (std::size_t i = kNeedles.size(); i-- > 0;)
    hay.insert(word_border(hay, hay.size() * (2 * i + 1) / 10), " " + sentence(kNeedles[i]));
  std::vector<Tokens> prompts;
  for (const Fact& f : kNeedles) {
    HEED_ASSIGN(prompts.emplace_back(),
                examiner.prompt(Json::array({{{"role", "user"}, {"content", hay + "\n\n" + question(f)}}})));
  }
  const std::size_t common = common_length(prompts);
  sheet.tokens = static_cast<std::int32_t>(common);
  HEED_ASSIGN(const auto state, examiner.begin(std::span(prompts[0]).first(common), kScored, sheet));
  HEED_ASSIGN(sheet.needles, ask_all(examiner, kNeedles, prompts, *state, common));
  HEED_ASSIGN(sheet.decode_rate, examiner.decode_rate(*state));
  return {};
}

Expected<void> turns(Examiner& examiner, const std::string& text, Sheet& sheet) {
  Json messages = Json::array();
  const auto say = [&](const char* role, const std::string& content) {
    messages.push_back({{"role", role}, {"content", content}});
  };
  for (const Fact& f : kTurns) {
    say("user", "Remember this: " + sentence(f));
    say("assistant", "I will remember it.");
  }
  constexpr std::size_t kFillers = 4;
  for (std::size_t i = 0; i < kFillers; ++i) {
    say("user", "Read this:\n" + text.substr(text.size() * i / kFillers, text.size() / kFillers));
    say("assistant", "I have read it.");
  }
  std::vector<Tokens> prompts;
  for (const Fact& f : kTurns) {
    say("user", question(f));
    HEED_ASSIGN(prompts.emplace_back(), examiner.prompt(messages));
    messages.erase(messages.size() - 1);
  }
  const std::size_t common = common_length(prompts);
  Sheet unused;
  HEED_ASSIGN(const auto state, examiner.begin(std::span(prompts[0]).first(common), 0, unused));
  HEED_ASSIGN(sheet.turns, ask_all(examiner, kTurns, prompts, *state, common));
  return {};
}

std::string describe(const AttentionPolicy& p) {
  std::string out(policy_name(p.kept));
  if (!p.is_lossy()) return out;
  out += " " + std::to_string(p.window) + "+" + std::to_string(p.sinks);
  return p.kept == AttentionKept::window ? out : out + "+" + std::to_string(p.budget);
}

void print(const BenchOptions& o, const std::string& model, const Sheet& s) {
  const double perplexity = std::exp(s.loss);
  if (o.json) {
    Json line = {{"case", "policies " + model + " " + s.policy},
                 {"tokens", s.tokens},
                 {"perplexity", perplexity},
                 {"scored_tokens", kScored - 1},
                 {"needles_found", s.needles},
                 {"needles", kNeedles.size()},
                 {"prefill_tokens_s", s.prefill_rate},
                 {"decode_tokens_s", s.decode_rate}};
    if (!o.skip_turns) line["turns_found"] = s.turns, line["turns"] = kTurns.size();
    std::printf("%s\n", line.dump().c_str());
  } else {
    const std::string recall = o.skip_turns ? "-" : std::to_string(s.turns) + "/" + std::to_string(kTurns.size());
    std::printf("| %-28s | %6d | %8.2f | %d/%zu | %s | %8.1f | %8.1f |\n", s.policy.c_str(), s.tokens, perplexity,
                s.needles, kNeedles.size(), recall.c_str(), s.prefill_rate, s.decode_rate);
  }
  std::fflush(stdout);
}

Expected<std::string> read_text(const BenchOptions& o, const Tokenizer& tokenizer, std::int32_t tokens) {
  HEED_ASSIGN(const auto bytes, system_files().read(o.text_path, std::size_t{64} << 20));
  const std::string all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // Long enough for every tokenizer, then cut to the wanted number of tokens.
  const std::string_view part = std::string_view(all).substr(0, static_cast<std::size_t>(tokens) * 8);
  Tokens ids = tokenizer.encode(part);
  if (ids.size() < static_cast<std::size_t>(tokens))
    return fail(Code::invalid_argument,
                "policies: " + o.text_path + " has less than " + std::to_string(tokens) + " tokens", "text");
  ids.resize(static_cast<std::size_t>(tokens));
  std::string text = tokenizer.decode(ids);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.pop_back();
  return text;
}

std::vector<AttentionPolicy> policies(const BenchOptions& o) {
  if (o.attention.is_lossy()) return {o.attention};
  if (o.only_full) return {AttentionPolicy{}};
  return {{},
          {.kept = AttentionKept::window, .window = 2048, .sinks = 64},
          {.kept = AttentionKept::big_bird, .window = 1024, .sinks = 64, .budget = 1024},
          {.kept = AttentionKept::topk_pages, .window = 1024, .sinks = 64, .budget = 1024}};
}

Expected<void> bench_policies_of(const BenchOptions& o, const std::string& name) {
  HEED_ASSIGN(const std::string path, model_path(name));
  LoadOptions load = o.load;
  load.context = *std::max_element(o.lengths.begin(), o.lengths.end()) + 512;
  HEED_ASSIGN(auto model, load_language_model(path, load));
  HEED_ASSIGN(const ChatTemplate chat, ChatTemplate::compile(model->chat_template()));
  if (!o.json)
    std::printf(
        "%s\n| policy | tokens | perplexity | needles | turns | prefill tok/s | decode tok/s "
        "|\n|---|---|---|---|---|---|---|\n",
        name.c_str());
  for (const std::int32_t length : o.lengths) {
    HEED_ASSIGN(const std::string text, read_text(o, model->tokenizer(), length - 256));  // room for facts and question
    for (const AttentionPolicy& policy : policies(o)) {
      Examiner examiner(*model, chat, policy);
      Sheet sheet{.policy = describe(policy)};
      HEED_TRY(needles(examiner, text, sheet));
      if (!o.skip_turns) HEED_TRY(turns(examiner, text, sheet));
      print(o, name, sheet);
    }
  }
  return {};
}

}  // namespace

Expected<void> bench_policies(const BenchOptions& options) {
  for (const std::string& name : options.models) HEED_TRY(bench_policies_of(options, name));
  return {};
}

}  // namespace heed
