"""The pages: the chat at ``/``, the inspector at ``/inspect``, and the modules that they are made of.

All of it is read once, when the server starts, and served from memory. Files are under a path that names their
version, so that a browser asks for each once and never mixes two versions; only the two pages are asked for anew.
Nothing comes from elsewhere, and a strict Content-Security-Policy holds the pages to that.
"""

import gzip
import hashlib
from pathlib import Path
from typing import Final

from aiohttp import web

_PACKAGE = Path(__file__).parents[1] / "web"
_CHECKOUT = Path(__file__).parents[3] / "web"
_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_PARTS: Final = ("chat", "client/src", "inspect", "shared")
_PAGES: Final = {"/": "chat/index.html", "/inspect": "inspect/index.html"}
_SMALL = 512
"""Bytes under which nothing is compressed."""

SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class File:
    """A file as it is served."""

    __slots__ = ("body", "compressed", "tag", "type")

    def __init__(self, body: bytes, type_: str) -> None:
        self.body = body
        self.type = type_
        small = gzip.compress(body, 9, mtime=0) if len(body) >= _SMALL else body
        self.compressed = small if len(small) < len(body) else None
        self.tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'


class Pages:
    """The files of the browser's side; ``demo`` tells the pages that names can be picked."""

    def __init__(self, *, demo: bool = False) -> None:
        root = _PACKAGE if _PACKAGE.is_dir() else _CHECKOUT
        raw = {
            str(path.relative_to(root)): path.read_bytes()
            for part in _PARTS
            for path in sorted((root / part).rglob("*"))
            if path.suffix in _TYPES and path.is_file()
        }
        digest = hashlib.sha256()
        for name, body in raw.items():
            digest.update(b"%b\0%d\0%b" % (name.encode(), len(body), body))
        self.version = digest.hexdigest()[:16]
        self._demo = demo
        self._files = {
            name: File(self._filled(name, body, raw), _TYPES[Path(name).suffix]) for name, body in raw.items()
        }

    def _filled(self, name: str, body: bytes, raw: dict[str, bytes]) -> bytes:
        """Put the version in, and what a page is made of, so that it is not found out file by file."""
        if not name.endswith((".html", ".webmanifest")):
            return body
        version = self.version.encode()
        own = f"{name.partition('/')[0]}/"
        modules = [
            b'    <link rel="modulepreload" href="/web/%b/%b" />\n' % (version, other.encode())
            for other in raw
            if other.endswith(".js") and other.startswith((own, "client/", "shared/"))
        ]
        body = body.replace(b"{{modules}}", b"".join(modules)).replace(b"{{demo}}", b"%d" % self._demo)
        return body.replace(b"{{version}}", version)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Serve the pages and their files."""
        for path in _PAGES:
            router.add_get(path, self._page)
        router.add_get("/web/{version}/{path:.+}", self._file)

    async def _page(self, http: web.Request) -> web.Response:
        return self._answer(http, self._files[_PAGES[http.path]], "no-cache")

    async def _file(self, http: web.Request) -> web.Response:
        file = self._files.get(http.match_info["path"])
        if file is None:
            raise web.HTTPNotFound
        # A page of another version, still open: it gets what there is, but is not to keep it.
        known = http.match_info["version"] == self.version
        return self._answer(http, file, "public, max-age=31536000, immutable" if known else "no-store")

    def _answer(self, http: web.Request, file: File, caching: str) -> web.Response:
        headers = {**SECURITY, "Cache-Control": caching, "ETag": file.tag, "Vary": "Accept-Encoding"}
        if http.headers.get("If-None-Match") == file.tag:
            return web.Response(status=304, headers=headers)
        body = file.body
        if file.compressed is not None and "gzip" in http.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = file.compressed, "gzip"
        return web.Response(body=body, content_type=file.type, charset="utf-8", headers=headers)
