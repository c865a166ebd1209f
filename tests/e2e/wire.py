"""SMTP by raw bytes: what smtplib is too polite to send."""

import socket
import ssl


class Closed(Exception):
    """The server closed the connection instead of replying."""


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.texts = [line[4:] for line in lines]

    @property
    def status(self):
        """The enhanced status code of the first line, or ""."""
        word = self.texts[0].partition(" ")[0]
        return word if word.count(".") == 2 and word.replace(".", "").isdigit() else ""

    def __repr__(self):
        return " / ".join(self.lines)


def connect(port, timeout=20, source="127.0.0.1"):
    """port: or the path of a Unix socket."""
    if isinstance(port, int):
        sock = socket.create_connection(("127.0.0.1", port), timeout, (source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    try:
        sock.connect(str(port))
    except OSError:
        sock.close()
        raise
    return sock


class Wire:
    encoding = "ascii"  # of what the server says

    def __init__(self, port, timeout=20, source="127.0.0.1"):
        """
        port: or the path of a Unix socket. source: whose address the client has; all of 127/8 are
        ours.
        """
        self.socket = connect(port, timeout, source)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def handshake(self):
        """TLS from here on. The certificate is not looked at."""
        assert self.buffer == b"", f"said before the handshake: {self.buffer!r}"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        self.socket.sendall(data)

    def read_line(self):
        while b"\n" not in self.buffer:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed(self.buffer)
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        assert line.endswith(b"\r"), f"a line without CR: {line!r}"
        return line[:-1].decode(self.encoding)

    def reply(self):
        lines = [self.read_line()]
        while lines[-1][3:4] == "-":
            lines.append(self.read_line())
        assert len({line[:3] for line in lines}) == 1, f"mixed codes: {lines}"
        return Reply(lines)

    def command(self, line):
        if isinstance(line, str):
            line = line.encode("utf-8")
        self.send(line + b"\r\n")
        return self.reply()

    def is_closed(self):
        """Waits until the server has closed; False when it says something instead."""
        try:
            self.read_line()
        except Closed:
            return True
        return False

    # Common beginnings; each asserts that it went well.

    def expect(self, code, line=None):
        reply = self.reply() if line is None else self.command(line)
        assert reply.code == code, f"{line!r}: wanted {code}, got {reply}"
        return reply

    def hello(self):
        self.expect(220)
        return self.expect(250, "EHLO client.example")

    def begin(self, *recipients, sender="sender@client.example"):
        """As far as the last accepted RCPT."""
        self.hello()
        self.expect(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients or ("alice@mx.example",):
            self.expect(250, f"RCPT TO:<{recipient}>")

    def data(self, message):
        """DATA and the message, which must be on the wire's form without the dot."""
        self.expect(354, "DATA")
        self.send(message + b".\r\n")
        return self.reply()
