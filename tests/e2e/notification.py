"""A notification of delivery, read by Python's own parser of mail."""

import dataclasses
import email
import email.policy


@dataclasses.dataclass
class Notification:
    mail: email.message.EmailMessage
    human: str
    message: dict  # the fields about the message
    recipients: list  # of dicts, the fields about each recipient
    original: str

    def recipient(self, address):
        (found,) = [r for r in self.recipients if r["Final-Recipient"].endswith(";" + address)]
        return found


def read(text):
    """Fails unless it is one, RFC 6522 and RFC 3464."""
    mail = email.message_from_string(text, policy=email.policy.default)
    assert mail.get_content_type() == "multipart/report", text[:2000]
    assert mail.get_param("report-type") == "delivery-status"
    assert mail["Auto-Submitted"].startswith("auto-")
    assert not mail.defects
    human, status, original = mail.get_payload()
    assert human.get_content_type() == "text/plain"
    assert status.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
    blocks = [dict((k, str(v).replace("; ", ";")) for k, v in block.items()) for block in status.get_payload()]
    blocks = [block for block in blocks if block]
    return Notification(mail, human.get_content(), blocks[0], blocks[1:], original.as_string())
