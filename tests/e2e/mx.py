"""Mail exchangers of the test's own, scripted: they take mail and record it, or misbehave.

    mx = MX(replies={"MAIL": "451 4.3.0 not now"})
    ... mx.transactions, mx.connections
    mx.close()

An answer is a text, one of the actions below, a list of such (one after the other, the last for
ever), or a function of (session, line) that returns one. What has no entry is answered as a
server does that takes everything.
"""

import dataclasses
import random
import socket
import ssl
import struct
import threading
import time

CLOSE = object()  # hang up
RESET = object()  # the same with a RST
STALL = object()  # say nothing any more

ANSWERS = {
    "CONNECT": "220 mx.far.example ESMTP",
    "HELO": "250 mx.far.example",
    "STARTTLS": "220 2.0.0 go ahead",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    "END": "250 2.0.0 taken",
    "BDAT": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
    "AUTH": "235 2.7.0 welcome",
}


def loopback():
    """An address that hardly any other test has now."""
    return f"127.{random.randint(2, 254)}.{random.randint(0, 254)}.{random.randint(2, 254)}"


@dataclasses.dataclass
class Transaction:
    connection: int  # which one, from 0
    tls: str  # version, or ""
    sender: str
    sender_parameters: list
    recipients: list = dataclasses.field(default_factory=list)
    parameters: list = dataclasses.field(default_factory=list)  # of each recipient
    data: bytes = None  # None: it never came to its end
    is_taken: bool = False
    at: float = 0


class Session(threading.Thread):
    def __init__(self, mx, connection, number):
        super().__init__(daemon=True)
        self.mx, self.socket, self.number = mx, connection, number
        self.buffer = b""
        self.transaction = None
        self.lines = []  # all that the client said
        self.tls = ""
        self.is_over = False
        self.has_ended = False  # the client hung up on us

    # ---- bytes ----

    def read(self):
        piece = self.socket.recv(65536)
        if not piece:
            self.has_ended = True
            raise ConnectionError
        self.buffer += piece

    def line(self):
        while b"\n" not in self.buffer:
            self.read()
        line, _, self.buffer = self.buffer.partition(b"\n")
        if not line.endswith(b"\r"):
            self.mx.bad_lines.append(line)
            raise ConnectionError
        return line[:-1].decode("utf-8", "surrogateescape")

    def octets(self, n):
        while len(self.buffer) < n:
            self.read()
        octets, self.buffer = self.buffer[:n], self.buffer[n:]
        return octets

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def stall(self):
        while not self.mx.is_closed:
            try:
                self.socket.settimeout(0.2)
                if not self.socket.recv(65536):
                    break
            except TimeoutError:
                pass
        self.has_ended = True
        raise ConnectionError

    def answer(self, verb, line=""):
        """Does what the script says; True when it was a positive reply."""
        answer = self.mx.answer(verb)
        if callable(answer):
            answer = answer(self, line)
        if answer is CLOSE:
            raise ConnectionError
        if answer is RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionError
        if answer is STALL:
            self.stall()
        if answer is None:
            return False
        self.send(answer if isinstance(answer, bytes) else answer + "\r\n")
        return answer[:1] in ("2", "3", b"2", b"3")

    # ---- verbs ----

    def run(self):
        try:
            self.socket.settimeout(60)
            if self.mx.implicit_tls:
                self.start_tls()
            self.answer("CONNECT")
            while not self.is_over:
                self.obey(self.line())
        except (OSError, ConnectionError):
            pass
        finally:
            self.is_over = True
            self.socket.close()

    def start_tls(self):
        self.socket = self.mx.tls.wrap_socket(self.socket, server_side=True)
        self.tls = self.socket.version()

    def obey(self, line):
        self.lines.append(line)
        verb, _, rest = line.partition(" ")
        verb = verb.upper()
        getattr(self, f"do_{verb}", self.do_other)(verb, rest)

    def do_EHLO(self, verb, rest):
        if "EHLO" in self.mx.replies:
            self.answer("EHLO", rest)
            return
        extensions = list(self.mx.extensions)
        if self.mx.tls and not self.tls:
            extensions.append("STARTTLS")
        lines = [self.mx.name, *extensions]
        self.send("".join(f"250-{x}\r\n" for x in lines[:-1]) + f"250 {lines[-1]}\r\n")

    def do_STARTTLS(self, verb, rest):
        if self.answer("STARTTLS", rest):
            self.buffer = b""
            self.start_tls()

    def do_MAIL(self, verb, rest):
        path, *parameters = rest.split(" ")
        assert path.startswith("FROM:<") and path.endswith(">"), rest
        if self.answer("MAIL", rest):
            self.transaction = Transaction(self.number, self.tls, path[6:-1], parameters)
            self.mx.transactions.append(self.transaction)

    def do_RCPT(self, verb, rest):
        path, *parameters = rest.split(" ")
        assert path.startswith("TO:<") and path.endswith(">"), rest
        if self.answer("RCPT", rest):
            self.transaction.recipients.append(path[4:-1])
            self.transaction.parameters.append(parameters)

    def do_DATA(self, verb, rest):
        if not (self.transaction and self.transaction.recipients):
            self.send("503 5.5.1 no recipient\r\n")
            return
        if not self.answer("DATA", rest):
            return
        data = []
        while (line := self.raw_line()) != b".\r\n":
            data.append(line[1:] if line.startswith(b".") else line)
        self.end(b"".join(data), "END")

    def raw_line(self):
        while b"\n" not in self.buffer:
            self.read()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def do_BDAT(self, verb, rest):
        size, *last = rest.split(" ")
        piece = self.octets(int(size))
        self.chunks = getattr(self, "chunks", b"") + piece
        if last:
            chunks, self.chunks = self.chunks, b""
            self.end(chunks, "END")
        else:
            self.answer("BDAT", rest)

    def end(self, data, verb):
        self.transaction.data = data
        self.transaction.at = time.monotonic()
        self.transaction.is_taken = True  # also when the reply never goes out
        transaction, self.transaction = self.transaction, None
        if not self.answer(verb):
            transaction.is_taken = False

    def do_QUIT(self, verb, rest):
        self.answer("QUIT")
        self.is_over = True

    def do_other(self, verb, rest):
        if verb in ("HELO", "RSET", "AUTH"):
            self.answer(verb, rest)
        else:
            self.send("500 5.5.1 unknown\r\n")


class MX:
    def __init__(self, address=None, port=25, *, name="mx.far.example", replies=None, extensions=("PIPELINING", "8BITMIME"), tls=None, implicit_tls=False):
        self.address, self.port, self.name = address or loopback(), port, name
        self.replies = replies or {}
        self.extensions = extensions
        self.tls, self.implicit_tls = tls, implicit_tls
        self.transactions = []
        self.connections = []
        self.bad_lines = []  # without CRLF; nobody should send such
        self.is_closed = False
        self.lock = threading.Lock()
        self.listening = socket.create_server((self.address, self.port), backlog=200)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            session = Session(self, connection, len(self.connections))
            self.connections.append(session)
            session.start()

    def answer(self, verb):
        answer = self.replies.get(verb, ANSWERS.get(verb))
        if not isinstance(answer, list):
            return answer
        with self.lock:
            return answer.pop(0) if len(answer) > 1 else answer[0]

    @property
    def open_connections(self):
        return sum(not session.is_over for session in self.connections)

    @property
    def taken(self):
        return [t for t in self.transactions if t.is_taken]

    def route(self, domain="*", more=""):
        return f'route "{domain}" {{ to = "[{self.address}]:{self.port}" {more} }}\n'

    def close(self):
        self.is_closed = True
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def server_tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
