"""What lies in a Maildir."""

from pathlib import Path


class Mail:
    """One delivered file; the base name is SECONDS.ID.RECIPIENT.HOST,S=,W=."""

    def __init__(self, path):
        self.path = Path(path)
        self.data = self.path.read_bytes()

    @property
    def id(self):
        return self.path.name.split(".")[1]

    @property
    def header(self):
        return self.data.partition(b"\n\n")[0] + b"\n"

    @property
    def body(self):
        return self.data.partition(b"\n\n")[2]

    def fields(self):
        """[(name, value)] as bytes, folded lines still folded, in their order."""
        fields = []
        for line in self.header.splitlines(keepends=True):
            if line[:1] in b" \t" and fields:
                fields[-1][1] += line
            else:
                name, _, value = line.partition(b":")
                fields.append([name, value])
        return [(name, value.strip()) for name, value in fields]

    def values(self, name):
        return [v for n, v in self.fields() if n.lower() == name.lower()]

    def original(self, first_field):
        """From the line that begins with that on: what the sender sent."""
        at = self.data.index(b"\n" + first_field)
        return self.data[at + 1 :]


def files(maildir):
    """All messages: new and cur, of the inbox and of every folder; oldest name first."""
    maildir = Path(maildir)
    found = []
    folders = [maildir] + [d for d in maildir.glob(".*") if d.is_dir()]
    for folder in folders:
        for part in ("new", "cur"):
            if (folder / part).is_dir():
                found += (folder / part).iterdir()
    return sorted(found, key=lambda path: path.name)


def read(maildir):
    return [Mail(path) for path in files(maildir)]
