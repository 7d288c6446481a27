"""Tells the team that the pipeline failed, through a webhook that takes {"text": ...}, as those of Slack and Teams do.

NOTIFY_URL=... python notify.py https://ci.example.com/run/17
"""

import json
import os
import sys
import urllib.request

if __name__ == "__main__":
    text = f"tumours: the pipeline failed, the alias stays where it is: {sys.argv[1]}"
    message = json.dumps({"text": text}).encode()
    # The address is the secret of the webhook: it comes from the environment and is printed nowhere.
    request = urllib.request.Request(os.environ["NOTIFY_URL"], message, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()
