"""`compare.py serving`: many chats at once through heed's HTTP server, and the same load on llama.cpp.

Every chat arrives at the same moment: its prompt of so many tokens, no two alike, and an answer of `decode` tokens whatever they
are. Two numbers: answer tokens a second over all chats, from the first request to the last token, and the time until a
chat's first token that 95 % of them do not exceed. llama.cpp is driven in its own process by llama-server's rule (one token of each
running slot, then prompts while the batch has room), without HTTP: what is compared is the engine, and heed pays for its server.
"""
import http.client
import json
import math
import os
import socket
import subprocess
import threading
import time

PROMPTS = [24, 600, 80, 40, 300, 150, 56, 450, 32, 220, 100, 512, 64, 28, 380, 128]  # tokens, in order of the chats


def prompts(chats, seed, vocab):
    x = 1 + seed * 7919

    def token():
        nonlocal x
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        return 300 + (x >> 8) % min(vocab - 300, 30000)

    return [[token() for _ in range(PROMPTS[i % len(PROMPTS)])] for i in range(chats)]


def p95(values):
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


class Server:
    """`heed serve` on a free port."""

    def __init__(self, heed, model, threads, cpu, running):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        more = ["--cpu", cpu] if cpu else []
        command = [heed, "serve", "--port", str(self.port), "--model", model, "--threads", str(threads), "--max-running", str(running), *more]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HEED_PAGE_CACHE_BYTES": "0"})
        while self.ask("GET", "/ready").status != 200:
            if self.process.poll() is not None:
                raise SystemExit("compare: heed serve ended")
            time.sleep(0.1)

    def ask(self, method, path, body=None):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            connection.request(method, path, body and json.dumps(body), {"content-type": "application/json"})
            return connection.getresponse()
        except ConnectionRefusedError:
            return type("NotYet", (), {"status": 0})

    def chat(self, prompt, decode, told):
        began = time.perf_counter()
        answer = self.ask("POST", "/v1/completions", {"prompt": prompt, "max_tokens": decode, "temperature": 0, "ignore_eos": True, "stream": True,
                                                      "stream_options": {"include_usage": True}, "heed": {"speculation": "off"}})
        first, tokens = None, 0
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            if first is None and event["choices"]:
                first = time.perf_counter() - began
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        told.append((first, tokens))

    def run(self, all_prompts, decode):
        told, began = [], time.perf_counter()
        threads = [threading.Thread(target=self.chat, args=(prompt, decode, told)) for prompt in all_prompts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        if len(told) != len(all_prompts) or any(first is None or tokens != decode for first, tokens in told):
            raise SystemExit(f"compare: heed serve answered {told}")
        return {"throughput": len(told) * decode / seconds, "first": p95([first for first, _ in told])}

    def close(self):
        self.process.terminate()
        self.process.wait()
