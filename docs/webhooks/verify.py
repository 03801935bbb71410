"""Verify a Warikan webhook (Standard Webhooks, scheme v1) with Python's standard library.

Call verify() with the octets of the request's body as they came, before any parsing.
"""

import base64
import binascii
import hashlib
import hmac
import sys
import time

TOLERANCE_SECONDS = 300


def verify(secret, headers, body, now=None):
    """Whether the request is genuine and fresh. Header names in lower case."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isascii() or not timestamp.isdigit():
        return False
    now = int(time.time()) if now is None else now
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{message_id}.{timestamp}.".encode() + body
    expected = hmac.new(key, content, hashlib.sha256).digest()
    for signature in headers.get("webhook-signature", "").split(" "):
        scheme, _, text = signature.partition(",")
        if scheme != "v1":
            continue
        try:
            sent = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
        if hmac.compare_digest(expected, sent):
            return True
    return False


if __name__ == "__main__":
    # verify.py <secret> <webhook-id> <webhook-timestamp> <webhook-signature> [now], the body on standard input.
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    moment = int(sys.argv[5]) if len(sys.argv) > 5 else None
    genuine = verify(sys.argv[1], dict(zip(names, sys.argv[2:5])), sys.stdin.buffer.read(), moment)
    sys.exit(0 if genuine else 1)
