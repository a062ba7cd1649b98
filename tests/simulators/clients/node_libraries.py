"""Google's and Microsoft's libraries for Node.js, each script in `node/` against simulators of its own.

NODE_PACKAGES is a copy of that folder with its packages installed.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from harness import Simulators

SCRIPTS = ["google.mjs", "graph.mjs"]


def main():
    node = shutil.which("node")
    packages = os.environ.get("NODE_PACKAGES")
    if not node or not packages:
        print("skipped Node.js: it is not installed, or its packages are not", flush=True)
        return 0
    codes = []
    for script in SCRIPTS:
        with Simulators() as simulators:
            told = dict(
                simulators.at,
                google_key=simulators.google_key(),
                entra=simulators.told["entra"]["applications"][0]
                | {"tenant_id": simulators.told["entra"]["tenant_id"]},
            )
            environment = dict(
                os.environ, SIMULATORS=json.dumps(told), NODE_EXTRA_CA_CERTS=simulators.ca, NO_PROXY="127.0.0.1"
            )
            codes.append(subprocess.run([node, pathlib.Path(packages) / script], env=environment, timeout=120).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
