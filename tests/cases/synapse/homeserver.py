"""The other homeserver: answers profile queries over HTTPS, which is all that is asked of it."""

import http.server
import json
import os
import socket
import ssl
import sys
from urllib.parse import parse_qs, urlsplit


class Homeserver(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        signed = self.headers.get("Authorization", "").startswith("X-Matrix ")
        if url.path == "/_matrix/federation/v1/query/profile" and signed and "user_id" in parse_qs(url.query):
            self.answer(200, {"displayname": "Carol Next Door"})
        else:
            self.answer(404, {"errcode": "M_NOT_FOUND", "error": "not found"})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/matrix-synapse/neighbour.pem", "/root/neighbour.key")
server = http.server.ThreadingHTTPServer((sys.argv[1], 8448), Homeserver)
server.socket = context.wrap_socket(server.socket, server_side=True)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notification:
    notification.connect(os.environ["NOTIFY_SOCKET"])
    notification.send(b"READY=1")
server.serve_forever()
