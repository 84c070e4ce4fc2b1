"""Unmodified clients against production names: a token by azure-identity, calls by requests.

Arguments: tenant id, client id, client secret. The proxy and the authority come from the environment.
Writes what the calls gave as JSON.
"""

import json
import sys

import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

tenant, client, secret = sys.argv[1:]
credential = ClientSecretCredential(tenant, client, secret)


def call(method, url, audience, **options):
    token = credential.get_token(f"{audience}/.default").token
    response = requests.request(method, url, headers={"Authorization": f"Bearer {token}"}, timeout=30, **options)
    return {"status": response.status_code, "body": response.json()}


graph, mde, xdr = "https://graph.microsoft.com", "https://api.securitycenter.microsoft.com", "https://api.security.microsoft.com"
query = {"Query": "DeviceInfo | summarize Devices = dcount(DeviceId)"}
found = {
    "graph": call("POST", f"{graph}/v1.0/security/runHuntingQuery", graph, json=query),
    "mde": call("POST", "https://api-eu.securitycenter.microsoft.com/api/advancedqueries/run", mde, json=query),
    "xdr": call("POST", f"{xdr}/api/advancedhunting/run", xdr, json=query),
    "machines": call("GET", f"{mde}/api/machines?$top=1", mde),
    "page": call("GET", f"{graph}/v1.0/security/incidents?$top=2", graph),
}
try:
    ClientSecretCredential(tenant, client, "wrong").get_token(f"{graph}/.default")
except ClientAuthenticationError as error:
    found["refused"] = error.message
json.dump(found, sys.stdout)
