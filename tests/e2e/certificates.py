"""A certificate authority of the tests, and what it signs; made with openssl(1)."""

import subprocess
from pathlib import Path

NAMES = ("DNS:mx.example", "DNS:localhost", "IP:127.0.0.1")
KINDS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
    "weak": ["-newkey", "rsa:1024"],
}


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def make_authority(folder):
    """folder/ca.pem, which clients trust, and its key."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    openssl(
        "req", "-x509", *KINDS["ec"], "-nodes", "-subj", "/CN=authority of the test", "-days", 30,
        "-keyout", folder / "ca.key", "-out", folder / "ca.pem",
    )  # fmt: skip
    return folder / "ca.pem"


def make(folder, name="server", names=NAMES, kind="ec", start=None, end=None):
    """
    (folder/NAME.pem, folder/NAME.key), signed by the folder's authority for those names. start
    and end: "YYYYMMDDHHMMSSZ", else it is valid for thirty days.
    """
    folder = Path(folder)
    certificate, key, request = (folder / f"{name}.{end_}" for end_ in ("pem", "key", "csr"))
    openssl(
        "req", *KINDS[kind], "-nodes", "-subj", f"/CN={names[0].partition(':')[2]}",
        "-addext", f"subjectAltName={','.join(names)}", "-keyout", key, "-out", request,
    )  # fmt: skip
    sign(folder, request, certificate, start, end)
    key.chmod(0o600)
    return certificate, key


CA_CONF = """\
[ca]
default_ca = it
[it]
database = {folder}/database
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
copy_extensions = copy
unique_subject = no
policy = any
[any]
commonName = supplied
"""


def sign(folder, request, certificate, start, end):
    """By `openssl ca`, the one that can sign what has expired."""
    conf = folder / "ca.conf"
    conf.write_text(CA_CONF.format(folder=folder))
    (folder / "database").write_text("")
    when = ["-startdate", start] if start else []
    when += ["-enddate", end] if end else ["-days", 30]
    openssl(
        "ca", "-batch", "-notext", "-config", conf, "-cert", folder / "ca.pem", "-keyfile", folder / "ca.key",
        "-in", request, "-out", certificate, *when,
    )  # fmt: skip
