"""A user of this host whose mail goes where his .qmail files say."""

import contextlib
import os
import pwd
import re
import shutil
import smtplib

from host_user import HostUser
from server import id_in, wait_until

OUTCOME = re.compile(r"\bev=(delivered|deferred|failed)\b")


class QmailUser(HostUser):
    def __init__(self, name, server):
        super().__init__(name, server.folder)
        self.server = server
        account = pwd.getpwnam(name)
        self.uid, self.gid = account.pw_uid, account.pw_gid

    def give(self, path):
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        return path

    def put(self, name, content="", mode=0o600):
        path = self.home / name
        path.write_text(content)
        path.chmod(mode)
        return self.give(path)

    def qmail(self, extension, content, mode=0o600):
        """The file of one of his extensions."""
        return self.put(f".qmail-{extension}", content, mode)

    def make_folder(self, *parts):
        path = self.home.joinpath(*parts)
        path.mkdir(0o700)
        return self.give(path)

    def make_maildir(self, name):
        for part in ((), ("tmp",), ("cur",), ("new",)):
            self.make_folder(name, *part)
        return self.home / name

    def read(self, name):
        return (self.home / name).read_text()

    def address(self, extension=""):
        return f"{self.name}-{extension}@mx.example" if extension else f"{self.name}@mx.example"

    def as_him(self, *argv):
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *map(str, argv)]

    def send(self, extension="", message=b"Subject: hello\r\n\r\nhello\r\n", sender="ann@elsewhere.example"):
        """The id of a message to him."""
        with smtplib.SMTP("127.0.0.1", self.server.port, timeout=40) as smtp:
            smtp.ehlo("client.example")
            assert smtp.mail(sender)[0] == 250
            reply = smtp.rcpt(self.address(extension))
            assert reply[0] == 250, reply
            return id_in(smtp.data(message)[1].decode())

    def outcome_of(self, message_id, seconds=30):
        """delivered, deferred or failed, and the line of the log."""
        ours = lambda: [line for line in self.server.log_lines(f"id={message_id}") if OUTCOME.search(line)]
        lines = wait_until(ours, seconds)
        assert lines, f"no outcome of {message_id}\n{self.server.log()[-3000:]}"
        return OUTCOME.search(lines[-1])[1], lines[-1]

    def deliver(self, extension="", **more):
        return self.outcome_of(self.send(extension, **more))

    @contextlib.contextmanager
    def home_as_it_is(self):
        """What comes into it meanwhile is gone afterwards."""
        before = set(self.home.iterdir())
        yield self
        self.home.chmod(0o700)
        for path in set(self.home.iterdir()) - before:
            remove_path(path)


@contextlib.contextmanager
def qmail_users(server, *names):
    """Users of these names, whose server runs meanwhile."""
    made = []
    try:
        for name in names:
            made.append(QmailUser(name, server))
        server.start(add_users=False)
        yield made
    finally:
        server.stop()
        for user in made:
            user.remove()


def remove_path(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
