"""A stand-in of the Hugging Face Hub: what its client calls to push and pull models.

Large files are answered by a redirect to another host name, as the real Hub does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]
LARGE = (".safetensors", ".model", ".onnx")


@dataclass
class Repository:
    """Files by commit; the last commit is main."""

    private: bool = True
    commits: dict[str, Files] = field(default_factory=dict)
    pull_requests: int = 0

    def add(self, files: Files) -> str:
        sha = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.commits.pop(sha, None)
        self.commits[sha] = files
        return sha

    def commit_of(self, revision: str) -> str | None:
        if revision == "main":
            return list(self.commits)[-1]
        return revision if revision in self.commits else None


class Hub(ThreadingHTTPServer):
    """Serves repositories on a free port.

    Attributes:
        repositories: By user/model.
        objects: Large files by SHA-256.
        token: What may write, and read what is private.
        faults: By a part of `METHOD /path`: a status to answer with, or cut.
        headers_of_faults: Sent with such a status.
        requests: `METHOD /path` and the token of each.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.token = "hf_secret"
        self.faults: dict[str, int | str] = {}
        self.headers_of_faults: dict[str, str] = {}
        self.requests: list[tuple[str, str | None]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Leave out the traceback of a client that has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        call = f"{self.command} {path}"
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        self.server.requests.append((call, token))
        for part, fault in self.server.faults.items():
            if part in call and fault == "cut":
                self.close_connection = True
                if self.command == "GET":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000000")
                    self.end_headers()
                    self.wfile.write(b"x" * 100)
                return
            if part in call:
                self._send(int(fault), {"error": "no"}, self.server.headers_of_faults)
                return
        if token not in (None, self.server.token):
            error = {"X-Error-Message": "Invalid credentials in Authorization header"}
            self._send(401, {"error": "Invalid credentials"}, error)
        elif path.startswith("/objects/"):
            self._object(path.removeprefix("/objects/"), body)
        elif path == "/api/validate-yaml":
            self._send(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            self._create(json.loads(body), token)
        elif match := re.fullmatch(r"/([\w.-]+/[\w.-]+)\.git/info/lfs/.*", path):
            self._batch(json.loads(body))
        elif match := re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)(?:/(.*))?", path):
            self._model(match[1], match[2] or "", body, token)
        elif match := re.fullmatch(r"/([\w.-]+/[\w.-]+)/resolve/(\w+)/(.*)", path):
            self._resolve(*match.groups())
        else:
            self._send(404, {"error": "Not found"})

    def _create(self, content: dict[str, Any], token: str | None) -> None:
        name = f"{content['organization']}/{content['name']}"
        if token is None:
            self._send(401, {"error": "Unauthorized"})
        elif name.startswith("other/"):
            self._send(403, {"error": "Forbidden"})
        else:
            repository = Repository(private=content["visibility"] == "private")
            repository.add({".gitattributes": b"*.safetensors filter=lfs\n"})
            self.server.repositories[name] = repository
            self._send(200, {"url": f"{self.server.address}/{name}", "name": name})

    def _model(self, name: str, rest: str, body: bytes, token: str | None) -> None:
        repository = self.server.repositories.get(name)
        if repository is None or (repository.private and token is None):
            status = 404 if token else 401
            self._send(status, {"error": "Repository not found"}, code="RepoNotFound")
            return
        kind, _, revision = rest.partition("/")
        sha = repository.commit_of(revision or "main")
        if sha is None:
            self._send(404, {"error": "Invalid rev"}, code="RevisionNotFound")
            return
        files = repository.commits[sha]
        if kind in ("", "revision"):
            siblings = [{"rfilename": path} for path in files]
            info = {"id": name, "sha": sha, "private": repository.private}
            self._send(200, info | {"siblings": siblings})
        elif kind == "tree":
            self._send(200, [_entry(path, files[path]) for path in files])
        elif token is None:
            self._send(401, {"error": "Unauthorized"})
        elif kind == "preupload":
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": None,
                }
                for file in json.loads(body)["files"]
            ]
            self._send(200, {"files": modes})
        elif kind == "commit":
            self._commit(name, repository, dict(files), body)

    def _commit(
        self, name: str, repository: Repository, files: Files, body: bytes
    ) -> None:
        for line in body.decode().splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
        address, request = f"{self.server.address}/{name}", None
        if "create_pr=1" in self.path:
            repository.pull_requests += 1
            request = f"{address}/discussions/{repository.pull_requests}"
            sha = "0" * 40
        else:
            sha = repository.add(files)
        answer = {"commitUrl": f"{address}/commit/{sha}", "commitOid": sha}
        self._send(200, answer | {"pullRequestUrl": request})

    def _batch(self, content: dict[str, Any]) -> None:
        objects = [
            {
                **entry,
                "actions": {
                    "upload": {"href": f"{self.server.address}/objects/{entry['oid']}"}
                },
            }
            for entry in content["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _object(self, name: str, body: bytes) -> None:
        if self.command == "PUT":
            assert hashlib.sha256(body).hexdigest() == name
            self.server.objects[name] = body
            self._send(200, {})
        else:
            self._send(200, self.server.objects[name])

    def _resolve(self, name: str, revision: str, path: str) -> None:
        repository = self.server.repositories[name]
        sha = repository.commit_of(revision) or ""
        content = repository.commits[sha][path]
        headers = {"X-Repo-Commit": sha}
        digest = hashlib.sha256(content).hexdigest()
        if not path.endswith(LARGE):
            self._send(200, content, headers | {"ETag": f'"{digest[:40]}"'})
            return
        self.server.objects[digest] = content
        elsewhere = f"http://localhost:{self.server.server_port}/objects/{digest}"
        headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        self._send(302, b"", headers | {"Location": elsewhere})

    def _send(
        self,
        status: int,
        content: Any,
        headers: dict[str, str] | None = None,
        *,
        code: str | None = None,
    ) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _entry(path: str, content: bytes) -> dict[str, Any]:
    size, oid = len(content), hashlib.sha1(content).hexdigest()
    entry = {"type": "file", "path": path, "size": size, "oid": oid}
    if path.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": digest, "size": size, "pointerSize": 130}
    return entry
