// config_test.cc -- precedence, origins, and errors that name the place.
#include "serve/config.h"

#include <gtest/gtest.h>

#include <set>

namespace heed {
namespace {

std::string error_of(const ConfigInputs& inputs) {
  const auto made = resolve_config(inputs);
  return made ? std::string() : made.error().text;
}

TEST(Config, DefaultsAreSafe) {
  const auto config = resolve_config({});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->values.host, "127.0.0.1");
  EXPECT_EQ(config->values.port, 8080);
  EXPECT_FALSE(config->values.insecure);
  EXPECT_EQ(config->values.cors_origins, std::vector<std::string>{"loopback"});
  EXPECT_EQ(config->origins.at("port"), "default");
}

TEST(Config, FlagBeforeVariableBeforeFileBeforeDefault) {
  ConfigInputs inputs{.file_name = "heed.toml",
                      .file_text = "[server]\nport = 1\nhost = \"127.0.0.2\"\n[engine]\nmax_queued = 9\n"};
  EXPECT_EQ(resolve_config(inputs)->values.port, 1);
  EXPECT_EQ(resolve_config(inputs)->origins.at("port"), "file heed.toml:2");
  inputs.environment["HEED_PORT"] = "2";
  EXPECT_EQ(resolve_config(inputs)->values.port, 2);
  EXPECT_EQ(resolve_config(inputs)->origins.at("port"), "HEED_PORT");
  inputs.flags["port"] = {"3"};
  const auto config = resolve_config(inputs);
  EXPECT_EQ(config->values.port, 3);
  EXPECT_EQ(config->origins.at("port"), "--port");
  EXPECT_EQ(config->values.host, "127.0.0.2");
  EXPECT_EQ(config->values.max_queued, 9);
}

TEST(Config, EveryRowIsReachableFromAllThreePlaces) {
  std::set<std::string_view> names;
  for (const ConfigRow& row : config_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << "flags and variables share one space of names: " << row.name;
    const bool is_integer = std::holds_alternative<std::int64_t Config::*>(row.field);
    const bool is_flag = std::holds_alternative<bool Config::*>(row.field);
    const std::string text = is_integer ? std::to_string(row.high) : is_flag ? "true" : "text";
    const std::string toml = is_integer || is_flag ? text : "\"" + text + "\"";
    const std::string name(row.name);
    const ConfigInputs file{.file_name = "f",
                            .file_text = "[" + std::string(row.section) + "]\n" + name + " = " + toml + "\n"};
    ConfigInputs variable, flag;
    variable.environment[variable_name(row)] = text;
    flag.flags[name] = {text};
    for (const ConfigInputs& inputs : {file, variable, flag}) {
      const auto config = resolve_config(inputs);
      ASSERT_TRUE(config) << name << ": " << config.error().text;
      EXPECT_NE(config->origins.at(name), "default");
      const std::string shown = show_config(*config);
      if (!row.is_secret) {
        EXPECT_NE(shown.find(name + " = " + (is_integer || is_flag ? text : "")), std::string::npos) << shown;
      }
    }
  }
}

TEST(Config, Lists) {
  ConfigInputs inputs{.file_name = "f", .file_text = "[model]\nmodel = [\"a\", \"b\"]\n"};
  EXPECT_EQ(resolve_config(inputs)->values.model, (std::vector<std::string>{"a", "b"}));
  inputs.environment["HEED_MODEL"] = "c,,d";
  EXPECT_EQ(resolve_config(inputs)->values.model, (std::vector<std::string>{"c", "d"}));
  inputs.flags["model"] = {"e", "f,g"};
  EXPECT_EQ(resolve_config(inputs)->values.model, (std::vector<std::string>{"e", "f,g"}));
}

TEST(Config, ErrorsNameTheLine) {
  EXPECT_NE(error_of({.file_name = "my.toml", .file_text = "[server]\nport = 1\nprot = 2\n"})
                .find("my.toml:3: unknown key server.prot"),
            std::string::npos);
  EXPECT_NE(
      error_of({.file_name = "my.toml", .file_text = "\n[severs]\nport = 1\n"}).find("my.toml:2: unknown key severs"),
      std::string::npos);
  EXPECT_NE(error_of({.file_name = "my.toml", .file_text = "port = 1\n"}).find("my.toml:1"), std::string::npos);
  EXPECT_NE(error_of({.file_name = "my.toml", .file_text = "[server]\nport = \"x\"\n"})
                .find("my.toml:2: port: expected an integer in [0, 65535]"),
            std::string::npos);
  EXPECT_NE(error_of({.file_name = "my.toml", .file_text = "[server]\nport = = 1\n"}).find("my.toml:2"),
            std::string::npos);
  EXPECT_NE(error_of({.file_name = "my.toml", .file_text = "[server]\ncors_origins = [1]\n"}).find("cors_origins"),
            std::string::npos);
}

TEST(Config, ImpossibleValues) {
  for (const char* text : {"-1", "65536", "x", "", "8080x", "1e3", " 80"}) {
    ConfigInputs inputs;
    inputs.flags["port"] = {text};
    EXPECT_NE(error_of(inputs).find("--port"), std::string::npos) << text;
  }
  ConfigInputs inputs;
  inputs.environment["HEED_INSECURE"] = "maybe";
  EXPECT_NE(error_of(inputs).find("HEED_INSECURE"), std::string::npos);
}

TEST(Config, SecretsAreNotShown) {
  ConfigInputs inputs;
  inputs.flags["api_key"] = {"sk-very-secret"};
  const std::string shown = show_config(*resolve_config(inputs));
  EXPECT_EQ(shown.find("sk-very-secret"), std::string::npos);
  EXPECT_NE(shown.find("\"***\""), std::string::npos);
}

TEST(Config, ShownConfigurationCanBeReadBack) {
  ConfigInputs inputs;
  inputs.flags["host"] = {"a\"b\\c"};
  inputs.flags["port"] = {"99"};
  const std::string shown = show_config(*resolve_config(inputs));
  const auto again = resolve_config({.file_name = "f", .file_text = shown});
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->values.host, "a\"b\\c");
  EXPECT_EQ(again->values.port, 99);
}

}  // namespace
}  // namespace heed
