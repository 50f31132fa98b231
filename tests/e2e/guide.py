"""Runs the fenced blocks of a page of docs/guide, in order, as a reader would: one shell directory, one data directory.

A language tag says how a block runs: sh, python, javascript; json and toml are parsed. A block whose first line is the
comment `not run: REASON` is left out, which its reader sees too. No tag: output, or something to look at.
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import server

SECONDS = 300
ADDRESS = "http://127.0.0.1:8080"

# `heed` on the pages' path. `heed serve` would not return: it is started on a free port, waited for, and stopped.
HEED = """#!{python}
import os, subprocess, sys
sys.path.insert(0, {here!r})
import server
arguments = sys.argv[1:]
if arguments[:1] != ["serve"] or "--print-config" in arguments or "--help" in arguments:
    os.execv(server.HEED, [server.HEED, *arguments])
if "--port" in arguments:
    at = arguments.index("--port")
    del arguments[at : at + 2]
with server.serving(*arguments[1:], models=()) as address:
    print("served at", address)
"""
# An answer that is an error must fail the block.
CURL = """#!/bin/sh
exec {curl} --fail-with-body "$@"
"""


def blocks(page):
    """(language, text, reason it is not run or None) of every fenced block with a language."""
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.S | re.M):
        reason = re.match(r"(?:#|//) not run: (.+)", text)
        yield language, text, reason[1] if reason else None


class Place:
    """Where a page runs: a home of its own with the tests' models, and a hub on this machine."""

    def __init__(self, root, hub_url, address):
        self.root, self.address = root, address
        self.home, self.work, programs = root / "home", root / "work", root / "bin"
        for directory in (self.home, self.work, programs):
            directory.mkdir()
        for name, text in (("heed", HEED.format(python=sys.executable, here=str(pathlib.Path(__file__).parent))), ("curl", CURL.format(curl=shutil.which("curl")))):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        modules = pathlib.Path(__file__).parent / "js/node_modules"
        if modules.is_dir():
            (self.work / "node_modules").symlink_to(modules)
        self.environment = {**os.environ, "HOME": str(self.home), "PATH": f"{programs}:{os.environ['PATH']}", "HEED": server.HEED, "HEED_HUB": hub_url, "HEED_PACK_CACHE_BYTES": "0", "no_proxy": "127.0.0.1"}
        for name in ("HEED_HOME", "HEED_OFFLINE", "OLLAMA_MODELS", "LLAMA_CACHE", "HF_HOME", "HF_HUB_CACHE"):
            self.environment.pop(name, None)
        self.bring_models()

    def bring_models(self):
        real = server.models_directory()
        models = self.home / ".local/share/heed/models"
        models.mkdir(parents=True)
        for name in (server.DEFAULT_MODEL, server.SMALL_MODEL):
            (models / f"{name}.gguf").symlink_to(real / f"{name}.gguf")
        embedder = f"{server.EMBEDDER}.safetensors"
        (models / embedder).symlink_to(real / embedder)
        self.bring_ollama(real / f"{server.SMALL_MODEL}.gguf")

    def bring_ollama(self, model):
        """The small model as Ollama keeps it."""
        store = self.home / ".ollama/models"
        (store / "blobs").mkdir(parents=True)
        with open(model, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        shutil.copy(model, store / f"blobs/sha256-{digest}")
        manifest = store / "manifests/registry.ollama.ai/library/smollm2/135m"
        manifest.parent.mkdir(parents=True)
        layer = {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}", "size": model.stat().st_size}
        manifest.write_text(json.dumps({"schemaVersion": 2, "layers": [layer]}))

    def execute(self, command, text):
        done = subprocess.run([*command, text], capture_output=True, text=True, timeout=SECONDS, cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_sh(self, text):
        return self.execute(["bash", "-eu", "-c"], text)

    def run_python(self, text):
        return self.execute([sys.executable, "-c"], text)

    def run_javascript(self, text):
        (self.work / "example.mjs").write_text(text)
        return self.execute(["node"], "example.mjs")

    def run_json(self, text):
        return json.dumps(json.loads(text))

    def run_toml(self, text):
        values = tomllib.loads(text)
        if not {"server", "model", "engine"} & set(values):
            return text  # not heed.toml
        (self.work / "page.toml").write_text(text)
        return self.execute(["bash", "-c"], "heed serve --config page.toml --print-config && rm page.toml")

    def run(self, language, text):
        runner = getattr(self, f"run_{language}", None)
        assert runner, f"nobody runs {language}: {text}"
        out = runner(text.replace(ADDRESS, self.address))
        assert out.strip() or language == "toml", f"it says nothing: {text}"
        return out
