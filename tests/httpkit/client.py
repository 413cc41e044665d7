"""A client that calls the WSGI application directly."""

import io
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

TAXII = "application/taxii+json;version=2.1"


@dataclass(frozen=True)
class Reply:
    """An answer as it went out."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def objects(self) -> list[Any]:
        return self.json.get("objects", [])

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.objects]

    @property
    def dates(self) -> tuple[str, str]:
        return self.headers["X-TAXII-Date-Added-First"], self.headers["X-TAXII-Date-Added-Last"]


class Client:
    """Sends requests to an application. ``root`` is put before every path that does not begin with a slash."""

    def __init__(self, app: Any, authorization: str | None = None, root: str = "/finance/") -> None:
        self.app = app
        self.root = root
        self.headers = {"Accept": TAXII}
        if authorization:
            self.headers["Authorization"] = authorization

    def get(self, path: str, query: Any = None, **options: Any) -> Reply:
        return self.request("GET", path, query, **options)

    def delete(self, path: str, query: Any = None, **options: Any) -> Reply:
        return self.request("DELETE", path, query, **options)

    def post(self, path: str, body: Any, *, content_type: str | None = TAXII, headers: Any = None, **options: Any) -> Reply:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {**({"Content-Type": content_type} if content_type is not None else {}), **(headers or {})}
        return self.request("POST", path, body=data, headers=sent, **options)

    def add(self, collection: str, *objects: Any) -> Reply:
        return self.post(f"collections/{collection}/objects/", {"objects": list(objects)})

    def request(
        self,
        method: str,
        path: str,
        query: Any = None,
        *,
        body: bytes = b"",
        headers: Any = None,
        environ: dict[str, Any] | None = None,
    ) -> Reply:
        """Send one request. ``query`` is a dict or a ready query string; a header given as None is not sent."""
        path = path if path.startswith("/") else self.root + path
        text = query if isinstance(query, str) else urlencode(query or {}, quote_via=quote)
        env: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.encode("utf-8", "surrogatepass").decode("latin-1"),
            "QUERY_STRING": text,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8421",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body:
            env["CONTENT_LENGTH"] = str(len(body))
        for name, value in {**self.headers, **(headers or {})}.items():
            if value is not None:
                key = name.upper().replace("-", "_")
                env[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
        env.update(environ or {})
        started: list[Any] = []
        chunks = self.app(env, lambda status, sent, exc_info=None: started.extend((status, sent)))
        answer = b"".join(chunks)
        status, sent = started
        names = [name for name, _ in sent]
        headers_out = {name: ", ".join(value for other, value in sent if other == name) for name in names}
        return Reply(int(status.split()[0]), headers_out, answer)
