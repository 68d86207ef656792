"""The key that seals what this node keeps of prompts and latents on disk, in a file beside the identity.

Erasing the file makes all of it unreadable at once. Never here: what is sealed (`peerd.sealing`).
"""

import secrets
from pathlib import Path
from typing import Final

from peerd.network.secret_files import damaged, ensure_private_folder, read_secret, write_secret
from peerd.sealing import KEY_BYTES

FILE_NAME: Final = "sealing.key"
_KIND: Final = "sealing"


def load_or_make(folder: Path) -> bytes:
    """The key in `folder`; on the first start a new one. Raises LocalError if it is open to others or damaged."""
    ensure_private_folder(folder)
    path = folder / FILE_NAME
    key = read_secret(path, _KIND)
    if key is None:
        key = secrets.token_bytes(KEY_BYTES)
        write_secret(path, _KIND, key)
    if len(key) != KEY_BYTES:
        raise damaged(path)
    return key
