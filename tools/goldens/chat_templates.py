"""Writes tests/golden/chat_templates/*.json: what Python's jinja2, set up as transformers does, makes of chat templates.

Families: chat_templates/*.jinja beside this file (written after the widely used models' templates), and the templates
inside GGUF files given as arguments. Snippets: snippets.txt beside them, one expression or small template a line.
Run: python chat_templates.py [model.gguf ...]
"""
import datetime
import json
import pathlib
import sys

import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = pathlib.Path(__file__).parent
OUT = HERE.parents[1] / "tests" / "golden" / "chat_templates"
NOW = datetime.datetime.fromtimestamp(1_700_000_000, datetime.timezone.utc)  # heed::FakeClock at its start

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather \"now\" at a place.", "parameters": {
        "type": "object", "properties": {
            "city": {"type": "string", "description": "Name of the city, e.g. Zürich "},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C", "description": "Unit"},
            "days": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}, "description": "d"},
            "limit": {"type": ["integer", "null"], "description": "at most", "default": 2.5}},
        "required": ["city"]}}}
ADD = {"type": "function", "function": {
    "name": "add", "description": "Adds <numbers> & more.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number", "description": "x"}, "map": {
        "type": "object", "additionalProperties": {"type": "boolean"}, "description": "y"}}, "required": []}}}
CALL = {"id": "abcdef123", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "unit": "C", "big": 1e20, "n": [1, 2.0, None, True]}}}
CALL2 = {"id": "123456789", "type": "function", "function": {"name": "add", "arguments": {"a": "<|im_end|>\n\"q\" \\ é"}}}

SYSTEM = {"role": "system", "content": "Be brief.\n"}
USER = {"role": "user", "content": "Hello there  "}
ANSWER = {"role": "assistant", "content": "  Hi! How can I help?"}
TOOL_TURN = [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]},
             {"role": "tool", "tool_call_id": "abcdef123", "name": "get_weather", "content": "{\"t\": 21}"}]
SCENARIOS = {
    "single": {"messages": [USER]},
    "prompt": {"messages": [USER], "add_generation_prompt": True},
    "system": {"messages": [SYSTEM, USER], "add_generation_prompt": True},
    "turns": {"messages": [SYSTEM, USER, ANSWER, {"role": "user", "content": "More\n\nplease"}], "add_generation_prompt": True},
    "ends with answer": {"messages": [USER, ANSWER]},
    "two users": {"messages": [USER, USER]},
    "empty content": {"messages": [{"role": "user", "content": ""}], "add_generation_prompt": True},
    "unicode": {"messages": [{"role": "user", "content": "\u3000日本語 👋🏽 e\u0301 <|im_end|> \u200bß\ufeff\t"}], "add_generation_prompt": True},
    "thinking": {"messages": [USER, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}, USER,
                              {"role": "assistant", "content": "No.", "reasoning_content": "\nlong\n", "thinking": "long"}]},
    "no thinking": {"messages": [USER], "add_generation_prompt": True, "enable_thinking": False},
    "tools": {"messages": [SYSTEM, USER], "tools": [WEATHER, ADD], "add_generation_prompt": True},
    "tools without system": {"messages": [USER], "tools": [WEATHER], "add_generation_prompt": True, "tools_in_user_message": False},
    "tool result": {"messages": TOOL_TURN, "tools": [WEATHER], "add_generation_prompt": True},
    "two calls": {"messages": [USER, {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL, CALL2]},
                               TOOL_TURN[2], {"role": "tool", "tool_call_id": "123456789", "content": "3"}, ANSWER], "tools": [ADD]},
    "builtin tools": {"messages": [USER, {"role": "assistant", "tool_calls": [{"function": {"name": "brave", "arguments": {"q": "x", "r": "y"}}}]},
                                   {"role": "ipython", "content": {"a": [1, "é"]}}], "builtin_tools": ["brave", "code_interpreter"], "add_generation_prompt": True},
    "null content": {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL2]}]},
    "parts": {"messages": [{"role": "system", "content": [{"type": "text", "text": "Short."}]},
                           {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]}], "add_generation_prompt": True},
    "documents": {"messages": [USER], "documents": [{"doc_id": 1, "title": "T", "text": "Some text"}, {"doc_id": "b", "title": "Ü", "text": ""}],
                  "add_generation_prompt": True, "controls": {"citations": True}},
    "no messages": {"messages": []},
}
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>"}

# What snippets may use.
SNIPPET_INPUT = {
    "n": 7, "f": 2.5, "t": True, "no": None, "s": "Hello, Wörld", "empty": "", "l": [3, 1, 2], "words": ["b", "A", "c", "a"],
    "d": {"b": 1, "a": "x", "C": [1, {"k": None}]}, "nested": {"x": {"y": [{"z": "deep"}]}},
    "people": [{"name": "Bo", "age": 5, "tag": "x"}, {"name": "al", "age": 3, "tag": "y"}, {"name": "Cy", "age": 5, "tag": "x"}],
    "html": "<a href=\"x\">'&'</a>", "lines": "one\n\n two\r\nthree\n", "messages": [USER, ANSWER], "quote": "it's \"x\"",
}


def compiled(source):
    template = _compile_jinja_template(source)
    template.environment.globals["strftime_now"] = NOW.strftime
    return template


def rendered(source, variables):
    """The case's outcome: text, a raised message, or the plain fact of a failure."""
    try:
        return {"expected": compiled(source).render(**variables)}
    except jinja2.TemplateError as error:
        return {"raises": str(error)} if type(error) is jinja2.TemplateError else {"fails": str(error)}
    except Exception as error:  # noqa: BLE001: Python's own errors inside an expression
        return {"fails": f"{type(error).__name__}: {error}"}


def write(name, content):
    text = json.dumps(content, ensure_ascii=False, indent=1)
    assert len(text.encode()) <= 200_000, name
    (OUT / f"{name}.json").write_text(text + "\n")


def family(name, source):
    cases = []
    for scenario, variables in SCENARIOS.items():
        variables = {**SPECIALS, **variables}
        cases.append({"name": scenario, "input": variables, **rendered(source, variables)})
    write(name, {"template": source, "cases": cases})
    return sum("expected" in case for case in cases), len(cases)


def gguf_template(path):
    import gguf
    field = gguf.GGUFReader(path).fields.get("tokenizer.chat_template")
    return field and field.contents()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    sources = {path.stem: path.read_text() for path in sorted((HERE / "chat_templates").glob("*.jinja"))}
    for path in sys.argv[1:]:
        if template := gguf_template(path):
            sources[pathlib.Path(path).stem] = template
    for name, source in sources.items():
        good, total = family(name, source)
        print(f"{name}: {good} of {total} scenarios render")
    snippets = []
    for line in (HERE / "chat_templates" / "snippets.txt").read_text().splitlines():
        if not line or line.startswith("##"):
            continue
        source = line.replace("⏎", "\n").replace("␍", "\r")
        if "{{" not in source and "{%" not in source and "{#" not in source:
            source = "{{ " + source + " }}"
        snippets.append({"template": source, **rendered(source, SNIPPET_INPUT)})
    write("snippets", {"input": SNIPPET_INPUT, "snippets": snippets})
    print(f"{len(snippets)} snippets, {sum('expected' in s for s in snippets)} render")


if __name__ == "__main__":
    main()
