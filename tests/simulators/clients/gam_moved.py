"""Starts GAM with the discovery document taken from the simulator at SIMULATED_GOOGLE. Nothing else is changed."""

import os
import sys

import googleapiclient.discovery

DOCUMENT = os.environ["SIMULATED_GOOGLE"] + "/$discovery/rest?version={apiVersion}"
googleapiclient.discovery.V1_DISCOVERY_URI = DOCUMENT
googleapiclient.discovery.V2_DISCOVERY_URI = DOCUMENT

from gam.__main__ import main  # noqa: E402: GAM reads the addresses when it is imported

if __name__ == "__main__":
    sys.exit(main())
