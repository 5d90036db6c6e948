"""A model's server that says what no page must take for more than words, in the way that a question asks for."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TRAP = "trapped"
"""What each script in the texts would set on the page's window."""
SCRIPTS = (
    f"</pre></main><script>window.{TRAP} = 1</script><img src=x onerror='window.{TRAP} = 1'>"
    f'<svg onload="window.{TRAP} = 1"><a href="javascript:window.{TRAP} = 1">here</a>'
    f"<iframe srcdoc='<script>parent.{TRAP} = 1</script>'></iframe>${{window.{TRAP} = 1}}{{{{{TRAP} = 1}}}}"
)
BIDI = "pay \u202e001,1\u202c dollars, \u2066admin\u2069, pay\u200bpal, \u061c\ufeffend"
"""Reads as another sum where the controls act."""
TERMINAL = "\x1b[2J\x1b[31mred\x1b]0;owned\x07\x1b]8;;http://example.invalid\x07link\x1b]8;;\x07\x00\x08\x9b1m"
LONG = "0123456789abcdef " * 62_500
"""A million characters and a few."""
BROKEN = b"caf\xc3 \xff\xfe\xed\xa0\x80 \xf0\x9f\x92 end"
"""No UTF-8."""
HALVES = "one half of a pair: \ud83d, the other: \udca9"
"""Text that no UTF-8 can say, which JSON can."""
ANSWERS: Mapping[str, bytes] = {
    "scripts": json.dumps(SCRIPTS).encode(),
    "bidi controls": json.dumps(BIDI).encode(),
    "terminal escapes": json.dumps(TERMINAL).encode(),
    "a million characters": json.dumps(LONG).encode(),
    "halves of pairs": json.dumps(HALVES).encode(),
    "broken UTF-8": b'"%b"' % BROKEN,
}
"""What a question must hold, and the answer's content as JSON has it."""
_BODY = (
    b'{"id": "1", "object": "chat.completion", "created": 0, "model": "hostile", "choices": [{"index": 0,'
    b' "finish_reason": "stop", "message": {"role": "assistant", "content": %b}}]}'
)
_LISTING = b'{"object": "list", "data": [{"id": "hostile", "object": "model"}]}'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(_LISTING if self.path == "/v1/models" else b"{}")

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["content-length"]))
        said = [answer for words, answer in ANSWERS.items() if words.encode() in asked]
        self._say(_BODY % (said[0] if said else b'"What do you want?"'))

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def hostile() -> Iterator[str]:
    """The address of one, while the block runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
