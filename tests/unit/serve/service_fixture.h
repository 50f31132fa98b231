// service_fixture.h -- the whole service over loopback with fake models.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/fake_model.h"
#include "serve/http_server.h"
#include "serve/service.h"
#include "tests/unit/serve/http_client.h"

namespace heed::test {

struct FakeSpec {
  FakeModelOptions model;
  EngineOptions engine;
  std::string chat_template = "builtin";  // "": a base model
};

class FakeLoadedModel final : public LoadedModel {
 public:
  FakeLoadedModel(std::string name, const FakeSpec& spec, std::atomic<int>& alive)
      : name_(std::move(name)), model_(spec.model), alive_(&alive) {
    ++alive;
    const std::string source = spec.chat_template == "builtin" ? model_.chat_template() : spec.chat_template;
    if (!source.empty()) chat_.emplace(std::move(ChatTemplate::compile(source).value()));
    engine_ = std::make_unique<Engine>(model_, spec.engine);
    if (spec.model.vector_size > 0) embedder_ = std::make_unique<Embedder>(model_);
  }
  ~FakeLoadedModel() override {
    embedder_.reset();
    engine_.reset();
    EXPECT_EQ(model_.states_alive(), 0) << "a state leaked";
    --*alive_;
  }
  const std::string& name() const noexcept override { return name_; }
  LanguageModel& model() noexcept override { return model_; }
  Engine& engine() noexcept override { return *engine_; }
  const ChatTemplate* chat() const noexcept override { return chat_ ? &*chat_ : nullptr; }
  Embedder* embedder() noexcept override { return embedder_.get(); }
  std::size_t weight_bytes() const noexcept override { return 0; }
  FakeModel& fake() noexcept { return model_; }

 private:
  std::string name_;
  FakeModel model_;
  std::optional<ChatTemplate> chat_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Embedder> embedder_;
  std::atomic<int>* alive_;
};

/// What a test sees of the source it gave away.
struct Sources {
  std::vector<std::pair<std::string, FakeSpec>> specs;
  std::map<std::string, std::string> kinds;
  std::map<std::string, ModelFacts> facts;
  std::atomic<int> loads{0}, alive{0}, most_alive{0};
  std::atomic<int> load_ms{0};
  std::atomic<bool> fails{false};
  std::mutex mutex;
  std::map<std::string, FakeLoadedModel*> last;
};

class FakeSource final : public ModelSource {
 public:
  explicit FakeSource(Sources& sources) : sources_(&sources) {}
  std::vector<ModelInfo> list() const override {
    std::vector<ModelInfo> out;
    for (const auto& [name, spec] : sources_->specs) out.push_back({name, 1'700'000'000, 42, sources_->kinds[name]});
    return out;
  }
  Expected<std::unique_ptr<LoadedModel>> load(const std::string& name) override {
    ++sources_->loads;
    std::this_thread::sleep_for(std::chrono::milliseconds(sources_->load_ms));
    if (sources_->fails) return fail(Code::io, "load: the disk is gone");
    for (const auto& [known, spec] : sources_->specs) {
      if (known != name) continue;
      auto made = std::make_unique<FakeLoadedModel>(name, spec, sources_->alive);
      sources_->most_alive = std::max(sources_->most_alive.load(), sources_->alive.load());
      const std::lock_guard lock(sources_->mutex);
      sources_->last[name] = made.get();
      return std::unique_ptr<LoadedModel>(std::move(made));
    }
    return fail(Code::not_found, "load: no " + name);
  }
  Expected<ModelFacts> facts(const std::string& name) override {
    const auto found = sources_->facts.find(name);
    return found == sources_->facts.end() ? ModelFacts{} : found->second;
  }

 private:
  Sources* sources_;
};

class ServiceTest : public testing::Test {
 protected:
  void start(FakeSpec spec = {}, ServiceOptions options = {}, ModelHostOptions host = {}) {
    if (sources.specs.empty()) sources.specs = {{"fake", spec}};
    options.version = "test";
    auto made = Service::make(std::move(options), std::make_unique<FakeSource>(sources), host);
    ASSERT_TRUE(made) << made.error().text;
    service = std::move(*made);
    http.port = 0;
    auto listening = HttpServer::start(http, *service);
    ASSERT_TRUE(listening) << listening.error().text;
    server = std::move(*listening);
  }
  void TearDown() override {
    if (!service) return;
    service->models().shutdown(0);
    server->stop();
    EXPECT_EQ(sources.alive, 0) << "a model leaked";
    server.reset();
  }

  int port() const { return server->port(); }
  Reply post(const std::string& path, const nlohmann::json& body, const Headers& headers = {}) {
    return call(port(), "POST", path, body.dump(), headers);
  }
  Reply get(const std::string& path, const Headers& headers = {}) { return call(port(), "GET", path, {}, headers); }
  /// Loads the model and gives its fake.
  FakeModel& fake(const std::string& name = "fake") {
    std::atomic<bool> is_loaded{false};
    service->models().acquire(name, [&](Expected<ModelPointer>) { is_loaded = true; });
    EXPECT_TRUE(becomes([&] { return is_loaded.load(); }));
    const std::lock_guard lock(sources.mutex);
    return sources.last[name]->fake();
  }
  static nlohmann::json ask(const std::string& text = "hi", const nlohmann::json& more = nlohmann::json::object()) {
    nlohmann::json body = {{"messages", {{{"role", "user"}, {"content", text}}}}};
    body.update(more);
    return body;
  }

  Sources sources;
  HttpOptions http;
  std::unique_ptr<Service> service;
  std::unique_ptr<HttpServer> server;
};

}  // namespace heed::test
