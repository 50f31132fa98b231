// interpreter_guards.h -- what the interpreter must undo on every way out.
#pragma once
#include "text/jinja/interpreter.h"

namespace heed::jinja {

/// A new scope inside `parent` as long as it lives.
class Interpreter::Scope {
 public:
  Scope(Frame*& current, Frame* parent) : current_(current), before_(current), frame_(std::make_shared<Frame>()) {
    frame_->parent = parent;
    current_ = frame_.get();
  }
  ~Scope() { current_ = before_; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Frame*& current_;
  Frame* before_;
  std::shared_ptr<Frame> frame_;
};

/// Output goes into `into` as long as it lives.
class Interpreter::Capture {
 public:
  Capture(TextBuilder*& out, TextBuilder& into) : out_(out), before_(out) { out_ = &into; }
  ~Capture() { out_ = before_; }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

 private:
  TextBuilder*& out_;
  TextBuilder* before_;
};

class Interpreter::Nested {
 public:
  explicit Nested(std::int32_t& depth) : depth_(depth) { ++depth_; }
  ~Nested() { --depth_; }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;

 private:
  std::int32_t& depth_;
};

/// A loop that is over lets go of its items, so that loops kept in namespaces cannot grow into a chain.
class Interpreter::LoopEnd {
 public:
  explicit LoopEnd(const Loop& loop) : loop_(loop) {}
  ~LoopEnd() {
    loop_.items = nullptr;
    loop_.changed = Value();
  }
  LoopEnd(const LoopEnd&) = delete;
  LoopEnd& operator=(const LoopEnd&) = delete;

 private:
  const Loop& loop_;
};

}  // namespace heed::jinja
