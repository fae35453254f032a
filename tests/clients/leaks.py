"""Secrets in what a gateway tells: its log, its receipts, its admin pages, and its answers."""

import base64
import re
import urllib.parse


def forms(secret):
    """The texts that would give a secret away."""
    data = secret.encode()
    encoded = {encode(data).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return {secret, urllib.parse.quote(secret, safe=""), data.hex(), *encoded}


def found(secrets, told):
    """Where one of the secrets stands, in a sentence, if anywhere, or what was not looked at. The secret itself is not told."""
    places = {place for place, text in told.items() for secret in secrets if any(form in text for form in forms(secret))}
    if places:
        return f"a secret is in {', '.join(sorted(places))}"
    silent = [place for place, text in told.items() if not text]
    if silent:
        return f"nothing was told by {', '.join(silent)}"
    dropped = re.search(r"log_lines_dropped_total (\d+)", told["/metrics"])[1]
    return f"the log lacks {dropped} lines" if dropped != "0" else None
