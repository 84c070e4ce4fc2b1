"""Checks one delivery as a receiver would: {"secret", "headers", "body"} in, the payload out."""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook

delivery = json.load(sys.stdin)
body = base64.b64decode(delivery["body"])
print(json.dumps(Webhook(delivery["secret"]).verify(body, delivery["headers"])))
