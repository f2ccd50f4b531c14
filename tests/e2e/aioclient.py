"""The client for many callers at once: one asyncio task each, on kept connections.

It reads just enough HTTP for the answers of the service, and checks what it reads.
"""

import asyncio
import json
import time
import urllib.parse

from client import Answer
from rawsocket import parse_head


class AsyncClient:
    def __init__(self, base_url, timeout=30):
        parts = urllib.parse.urlsplit(base_url)
        self.host, self.port = parts.hostname, parts.port
        self.timeout = timeout
        self.reader = None
        self.writer = None
        self.connections = 0

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.connections += 1

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    async def request(self, method, path, body=None):
        """One answer. A broken connection raises OSError or asyncio.IncompleteReadError."""
        if self.writer is None:
            await self.connect()
        data = b"" if body is None else json.dumps(body).encode()
        head = (f"{method} {path} HTTP/1.1\r\nHost: guard\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n")
        started = time.monotonic()
        try:
            self.writer.write(head.encode() + data)
            status, headers, received = await asyncio.wait_for(self.read(), self.timeout)
        except BaseException:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return Answer(status, headers, received, time.monotonic() - started)

    async def read(self):
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("closed before an answer") from error
        status, headers = parse_head(head[:-4])
        body = await self.reader.readexactly(int(headers["content-length"]))
        return status, headers, body
