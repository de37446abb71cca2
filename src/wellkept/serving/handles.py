"""Opaque handles: what URLs, answers and the audit call a patient.

A handle is `subject_id` turned through a keyed permutation (four Feistel rounds) with a keyed tag after it: the same
patient always has the same one, nobody without the key can turn it back, and a guessed one is none. Nothing is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

SHAPE = re.compile(r"p-[a-z2-7]{26}")
HALF = 2**32


class Handles:
    """Handles of one installation; `key` is its pepper."""

    def __init__(self, key: bytes) -> None:
        self._keys = [hashlib.blake2b(b"handle %d" % i, key=key[:64], digest_size=32).digest() for i in range(5)]

    def of(self, subject_id: int) -> str:
        """The handle of a patient."""
        left, right = divmod(subject_id, HALF)
        for key in self._keys[:4]:
            left, right = right, left ^ _mixed(key, right)
        turned = (left * HALF + right).to_bytes(8, "big")
        return "p-" + base64.b32encode(turned + self._tag(turned)).decode().rstrip("=").lower()

    def subject_of(self, handle: str) -> int | None:
        """The patient of a handle; None when it is none of ours."""
        if not SHAPE.fullmatch(handle):
            return None
        raw = base64.b32decode(handle[2:].upper() + "======")
        if self.of_bytes(raw) != handle or not hmac.compare_digest(self._tag(raw[:8]), raw[8:]):
            return None
        left, right = divmod(int.from_bytes(raw[:8], "big"), HALF)
        for key in reversed(self._keys[:4]):
            left, right = right ^ _mixed(key, left), left
        return left * HALF + right

    @staticmethod
    def of_bytes(raw: bytes) -> str:
        """How bytes are written as a handle: one way only."""
        return "p-" + base64.b32encode(raw).decode().rstrip("=").lower()

    def _tag(self, turned: bytes) -> bytes:
        return hashlib.blake2b(turned, key=self._keys[4], digest_size=8).digest()


def _mixed(key: bytes, half: int) -> int:
    return int.from_bytes(hashlib.blake2b(half.to_bytes(4, "big"), key=key, digest_size=4).digest(), "big")
