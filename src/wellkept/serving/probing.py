"""`python -m wellkept.serving.probing FOLDER`: load a bundle and print its version; it can harm this process only."""

from __future__ import annotations

import sys
from pathlib import Path

from wellkept.bundles import load_bundle
from wellkept.errors import BundleRefused
from wellkept.serving.in_service import serve

if __name__ == "__main__":
    try:
        print(serve(load_bundle(Path(sys.argv[1]))).bundle.version)
    except BundleRefused as error:
        print(error.code)
        sys.exit(error.exit_code)
