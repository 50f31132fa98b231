"""A hub of model repositories on a loopback port: the two URLs that heed asks for, with ranges, redirects and refusals."""
import contextlib
import hashlib
import http.server
import json
import pathlib
import re
import threading
import time
import urllib.parse


class FakeHub:
    def __init__(self):
        self.repositories = {}  # "owner/repo" -> {path: file on this machine, or bytes}
        self.token = None  # wanted of every request
        self.storage = None  # redirects of files go there ("http://host:port")
        self.pause = 0  # seconds before each 64 KiB
        self.busy = 0  # so many requests are told to wait a second
        self.requests = []  # (path, authorization, range)
        self.url = ""
        self.sums = {}

    def content(self, repository, path):
        return self.repositories.get(repository, {}).get(path)

    def sum_of(self, content):
        if isinstance(content, bytes):
            return hashlib.sha256(content).hexdigest(), len(content)
        if content not in self.sums:
            with open(content, "rb") as file:
                self.sums[content] = hashlib.file_digest(file, "sha256").hexdigest()
        return self.sums[content], pathlib.Path(content).stat().st_size

    def tree(self, repository):
        rows = []
        for path, content in self.repositories[repository].items():
            digest, size = self.sum_of(content)
            rows.append({"type": "file", "path": path, "size": size, "oid": "0", "lfs": {"oid": digest, "size": size, "pointerSize": 134}})
        return json.dumps(rows).encode()


def handler_of(hub):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def refuse(self, status, *headers):
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", "0")):
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self):
            path = urllib.parse.unquote(self.path.split("?")[0])
            hub.requests.append((path, self.headers.get("Authorization"), self.headers.get("Range")))
            if hub.busy > 0:
                hub.busy -= 1
                return self.refuse(429, ("Retry-After", "1"))
            if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
                return self.refuse(401)
            if tree := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/main", path):
                return self.send_tree(tree[1])
            file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/main/(.+)", path)
            content = hub.content(file[1], file[2]) if file else None
            if content is None:
                return self.refuse(404)
            if hub.storage:
                return self.refuse(302, ("Location", hub.storage + self.path))
            self.send_content(content)

        def send_tree(self, repository):
            if repository not in hub.repositories:
                return self.refuse(404)
            body = hub.tree(repository)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def send_content(self, content):
            whole = content if isinstance(content, bytes) else pathlib.Path(content).read_bytes()
            begin = int((re.match(r"bytes=(\d+)-", self.headers.get("Range") or "") or [0, 0])[1])
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(whole) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for at in range(begin, len(whole), 65536):
                    if hub.pause:
                        time.sleep(hub.pause)
                    self.wfile.write(whole[at : at + 65536])

    return Handler


@contextlib.contextmanager
def serving_hub(repositories=None):
    hub = FakeHub()
    hub.repositories = repositories or {}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
