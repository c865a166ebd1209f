"""
An HTTPS server of the test's own: it answers each request with the bytes that the test
wants, or misbehaves.

    web = Web(tls, policy("enforce", ["mx.far.example"]))
    ... web.address, web.requests
    web.close()

An answer is bytes, sent and then the connection is closed, or a function of the connection.
"""

import socket
import ssl
import threading
import time

from mx import loopback


def server_tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def reply(body=b"", *, status="200 OK", type="text/plain", fields=(), length=True):
    body = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", *fields]
    head += [f"Content-Type: {type}"] if type is not None else []
    head += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + body


def policy_text(mode="enforce", hosts=("mx.far.example",), max_age=86400):
    return "\r\n".join(["version: STSv1", f"mode: {mode}", *(f"mx: {h}" for h in hosts), f"max_age: {max_age}", ""])


def policy(*what, **more):
    return reply(policy_text(*what, **more))


def slowly(data, seconds=1):
    """A byte a second, for ever."""

    def answer(connection):
        while True:
            for i in range(len(data)):
                connection.sendall(data[i : i + 1])
                time.sleep(seconds)

    return answer


class Web:
    def __init__(self, tls, answer=b"", *, address=None):
        """tls None: it speaks in the clear, and does not wait for a request."""
        self.tls, self.answer = tls, answer
        self.requests = []  # what each client said
        self.names = []  # and whom it took us for
        self.open = 0  # connections
        self.most_open = 0
        self.lock = threading.Lock()
        self.address = address or loopback()
        if tls:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
        self.socket = socket.create_server((self.address, 443), backlog=100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def count(self, change):
        with self.lock:
            self.open += change
            self.most_open = max(self.most_open, self.open)

    def serve(self, connection):
        self.count(+1)
        try:
            with connection:
                if self.tls:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                self.talk(connection)
        except OSError:
            pass
        self.count(-1)

    def talk(self, connection):
        request = b""
        while self.tls and b"\r\n\r\n" not in request:
            piece = connection.recv(4096)
            if not piece:
                return
            request += piece
        if request:
            self.requests.append(request.decode())
        if callable(self.answer):
            self.answer(connection)
        else:
            connection.sendall(self.answer)
        if self.tls:
            connection.unwrap()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass
        self.socket.close()
