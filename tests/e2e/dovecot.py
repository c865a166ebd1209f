"""Debian's Dovecot as a private instance: POP3S for a user whose home is given."""

import os
import socket
import subprocess
import time
from pathlib import Path

CONF = """\
base_dir = {folder}/run
state_dir = {folder}/run
instance_name = ampel-test-{port}
log_path = {folder}/log
protocols = pop3
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
ssl_dh =
mail_location = maildir:~/Maildir
first_valid_uid = 1
first_valid_gid = 1
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
mail_max_userip_connections = 5000
auth_mechanisms = plain
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service pop3-login {{
  {login}
  inet_listener pop3 {{
    port = 0
  }}
  inet_listener pop3s {{
    port = {port}
    ssl = yes
  }}
}}
service pop3 {{
  process_limit = 900
}}
"""

# What its documentation calls high-performance mode: login processes are kept.
TUNED = "service_count = 0\n  process_min_avail = 2\n  client_limit = 450\n  process_limit = 2"
PLAIN = "process_limit = 900"
START_SECONDS = 30


class Dovecot:
    """users: lines of name:hash:uid:gid::home. preexec: as of subprocess."""

    name = "dovecot"

    def __init__(self, folder, users, certificate, key, *, port, tuned=False, preexec=None):
        self.folder = Path(folder)
        self.port = port
        self.preexec = preexec
        self.folder.mkdir()
        (self.folder / "run").mkdir()
        self.conf = self.folder / "dovecot.conf"
        (self.folder / "users").write_text("".join(line + "\n" for line in users))
        self.conf.write_text(
            CONF.format(
                folder=self.folder, port=port, certificate=certificate, key=key, login=TUNED if tuned else PLAIN
            )
        )
        self.process = None

    def start(self):
        with (self.folder / "start").open("wb") as out:
            self.process = subprocess.Popen(
                ["/usr/sbin/dovecot", "-F", "-c", str(self.conf)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=self.preexec,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"Dovecot does not listen\n{self.log()}")

    def log(self):
        return "".join(p.read_text("utf-8", "replace") for n in ("start", "log") if (p := self.folder / n).exists())

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(30)
            self.process = None
