"""The sandbox's own answers, given at once: the first asking goes on to the sandbox, every later one comes from memory.

`python -m bench.answering_world PORT SANDBOX-URL`. One thread over raw sockets, as cheap as can be: it shares the processors with
what is measured. A source answers the same about a person whatever the consent's number and the minute.
"""

import http.client
import re
import selectors
import socket
import sys
from urllib.parse import urlsplit

_HEAD = re.compile(rb"(\w+) (\S+) HTTP/1\.1\r\n.*?\r\n\r\n", re.DOTALL)
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_ABOUT = re.compile(rb'"id_number": ?"([^"]*)"')


def serve(port: int, sandbox: str) -> None:
    """Until killed."""
    known: dict[tuple[bytes, bytes], bytes] = {}
    buffers: dict[int, bytes] = {}
    door = socket.create_server(("127.0.0.1", port), backlog=512)
    waiting = selectors.DefaultSelector()
    waiting.register(door, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is door:
                line, _ = door.accept()
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(line, selectors.EVENT_READ)
                buffers[line.fileno()] = b""
                continue
            line = key.fileobj
            assert isinstance(line, socket.socket)
            try:
                heard = line.recv(1 << 16)
            except OSError:
                heard = b""
            if not heard:
                waiting.unregister(line)
                del buffers[line.fileno()]
                line.close()
                continue
            told = buffers[line.fileno()] + heard
            while head := _HEAD.match(told):
                length = _LENGTH.search(head[0])
                end = head.end() + (int(length[1]) if length else 0)
                if len(told) < end:
                    break
                body, told = told[head.end() : end], told[end:]
                about = _ABOUT.search(body)
                question = head[2], about[1] if about else b""
                answer = known.get(question)
                if answer is None:
                    answer = _ask(sandbox, head[1].decode(), head[2].decode(), body)
                    if about:
                        known[question] = answer
                line.sendall(answer)
            buffers[line.fileno()] = told


def _ask(sandbox: str, method: str, path: str, body: bytes) -> bytes:
    world = urlsplit(sandbox)
    line = http.client.HTTPConnection(world.hostname or "", world.port, timeout=30)
    line.request(method, path, body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    content = answer.read()
    line.close()
    head = (
        f"HTTP/1.1 {answer.status} {answer.reason}\r\nContent-Type: {answer.headers['Content-Type']}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
